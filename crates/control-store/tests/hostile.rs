//! The body of the fuzz target `store`, over records that are nearly right, bytes that are anything, and every seed that was kept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

#[path = "../../../fuzz/bodies/store.rs"]
mod store;

use proptest::collection::vec;
use proptest::prelude::*;

fn seeds() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/store");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn seeds_of_records_are_records() {
    let seeds = seeds();
    assert!(seeds.len() >= 3);
    for seed in &seeds {
        store::run(seed);
    }
    assert!(seeds.iter().any(|seed| control_store::Pointer::parse(seed).is_ok()));
    assert!(
        seeds
            .iter()
            .any(|seed| control_store::HistoryEntry::parse(seed).is_ok())
    );
    assert!(seeds.iter().any(|seed| control_store::Status::parse(seed).is_ok()));
}

proptest! {
    #[test]
    fn whatever_stands_in_a_store_is_a_record_or_none(bytes in vec(any::<u8>(), 0..300)) {
        store::run(&bytes);
    }

    #[test]
    fn a_damaged_record_is_a_record_or_none(seed in 0_usize..3, place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = seeds()[seed].clone();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        store::run(&bytes);
    }
}
