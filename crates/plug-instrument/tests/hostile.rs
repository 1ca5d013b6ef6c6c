//! The body of the fuzz target `instrument`: over every module that is kept or built, and over damaged ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../../fuzz/bodies/damage.rs"]
mod damage;
#[path = "../../../fuzz/bodies/instrument.rs"]
mod instrument;

use std::path::{Path, PathBuf};

use damage::damaged;
use plug_instrument::{Added, Allocator, Changes, Origin};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::place;
use wasmparser::{KnownCustom, Name, Operator, Parser, Payload, Validator};

/// The files of a folder of seeds.
fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn all_seeds() -> Vec<Vec<u8>> {
    ["instrument", "module", "random_module"]
        .into_iter()
        .flat_map(seeds)
        .collect()
}

#[test]
fn every_instruction_of_the_kept_modules_is_found_again() {
    let valid = all_seeds().iter().filter(|seed| instrument::run(seed)).count();
    assert!(valid > 60, "{valid}");
}

#[test]
fn every_instruction_of_our_guests_is_found_again() {
    for name in [
        "hello",
        "die",
        "die-unoptimised",
        "die-stripped",
        "probe-2100",
        "assemblyscript",
    ] {
        assert!(
            instrument::run(&std::fs::read(place::guest(name).unwrap()).unwrap()),
            "{name}"
        );
    }
}

/// The functions of the allocator, by the names that a module has.
fn allocators(module: &[u8]) -> Vec<(u32, Allocator)> {
    let payloads = Parser::new(0).parse_all(module).map(Result::unwrap);
    let names = payloads.filter_map(|payload| match payload {
        Payload::CustomSection(section) => match section.as_known() {
            KnownCustom::Name(names) => Some(names.into_iter().map(Result::unwrap)),
            _ => None,
        },
        _ => None,
    });
    let functions = names.flatten().filter_map(|names| match names {
        Name::Function(functions) => Some(functions.into_iter().map(Result::unwrap)),
        _ => None,
    });
    let known = functions
        .flatten()
        .filter_map(|named| Some((named.index, Allocator::of(named.name)?)));
    known.collect()
}

#[test]
fn the_allocators_of_our_guests_are_found_by_their_names_and_tell() {
    use Allocator::{Calloc, Free, Malloc, PosixMemalign, Realloc};
    for (name, expected) in [
        ("hello", vec![Malloc, Calloc, Realloc, Free, PosixMemalign]),
        ("die", vec![Malloc, Calloc, Realloc, Free]),
        ("probe-021", vec![Malloc, Calloc, Realloc, Free, PosixMemalign]),
    ] {
        let module = std::fs::read(place::guest(name).unwrap()).unwrap();
        let allocators = allocators(&module);
        for one in expected {
            assert!(allocators.iter().any(|(_, found)| *found == one), "{name} {one:?}");
        }
        let changes = Changes {
            call_depth_max: None,
            allocators: allocators.clone(),
        };
        let changed = plug_instrument::instrument(&module, &changes).unwrap();
        Validator::new().validate_all(&changed.bytes).unwrap();
        let payloads = Parser::new(0).parse_all(&changed.bytes).map(Result::unwrap);
        let bodies = payloads.filter_map(|payload| match payload {
            Payload::CodeSectionEntry(body) => Some(body.get_operators_reader().unwrap().into_iter_with_offsets()),
            _ => None,
        });
        let tells = bodies.flatten().map(Result::unwrap).filter(|(operator, at)| {
            let why = Added::Allocations;
            matches!(operator, Operator::CallIndirect { .. })
                && matches!(changed.offsets.origin(*at as u64), Some(Origin::Added { why: found, .. }) if found == why)
        });
        assert_eq!(tells.count(), allocators.len(), "{name}");
    }
}

/// The modules below a folder.
fn modules(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            modules(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "wasm") {
            found.push(path);
        }
    }
}

#[test]
fn every_instruction_of_higresss_smallest_and_largest_plugin_is_found_again() {
    let mut found = Vec::new();
    modules(&place::peer("higress_dir").unwrap(), &mut found);
    found.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let [smallest, .., largest] = found.as_slice() else {
        panic!("{found:?}");
    };
    for path in [smallest, largest] {
        assert!(instrument::run(&std::fs::read(path).unwrap()), "{}", path.display());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_modules(bytes in damaged(all_seeds())) {
        instrument::run(&bytes);
    }

    #[test]
    fn any_bytes_behind_the_header(bytes in vec(any::<u8>(), 0..200)) {
        instrument::run(&[b"\0asm\x01\0\0\0".as_slice(), &bytes].concat());
    }
}
