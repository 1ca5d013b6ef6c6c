//! Makes the shim, a module of WebAssembly, from the table of host calls; `src/shim.rs` says what it is for. Made here, because a gateway
//! that reads WebAssembly text would carry the reader, and 2 MB of it would be resident.
#![allow(clippy::unwrap_used, reason = "a build that cannot go on ends")]

use std::fmt::Write;
use std::path::Path;

use plug_abi::HOST_CALLS;

/// Where the host's halves of the shim's functions are imported from; `src/calls.rs` knows it by the same name.
const SHIM_HOST: &str = "cofferdam";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let to = Path::new(&std::env::var_os("OUT_DIR").unwrap()).join("shim.wasm");
    std::fs::write(to, wat::parse_str(text()).unwrap()).unwrap();
}

/// The shim as WebAssembly text.
fn text() -> String {
    let mut imports = String::new();
    let mut functions = String::new();
    for call in HOST_CALLS.iter().filter(|call| call.allocates) {
        let params = "i32 ".repeat(call.params.len());
        let arguments: String = (0..call.params.len()).fold(String::new(), |mut text, index| {
            let _ = write!(text, "(local.get {index})");
            text
        });
        let name = call.name;
        let _ = writeln!(
            imports,
            "(import \"{SHIM_HOST}\" \"{name}\" (func $prepare_{name} (param {params}) (result i64)))"
        );
        let _ = writeln!(
            functions,
            "(func ${name} (export \"{name}\") (param {params}) (result i32) (local $prepared i64)
                (local.set $prepared (call $prepare_{name} {arguments}))
                (if (i64.lt_s (local.get $prepared) (i64.const 0))
                  (then (return (i32.wrap_i64 (i64.xor (local.get $prepared) (i64.const -1))))))
                (call $deliver (call_indirect $slots (type $number_to_number)
                  (i32.wrap_i64 (local.get $prepared)) (i32.const 0))))"
        );
    }
    format!("(module $shim\n{TYPES}\n{imports}\n{HOST}\n{functions}\n{CALLBACKS})")
}

const TYPES: &str = "
  (type $number (func (param i32)))
  (type $number_to_number (func (param i32) (result i32)))
  (type $two (func (param i32 i32)))
  (type $two_to_number (func (param i32 i32) (result i32)))
  (type $three_to_number (func (param i32 i32 i32) (result i32)))";

const HOST: &str = "
  (import \"cofferdam\" \"deliver\" (func $deliver (param i32) (result i32)))
  (import \"cofferdam\" \"enter\" (func $enter (param i32)))";

/// Callbacks a guest does not export are the functions here: they do nothing and go on.
const CALLBACKS: &str = "
  (table $slots (export \"slots\") 7 7 funcref)
  (elem (i32.const 0) func $no_memory $no_context $long_to_short $nothing $yes $nothing $go_on)
  (func $no_memory (type $number_to_number) (i32.const 0))
  (func $no_context (type $two))
  (func $long_to_short (type $three_to_number)
    (call_indirect $slots (type $two_to_number) (local.get 0) (local.get 1) (i32.const 6)))
  (func $nothing (type $number))
  (func $yes (type $number_to_number) (i32.const 1))
  (func $go_on (type $two_to_number) (i32.const 0))
  (func (export \"begin\") (param $context i32) (param $root i32) (param $headers i32) (param $end i32) (result i32)
    (call_indirect $slots (type $two) (local.get $context) (local.get $root) (i32.const 1))
    (call $enter (i32.const 2))
    (call_indirect $slots (type $three_to_number) (local.get $context) (local.get $headers) (local.get $end) (i32.const 2)))
  (func (export \"end\") (param $context i32)
    (call_indirect $slots (type $number) (local.get $context) (i32.const 3))
    (call $enter (i32.const 4))
    (drop (call_indirect $slots (type $number_to_number) (local.get $context) (i32.const 4)))
    (call $enter (i32.const 5))
    (call_indirect $slots (type $number) (local.get $context) (i32.const 5)))
  (func (export \"end_tcp\") (param $context i32)
    (drop (call_indirect $slots (type $number_to_number) (local.get $context) (i32.const 4)))
    (call $enter (i32.const 3))
    (call_indirect $slots (type $number) (local.get $context) (i32.const 3))
    (call $enter (i32.const 5))
    (call_indirect $slots (type $number) (local.get $context) (i32.const 5)))";
