//! Differences that we want: each with its reason. A row that no longer differs fails the test.

use crate::compare::{Difference, WHOLE};

/// A difference that we want. Texts with `*` at their end stand for all that begin so.
pub(crate) struct Row {
    /// Name of the case.
    pub(crate) case: &'static str,
    /// What differs; [`WHOLE`] for a case whose course is another one: then what came of it is compared, and no more.
    pub(crate) field: &'static str,
    /// What Envoy does.
    pub(crate) envoy: &'static str,
    /// What Cofferdam does.
    pub(crate) ours: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
}

impl Row {
    /// Whether this row is about that difference.
    pub(crate) fn fits(&self, difference: &Difference) -> bool {
        fits(self.case, &difference.case)
            && self.field == difference.field
            && fits(self.envoy, &difference.envoy)
            && fits(self.ours, &difference.ours)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => pattern == text,
    }
}

/// The row for a case that takes another course, when there is one for these outcomes.
pub(crate) fn whole(case: &str, envoy: &str, ours: &str) -> Option<Difference> {
    let difference = Difference {
        case: case.to_owned(),
        field: WHOLE.to_owned(),
        envoy: envoy.to_owned(),
        ours: ours.to_owned(),
    };
    TABLE.iter().any(|row| row.fits(&difference)).then_some(difference)
}

const SAFE: &str =
    "a header map never holds what may not be sent: the change is left out with a warning, nobody can smuggle a line";

/// All of them.
pub(crate) static TABLE: &[Row] = &[
    Row {
        case: "*",
        field: "log",
        envoy: "a info request_headers: get_header_map_value -> 2",
        ours: "a info request_headers: get_header_map_value -> 1",
        reason: "`BAD_ARGUMENT` here kills plugins of the Rust SDK (its `get_map_value` panics); `NOT_FOUND` is what it survives",
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info request_body: get_header_map_value -> 2",
        ours: "a info request_body: get_header_map_value -> 1",
        reason: "`BAD_ARGUMENT` here kills plugins of the Rust SDK (its `get_map_value` panics); `NOT_FOUND` is what it survives",
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info response_headers: get_header_map_value -> 2",
        ours: "a info response_headers: get_header_map_value -> 1",
        reason: "`BAD_ARGUMENT` here kills plugins of the Rust SDK (its `get_map_value` panics); `NOT_FOUND` is what it survives",
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info response_body: get_header_map_value -> 2",
        ours: "a info response_body: get_header_map_value -> 1",
        reason: "`BAD_ARGUMENT` here kills plugins of the Rust SDK (its `get_map_value` panics); `NOT_FOUND` is what it survives",
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info context_create: get_header_map_value -> 2",
        ours: "a info context_create: get_header_map_value -> 1",
        reason: "`BAD_ARGUMENT` here kills plugins of the Rust SDK (its `get_map_value` panics); `NOT_FOUND` is what it survives",
    },
    Row {
        case: "*",
        field: "log",
        envoy: "a info http_call_response: get_header_map_value -> 2",
        ours: "a info http_call_response: get_header_map_value -> 1",
        reason: "`BAD_ARGUMENT` here kills plugins of the Rust SDK (its `get_map_value` panics); `NOT_FOUND` is what it survives",
    },
    Row {
        case: "*",
        field: "start",
        envoy: "a info configure: get_header_map_value -> 2",
        ours: "a info configure: get_header_map_value -> 1",
        reason: "`BAD_ARGUMENT` here kills plugins of the Rust SDK (its `get_map_value` panics); `NOT_FOUND` is what it survives",
    },
];
