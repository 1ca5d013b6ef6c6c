//! Why a request is refused because of how it was written, or because it did not arrive in time.

use bytes::Bytes;
use http::{Response, StatusCode, header};

/// A request that is refused before anybody looks at what it asks for. The side is always the client's; a retry never helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// RFC 9112 section 6.1: a server may reject both, for one of the two may be there to smuggle a request past somebody.
    #[error("request has both `content-length` and `transfer-encoding`")]
    LengthAndEncoding,
    /// RFC 9112 section 2.2 allows a recipient to take it for a line end; recipients that differ about it can be played against each other.
    #[error("request head has a line feed without carriage return")]
    BareLineFeed,
    /// RFC 9112 section 6.1: 501 for a coding that is not understood.
    #[error("request has a `transfer-encoding` other than `chunked`")]
    TransferEncoding,
    /// RFC 9112 section 3.2.
    #[error("request has no `host`")]
    HostMissing,
    /// RFC 9112 section 3.2.
    #[error("request has more than one `host`")]
    HostRepeated,
    /// RFC 9112 section 3.2.
    #[error("request's `host` is no host with an optional port")]
    HostInvalid,
    /// RFC 9113 section 8.3.1.
    #[error("request's `host` differs from `:authority`")]
    HostMismatch,
    /// RFC 9112 section 3.2: only `OPTIONS` has `*`, only `CONNECT` has an authority, everything else has a path.
    #[error("request target has a form that its method does not allow")]
    Target,
    /// Tunnels are not offered.
    #[error("method `CONNECT` is not supported")]
    Connect,
    /// More header lines than `limits.header_count_max`, on HTTP/2.
    #[error("request has more header lines than `limits.header_count_max`")]
    HeaderCount,
    /// More header bytes or lines than the limits allow, on HTTP/1.
    #[error("request head is larger than `limits.header_bytes_max` or has more lines than `limits.header_count_max`")]
    HeadersTooLarge,
    /// No HTTP at all, or wrong in a way that the parser sees: space before a colon, folded lines, control characters, wrong lengths.
    #[error("request is no valid HTTP")]
    Malformed,
    /// A head that began and did not end within `limits.header_timeout`.
    #[error("request head did not arrive within `limits.header_timeout`")]
    HeaderTimeout,
}

impl Refusal {
    /// Every refusal, in the order of the table of counts.
    pub const ALL: [Self; 13] = [
        Self::LengthAndEncoding,
        Self::BareLineFeed,
        Self::TransferEncoding,
        Self::HostMissing,
        Self::HostRepeated,
        Self::HostInvalid,
        Self::HostMismatch,
        Self::Target,
        Self::Connect,
        Self::HeaderCount,
        Self::HeadersTooLarge,
        Self::Malformed,
        Self::HeaderTimeout,
    ];

    /// Its code, for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::LengthAndEncoding => "client.length_and_encoding",
            Self::BareLineFeed => "client.bare_line_feed",
            Self::TransferEncoding => "client.transfer_encoding",
            Self::HostMissing => "client.host_missing",
            Self::HostRepeated => "client.host_repeated",
            Self::HostInvalid => "client.host_invalid",
            Self::HostMismatch => "client.host_mismatch",
            Self::Target => "client.target_form",
            Self::Connect => "client.connect_unsupported",
            Self::HeaderCount => "client.header_count",
            Self::HeadersTooLarge => "client.headers_too_large",
            Self::Malformed => "client.malformed",
            Self::HeaderTimeout => "client.header_timeout",
        }
    }

    /// The status that the client gets.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TransferEncoding | Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::HeaderCount | Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HeaderTimeout => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Envoy's response flag for it: downstream protocol error.
    pub const fn flag(self) -> &'static str {
        "DPE"
    }

    /// What the client reads.
    pub const fn client_text(self) -> &'static str {
        match self {
            Self::TransferEncoding => "transfer coding not supported\n",
            Self::Connect => "method not supported\n",
            Self::HeaderCount | Self::HeadersTooLarge => "request headers too large\n",
            Self::HeaderTimeout => "request timeout\n",
            _ => "bad request\n",
        }
    }

    /// The whole answer. HTTP/1 closes afterwards, for what follows on the connection is not to be trusted either.
    pub(crate) fn response(self, http1: bool) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(self.client_text().as_bytes()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
        if http1 {
            headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
        response
    }
}
