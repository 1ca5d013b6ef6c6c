//! Databases that are broken or meant to harm: read or refused, and never the end of the guest.

use std::borrow::Cow;

use super::*;
use crate::database::Database;

fn look(bytes: Vec<u8>) {
    if let Ok(database) = Database::read(Cow::Owned(bytes)) {
        assert!(database.describe().len() < 1_000);
        for address in [
            "203.0.113.9",
            "198.51.100.1",
            "192.0.2.1",
            "2001:db8::1",
            "::",
            "255.255.255.255",
        ] {
            let (place, _) = database.look(ip(address));
            assert!(place.country.is_none_or(|country| country.len() == 2));
        }
    }
}

#[test]
fn a_changed_or_missing_byte_is_survived_wherever_it_is() {
    let whole = sample();
    for place in 0..whole.len() {
        for change in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[place] ^= change;
            look(changed);
        }
        look(whole[..place].to_vec());
        look(whole[place..].to_vec());
    }
}

#[test]
fn pointers_in_a_circle_and_lengths_beyond_the_end_are_survived() {
    let whole = sample();
    let marker = whole
        .windows(14)
        .rposition(|window| window == b"\xab\xcd\xefMaxMind.com")
        .unwrap();
    let metadata = &whole[marker..];
    for pattern in [
        &[0x20, 0x00][..],
        &[0x28, 0x00, 0x00],
        &[0xe1, 0x20, 0x00],
        &[0x04, 0xff, 0xff],
        &[0xff; 4],
        &[0x5f, 0xff, 0xff, 0xff],
    ] {
        let mut hostile = whole[..marker].to_vec();
        let from = hostile.len().saturating_sub(200);
        for (place, byte) in hostile.iter_mut().skip(from).enumerate() {
            *byte = pattern[place % pattern.len()];
        }
        hostile.extend_from_slice(metadata);
        look(hostile);
    }
}
