//! What goes wrong between an exchange and its upstream: one table, with a code, two texts, and Envoy's words for it.

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use crate::body::BodyFault;

/// Whose doing a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Client,
    /// The upstream's, or that of the network towards it.
    Upstream,
    /// Ours: configuration or limits.
    Us,
}

/// Why a request got no response from its upstream. `Display` is the operator's text; the client's is [`UpstreamFault::client_text`].
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum UpstreamFault {
    /// Nothing has that name.
    #[error("no upstream is called `{name}`")]
    NoSuchUpstream {
        /// The name asked for.
        name: Arc<str>,
    },
    /// It has no endpoint.
    #[error("upstream `{upstream}` has no endpoint")]
    NoEndpoint {
        /// Name of the upstream.
        upstream: Arc<str>,
    },
    /// None of its names has an address.
    #[error("upstream `{upstream}`: `{host}` has no address: {reason}")]
    Resolve {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The DNS name.
        host: Arc<str>,
        /// What the resolver said.
        reason: Arc<str>,
    },
    /// No connection in time, TLS included.
    #[error("upstream `{upstream}`: no connection to {address} within {within:?}")]
    ConnectTimeout {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
        /// The bound.
        within: Duration,
    },
    /// The connection was refused or not routable.
    #[error("upstream `{upstream}`: no connection to {address}: {cause}")]
    Connect {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
        /// What the system said.
        cause: Arc<io::Error>,
    },
    /// TLS could not be agreed on: certificate, name, version.
    #[error("upstream `{upstream}`: no TLS with {address}: {}", chain(&**cause))]
    TlsHandshake {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
        /// What rustls said.
        cause: Arc<io::Error>,
    },
    /// The endpoint does not speak HTTP/2.
    #[error(
        "upstream `{upstream}`: no HTTP/2 with {address}: {reason}; hint: `protocol: http1` where the upstream knows no HTTP/2"
    )]
    NoHttp2 {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
        /// What was seen instead.
        reason: Arc<str>,
    },
    /// All connections to it are full.
    #[error("upstream `{upstream}`: all connections to {address} are full")]
    Overflow {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
    },
    /// The connection ended before the response's headers.
    #[error("upstream `{upstream}`: {address} ended the connection before it answered: {}", chain(&**cause))]
    Reset {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
        /// What hyper said.
        cause: Arc<hyper::Error>,
    },
    /// It reset the HTTP/2 stream.
    #[error("upstream `{upstream}`: {address} reset the stream: {reason}")]
    StreamReset {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
        /// The error code (RFC 9113 section 7).
        reason: h2::Reason,
    },
    /// What it sent is not HTTP.
    #[error("upstream `{upstream}`: {address} broke the protocol: {}", chain(&**cause))]
    Protocol {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
        /// What hyper said.
        cause: Arc<hyper::Error>,
    },
    /// No response headers in time.
    #[error("upstream `{upstream}`: no answer from {address} within {within:?}")]
    RequestTimeout {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
        /// The bound.
        within: Duration,
    },
    /// The response's body broke off.
    #[error("upstream `{upstream}`: {address} broke off its response: {}", chain(&**cause))]
    BrokenResponse {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// The endpoint.
        address: SocketAddr,
        /// What hyper said.
        cause: Arc<hyper::Error>,
    },
    /// The request's body broke off.
    #[error("upstream `{upstream}`: {cause}")]
    RequestBody {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// Why.
        cause: BodyFault,
    },
    /// The request cannot be said in the upstream's protocol.
    #[error("upstream `{upstream}`: the request cannot be sent: {reason}")]
    Unsendable {
        /// Name of the upstream.
        upstream: Arc<str>,
        /// What is wrong with it.
        reason: Arc<str>,
    },
}

/// One row of the table: what other rooms say about a fault.
struct Row {
    code: &'static str,
    side: Side,
    retryable: bool,
    status: StatusCode,
    flags: &'static str,
    details: &'static str,
    client: &'static str,
}

const fn row(code: &'static str, flags: &'static str, details: &'static str, client: &'static str) -> Row {
    Row {
        code,
        side: Side::Upstream,
        retryable: false,
        status: StatusCode::SERVICE_UNAVAILABLE,
        flags,
        details,
        client,
    }
}

/// Codes of the faults with which a request or a raw stream fails; the others happen without an upstream or after an answer.
pub(crate) const FAILURES: [&str; 19] = [
    "upstream.no_endpoint",
    "upstream.not_resolved",
    "upstream.connect_timeout",
    "upstream.connect_refused",
    "upstream.connect_failed",
    "upstream.tls_failed",
    "upstream.no_http2",
    "upstream.overflow",
    "upstream.reset",
    "upstream.stream_refused",
    "upstream.stream_reset",
    "upstream.protocol",
    "upstream.request_timeout",
    "upstream.request_body_gone",
    "upstream.request_body_idle",
    "upstream.request_body_long",
    "upstream.request_body_given_up",
    "upstream.request_body_unreadable",
    "upstream.unsendable",
];

impl UpstreamFault {
    /// The code, in words.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().code
    }

    /// Whose doing it is.
    #[must_use]
    pub fn side(&self) -> Side {
        self.row().side
    }

    /// Whether the same request may fare better elsewhere or later, and certainly had no effect yet.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.row().retryable
    }

    /// Status that a client gets; as Envoy chooses it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.row().status
    }

    /// Envoy's response flag.
    #[must_use]
    pub fn flags(&self) -> &'static str {
        self.row().flags
    }

    /// Envoy's response code details.
    #[must_use]
    pub fn details(&self) -> &'static str {
        self.row().details
    }

    /// What the client reads: no names, paths or addresses.
    #[must_use]
    pub fn client_text(&self) -> &'static str {
        self.row().client
    }

    /// Why there was no connection, in the words of Envoy's `upstream.transport_failure_reason`; empty when there was one.
    #[must_use]
    pub fn transport_failure_reason(&self) -> String {
        match self {
            Self::ConnectTimeout { .. } => "connect timeout".to_owned(),
            Self::Connect { cause, .. } => {
                let text = cause.to_string();
                let said = text.split(" (os error").next().unwrap_or_default();
                format!("delayed connect error: {said}")
            }
            Self::TlsHandshake { cause, .. } => format!("TLS_error: {}", chain(&**cause)),
            _ => String::new(),
        }
    }

    /// Whether it happened before a byte of the request was written, so that any request may go to another endpoint.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout { .. } | Self::Connect { .. } | Self::TlsHandshake { .. } | Self::NoHttp2 { .. }
        )
    }

    #[rustfmt::skip] // a table
    fn row(&self) -> Row {
        match self {
            Self::NoSuchUpstream { .. } => Row { side: Side::Us, ..row("upstream.unknown", "NC", "cluster_not_found", "no upstream for this request") },
            Self::NoEndpoint { .. } => Row { side: Side::Us, retryable: true, ..row("upstream.no_endpoint", "UH", "no_healthy_upstream", "no healthy upstream") },
            Self::Resolve { .. } => Row { retryable: true, ..row("upstream.not_resolved", "DF", "dns_resolution_failure", "the upstream's name has no address") },
            Self::ConnectTimeout { .. } => Row { retryable: true, ..row("upstream.connect_timeout", "UF", "upstream_reset_before_response_started{connection_timeout}", "no connection to the upstream in time") },
            Self::Connect { cause, .. } if cause.kind() == io::ErrorKind::ConnectionRefused => Row { retryable: true, ..row("upstream.connect_refused", "UF", "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}", "no connection to the upstream") },
            Self::Connect { .. } => Row { retryable: true, ..row("upstream.connect_failed", "UF", "upstream_reset_before_response_started{remote_connection_failure}", "no connection to the upstream") },
            Self::TlsHandshake { .. } => Row { retryable: true, ..row("upstream.tls_failed", "UF", "upstream_reset_before_response_started{remote_connection_failure|TLS_error}", "no secure connection to the upstream") },
            Self::NoHttp2 { .. } => Row { retryable: true, ..row("upstream.no_http2", "UF", "upstream_reset_before_response_started{remote_connection_failure}", "no connection to the upstream") },
            Self::Overflow { .. } => Row { side: Side::Us, retryable: true, ..row("upstream.overflow", "UO", "upstream_reset_before_response_started{overflow}", "the upstream has too many requests in flight") },
            Self::Reset { .. } => row("upstream.reset", "UC", "upstream_reset_before_response_started{connection_termination}", "the upstream ended the connection before it answered"),
            Self::StreamReset { reason, .. } if *reason == h2::Reason::REFUSED_STREAM => Row { retryable: true, ..row("upstream.stream_refused", "UR", "upstream_reset_before_response_started{remote_refused_stream_reset}", "the upstream refused the request") },
            Self::StreamReset { .. } => row("upstream.stream_reset", "UR", "upstream_reset_before_response_started{remote_reset}", "the upstream ended the request before it answered"),
            Self::Protocol { .. } => Row { status: StatusCode::BAD_GATEWAY, ..row("upstream.protocol", "UPE", "upstream_reset_before_response_started{protocol_error}", "the upstream's answer was not understood") },
            Self::RequestTimeout { .. } => Row { status: StatusCode::GATEWAY_TIMEOUT, ..row("upstream.request_timeout", "UT", "response_timeout", "upstream request timeout") },
            Self::BrokenResponse { .. } => Row { status: StatusCode::BAD_GATEWAY, ..row("upstream.broken_response", "UC", "upstream_reset_after_response_started{connection_termination}", "the upstream broke off its response") },
            Self::RequestBody { cause, .. } => body_row(cause),
            Self::Unsendable { .. } => Row { side: Side::Us, status: StatusCode::BAD_GATEWAY, ..row("upstream.unsendable", "UPE", "upstream_reset_before_response_started{protocol_error}", "the request cannot be forwarded") },
        }
    }
}

#[rustfmt::skip] // a table
fn body_row(cause: &BodyFault) -> Row {
    match cause {
        BodyFault::ClientGone => Row { side: Side::Client, status: StatusCode::BAD_REQUEST, ..row("upstream.request_body_gone", "DC", "downstream_remote_disconnect", "the request's body broke off") },
        BodyFault::Idle => Row { side: Side::Client, status: StatusCode::REQUEST_TIMEOUT, ..row("upstream.request_body_idle", "SI", "stream_idle_timeout", "the request's body paused for too long") },
        BodyFault::TooLong => Row { side: Side::Client, status: StatusCode::PAYLOAD_TOO_LARGE, ..row("upstream.request_body_long", "", "request_payload_too_large", "the request's body is too long") },
        BodyFault::GivenUp => Row { side: Side::Us, ..row("upstream.request_body_given_up", "LR", "upstream_reset_before_response_started{local_reset}", "the request was given up") },
        BodyFault::Unreadable(_) => Row { side: Side::Client, status: StatusCode::BAD_REQUEST, ..row("upstream.request_body_unreadable", "DPE", "downstream_remote_disconnect", "the request's body could not be read") },
    }
}

/// Envoy's response flag and details when a response's body broke off with `error`.
#[must_use]
pub fn broken_off(error: &hyper::Error) -> (&'static str, &'static str) {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(h2) = cause.downcast_ref::<h2::Error>() {
            return broken_off_http2(h2);
        }
        next = cause.source();
    }
    // Envoy's HTTP/1 codec takes an end in the middle of a body for a broken protocol.
    ("UPE", "upstream_reset_after_response_started{protocol_error}")
}

fn broken_off_http2(error: &h2::Error) -> (&'static str, &'static str) {
    if error.is_reset() && error.is_remote() {
        ("UR", "upstream_reset_after_response_started{remote_reset}")
    } else if error.is_library() {
        ("UPE", "upstream_reset_after_response_started{protocol_error}")
    } else {
        ("UC", "upstream_reset_after_response_started{connection_termination}")
    }
}

/// An error with its causes, outermost first.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}
