//! The table of the fields of an access record: the only place where their names are spelled.

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A JSON string.
    Text,
    /// A JSON number without fraction.
    Integer,
    /// A JSON number of milliseconds with three decimals.
    Milliseconds,
    /// A JSON array or object of its own.
    Nested,
}

/// One field of the access record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its key. Names of OpenTelemetry's semantic conventions where there is one, `cofferdam.` elsewhere.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it says, for the reference page.
    pub meaning: &'static str,
    /// The key as it stands in the line: quoted, with its colon.
    pub(crate) key: &'static str,
}

macro_rules! fields {
    ($($constant:ident = $name:literal, $kind:ident, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $constant: Field =
                Field { name: $name, kind: Kind::$kind, meaning: $meaning, key: concat!("\"", $name, "\":") };
        )*
        /// Every field, in the order in which a line carries them.
        pub const ALL: &[Field] = &[$($constant),*];
    };
}

fields! {
    TIMESTAMP = "timestamp", Text, "When the exchange began: UTC, RFC 3339, microseconds.";
    REQUEST_ID = "request_id", Text, "The exchange's `x-request-id`.";
    TRACE_ID = "trace_id", Text, "Trace of the exchange, 32 lower-case hexadecimal digits.";
    SPAN_ID = "span_id", Text, "Span of the exchange, 16 lower-case hexadecimal digits.";
    LISTENER = "cofferdam.listener", Text, "Name of the listener.";
    ROUTE = "cofferdam.route", Text, "Name of the route; absent when none matched.";
    METHOD = "http.request.method", Text, "Method as received.";
    SCHEME = "url.scheme", Text, "`http` or `https`.";
    AUTHORITY = "http.request.authority", Text, "`:authority` or `Host` as received, port included.";
    PATH = "url.path", Text, "Path as received, without query.";
    QUERY = "url.query", Text, "Query as received, without `?`.";
    PROTOCOL = "network.protocol.version", Text, "`1.0`, `1.1`, `2`, or `tcp` for a TCP listener.";
    STATUS = "http.response.status_code", Integer, "Status sent to the client; absent when none was sent.";
    FLAGS = "cofferdam.response_flags", Text, "Envoy's response flags, comma separated; absent when there is none.";
    DETAILS = "cofferdam.response_details", Text, "Why the response is what it is, in words such as `via_upstream` or a fault's code.";
    REQUEST_BYTES = "http.request.body.size", Integer, "Body bytes received from the client.";
    RESPONSE_BYTES = "http.response.body.size", Integer, "Body bytes sent to the client.";
    DURATION = "cofferdam.duration_ms", Milliseconds, "From the request's headers to the response's last byte.";
    UPSTREAM = "cofferdam.upstream", Text, "Name of the upstream.";
    ENDPOINT = "cofferdam.endpoint", Text, "Address and port of the upstream's endpoint.";
    UPSTREAM_DURATION = "cofferdam.upstream_duration_ms", Milliseconds, "From the request sent upstream to its response's headers.";
    CLIENT = "client.address", Text, "Address of the client, after trusted hops.";
    USER_AGENT = "user_agent.original", Text, "`User-Agent` as received.";
    PLUGINS = "cofferdam.plugins", Nested, "Verdicts worth a word, in chain order: an array of `{plugin, verdict}`.";
    CUSTOM = "cofferdam.fields", Nested, "Fields that plugins added: an object of strings.";
    DROPPED = "cofferdam.records_dropped", Integer, "In a gap line only: access records lost before this line because the sink was slow or failed.";
    SANDBOX = "cofferdam.sandbox", Text, "Why what others wrote is replaced by a marker here: a log guest did not do its work on it.";
}

/// Fields in which the gateway itself says something, in words of its own or of its configuration. Whatever is not here was written by a client, an
/// upstream or a plugin, as far as anybody knows.
const TRUSTED: &[Field] = &[
    TIMESTAMP,
    TRACE_ID,
    SPAN_ID,
    LISTENER,
    ROUTE,
    SCHEME,
    PROTOCOL,
    STATUS,
    FLAGS,
    REQUEST_BYTES,
    RESPONSE_BYTES,
    DURATION,
    UPSTREAM,
    ENDPOINT,
    UPSTREAM_DURATION,
    CLIENT,
    PLUGINS,
    DROPPED,
    SANDBOX,
];

/// The field of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Field> {
    ALL.iter().find(|field| field.name == name)
}

/// Whether what stands under this name may be what a client, an upstream or a plugin wrote.
#[must_use]
pub fn is_untrusted(name: &str) -> bool {
    !TRUSTED.iter().any(|field| field.name == name)
}
