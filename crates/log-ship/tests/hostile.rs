//! The bodies of the fuzz targets, over bytes that are anything, bytes that are nearly right, and every seed that was kept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

#[path = "../../../fuzz/bodies/chain.rs"]
mod chain;
#[path = "../../../fuzz/bodies/spool.rs"]
mod spool;

use log_ship::{Class, Level, Record, hostile};
use proptest::collection::vec;
use proptest::prelude::*;

fn run_seeds(target: &str, run: fn(&[u8])) {
    let folder = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        run(&std::fs::read(seed).unwrap());
    }
}

#[test]
fn seeds() {
    run_seeds("spool", spool::run);
    run_seeds("chain", chain::run);
}

fn frames(lines: &[Vec<u8>]) -> Vec<u8> {
    let record = |(line, number): (&Vec<u8>, u64)| Record {
        sequence: number,
        time_ns: number << 40,
        level: Level::ALL[number as usize % Level::ALL.len()],
        class: Class::ALL[number as usize % Class::ALL.len()],
        line: line.as_slice().into(),
    };
    lines
        .iter()
        .zip(1..)
        .map(record)
        .flat_map(|record| hostile::framed(&record))
        .collect()
}

proptest! {
    #[test]
    fn anything(bytes in vec(any::<u8>(), 0..400)) {
        spool::run(&bytes);
        chain::run(&bytes);
    }

    #[test]
    fn what_is_nearly_an_object(text in r#"\{["a-z:,0-9 \\\r\n\t{}]{0,80}\} ?"#) {
        chain::run(text.as_bytes());
    }

    #[test]
    fn frames_are_read_up_to_the_byte_that_was_changed(
        lines in vec(vec(any::<u8>(), 0..60), 1..5),
        at in any::<prop::sample::Index>(),
        change in 0..=255_u8,
    ) {
        let mut bytes = frames(&lines);
        let (whole, good) = hostile::frames(&bytes);
        prop_assert_eq!((whole.len(), good as usize), (lines.len(), bytes.len()));
        spool::run(&bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        spool::run(&bytes);
        let (read, good) = hostile::frames(&bytes);
        prop_assert!(change == 0 || (good as usize) <= at);
        prop_assert!(read.iter().zip(&whole).all(|(read, given)| read == given));
        bytes.truncate(at);
        spool::run(&bytes);
    }
}
