//! The guest's core: addresses of clients, places, databases that come and go, hostile ones, other implementations.

mod clients;
mod documents;
mod hostile;
mod interop;
mod places;

use std::net::IpAddr;

use base64ct::{Base64, Encoding};

use crate::atlas::Atlas;
use crate::configuration::Configuration;
use crate::database::Place;

/// A small database, in base64; `tests/databases.py sample` makes it.
pub(super) const SAMPLE: &str = include_str!("../tests/sample.base64");

pub(super) fn sample() -> Vec<u8> {
    Base64::decode_vec(SAMPLE.trim()).unwrap()
}

pub(super) fn atlas(configuration: &str) -> Atlas {
    Atlas::new(Configuration::read(configuration.as_bytes()).unwrap())
        .unwrap()
        .0
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A place in one line.
pub(super) fn told(place: &Place) -> String {
    let asn = place.asn.map(|asn| asn.to_string());
    [place.country.clone(), asn, place.as_name.clone()]
        .map(Option::unwrap_or_default)
        .join("|")
}
