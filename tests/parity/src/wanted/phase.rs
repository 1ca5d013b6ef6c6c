//! Maps and buffers outside their phase, or of no phase.

use super::Row;

const SDK: &str = "`BAD_ARGUMENT` here kills plugins of the official Rust SDK, `NOT_FOUND` is what they survive";
const EMPTY: &str = "0.1.0 has no \"not found\": an absent map reads as one without the key, as a present map does";
const REDIS: &str =
    "buffer 9 is Higress's answer of a Redis call: known, and not there now; Envoy does not know the number";
const SLIP: &str =
    "buffer 8 holds the arguments of a foreign function; Envoy shows the plugin's configuration there by accident";

pub(super) static ROWS: &[Row] = &[
    Row::log(
        "*",
        "* info *: get_header_map_value -> 2",
        "* info *: get_header_map_value -> 1",
        SDK,
    ),
    Row::log(
        "*",
        "* info *: get_re*_header -> 2",
        "* info *: get_re*_header -> 1",
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
        "010-missing",
        "a info request_headers: get_* -> 2",
        "a info request_headers: get_* -> 0 value=\"\"",
        EMPTY,
    ),
    Row::log(
        "buffers-in-*",
        "a info *: get_buffer_* -> 2",
        "a info *: get_buffer_* -> 1",
        REDIS,
    ),
    Row::new(
        "buffers-in-configure",
        "start",
        "a info configure: get_buffer_* -> 2",
        "a info configure: get_buffer_* -> 1",
        REDIS,
    ),
    Row::new(
        "buffers-in-configure",
        "start",
        "a info configure: get_buffer_bytes -> 0 value=[*",
        "a info configure: get_buffer_bytes -> 0 value=\"\"",
        SLIP,
    ),
    Row::new(
        "buffers-in-configure",
        "start",
        "a info configure: get_buffer_status -> 0 length=*",
        "a info configure: get_buffer_status -> 0 length=0 flags=0",
        SLIP,
    ),
    Row::new(
        "body-of-the-other-side",
        "start",
        "a info configure: set_buffer_bytes -> 2",
        "a info configure: set_buffer_bytes -> 1",
        "there is no body to write while a plugin is configured: `NOT_FOUND`, which is what reading it would say",
    ),
];
