//! The table of WASI functions, and what differs between its two modules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

#[test]
fn the_table_is_sorted_and_complete() {
    assert!(WASI_CALLS.windows(2).all(|pair| pair[0].name < pair[1].name));
    // Preview 1 has 45 functions and `sock_accept`.
    assert_eq!(WASI_CALLS.len(), 46);
}

#[test]
fn the_types_are_those_of_the_specification() {
    assert_eq!(wasi_call("path_link").unwrap().params.len(), 7);
    assert_eq!(wasi_call("path_symlink").unwrap().params.len(), 5);
    assert_eq!(wasi_call("fd_seek").unwrap().params, [I32, I64, I32, I32]);
    assert_eq!(wasi_call("clock_time_get").unwrap().params, [I32, I64, I32]);
    assert!(wasi_call("proc_exit").unwrap().results.is_empty());
    assert!(wasi_call("fd_nonsense").is_none());
}

#[test]
fn the_two_modules_number_whence_otherwise() {
    let meanings = |module: WasiModule| [0, 1, 2, 3].map(|raw| module.whence(raw));
    assert_eq!(
        meanings(WasiModule::Preview1),
        [Some(Whence::Start), Some(Whence::Current), Some(Whence::End), None]
    );
    assert_eq!(
        meanings(WasiModule::Unstable),
        [Some(Whence::Current), Some(Whence::End), Some(Whence::Start), None]
    );
}

#[test]
fn a_module_is_found_by_name() {
    assert_eq!(WasiModule::from_name("wasi_unstable"), Some(WasiModule::Unstable));
    assert_eq!(
        WasiModule::from_name("wasi_snapshot_preview1"),
        Some(WasiModule::Preview1)
    );
    assert_eq!(WasiModule::from_name("wasi_snapshot_preview2"), None);
}
