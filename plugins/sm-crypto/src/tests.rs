//! The guest's core: vectors of the standards, streams in pieces, requests good and bad, other implementations.

mod vectors;
mod streams;
mod requests;
mod cases;
mod interop;

use crate::exchange::Head;

pub(super) fn hex(digits: &str) -> Vec<u8> {
    crate::keyring::from_hex(&digits.split_whitespace().collect::<String>()).unwrap()
}

pub(super) fn head(headers: &[(&str, &str)]) -> Head {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    Head {
        headers: headers.collect(),
    }
}
