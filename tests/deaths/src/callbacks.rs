//! The callbacks in which a plugin can die while it serves: how each is reached, and what becomes of the exchange.

/// The words of the guest, as its source has them.
const SOURCE: &str = include_str!("../../../plugins/die/src/callbacks.rs");

/// How a callback is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// By an exchange that says so.
    Exchange,
    /// By the exchange behind one that says so.
    Next,
    /// By a connection whose bytes say so.
    Bytes,
    /// By the connection behind one whose bytes say so.
    NextBytes,
}

/// What the policy `close` means for the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The client reads a 503.
    Refused,
    /// The response has begun, and is visibly cut.
    Cut,
    /// It comes to no exchange: the one that asked for it may be in the instance still, or not.
    Chance,
    /// The exchange does not feel it.
    Unharmed,
}

/// A callback that can be reached while the gateway serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Callback {
    /// Of the plugin, the route and the listener that are there for it.
    pub(crate) name: &'static str,
    /// The guest's word for it.
    pub(crate) word: &'static str,
    /// The ABI's name for it.
    pub(crate) export: &'static str,
    pub(crate) reach: Reach,
    pub(crate) fate: Fate,
}

impl Callback {
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.reach, Reach::Bytes | Reach::NextBytes)
    }
}

macro_rules! callbacks {
    ($($name:literal $word:literal $export:literal $reach:ident $fate:ident;)*) => {
        /// All of them.
        pub(crate) const CALLBACKS: &[Callback] = &[$(Callback {
            name: $name,
            word: $word,
            export: $export,
            reach: Reach::$reach,
            fate: Fate::$fate,
        }),*];
    };
}

callbacks! {
    "context" "context_create" "proxy_on_context_create" Next Refused;
    "request-headers" "request_headers" "proxy_on_request_headers" Exchange Refused;
    "request-body" "request_body" "proxy_on_request_body" Exchange Refused;
    "request-trailers" "request_trailers" "proxy_on_request_trailers" Exchange Refused;
    "response-headers" "response_headers" "proxy_on_response_headers" Exchange Refused;
    "response-body" "response_body" "proxy_on_response_body" Exchange Cut;
    "response-trailers" "response_trailers" "proxy_on_response_trailers" Exchange Cut;
    "log" "log" "proxy_on_log" Exchange Unharmed;
    "done" "done" "proxy_on_done" Exchange Unharmed;
    "delete" "delete" "proxy_on_delete" Exchange Unharmed;
    "tick" "tick" "proxy_on_tick" Exchange Chance;
    "queue" "queue_ready" "proxy_on_queue_ready" Exchange Chance;
    "http-call" "http_call_response" "proxy_on_http_call_response" Exchange Refused;
    "grpc-initial" "grpc_receive_initial_metadata" "proxy_on_grpc_receive_initial_metadata" Exchange Refused;
    "grpc-message" "grpc_receive" "proxy_on_grpc_receive" Exchange Refused;
    "grpc-trailing" "grpc_receive_trailing_metadata" "proxy_on_grpc_receive_trailing_metadata" Exchange Refused;
    "grpc-close" "grpc_close" "proxy_on_grpc_close" Exchange Refused;
    "redis" "redis_call_response" "proxy_on_redis_call_response" Exchange Refused;
    "tcp-context" "context_create" "proxy_on_context_create" NextBytes Cut;
    "tcp-connection" "new_connection" "proxy_on_new_connection" NextBytes Cut;
    "tcp-downstream" "downstream_data" "proxy_on_downstream_data" Bytes Cut;
    "tcp-upstream" "upstream_data" "proxy_on_upstream_data" Bytes Cut;
    "tcp-upstream-close" "upstream_close" "proxy_on_upstream_connection_close" Bytes Unharmed;
    "tcp-downstream-close" "downstream_close" "proxy_on_downstream_connection_close" Bytes Unharmed;
    "tcp-done" "done" "proxy_on_done" Bytes Unharmed;
    "tcp-log" "log" "proxy_on_log" Bytes Unharmed;
    "tcp-delete" "delete" "proxy_on_delete" Bytes Unharmed;
}

/// Callbacks of the start.
pub(crate) const OF_THE_START: &[&str] = &["initialize", "context_create", "vm_start", "configure"];

/// Words of the guest that other tests here are about, or that only refuse.
const ELSEWHERE: &[&str] = &[
    "response_body_end",
    "root_done",
    "root_delete",
    "next_start",
    "refuse_vm_start",
    "refuse_configure",
];

#[test]
fn every_callback_of_the_guest_is_in_a_table() {
    let rows = SOURCE
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","));
    let of_the_guest: Vec<&str> = rows.collect();
    assert!(
        of_the_guest.len() > 25,
        "the guest's table is not read well: {of_the_guest:?}"
    );
    let known = |word: &str| {
        OF_THE_START.contains(&word)
            || ELSEWHERE.contains(&word)
            || CALLBACKS.iter().any(|callback| callback.word == word)
    };
    let missing: Vec<_> = of_the_guest.iter().filter(|word| !known(word)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}
