//! A small module placed before each guest: it asks the guest's allocator and joins callbacks, all within one entry.
//!
//! A host function of this engine may not call back into the guest on the stack of a guest that can yield. WebAssembly may. So a host
//! call whose value needs room in the guest is three steps of the shim: prepare (host), allocate (guest), deliver (host); an allocator
//! that loops is interrupted like any other guest code. And callbacks that follow one another cost one switch instead of three.

use plug_abi::HostCall;

/// The shim; `build.rs` makes it.
pub(crate) const BINARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shim.wasm"));

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
