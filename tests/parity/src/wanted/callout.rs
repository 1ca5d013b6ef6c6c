//! Callouts over HTTP and gRPC.

use super::Row;

const TEXT: &str = "our own answers say what went wrong in our words; the status is the same";
const TRAILERS: &str = "trailers of a callout are sent; Envoy drops them over HTTP/1.1";
const HOP: &str = "`connection` belongs to one connection (RFC 9110 section 7.6.1) and is no plugin's to say";
const HOST: &str =
    "one message has one host (RFC 9112 section 3.2): the last one given; Envoy joins them to a name that nobody has";
const PATH: &str =
    "a request's target begins with `/` (RFC 9112 section 3.2.1): another one is a bad argument; Envoy sends it";
const LENGTH: &str =
    "a length of 0 is said where the method has content by its definition (RFC 9110 section 8.6); PURGE has none";
const DETAILS: &str =
    "the message of the gRPC status as the server gave it; Envoy appends its own words on where the response came from";
const DEADLINE: &str = "gRPC's status for a deadline that passed is 4; Envoy's 14 comes from its router's 504";
const UNSENT: &str =
    "a callout that is cancelled in the callback that made it is never sent; in Envoy its head has left";

/// A callout that the gateway answers itself: status, length and text of either.
macro_rules! own {
    ($case:literal, $status:literal, $envoy:literal: $envoys:literal, $ours:literal: $our:literal) => {
        [
            Row::log(
                $case,
                concat!("a info http_call_response(headers=some size=", $envoy, " trailers=0)"),
                concat!("a info http_call_response(headers=some size=", $ours, " trailers=0)"),
                TEXT,
            ),
            Row::log(
                $case,
                concat!("a info http_call_response: get_call_headers -> 0 pairs=[[\":status\",\"", $status, "\"],[\"content-length\",\"", $envoy, "\"],[\"content-type\",\"text/plain\"]]"),
                concat!("a info http_call_response: get_call_headers -> 0 pairs=[[\":status\",\"", $status, "\"],[\"content-length\",\"", $ours, "\"],[\"content-type\",\"text/plain\"]]"),
                TEXT,
            ),
            Row::log(
                $case,
                concat!("a info http_call_response: get_call_body -> 0 value=\"upstream connect error or disconnect/reset before headers. reset reason: ", $envoys, "\""),
                concat!("a info http_call_response: get_call_body -> 0 value=\"", $our, "\""),
                TEXT,
            ),
            Row::log(
                $case,
                concat!("a info http_call_response: get_buffer_status -> 0 length=", $envoy, " flags=0"),
                concat!("a info http_call_response: get_buffer_status -> 0 length=", $ours, " flags=0"),
                TEXT,
            ),
        ]
    };
}

/// A gRPC status with its message: Envoy's, ours.
macro_rules! status {
    ($case:literal, $code:literal, $envoys:literal, $our:literal, $reason:ident) => {
        Row::log(
            $case,
            concat!(
                "a info grpc_close: get_status -> 0 code=",
                $code,
                " message=\"",
                $envoys,
                "\""
            ),
            concat!(
                "a info grpc_close: get_status -> 0 code=",
                $code,
                " message=\"",
                $our,
                "\""
            ),
            $reason,
        )
    };
}

/// Answers in place of an upstream's.
pub(super) static OWN: &[[Row; 4]] = &[
    own!("callout-dead-upstream", "503", "98": "remote connection failure", "29": "no connection to the upstream"),
    own!("callout-closed", "503", "95": "connection termination", "52": "the upstream ended the connection before it answered"),
    own!("callout-reset", "503", "95": "connection termination", "52": "the upstream ended the connection before it answered"),
    own!("callout-http2-reset", "503", "85": "remote reset", "49": "the upstream ended the request before it answered"),
    own!("callout-no-http", "502", "87": "protocol error", "40": "the upstream's answer was not understood"),
];

pub(super) static ROWS: &[Row] = &[
    Row::new(
        "callout-with-trailers",
        "aux 0 header content-length",
        "[\"8\"]",
        "absent",
        TRAILERS,
    ),
    Row::new(
        "callout-with-trailers",
        "aux 0 header transfer-encoding",
        "absent",
        "[\"chunked\"]",
        TRAILERS,
    ),
    Row::new(
        "callout-with-host",
        "aux 0 header connection",
        "[\"close\"]",
        "absent",
        HOP,
    ),
    Row::new("callout-with-host", "aux 0 header host", "[\"a,b\"]", "[\"b\"]", HOST),
    Row::log(
        "callout-path-relative",
        "a info request_headers: http_call -> 0",
        "a info request_headers: http_call -> 2",
        PATH,
    ),
    Row::log("callout-path-relative", "a info http_call_response*", "absent", PATH),
    Row::new("callout-path-relative", "aux requests", "1", "0", PATH),
    Row::new(
        "callout-method-odd",
        "aux 0 header content-length",
        "[\"0\"]",
        "absent",
        LENGTH,
    ),
    Row::log(
        "grpc-call-timeout",
        "a info grpc_close(status=14)",
        "a info grpc_close(status=4)",
        DEADLINE,
    ),
    Row::log(
        "grpc-call-timeout",
        "a info grpc_close: get_status -> 0 code=14 message=*",
        "a info grpc_close: get_status -> 0 code=4 message=\"timeout\"",
        DEADLINE,
    ),
    Row::new("grpc-*-cancelled", "grpc requests", "1", "0", UNSENT).sometimes(),
    status!(
        "grpc-call-failing",
        "5",
        "not%20here{via_upstream}",
        "not%20here",
        DETAILS
    ),
    status!("grpc-call-trailers-only", "7", "no{via_upstream}", "no", DETAILS),
    status!("grpc-call-http-error", "14", "via_upstream", "HTTP status 503", DETAILS),
    status!(
        "grpc-call-reset",
        "14",
        "upstream connect error or disconnect/reset before headers. reset reason: remote reset*",
        "the upstream ended the request before it answered",
        TEXT
    ),
    status!(
        "grpc-call-dead",
        "14",
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure*",
        "no connection to the upstream",
        TEXT
    ),
    status!("grpc-stream", "0", "via_upstream", "", DETAILS),
    status!("grpc-stream-closed-by-plugin", "0", "via_upstream", "", DETAILS),
    status!("grpc-stream-failing", "9", "later{via_upstream}", "later", DETAILS),
];
