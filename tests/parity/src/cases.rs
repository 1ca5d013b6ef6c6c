//! The cases, by what they are about.

mod headers;
mod pause;
mod body;
mod trailers;
mod reply;
mod callout;
mod grpc;
mod property;
mod shared;
mod chain;
mod route;
mod tcp;
mod fault;
mod version;

use crate::case::Case;

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    [
        headers::cases,
        pause::cases,
        body::cases,
        trailers::cases,
        reply::cases,
        callout::cases,
        grpc::cases,
        property::cases,
        shared::cases,
        chain::cases,
        route::cases,
        tcp::cases,
        fault::cases,
        version::cases,
    ]
    .iter()
    .flat_map(|group| group())
    .map(Case::announced)
    .collect()
}
