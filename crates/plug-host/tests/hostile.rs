//! The body of the fuzz target for host calls, over scripts of likely and unlikely arguments and every seed that was kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../fuzz/bodies/host_calls.rs"]
mod host_calls;

use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn seeds_of_scripts() {
    let folder = format!("{}/../../fuzz/seeds/host_calls", env!("CARGO_MANIFEST_DIR"));
    let seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        host_calls::run(&std::fs::read(seed).unwrap());
    }
}

/// An argument that is likely to get somewhere, or any.
fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..16,
        2 => 0_u64..2_000,
        2 => 65_536_u64..70_000,
        1 => prop_oneof![Just(65_535_u64), Just(131_072), Just(0xffff_ffff), Just(0x8000_0000)],
        1 => any::<u64>(),
    ]
}

fn script() -> impl Strategy<Value = Vec<u8>> {
    let call = (any::<u8>(), vec(argument(), 10)).prop_map(|(kind, arguments)| {
        let arguments = arguments.into_iter().flat_map(u64::to_le_bytes);
        std::iter::once(kind).chain(arguments).collect::<Vec<u8>>()
    });
    vec(call, 0..32).prop_map(|calls| calls.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script_is_played(script in script()) {
        host_calls::run(&script);
    }

    #[test]
    fn any_bytes_are_played(bytes in vec(any::<u8>(), 0..2_000)) {
        host_calls::run(&bytes);
    }
}
