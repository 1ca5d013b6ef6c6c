//! What a guest exports for the host to call.

use crate::{Abi, Signature, ValueType};

const I32: ValueType = ValueType::I32;

/// One function that a guest may export. All are optional, except that there must be an allocator.
#[derive(Clone, Copy, Debug)]
pub struct Callback {
    /// The name of the export.
    pub name: &'static str,
    /// The types it may have; the first is that of the newest version.
    pub shapes: &'static [Signature],
    /// The first version that has it.
    pub since: Abi,
    /// When it is called.
    pub summary: &'static str,
}

impl Callback {
    /// The shape with exactly this type, if it is one that the host can call.
    pub fn shape(&self, params: &[ValueType], results: &[ValueType]) -> Option<&'static Signature> {
        self.shapes.iter().find(|shape| shape.is(params, results))
    }
}

/// Finds a callback by the name of its export.
pub fn callback(name: &str) -> Option<&'static Callback> {
    CALLBACKS.iter().find(|callback| callback.name == name)
}

/// A shape with this many parameters and results, all of 32 bits: no callback has others.
macro_rules! shape {
    ($params:literal -> $results:literal) => {
        Signature {
            params: &[I32; $params],
            results: &[I32; $results],
        }
    };
}

/// A row of the table: name, shapes, first version, summary.
macro_rules! row {
    ($name:literal, [$($params:literal -> $results:literal),+], $since:ident, $summary:literal) => {
        Callback { name: $name, shapes: &[$(shape!($params -> $results)),+], since: Abi::$since, summary: $summary }
    };
}

/// Every callback, in the order in which a plugin meets them.
pub static CALLBACKS: &[Callback] = &[
    row!("_initialize", [0 -> 0], V0_1_0, "first of all, in a reactor"),
    row!("_start", [0 -> 0], V0_1_0, "first of all, in a command; not called if there is `_initialize`"),
    row!("main", [2 -> 1], V0_1_0, "after `_initialize`, with two zeros"),
    // Rust since 1.67 exports its main so; proxy-wasm-cpp-host calls it since its change 500.
    row!("__main_void", [0 -> 1], V0_1_0, "after `_initialize`, if there is no `main`"),
    row!("proxy_on_memory_allocate", [1 -> 1], V0_1_0, "when the host hands bytes over"),
    row!("malloc", [1 -> 1], V0_1_0, "the same, if there is no `proxy_on_memory_allocate`"),
    row!("proxy_on_context_create", [2 -> 0], V0_1_0, "before anything else about a plugin, exchange or connection"),
    row!("proxy_on_vm_start", [2 -> 1], V0_1_0, "when the plugin starts"),
    // Exported by the C++ and AssemblyScript SDKs; only proxy-wasm-cpp-host knows it.
    row!("proxy_validate_configuration", [2 -> 1], V0_1_0, "to check a configuration without applying it"),
    row!("proxy_on_configure", [2 -> 1], V0_1_0, "with the plugin's configuration"),
    row!("proxy_on_tick", [1 -> 0], V0_1_0, "when the timer fires"),
    row!("proxy_on_new_connection", [1 -> 1], V0_1_0, "when a TCP connection opens"),
    row!("proxy_on_downstream_data", [3 -> 1], V0_1_0, "when the client of a TCP connection sent bytes"),
    row!("proxy_on_upstream_data", [3 -> 1], V0_1_0, "when the upstream of a TCP connection sent bytes"),
    row!("proxy_on_downstream_connection_close", [2 -> 0], V0_1_0, "when the client's side closed"),
    row!("proxy_on_upstream_connection_close", [2 -> 0], V0_1_0, "when the upstream's side closed"),
    // 0.1.0 has no `end_of_stream`. Real modules announce 0.1.0 and export the three-parameter form.
    row!("proxy_on_request_headers", [3 -> 1, 2 -> 1], V0_1_0, "when the request's headers are there"),
    row!("proxy_on_request_body", [3 -> 1], V0_1_0, "when there is more of the request's body"),
    row!("proxy_on_request_trailers", [2 -> 1], V0_1_0, "when the request ends with trailers"),
    row!("proxy_on_request_metadata", [2 -> 1], V0_1_0, "when the request carries HTTP/2 METADATA"),
    row!("proxy_on_response_headers", [3 -> 1, 2 -> 1], V0_1_0, "when the response's headers are there"),
    row!("proxy_on_response_body", [3 -> 1], V0_1_0, "when there is more of the response's body"),
    row!("proxy_on_response_trailers", [2 -> 1], V0_1_0, "when the response ends with trailers"),
    row!("proxy_on_response_metadata", [2 -> 1], V0_1_0, "when the response carries HTTP/2 METADATA"),
    row!("proxy_on_http_call_response", [5 -> 0], V0_1_0, "when an HTTP callout was answered, or failed"),
    row!("proxy_on_grpc_receive_initial_metadata", [3 -> 0], V0_1_0, "when a gRPC callout's answer begins"),
    row!("proxy_on_grpc_receive", [3 -> 0], V0_1_0, "when a gRPC callout brought a message"),
    row!("proxy_on_grpc_receive_trailing_metadata", [3 -> 0], V0_1_0, "when a gRPC callout's answer ends"),
    row!("proxy_on_grpc_close", [3 -> 0], V0_1_0, "when a gRPC callout is over"),
    row!("proxy_on_queue_ready", [2 -> 0], V0_1_0, "when a queue of this plugin has something"),
    row!("proxy_on_foreign_function", [3 -> 0], V0_2_0, "when a foreign function answers later"),
    row!("proxy_on_redis_call_response", [4 -> 0], V0_2_1, "when a Redis call was answered, or failed"),
    row!("proxy_on_done", [1 -> 1], V0_1_0, "when a plugin, exchange or connection ends"),
    row!("proxy_on_log", [1 -> 0], V0_1_0, "when an exchange or connection is logged, once"),
    row!("proxy_on_delete", [1 -> 0], V0_1_0, "last of all"),
];

#[cfg(test)]
mod tests;
