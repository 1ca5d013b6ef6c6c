//! A small module placed before each guest: it asks the guest's allocator and joins callbacks, all within one switch of stacks.
//!
//! A host function of this engine may not call back into the guest on the stack of a guest that can yield. WebAssembly may. So a host
//! call whose value needs room in the guest is three steps of the shim: prepare (host), allocate (guest), deliver (host); an allocator
//! that loops is interrupted like any other guest code. And callbacks that follow one another cost one switch instead of three.

use std::fmt::Write;

use plug_abi::{HOST_CALLS, HostCall};

use crate::calls::SHIM_HOST;
use crate::fault::LoadFault;

/// Name of the exported table into which the guest's functions are put.
pub(crate) const SLOTS: &str = "slots";
/// Slot of the guest's allocator.
pub(crate) const SLOT_ALLOCATE: u64 = 0;
/// Slot of `proxy_on_context_create`.
pub(crate) const SLOT_CONTEXT_CREATE: u64 = 1;
/// Slot of `proxy_on_request_headers` with `end_of_stream`.
pub(crate) const SLOT_REQUEST_HEADERS: u64 = 2;
/// Slot of `proxy_on_log`.
pub(crate) const SLOT_LOG: u64 = 3;
/// Slot of `proxy_on_done`.
pub(crate) const SLOT_DONE: u64 = 4;
/// Slot of `proxy_on_delete`.
pub(crate) const SLOT_DELETE: u64 = 5;
/// Slot of `proxy_on_request_headers` of 0.1.0, without `end_of_stream`.
pub(crate) const SLOT_REQUEST_HEADERS_SHORT: u64 = 6;

/// Whether the shim stands between the guest and this host call.
pub(crate) fn serves(call: &HostCall) -> bool {
    call.allocates
}

/// The shim as a module's bytes.
pub(crate) fn binary() -> Result<Vec<u8>, LoadFault> {
    wat::parse_str(text()).map_err(|why| LoadFault::Engine(why.to_string()))
}

/// The shim as WebAssembly text.
fn text() -> String {
    let mut imports = String::new();
    let mut functions = String::new();
    for call in HOST_CALLS.iter().filter(|call| serves(call)) {
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
                  (i32.wrap_i64 (local.get $prepared)) (i32.const {SLOT_ALLOCATE}))))"
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
