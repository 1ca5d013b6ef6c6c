//! The host calls of 0.1.0 to 0.2.1, Higress's, and the two functions that C++ guests import besides.
//!
//! `denied` follows the statuses that SDKs survive. The Rust SDK panics on any code it does not expect of a call; the Go SDK
//! panics when a metric call answers anything but OK and passes other codes on; the C++ and AssemblyScript SDKs pass them on.

use super::{Family, HostCall, Param};
use crate::{Abi, Hosts, Signature, Status, ValueType};

const I32: ValueType = ValueType::I32;

const ENVOYS: Hosts = Hosts::ENVOY.and(Hosts::HIGRESS);
const ENVOYS_KONG: Hosts = ENVOYS.and(Hosts::KONG);
const ENVOYS_MOSN: Hosts = ENVOYS.and(Hosts::MOSN);
const ENVOYS_KONG_MOSN: Hosts = ENVOYS_KONG.and(Hosts::MOSN);
const EVERYONE: Hosts = ENVOYS_KONG_MOSN.and(Hosts::APISIX);

/// A parameter of 32 bits.
const fn p(name: &'static str) -> Param {
    Param {
        name,
        value_type: ValueType::I32,
    }
}

/// A parameter of 64 bits.
const fn p64(name: &'static str) -> Param {
    Param {
        name,
        value_type: ValueType::I64,
    }
}

/// A row with what most rows have: since 0.1.0, a status as the only result, nothing allocated, OK when denied.
const fn row(family: Family, name: &'static str, params: &'static [Param], summary: &'static str) -> HostCall {
    HostCall {
        name,
        family,
        params,
        results: &[I32],
        shapes: &[],
        since: Abi::V0_1_0,
        until: None,
        providers: EVERYONE,
        denied: Status::Ok,
        allocates: false,
        summary,
    }
}

impl HostCall {
    const fn since(mut self, abi: Abi) -> Self {
        self.since = abi;
        self
    }

    const fn until(mut self, abi: Abi) -> Self {
        self.until = Some(abi);
        self
    }

    const fn by(mut self, providers: Hosts) -> Self {
        self.providers = providers;
        self
    }

    const fn denied(mut self, status: Status) -> Self {
        self.denied = status;
        self
    }

    const fn allocates(mut self) -> Self {
        self.allocates = true;
        self
    }

    const fn results(mut self, results: &'static [ValueType]) -> Self {
        self.results = results;
        self
    }

    const fn also(mut self, shapes: &'static [Signature]) -> Self {
        self.shapes = shapes;
        self
    }
}

/// The type that proxy-wasm-cpp-host gives to calls which 0.1.0 lets return nothing.
const STATUS: Signature = Signature {
    params: &[],
    results: &[I32],
};

/// Every host call, by family.
pub static HOST_CALLS: &[HostCall] = &[
    // Log.
    row(
        Family::Log,
        "proxy_log",
        &[p("level"), p("message_ptr"), p("message_len")],
        "writes a log line",
    ),
    row(
        Family::Log,
        "proxy_get_log_level",
        &[p("return_level")],
        "the level from which log lines are kept",
    )
    .by(ENVOYS)
    .since(Abi::V0_2_1),
    // Time.
    row(
        Family::Time,
        "proxy_get_current_time_nanoseconds",
        &[p("return_time")],
        "wall clock time since 1970",
    )
    .by(ENVOYS_KONG_MOSN),
    row(
        Family::Time,
        "proxy_set_tick_period_milliseconds",
        &[p("period_ms")],
        "arms the timer; 0 stops it",
    )
    .by(ENVOYS_KONG_MOSN),
    // Buffer. Reading: the Rust SDK takes OK and NOT_FOUND; writing: only OK.
    row(
        Family::Buffer,
        "proxy_get_buffer_bytes",
        &[
            p("buffer"),
            p("start"),
            p("length_max"),
            p("return_ptr"),
            p("return_len"),
        ],
        "reads part of a buffer",
    )
    .denied(Status::NotFound)
    .allocates(),
    row(
        Family::Buffer,
        "proxy_set_buffer_bytes",
        &[p("buffer"), p("start"), p("length"), p("value_ptr"), p("value_len")],
        "replaces part of a buffer, or inserts, or appends",
    )
    .by(ENVOYS_KONG_MOSN),
    row(
        Family::Buffer,
        "proxy_get_buffer_status",
        &[p("buffer"), p("return_len"), p("return_flags")],
        "how much a buffer holds",
    )
    .by(ENVOYS)
    .denied(Status::NotFound),
    // Map. The Rust SDK takes only OK, but for single values NOT_FOUND as well; BAD_ARGUMENT there killed VMs (envoy#26485).
    row(
        Family::Map,
        "proxy_get_header_map_size",
        &[p("map"), p("return_size")],
        "how many bytes a map takes",
    )
    .by(ENVOYS),
    row(
        Family::Map,
        "proxy_get_header_map_pairs",
        &[p("map"), p("return_ptr"), p("return_len")],
        "reads a whole map; repeated keys are all there, in order",
    )
    .allocates(),
    row(
        Family::Map,
        "proxy_set_header_map_pairs",
        &[p("map"), p("pairs_ptr"), p("pairs_len")],
        "replaces a whole map",
    )
    .by(ENVOYS_KONG_MOSN),
    row(
        Family::Map,
        "proxy_get_header_map_value",
        &[p("map"), p("key_ptr"), p("key_len"), p("return_ptr"), p("return_len")],
        "reads the first value of a key",
    )
    .denied(Status::NotFound)
    .allocates(),
    row(
        Family::Map,
        "proxy_add_header_map_value",
        &[p("map"), p("key_ptr"), p("key_len"), p("value_ptr"), p("value_len")],
        "adds a pair",
    ),
    row(
        Family::Map,
        "proxy_replace_header_map_value",
        &[p("map"), p("key_ptr"), p("key_len"), p("value_ptr"), p("value_len")],
        "replaces the values of a key, or adds it",
    ),
    row(
        Family::Map,
        "proxy_remove_header_map_value",
        &[p("map"), p("key_ptr"), p("key_len")],
        "removes a key",
    ),
    // Local response.
    row(
        Family::LocalResponse,
        "proxy_send_local_response",
        &[
            p("status_code"),
            p("details_ptr"),
            p("details_len"),
            p("body_ptr"),
            p("body_len"),
            p("headers_ptr"),
            p("headers_len"),
            p("grpc_status"),
        ],
        "answers in place of the upstream",
    ),
    // HTTP callout. A forbidden upstream looks like an unknown one: that is BAD_ARGUMENT in Envoy.
    row(
        Family::HttpCall,
        "proxy_http_call",
        &[
            p("upstream_ptr"),
            p("upstream_len"),
            p("headers_ptr"),
            p("headers_len"),
            p("body_ptr"),
            p("body_len"),
            p("trailers_ptr"),
            p("trailers_len"),
            p("timeout_ms"),
            p("return_call_id"),
        ],
        "sends an HTTP request; the answer comes as a callback",
    )
    .denied(Status::BadArgument),
    // gRPC callout. An unknown upstream is PARSE_FAILURE in Envoy. AssemblyScript's declarations lack the metadata.
    row(
        Family::GrpcCall,
        "proxy_grpc_call",
        &[
            p("upstream_ptr"),
            p("upstream_len"),
            p("service_ptr"),
            p("service_len"),
            p("method_ptr"),
            p("method_len"),
            p("metadata_ptr"),
            p("metadata_len"),
            p("message_ptr"),
            p("message_len"),
            p("timeout_ms"),
            p("return_call_id"),
        ],
        "sends a unary gRPC request",
    )
    .by(ENVOYS_MOSN)
    .denied(Status::ParseFailure)
    .also(&[Signature {
        params: &[I32; 10],
        results: &[I32],
    }]),
    row(
        Family::GrpcCall,
        "proxy_grpc_stream",
        &[
            p("upstream_ptr"),
            p("upstream_len"),
            p("service_ptr"),
            p("service_len"),
            p("method_ptr"),
            p("method_len"),
            p("metadata_ptr"),
            p("metadata_len"),
            p("return_stream_id"),
        ],
        "opens a gRPC stream",
    )
    .by(ENVOYS)
    .denied(Status::ParseFailure)
    .also(&[Signature {
        params: &[I32; 7],
        results: &[I32],
    }]),
    row(
        Family::GrpcCall,
        "proxy_grpc_send",
        &[p("stream_id"), p("message_ptr"), p("message_len"), p("end_stream")],
        "sends a message on a gRPC stream",
    )
    .by(ENVOYS)
    .denied(Status::NotFound),
    row(
        Family::GrpcCall,
        "proxy_grpc_cancel",
        &[p("id")],
        "cancels a gRPC call or stream",
    )
    .by(ENVOYS)
    .denied(Status::NotFound),
    row(
        Family::GrpcCall,
        "proxy_grpc_close",
        &[p("id")],
        "closes a gRPC call or stream",
    )
    .by(ENVOYS)
    .denied(Status::NotFound),
    row(
        Family::GrpcCall,
        "proxy_get_status",
        &[p("return_code"), p("return_ptr"), p("return_len")],
        "why the callout of this callback failed",
    )
    .by(ENVOYS)
    .allocates(),
    // Shared data. A denied write must not answer CAS_MISMATCH: plugins retry on it for ever.
    row(
        Family::SharedData,
        "proxy_get_shared_data",
        &[
            p("key_ptr"),
            p("key_len"),
            p("return_ptr"),
            p("return_len"),
            p("return_cas"),
        ],
        "reads a shared value",
    )
    .by(ENVOYS_KONG_MOSN)
    .denied(Status::NotFound)
    .allocates(),
    row(
        Family::SharedData,
        "proxy_set_shared_data",
        &[p("key_ptr"), p("key_len"), p("value_ptr"), p("value_len"), p("cas")],
        "writes a shared value, if nobody else has since the given `cas`",
    )
    .by(ENVOYS_KONG_MOSN),
    // Shared queue.
    row(
        Family::SharedQueue,
        "proxy_register_shared_queue",
        &[p("name_ptr"), p("name_len"), p("return_id")],
        "creates a queue, or takes over its callback",
    )
    .by(ENVOYS_KONG_MOSN),
    row(
        Family::SharedQueue,
        "proxy_resolve_shared_queue",
        &[
            p("vm_id_ptr"),
            p("vm_id_len"),
            p("name_ptr"),
            p("name_len"),
            p("return_id"),
        ],
        "finds a queue",
    )
    .by(ENVOYS_MOSN)
    .denied(Status::NotFound),
    row(
        Family::SharedQueue,
        "proxy_enqueue_shared_queue",
        &[p("queue_id"), p("value_ptr"), p("value_len")],
        "puts a value in a queue",
    )
    .by(ENVOYS_KONG_MOSN)
    .denied(Status::NotFound),
    row(
        Family::SharedQueue,
        "proxy_dequeue_shared_queue",
        &[p("queue_id"), p("return_ptr"), p("return_len")],
        "takes a value out of a queue",
    )
    .by(ENVOYS_KONG_MOSN)
    .denied(Status::Empty)
    .allocates(),
    // Metric. The Rust SDK would take NOT_FOUND from most of these, the Go SDK panics on it.
    row(
        Family::Metric,
        "proxy_define_metric",
        &[p("kind"), p("name_ptr"), p("name_len"), p("return_id")],
        "defines a metric",
    ),
    row(
        Family::Metric,
        "proxy_record_metric",
        &[p("metric_id"), p64("value")],
        "sets a gauge, or adds to a histogram",
    ),
    row(
        Family::Metric,
        "proxy_increment_metric",
        &[p("metric_id"), p64("offset")],
        "adds to a counter or gauge",
    ),
    row(
        Family::Metric,
        "proxy_get_metric",
        &[p("metric_id"), p("return_value")],
        "reads a counter or gauge",
    ),
    // Property.
    row(
        Family::Property,
        "proxy_get_property",
        &[p("path_ptr"), p("path_len"), p("return_ptr"), p("return_len")],
        "reads an attribute of the exchange, the connection or the plugin",
    )
    .denied(Status::NotFound)
    .allocates(),
    row(
        Family::Property,
        "proxy_set_property",
        &[p("path_ptr"), p("path_len"), p("value_ptr"), p("value_len")],
        "sets an attribute that later plugins and the access log can read",
    ),
    // Foreign.
    row(
        Family::Foreign,
        "proxy_call_foreign_function",
        &[
            p("name_ptr"),
            p("name_len"),
            p("arguments_ptr"),
            p("arguments_len"),
            p("return_ptr"),
            p("return_len"),
        ],
        "calls a function of the host by name",
    )
    .by(ENVOYS_KONG_MOSN)
    .denied(Status::NotFound)
    .allocates(),
    // Context. The Rust dispatcher unwraps the first, so anything but OK kills the plugin.
    row(
        Family::Context,
        "proxy_set_effective_context",
        &[p("context_id")],
        "lets host calls mean another context",
    )
    .by(ENVOYS_KONG_MOSN),
    row(
        Family::Context,
        "proxy_done",
        &[],
        "ends a root context that had asked for time in `proxy_on_done`",
    )
    .by(ENVOYS_MOSN),
    // Stream.
    row(
        Family::Stream,
        "proxy_continue_stream",
        &[p("stream")],
        "resumes what a callback paused",
    )
    .by(ENVOYS_KONG)
    .since(Abi::V0_2_0),
    row(
        Family::Stream,
        "proxy_close_stream",
        &[p("stream")],
        "resets the exchange or closes the connection",
    )
    .by(ENVOYS)
    .since(Abi::V0_2_0),
    // Redis.
    row(
        Family::Redis,
        "proxy_redis_init",
        &[
            p("upstream_ptr"),
            p("upstream_len"),
            p("user_ptr"),
            p("user_len"),
            p("password_ptr"),
            p("password_len"),
            p("timeout_ms"),
        ],
        "prepares a Redis client",
    )
    .since(Abi::V0_2_1)
    .by(Hosts::HIGRESS)
    .denied(Status::BadArgument),
    row(
        Family::Redis,
        "proxy_redis_call",
        &[
            p("upstream_ptr"),
            p("upstream_len"),
            p("query_ptr"),
            p("query_len"),
            p("return_call_id"),
        ],
        "sends raw RESP bytes to Redis; the answer comes as a callback",
    )
    .since(Abi::V0_2_1)
    .by(Hosts::HIGRESS)
    .denied(Status::BadArgument),
    // Inject.
    row(
        Family::Inject,
        "proxy_inject_encoded_data_to_filter_chain",
        &[p("body_ptr"), p("body_len"), p("end_stream")],
        "sends a piece of response body on, past a plugin that withholds its own",
    )
    .since(Abi::V0_2_1)
    .by(Hosts::HIGRESS)
    .denied(Status::BadArgument),
    // Upstream hosts.
    row(
        Family::UpstreamHosts,
        "proxy_get_upstream_hosts",
        &[p("return_ptr"), p("return_len")],
        "the endpoints of the chosen upstream with their health and load",
    )
    .since(Abi::V0_2_1)
    .by(Hosts::HIGRESS)
    .denied(Status::NotFound)
    .allocates(),
    row(
        Family::UpstreamHosts,
        "proxy_set_upstream_override_host",
        &[p("address_ptr"), p("address_len")],
        "picks the endpoint for this exchange",
    )
    .since(Abi::V0_2_1)
    .by(Hosts::HIGRESS),
    // Legacy. The specification of 0.1.0 gives the last three no result, proxy-wasm-cpp-host a status.
    row(
        Family::Legacy,
        "proxy_get_configuration",
        &[p("return_ptr"), p("return_len")],
        "reads the plugin's configuration",
    )
    .by(ENVOYS_KONG)
    .until(Abi::V0_1_0)
    .allocates(),
    row(Family::Legacy, "proxy_continue_request", &[], "resumes the request")
        .by(ENVOYS_KONG)
        .until(Abi::V0_1_0)
        .results(&[])
        .also(&[STATUS]),
    row(Family::Legacy, "proxy_continue_response", &[], "resumes the response")
        .by(ENVOYS)
        .until(Abi::V0_1_0)
        .results(&[])
        .also(&[STATUS]),
    row(
        Family::Legacy,
        "proxy_clear_route_cache",
        &[],
        "chooses the route again after the headers were changed",
    )
    .by(ENVOYS)
    .until(Abi::V0_1_0)
    .results(&[])
    .also(&[STATUS]),
    // Emscripten.
    row(
        Family::Emscripten,
        "emscripten_notify_memory_growth",
        &[p("memory")],
        "tells that the memory has grown",
    )
    .by(ENVOYS)
    .results(&[]),
    row(
        Family::Emscripten,
        "pthread_equal",
        &[p("left"), p("right")],
        "whether two thread ids are the same",
    )
    .by(ENVOYS),
];
