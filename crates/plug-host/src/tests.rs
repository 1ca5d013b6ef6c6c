//! The host as its room above meets it, with small guests in WebAssembly text and doubles for everything outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub(crate) mod wat;
pub(crate) mod house;

mod start;
mod shim;
mod death;
mod limits;
mod depth;
mod share;
mod neighbour;
mod lifetime;
mod isolation;
mod residue;
mod shutdown;
mod sharing;
mod callouts;
mod linking;
mod abuse;
