//! The table of the fields of records: the only place where their names are spelled.

use crate::grade::Class;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A JSON string.
    Text,
    /// A JSON number without fraction.
    Integer,
    /// A JSON number of milliseconds with three decimals.
    Milliseconds,
    /// A JSON number.
    Number,
    /// `true`, or it is absent.
    Flag,
    /// A JSON array or object of its own.
    Nested,
    /// For the thread that makes lines: it stands in no line.
    Hidden,
}

/// One field of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its key. Names of OpenTelemetry's semantic conventions where there is one, `cofferdam.` elsewhere.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Classes of records that may have it; when there are none, each may.
    pub classes: &'static [Class],
    /// What it says, for the reference page.
    pub meaning: &'static str,
    /// Its place in [`ALL`], which stands for it in rings.
    pub(crate) number: u8,
    /// The key as it stands in the line: quoted, with its colon.
    pub(crate) key: &'static str,
}

macro_rules! fields {
    ($($constant:ident = $name:literal, $kind:ident, [$($class:ident),*], $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $constant: Field =
                Field {
                    name: $name,
                    kind: Kind::$kind,
                    classes: &[$(Class::$class),*],
                    meaning: $meaning,
                    number: Number::$constant as u8,
                    key: concat!("\"", $name, "\":"),
                };
        )*

        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Number { $($constant),* }

        /// Every field. The table grows at its end alone: a ring may have been written by the gateway of yesterday.
        pub static ALL: &[&Field] = &[$(&$constant),*];
    };
}

fields! {
    TIMESTAMP = "timestamp", Text, [], "When it was, of an exchange when it began: UTC, RFC 3339, microseconds.";
    REQUEST_ID = "request_id", Text, [Access, Fault], "The exchange's `x-request-id`.";
    TRACE_ID = "trace_id", Text, [Access, Plugin, Fault, Call, Debug, Span], "Trace of the exchange, 32 lower-case hexadecimal digits.";
    SPAN_ID = "span_id", Text, [Access, Plugin, Fault, Call, Debug, Span], "Span of the exchange, 16 lower-case hexadecimal digits.";
    LISTENER = "cofferdam.listener", Text, [Access, Control, Audit, Connection, Span], "Name of the listener.";
    ROUTE = "cofferdam.route", Text, [Access, Debug, Span], "Name of the route; absent when none matched.";
    METHOD = "http.request.method", Text, [Access, Call, Debug, Span], "Method as received; of a call, as sent.";
    SCHEME = "url.scheme", Text, [Access, Span], "`http` or `https`.";
    AUTHORITY = "http.request.authority", Text, [Access], "`:authority` or `Host` as received, port included.";
    PATH = "url.path", Text, [Access, Call, Debug, Span], "Path as received, without query; of a call, as sent.";
    QUERY = "url.query", Text, [Access, Call, Debug, Span], "Query as received, without `?`; of a call, as sent.";
    PROTOCOL = "network.protocol.version", Text, [Access, Connection, Span], "`1.0`, `1.1`, `2`, `tcp` for a TCP listener, or `tls` where its handshake failed.";
    STATUS = "http.response.status_code", Integer, [Access, Call, Debug, Span], "Status sent to the client; of a call, and of a span of one, the status that came. Absent when there was none.";
    FLAGS = "cofferdam.response_flags", Text, [Access, Connection], "Envoy's response flags, comma separated; absent when there is none.";
    DETAILS = "cofferdam.response_details", Text, [Access, Connection], "Why the response is what it is, in words such as `via_upstream` or a fault's code.";
    REQUEST_BYTES = "http.request.body.size", Integer, [Access], "Body bytes received from the client.";
    RESPONSE_BYTES = "http.response.body.size", Integer, [Access], "Body bytes sent to the client.";
    DURATION = "cofferdam.duration_ms", Milliseconds, [Access, Control, Call, Audit, Connection], "From the request's headers to the response's last byte; of a call, a step or a connection, how long it took.";
    UPSTREAM = "cofferdam.upstream", Text, [Access, Span], "Name of the upstream.";
    ENDPOINT = "cofferdam.endpoint", Text, [Access, Span], "Address and port of the upstream's endpoint.";
    UPSTREAM_DURATION = "cofferdam.upstream_duration_ms", Milliseconds, [Access], "From the request sent upstream to its response's headers.";
    CLIENT = "client.address", Text, [Access, Control, Audit, Connection, Span], "Address of the client, after trusted hops; of a step, of whoever ordered it.";
    USER_AGENT = "user_agent.original", Text, [Access, Span], "`User-Agent` as received.";
    PLUGINS = "cofferdam.plugins", Nested, [Access], "Verdicts worth a word, in chain order: an array of `{plugin, verdict}`.";
    CUSTOM = "cofferdam.fields", Nested, [Access], "Fields that plugins added: an object of strings.";
    DROPPED = "cofferdam.records_dropped", Integer, [], "In a gap record only: how many records were lost.";
    LEVEL = "level", Text, [], "How grave it is: `trace`, `debug`, `info`, `warn`, `error` or `critical`.";
    EVENT = "event_name", Text, [], "What the record is about: `access`, `plugin`, `fault`, `control`, `call`, `gateway`, `audit`, `connection`, `debug` or `span`.";
    RECOVERED = "cofferdam.recovered", Flag, [], "The record was found in the ring of a process that had died; it may have been shipped before.";
    DAMAGED = "cofferdam.damaged", Flag, [], "Behind what is here the record could not be read.";
    CUT = "cofferdam.cut_bytes", Integer, [], "Bytes of values that were too long for the record.";
    TRACE_FLAGS = "trace_flags", Text, [Access, Plugin, Fault, Call, Debug, Span], "Flags of the trace as W3C Trace Context has them, two hexadecimal digits.";
    MESSAGE = "message", Text, [Plugin, Fault, Control, Call, Gateway, Audit], "What was said, in words.";
    PLUGIN = "cofferdam.plugin", Text, [Plugin, Fault, Control, Call, Gateway, Audit, Span], "Name of the plugin; of a log guest that died, its name.";
    CONTEXT = "cofferdam.plugin.context", Integer, [Plugin, Fault], "Number of the context that the plugin was in.";
    CODE = "error.type", Text, [Fault, Gateway, Span], "Code of the fault, such as `plugin.slice_exceeded`; `log_guest.` and a word for a log guest; of a span without one, a status from 500 on.";
    DROPPED_BY = "cofferdam.records_dropped_by", Nested, [], "In a gap record: how many records of each level and class were lost, and why.";
    SINK = "cofferdam.sink", Text, [Gateway], "Name of the sink.";
    RING = "cofferdam.ring", Text, [], "Name of the ring.";
    GENERATION = "cofferdam.generation", Integer, [Control, Audit], "Number of the configuration in force, from 1.";
    STEP = "cofferdam.step", Text, [Control, Audit], "What was done: a word such as `configuration.applied` or `rollout.promoted`.";
    STATE = "cofferdam.state", Text, [Control, Audit], "How a step stands: `begun`, `done`, `failed` or `undone`.";
    KEY = "cofferdam.idempotency_key", Text, [Control, Audit], "Key under which a step is done once, however often it is tried.";
    SYSTEM = "peer.service", Text, [Call], "System behind the gateway that was called: `folder`, `redis`, `etcd`, `consul`, `registry` or an upstream's name.";
    OPERATION = "cofferdam.call.operation", Text, [Call], "What was asked of it, parameters masked.";
    RESULT = "cofferdam.call.result", Text, [Call], "Class of the result: `ok`, `refused`, `unavailable`, `timeout`, `failed`, or `given_up` when whoever called waits no more.";
    FACTOR = "cofferdam.sampling.factor", Number, [Access, Plugin], "How many records this one stands for, as far as rates of sampling are known; absent when all were kept.";
    KEPT = "cofferdam.sampling.kept", Text, [Access], "Why the record was kept although a rate would have dropped it: `status`, `fault`, `slow`, `level`, `parent`, `asked` or `window`.";
    PARENT_SPAN = "parent_span_id", Text, [Span], "Of a span: the span above, 16 lower-case hexadecimal digits; absent where the trace begins.";
    TRACE_STATE = "trace_state", Text, [Span], "Of a span: the vendors' state of the trace, as in `tracestate`.";
    SPAN_NAME = "span.name", Text, [Span], "Of a span: of an exchange, the method and the route; of a try, the method and the upstream; else its stage and what it is about. A method that HTTP does not know is `HTTP`.";
    SPAN_KIND = "span.kind", Text, [Span], "Of a span: `server`, `client` or `internal`.";
    SPAN_START = "span.start_ns", Integer, [Span], "Of a span: its start in nanoseconds since 1970.";
    SPAN_END = "span.end_ns", Integer, [Span], "Of a span: its end in nanoseconds since 1970.";
    SPAN_STATUS = "span.status", Text, [Span], "Of a span: `unset`, `ok` or `error`.";
    SPAN_MESSAGE = "span.message", Text, [Span], "Of a span: words about its outcome.";
    SPAN_DROPPED = "span.attributes_dropped", Integer, [Span], "Of a span: how many attributes had no room.";
    CHAIN_SEQUENCE = "chain.sequence", Integer, [Audit], "In a chain of audit records: the line's number, from 1.";
    CHAIN_PREVIOUS = "chain.previous", Text, [Audit], "In a chain of audit records: the hash of the line before.";
    CHAIN_HASH = "chain.hash", Text, [Audit], "In a chain of audit records: the line's own hash.";
    CHAIN_SEGMENT = "chain.segment", Integer, [Audit], "In the first line of a segment: the segment's number.";
    CHAIN_DIGEST = "chain.digest", Text, [Audit], "In the first line of a segment: what hashes.";
    SPANS_DROPPED = "span.spans_dropped", Integer, [Span], "Of the span of an exchange: how many of its stages had no room for a span.";
    TRY = "cofferdam.try", Integer, [Span], "Of a span: which try of an upstream it was, from 1.";
    VERDICT = "cofferdam.verdict", Text, [Span], "Of a span: what the stage decided.";
    BYTES_OUT = "cofferdam.bytes_out", Integer, [Call, Span], "Of a span or a call: bytes that went out.";
    BYTES_IN = "cofferdam.bytes_in", Integer, [Call, Span], "Of a span or a call: bytes that came in.";
    CPU = "cofferdam.cpu_ms", Milliseconds, [Span], "Of a span: processor time.";
    PLUGIN_GENERATION = "cofferdam.plugin.generation", Integer, [Fault, Control, Audit, Span], "Number of the plugin's generation.";
    DEBUG_ID = "cofferdam.debug_trace_id", Text, [Debug], "The debug window that shows it, as in `x-debug-trace-id`: 32 lower-case hexadecimal digits.";
    DEBUG_KIND = "cofferdam.debug_kind", Text, [Debug], "What there was too much of when the debug window opened: `too_many_requests`, `server_errors`, `faults` or `slow`.";
    REQUEST_HEADERS = "http.request.headers", Nested, [Debug], "In a debug window: headers of the request as the upstream got them, masked.";
    RESPONSE_HEADERS = "http.response.headers", Nested, [Debug], "In a debug window: headers of the response, masked.";
    REQUEST_BODY = "http.request.body.content", Text, [Debug], "In a debug window: the beginning of the request's body, masked, then base64.";
    REQUEST_BODY_CUT = "http.request.body.cut", Flag, [Debug], "There was more of the request's body.";
    RESPONSE_BODY = "http.response.body.content", Text, [Debug], "In a debug window: the beginning of the response's body, masked, then base64.";
    RESPONSE_BODY_CUT = "http.response.body.cut", Flag, [Debug], "There was more of the response's body.";
    TLS_VERSION = "tls.protocol.version", Text, [Access], "Version of TLS with the client, `1.2` or `1.3`.";
    TLS_CIPHER = "tls.cipher", Text, [Access], "Cipher suite agreed on with the client, by its name at IANA.";
    TLS_SERVER_NAME = "tls.client.server_name", Text, [Access, Connection], "Name that the client asked for (SNI), lower case.";
    TLS_NEXT_PROTOCOL = "tls.next_protocol", Text, [Access], "Protocol agreed on with the client by ALPN, `h2` or `http/1.1`.";
    TLS_CLIENT_SUBJECT = "tls.client.subject", Text, [Access], "Subject of the client's certificate as RFC 2253 writes it; absent when it showed none.";
    CLIENT_RTT = "cofferdam.client_rtt_us", Integer, [Access], "Round trip to the client in microseconds, smoothed by the kernel, when the exchange ended.";
    CLIENT_RTT_VARIANCE = "cofferdam.client_rtt_variance_us", Integer, [Access], "How much it varies, in microseconds; only of a connection that has sent something again.";
    CLIENT_RETRANSMITS = "cofferdam.client_retransmits", Integer, [Access], "Segments sent to the client again since its connection began; only of a connection that has sent something again.";
    CLIENT_RETRANSMITS_NEW = "cofferdam.client_retransmits_new", Integer, [Access], "Those of them of which no earlier record of the connection told; only of a connection that has sent something again.";
    CLIENT_RETRANSMITTED_AT = "cofferdam.client_retransmitted_at", Nested, [Access], "When segments were sent to the client again since the exchange began: an array of time stamps. With CAP_BPF only.";
    CLIENT_CONGESTION = "cofferdam.client_congestion", Text, [Access], "Congestion control of the connection to the client, such as `cubic`; only of a connection that has sent something again.";
    CLIENT_CONGESTION_WINDOW = "cofferdam.client_congestion_window", Integer, [Access], "Segments that might be on their way to the client when the exchange ended; only of a connection that has sent something again.";
    CLIENT_DELIVERY_RATE = "cofferdam.client_delivery_rate", Integer, [Access], "Latest rate at which bytes arrived at the client, in bytes per second; only of a connection that has sent something again.";
    UPSTREAM_TLS_VERSION = "cofferdam.upstream_tls_version", Text, [Access], "Version of TLS with the upstream, `1.2` or `1.3`.";
    UPSTREAM_TLS_CIPHER = "cofferdam.upstream_tls_cipher", Text, [Access], "Cipher suite agreed on with the upstream, by its name at IANA.";
    UPSTREAM_RTT = "cofferdam.upstream_rtt_us", Integer, [Access], "Round trip to the upstream in microseconds, smoothed by the kernel, when the exchange ended.";
    UPSTREAM_RTT_VARIANCE = "cofferdam.upstream_rtt_variance_us", Integer, [Access], "How much it varies, in microseconds; only of a connection that has sent something again.";
    UPSTREAM_RETRANSMITS = "cofferdam.upstream_retransmits", Integer, [Access], "Segments sent to the upstream again since the connection began; only of a connection that has sent something again.";
    UPSTREAM_RETRANSMITS_NEW = "cofferdam.upstream_retransmits_new", Integer, [Access], "Those of them of which no earlier record of the connection told; only of a connection that has sent something again.";
    UPSTREAM_RETRANSMITTED_AT = "cofferdam.upstream_retransmitted_at", Nested, [Access], "When segments were sent to the upstream again since the exchange began: an array of time stamps. With CAP_BPF only.";
    UPSTREAM_CONGESTION = "cofferdam.upstream_congestion", Text, [Access], "Congestion control of the connection to the upstream, such as `cubic`; only of a connection that has sent something again.";
    UPSTREAM_CONGESTION_WINDOW = "cofferdam.upstream_congestion_window", Integer, [Access], "Segments that might be on their way to the upstream when the exchange ended; only of a connection that has sent something again.";
    UPSTREAM_DELIVERY_RATE = "cofferdam.upstream_delivery_rate", Integer, [Access], "Latest rate at which bytes arrived at the upstream, in bytes per second; only of a connection that has sent something again.";
    SANDBOX = "cofferdam.sandbox", Text, [Access, Plugin, Fault, Call, Connection, Debug, Span], "Why what others wrote is replaced by a marker here: a log guest did not do its work on it.";
    WIRES_BEGAN = "cofferdam.wires_began", Hidden, [], "When the exchange began, by the clock of the kernel's time stamps.";
    CLIENT_LOCAL = "cofferdam.client_local", Hidden, [], "No longer written: our end of the connection to the client.";
    CLIENT_REMOTE = "cofferdam.client_remote", Hidden, [], "No longer written: its end of the connection to the client.";
    UPSTREAM_LOCAL = "cofferdam.upstream_local", Hidden, [], "No longer written: our end of the connection to the upstream.";
    UPSTREAM_REMOTE = "cofferdam.upstream_remote", Hidden, [], "No longer written: its end of the connection to the upstream.";
    ORIGIN = "cofferdam.origin", Text, [Control, Audit], "Of a configuration: the file it is in, or the store with its revision.";
    DIGEST = "cofferdam.digest", Text, [Control, Call, Audit], "SHA-256 of what is there now: the text of a configuration, or the module of a plugin.";
    DIGEST_BEFORE = "cofferdam.digest_before", Text, [Control, Audit], "SHA-256 of what was there before.";
    BY = "cofferdam.by", Text, [Control, Audit], "Whose word a step was: an operator's order, or who wrote a file of grants and when.";
    ROLLOUT = "cofferdam.rollout", Text, [Control, Audit], "Id of the rollout.";
    SHARE = "cofferdam.rollout.share", Text, [Control, Audit], "Part of the exchanges that the new generation has, or is given.";
    COMPENSATION = "cofferdam.compensation_key", Text, [Control, Audit], "Key under which a step is undone.";
    REQUEST_BODY_WITHHELD = "http.request.body.withheld", Text, [Debug], "Why nothing of the request's body is shown: `compressed`, `multipart` or `no text`. What cannot be looked into cannot be masked.";
    RESPONSE_BODY_WITHHELD = "http.response.body.withheld", Text, [Debug], "Why nothing of the response's body is shown: `compressed`, `multipart` or `no text`.";
    CLIENT_CONNECTION = "cofferdam.client_connection", Hidden, [], "Stands for the connection to the client, so that its retransmits are found.";
    UPSTREAM_CONNECTION = "cofferdam.upstream_connection", Hidden, [], "Stands for the connection to the upstream.";
    SERVER_ADDRESS = "server.address", Text, [Span], "Of the span of a try: address of the endpoint.";
    SERVER_PORT = "server.port", Integer, [Span], "Of the span of a try: port of the endpoint.";
}

/// Fields in which a client, an upstream or a plugin may have written.
const UNTRUSTED: &[Field] = &[
    REQUEST_ID,
    METHOD,
    AUTHORITY,
    PATH,
    QUERY,
    DETAILS,
    USER_AGENT,
    CUSTOM,
    MESSAGE,
    OPERATION,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    REQUEST_BODY,
    RESPONSE_BODY,
    TLS_SERVER_NAME,
    TLS_CLIENT_SUBJECT,
];

/// The field of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Field> {
    ALL.iter().copied().find(|field| field.name == name)
}

/// Whether what stands under this name may be what a client, an upstream or a plugin wrote; so it is with every name that is none of ours.
#[must_use]
pub fn is_untrusted(name: &str) -> bool {
    find(name).is_none_or(|field| UNTRUSTED.contains(field))
}
