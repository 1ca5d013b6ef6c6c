//! Bodies: edits, lengths and ends.

use super::Row;
use crate::compare::WHOLE;

const SPLICE: &str =
    "the specification lets a plugin replace and insert anywhere in a buffer; Envoy refuses all but both ends";
const LENGTH: &str = "a body that does not fit its `content-length` breaks off; Envoy cuts it, waits for ever, or sends the rest as the next request of that connection";
const KEPT_OPEN: &str =
    "a request whose unread rest is short is read to its end, so its connection goes on; Envoy closes it";
const TOGETHER: &str = "the head leaves with the first piece of the body, in one write: when a plugin stops that piece, nothing has left; Envoy has sent the head";

pub(super) static ROWS: &[Row] = &[
    Row::log(
        "request-body-replace-middle",
        "a info request_body: set_buffer_bytes -> 2",
        "a info request_body: set_buffer_bytes -> 0",
        SPLICE,
    ),
    Row::log(
        "request-body-replace-middle",
        "a info request_body: get_request_body -> 0 value=\"0123456789\"",
        "a info request_body: get_request_body -> 0 value=\"012abc6789\"",
        SPLICE,
    ),
    Row::new(
        "request-body-replace-middle",
        "api 0 body",
        "0123456789",
        "012abc6789",
        SPLICE,
    ),
    Row::log(
        "request-body-insert-middle",
        "a info request_body: set_buffer_bytes -> 2",
        "a info request_body: set_buffer_bytes -> 0",
        SPLICE,
    ),
    Row::log(
        "request-body-insert-middle",
        "a info request_body: get_request_body -> 0 value=\"0123456789\"",
        "a info request_body: get_request_body -> 0 value=\"012abc3456789\"",
        SPLICE,
    ),
    Row::new(
        "request-body-insert-middle",
        "api 0 body",
        "0123456789",
        "012abc3456789",
        SPLICE,
    ),
    Row::log(
        "response-body-replace-middle",
        "a info response_body: set_buffer_bytes -> 2",
        "a info response_body: set_buffer_bytes -> 0",
        SPLICE,
    ),
    Row::log(
        "response-body-replace-middle",
        "a info response_body: get_response_body -> 0 value=\"0123456789\"",
        "a info response_body: get_response_body -> 0 value=\"012abc6789\"",
        SPLICE,
    ),
    Row::new(
        "response-body-replace-middle",
        "answer 0 body",
        "0123456789",
        "012abc6789",
        SPLICE,
    ),
    Row::log(
        "response-body-insert-middle",
        "a info response_body: set_buffer_bytes -> 2",
        "a info response_body: set_buffer_bytes -> 0",
        SPLICE,
    ),
    Row::log(
        "response-body-insert-middle",
        "a info response_body: get_response_body -> 0 value=\"0123456789\"",
        "a info response_body: get_response_body -> 0 value=\"012abc3456789\"",
        SPLICE,
    ),
    Row::new(
        "response-body-insert-middle",
        "answer 0 body",
        "0123456789",
        "012abc3456789",
        SPLICE,
    ),
    Row::new(
        "response-body-longer-than-length",
        WHOLE,
        "200 \"much longer th\", api 1",
        "broken off, api 1",
        LENGTH,
    ),
    Row::new(
        "response-body-shorter-than-length",
        WHOLE,
        "200 \"short\", api 1",
        "broken off, api 1",
        LENGTH,
    ),
    Row::new(
        "early-answer",
        "answer 0 header connection",
        "[\"close\"]",
        "absent",
        "the upstream's answer may end before the request does without ending the connection; Envoy closes it",
    ),
    Row::new(
        "reply-*",
        "answer 0 header connection",
        "[\"close\"]",
        "absent",
        KEPT_OPEN,
    )
    .sometimes(),
    Row::new(
        "request-body-over-limit",
        "answer 0 header connection",
        "[\"close\"]",
        "absent",
        KEPT_OPEN,
    )
    .sometimes(),
    Row::new("*body*", "api requests", "1", "0", TOGETHER).sometimes(),
    Row::new("*body*", "answer 0", "200 \"\"", "broken off", TOGETHER).sometimes(),
];
