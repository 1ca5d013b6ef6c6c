//! The body of the fuzz target, over bytes that are anything, and every seed that was kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../fuzz/bodies/mask.rs"]
mod mask;

use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn seeds() {
    let folder = format!("{}/../../fuzz/seeds/mask", env!("CARGO_MANIFEST_DIR"));
    let seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        mask::run(&std::fs::read(seed).unwrap());
    }
}

proptest! {
    #[test]
    fn anything(bytes in vec(any::<u8>(), 0..400)) {
        mask::run(&bytes);
    }

    #[test]
    fn what_is_nearly_json(cut in 1_u8..20, text in r#"[\[\]{}:," \\u0-9a-f@.+\r\n-]{0,200}"#) {
        let mut bytes = std::vec![cut];
        bytes.extend(text.bytes());
        mask::run(&bytes);
    }
}
