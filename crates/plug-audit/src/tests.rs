//! Modules made by hand: what passes, what is refused, and how that reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use expect_test::{Expect, expect};
use plug_abi::{Abi, Capability};

use super::*;

mod checked;
mod files;
mod passes;
mod refused;

/// What every plugin needs.
const NEEDED: &str = r#"
    (memory (export "memory") 2)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0)
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
"#;

/// A module of these fields in the text format.
fn module(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).unwrap()
}

/// A plugin with these imports, or other fields that must come first.
fn plugin(fields: &str) -> Vec<u8> {
    module(&format!("{fields} {NEEDED}"))
}

#[track_caller]
fn check_refused(bytes: &[u8], expected: &Expect) {
    let fault = audit(bytes).expect_err("it should have been refused");
    expected.assert_eq(&fault.to_string());
}

/// Code and notes of a module that passes.
fn notes(bytes: &[u8]) -> String {
    let facts = audit(bytes).unwrap();
    facts.notes.iter().map(Note::to_string).collect::<Vec<_>>().join("\n")
}
