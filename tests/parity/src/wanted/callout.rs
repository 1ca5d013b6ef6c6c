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
        "callout-*",
        "a info http_call_response(headers=some size=* trailers=0)",
        "a info http_call_response(headers=some size=* trailers=0)",
        TEXT,
    ),
    Row::log(
        "callout-*",
        "a info http_call_response: get_call_headers -> 0 pairs=[[\":status\",\"503\"],[\"content-length\",*",
        "a info http_call_response: get_call_headers -> 0 pairs=[[\":status\",\"503\"],[\"content-length\",*",
        TEXT,
    ),
    Row::log(
        "callout-no-http",
        "a info http_call_response: get_call_headers -> 0 pairs=[[\":status\",\"502\"],[\"content-length\",*",
        "a info http_call_response: get_call_headers -> 0 pairs=[[\":status\",\"502\"],[\"content-length\",*",
        TEXT,
    ),
    Row::log(
        "callout-*",
        "a info http_call_response: get_call_body -> 0 value=\"upstream connect error or *",
        "a info http_call_response: get_call_body -> 0 value=\"*\"",
        TEXT,
    ),
    Row::log(
        "callout-*",
        "a info http_call_response: get_buffer_status -> 0 length=* flags=0",
        "a info http_call_response: get_buffer_status -> 0 length=* flags=0",
        TEXT,
    ),
    Row::log(
        "grpc-*",
        "a info grpc_close: get_status -> 0 code=*via_upstream*",
        "a info grpc_close: get_status -> 0 code=*",
        DETAILS,
    ),
    Row::log(
        "grpc-call-*",
        "a info grpc_close: get_status -> 0 code=14 message=\"upstream connect error*",
        "a info grpc_close: get_status -> 0 code=14 message=\"*",
        TEXT,
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
];
