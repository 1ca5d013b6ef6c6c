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
    PROTOCOL = "network.protocol.version", Text, "`1.0`, `1.1`, `2`, `tcp` for a TCP listener, or `tls` where its handshake failed.";
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
    TLS_VERSION = "tls.protocol.version", Text, "Version of TLS with the client, `1.2` or `1.3`.";
    TLS_CIPHER = "tls.cipher", Text, "Cipher suite agreed on with the client, by its name at IANA.";
    TLS_SERVER_NAME = "tls.client.server_name", Text, "Name that the client asked for (SNI), lower case.";
    TLS_NEXT_PROTOCOL = "tls.next_protocol", Text, "Protocol agreed on with the client by ALPN, `h2` or `http/1.1`.";
    TLS_CLIENT_SUBJECT = "tls.client.subject", Text, "Subject of the client's certificate as RFC 2253 writes it; absent when it showed none.";
    CLIENT_RTT = "cofferdam.client_rtt_us", Integer, "Round trip to the client in microseconds, smoothed by the kernel, when the exchange ended.";
    CLIENT_RTT_VARIANCE = "cofferdam.client_rtt_variance_us", Integer, "How much it varies, in microseconds.";
    CLIENT_RETRANSMITS = "cofferdam.client_retransmits", Integer, "Segments sent to the client again since its connection began.";
    CLIENT_RETRANSMITS_NEW = "cofferdam.client_retransmits_new", Integer, "Those of them of which no earlier record of the connection told.";
    CLIENT_RETRANSMITTED_AT = "cofferdam.client_retransmitted_at", Nested, "When segments were sent to the client again since the exchange began: an array of time stamps. With CAP_BPF only.";
    CLIENT_CONGESTION = "cofferdam.client_congestion", Text, "Congestion control of the connection to the client, such as `cubic`.";
    CLIENT_CONGESTION_WINDOW = "cofferdam.client_congestion_window", Integer, "Segments that might be on their way to the client when the exchange ended.";
    CLIENT_DELIVERY_RATE = "cofferdam.client_delivery_rate", Integer, "Latest rate at which bytes arrived at the client, in bytes per second.";
    UPSTREAM_TLS_VERSION = "cofferdam.upstream_tls_version", Text, "Version of TLS with the upstream, `1.2` or `1.3`.";
    UPSTREAM_TLS_CIPHER = "cofferdam.upstream_tls_cipher", Text, "Cipher suite agreed on with the upstream, by its name at IANA.";
    UPSTREAM_RTT = "cofferdam.upstream_rtt_us", Integer, "Round trip to the upstream in microseconds, smoothed by the kernel, when the exchange ended.";
    UPSTREAM_RTT_VARIANCE = "cofferdam.upstream_rtt_variance_us", Integer, "How much it varies, in microseconds.";
    UPSTREAM_RETRANSMITS = "cofferdam.upstream_retransmits", Integer, "Segments sent to the upstream again since the connection began.";
    UPSTREAM_RETRANSMITS_NEW = "cofferdam.upstream_retransmits_new", Integer, "Those of them of which no earlier record of the connection told.";
    UPSTREAM_RETRANSMITTED_AT = "cofferdam.upstream_retransmitted_at", Nested, "When segments were sent to the upstream again since the exchange began: an array of time stamps. With CAP_BPF only.";
    UPSTREAM_CONGESTION = "cofferdam.upstream_congestion", Text, "Congestion control of the connection to the upstream, such as `cubic`.";
    UPSTREAM_CONGESTION_WINDOW = "cofferdam.upstream_congestion_window", Integer, "Segments that might be on their way to the upstream when the exchange ended.";
    UPSTREAM_DELIVERY_RATE = "cofferdam.upstream_delivery_rate", Integer, "Latest rate at which bytes arrived at the upstream, in bytes per second.";
}
