//! The body of the fuzz target `module`, over damaged modules and every seed that was kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../fuzz/bodies/module.rs"]
mod module;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The seeds of the target; there must be some.
fn seeds() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/module");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn seeds_of_modules() {
    let seeds = seeds();
    seeds.iter().for_each(|seed| module::run(seed));
    assert!(
        seeds.iter().any(|seed| plug_audit::audit(seed).is_ok()),
        "some seed must be a good plugin"
    );
}

/// A seed with some bytes changed, some left out, some put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>(), 0_u8..4), 0..4);
    (any::<Index>(), changes).prop_map(|(seed, changes)| {
        let mut bytes = seed.get(&seeds()).clone();
        for (place, byte, kind) in changes {
            let place = place.index(bytes.len() + 1);
            match kind {
                0 => bytes.truncate(place.max(9)),
                1 => bytes.insert(place, byte),
                _ if place == bytes.len() => bytes.push(byte),
                2 => drop(bytes.remove(place)),
                _ => bytes[place] = byte,
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_modules(bytes in damaged()) {
        module::run(&bytes);
    }

    #[test]
    fn any_bytes_behind_the_header(bytes in vec(any::<u8>(), 0..200)) {
        module::run(&[b"\0asm\x01\0\0\0".as_slice(), &bytes].concat());
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..600)) {
        module::run(&bytes);
    }
}
