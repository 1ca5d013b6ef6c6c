//! Maps and buffers outside their phase.

use super::Row;

const SDK: &str = "`BAD_ARGUMENT` here kills plugins of the official Rust SDK, `NOT_FOUND` is what they survive";
const MORE: &str = "maps stay readable after their phase: more than Envoy gives, and never less";

pub(super) static ROWS: &[Row] = &[
    Row::log(
        "*",
        "a info request_headers: get_header_map_value -> 2",
        "a info request_headers: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info request_body: get_header_map_value -> 2",
        "a info request_body: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info response_headers: get_header_map_value -> 2",
        "a info response_headers: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info response_body: get_header_map_value -> 2",
        "a info response_body: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info context_create: get_header_map_value -> 2",
        "a info context_create: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info http_call_response: get_header_map_value -> 2",
        "a info http_call_response: get_header_map_value -> 1",
        SDK,
    ),
    Row::new(
        "*",
        "start",
        "a info configure: get_header_map_value -> 2",
        "a info configure: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info request_body: get_request_header -> 2",
        "a info request_body: get_request_header -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info response_body: get_response_header -> 2",
        "a info response_body: get_response_header -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info http_call_response: get_request_header -> 2",
        "a info http_call_response: get_request_header -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info request_headers: get_response_header -> 2",
        "a info request_headers: get_response_header -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "a info request_body: get_header_map_size -> 2",
        "a info request_body: get_header_map_size -> 0 size=*",
        MORE,
    ),
    Row::log(
        "*",
        "a info response_headers: get_header_map_size -> 2",
        "a info response_headers: get_header_map_size -> 0 size=*",
        MORE,
    ),
    Row::log(
        "*",
        "a info response_body: get_header_map_size -> 2",
        "a info response_body: get_header_map_size -> 0 size=*",
        MORE,
    ),
    Row::log(
        "*",
        "a info log: get_header_map_size -> 2",
        "a info log: get_header_map_size -> 0 size=*",
        MORE,
    ),
    Row::log(
        "*",
        "a info done: get_header_map_size -> 2",
        "a info done: get_header_map_size -> 0 size=*",
        MORE,
    ),
    Row::log(
        "*",
        "a info delete: get_header_map_size -> 2",
        "a info delete: get_header_map_size -> 0 size=*",
        MORE,
    ),
    Row::log(
        "*",
        "a info context_create: get_header_map_size -> 2",
        "a info context_create: get_header_map_size -> 0 size=*",
        MORE,
    ),
    Row::log(
        "*",
        "a info http_call_response: get_header_map_size -> 2",
        "a info http_call_response: get_header_map_size -> 0 size=*",
        MORE,
    ),
    Row::log(
        "callout-in-both-plugins",
        "b info http_call_response: get_header_map_value -> 2",
        "b info http_call_response: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "callout-in-both-plugins",
        "b info http_call_response: get_header_map_size -> 2",
        "b info http_call_response: get_header_map_size -> 0 size=*",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info done: get_request_headers -> 0 pairs=[]",
        "a info done: get_request_headers -> 0 pairs=[[*",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info done: get_response_headers -> 0 pairs=[]",
        "a info done: get_response_headers -> 0 pairs=[[*",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info done: get_header_map_value -> 2",
        "a info done: get_header_map_value -> 0 value=\"m\"",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info done: get_header_map_value -> 2",
        "a info done: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "maps-in-*",
        "a info delete: get_request_headers -> 0 pairs=[]",
        "a info delete: get_request_headers -> 0 pairs=[[*",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info delete: get_response_headers -> 0 pairs=[]",
        "a info delete: get_response_headers -> 0 pairs=[[*",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info delete: get_header_map_value -> 2",
        "a info delete: get_header_map_value -> 0 value=\"m\"",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info delete: get_header_map_value -> 2",
        "a info delete: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "maps-in-*",
        "a info context_create: get_request_headers -> 0 pairs=[]",
        "a info context_create: get_request_headers -> 0 pairs=[[*",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info context_create: get_response_headers -> 0 pairs=[]",
        "a info context_create: get_response_headers -> 0 pairs=[[*",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info context_create: get_header_map_value -> 2",
        "a info context_create: get_header_map_value -> 0 value=\"m\"",
        MORE,
    ),
    Row::log(
        "maps-in-*",
        "a info context_create: get_header_map_value -> 2",
        "a info context_create: get_header_map_value -> 1",
        SDK,
    ),
];
