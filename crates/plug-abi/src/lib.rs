//! The Proxy-Wasm ABI as data: what a guest may import, what it may export, and how bytes cross between guest and host.
//!
//! Lives here: the tables of host calls, callbacks and WASI functions, the numbers of the ABI as types, and the byte codecs
//! (header maps, properties, gRPC frames, callout tokens).
//! Never enters: an engine, a socket, a clock, a module's bytes, a decision about what a plugin is allowed to do.
//! From: bytes and numbers that a guest handed to a host call or returned from a callback; every one of them may be hostile.
//! To: `plug-audit`, which compares modules with the tables before they run, and `plug-host`, which links and serves from them.

mod version;
pub use version::Abi;
mod signature;
pub use signature::{Signature, ValueType};
mod hosts;
pub use hosts::Hosts;
mod numbers;
pub use numbers::{BufferKind, LogLevel, MapKind, MetricKind, PeerType, Status, StreamKind};
mod action;
pub use action::{BodyAction, HeadersAction, StreamAction, TrailersAction};

mod host_call;
pub use host_call::{Family, HOST_CALLS, HOST_MODULE, HostCall, Param, host_call};
mod callback;
pub use callback::{CALLBACKS, Callback, callback};
mod wasi;
pub use wasi::{CALLS, WASI_CALLS, WasiCall, WasiModule, Whence, call_name, call_number, wasi_call};
mod log_guest;
pub use log_guest::{LOG_ALLOC, LOG_BATCH, LOG_CONFIGURE, LOG_EXPORTS, LOG_INITIALIZE, LOG_MARKER, LogExport};
mod capability;
pub use capability::Capability;
mod foreign;
pub use foreign::FOREIGN_FUNCTIONS;

pub mod grpc_frame;
pub mod pairs;
pub mod property;
pub mod tokens;
