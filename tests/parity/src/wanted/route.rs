//! Routes, properties, and the words of our own answers.

use super::Row;
use crate::compare::WHOLE;

const TEXT: &str = "our own answers say what a client may know, in our words";
const HIGRESS: &str =
    "Higress's plugins read `route_name` and `cluster_name`, which Envoy 1.40 no longer has at top level";
const ROUTELESS: &str = "plugins stand on routes: an exchange without a route has none; Envoy's stand on the listener";
const BOUNDED: &str = "expressions have bounds: messages cannot be made in them, and patterns are short";
const LEVEL: &str = "Higress's modules ask the level by this foreign function";

pub(super) static ROWS: &[Row] = &[
    Row::log(
        "route-changed-back",
        "a info request_headers: get_property -> 1",
        "a info request_headers: get_property -> 0 value=\"*",
        HIGRESS,
    ),
    Row::log(
        "route-cleared-by-foreign-function",
        "a info request_headers: get_property -> 1",
        "a info request_headers: get_property -> 0 value=\"*",
        HIGRESS,
    ),
    Row::log(
        "route-changed-by-the-first-of-two",
        "b info request_headers: get_property -> 1",
        "b info request_headers: get_property -> 0 value=\"*",
        HIGRESS,
    ),
    Row::new(
        "route-cache-kept",
        WHOLE,
        "200 \"hello from aux\", aux 1",
        "200 \"hello from api\", api 1",
        "Higress's property `clear_route_cache` = `off` keeps the route",
    ),
    Row::new(
        "no-answer",
        WHOLE,
        "503 \"upstream connect error or disconnect/reset before headers. reset reason: remote connection failure\"",
        "503 \"no connection to the upstream\"",
        TEXT,
    ),
    Row::log("route-none", "a info *", "absent", ROUTELESS),
    Row::log(
        "foreign-functions",
        "a info request_headers: call_foreign_function -> 1",
        "a info request_headers: call_foreign_function -> 0 result=0x01000000",
        LEVEL,
    ),
    Row::log(
        "expressions-apart",
        "a info request_headers: call_foreign_function -> 0 result=0x312e35303073",
        "a info request_headers: call_foreign_function -> 0 result=0x312e3573",
        "1.5 seconds as text are `1.5s`, as in CEL for Go; Envoy says `1.500s`",
    ),
    Row::log(
        "expressions-apart",
        "a info request_headers: call_foreign_function -> 0 result=0x0000000000000000",
        "a info request_headers: call_foreign_function -> 10",
        "Expressions know time zones by their offset, and UTC by its name: all names would take 2 MB of memory",
    ),
    Row::log(
        "expressions-apart",
        "a info request_headers: call_foreign_function -> 0 result=0x00",
        "a info request_headers: call_foreign_function -> 10",
        BOUNDED,
    ),
    Row::log(
        "expressions-apart",
        "a info request_headers: call_foreign_function -> 0 result=0x03000000",
        "a info request_headers: call_foreign_function -> 2",
        BOUNDED,
    ),
    Row::log(
        "expressions-apart",
        "a info request_headers: call_foreign_function -> 0 result=0x00ca9a3b00000000",
        "a info request_headers: call_foreign_function -> 1",
        BOUNDED,
    ),
];
