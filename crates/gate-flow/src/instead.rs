//! What a client gets when a lane gave nothing more: Envoy's statuses, flags and texts.

use http::StatusCode;
use plug_host::Direction;

use crate::lane::Stop;

/// What is said in place of what a lane did not give.
pub(crate) struct Instead {
    /// Envoy's response flags.
    pub(crate) flags: &'static str,
    pub(crate) details: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) text: &'static str,
}

impl Instead {
    /// Statuses and texts are Envoy's. A plugin's own reply, and a stream that ends without one, are not asked for here.
    pub(crate) fn of(stop: &Stop, direction: Direction) -> Self {
        let (flags, details, status, text) = match (stop, direction) {
            (Stop::Fault(fault), _) => ("", fault.code(), StatusCode::SERVICE_UNAVAILABLE, ""),
            (Stop::TooLarge, Direction::Request) => (
                "",
                "request_payload_too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "Payload Too Large",
            ),
            (Stop::TooLarge, Direction::Response) => (
                "",
                "response_payload_too_large",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal Server Error",
            ),
            (Stop::Idle, Direction::Request) => (
                "SI",
                "request_idle_timeout",
                StatusCode::REQUEST_TIMEOUT,
                "stream timeout",
            ),
            (Stop::Idle, Direction::Response) => (
                "SI",
                "response_idle_timeout",
                StatusCode::GATEWAY_TIMEOUT,
                "stream timeout",
            ),
            (Stop::Source(_) | Stop::Reply | Stop::Reset, _) => (
                "UC",
                "upstream_reset_before_response_started",
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream connect error or disconnect/reset before headers",
            ),
        };
        Self {
            flags,
            details,
            status,
            text,
        }
    }
}
