//! The bodies of the fuzz targets, over bytes that are nearly right, bytes that are anything, and every seed that was kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../fuzz/bodies/grpc_frame.rs"]
mod grpc_frame;
#[path = "../../../fuzz/bodies/pairs.rs"]
mod pairs;
#[path = "../../../fuzz/bodies/property.rs"]
mod property;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Runs a body over every seed of its target; there must be some.
fn run_seeds(target: &str, body: fn(&[u8])) {
    let folder = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        body(&std::fs::read(seed).unwrap());
    }
}

#[test]
fn seeds_of_maps() {
    run_seeds("pairs", pairs::run);
}

#[test]
fn seeds_of_paths() {
    run_seeds("property", property::run);
}

#[test]
fn seeds_of_streams() {
    run_seeds("grpc_frame", grpc_frame::run);
}

/// An encoded map, some bytes of it changed, and its end cut off or prolonged.
fn damaged_map() -> impl Strategy<Value = Vec<u8>> {
    let pairs = vec((vec(any::<u8>(), 0..12), vec(any::<u8>(), 0..12)), 0..8);
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    (pairs, changes, -3_isize..3).prop_map(|(pairs, changes, growth)| {
        let borrowed = pairs.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let mut bytes = plug_abi::pairs::encode(borrowed);
        for (place, byte) in changes {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        bytes.resize(bytes.len().saturating_add_signed(growth), 0);
        bytes
    })
}

/// A byte that says how to cut, then messages, some bytes of which are changed.
fn damaged_stream() -> impl Strategy<Value = Vec<u8>> {
    let messages = vec(vec(any::<u8>(), 0..70), 0..5);
    (1_u8..30, messages, vec((any::<Index>(), any::<u8>()), 0..2)).prop_map(|(cut, messages, changes)| {
        let mut bytes = vec![cut];
        for message in messages {
            bytes.extend_from_slice(&plug_abi::grpc_frame::encode(&message).unwrap());
        }
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nearly_maps(bytes in damaged_map()) {
        pairs::run(&bytes);
    }

    #[test]
    fn any_bytes_as_maps(bytes in vec(any::<u8>(), 0..100)) {
        pairs::run(&bytes);
    }

    #[test]
    fn any_bytes_as_paths(bytes in vec(prop_oneof![Just(0_u8), any::<u8>()], 0..60)) {
        property::run(&bytes);
    }

    #[test]
    fn nearly_streams(bytes in damaged_stream()) {
        grpc_frame::run(&bytes);
    }

    #[test]
    fn any_bytes_as_streams(bytes in vec(prop_oneof![Just(0_u8), any::<u8>()], 0..100)) {
        grpc_frame::run(&bytes);
    }
}
