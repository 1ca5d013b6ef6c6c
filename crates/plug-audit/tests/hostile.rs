//! The body of the fuzz target `module`, over damaged modules and every seed that was kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../fuzz/bodies/damage.rs"]
mod damage;
#[path = "../../../fuzz/bodies/module.rs"]
mod module;

use damage::damaged;
use proptest::collection::vec;
use proptest::prelude::*;

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_modules(bytes in damaged(seeds())) {
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
