//! The words of a script: short forms, named numbers and defaults, and the check that a configuration uses only known ones.

use serde_json::Value;

use crate::context;
use crate::step::VERBS;

/// A short form: its word, the host call behind it, and fields that it fills in.
pub type ShortForm = (&'static str, &'static str, &'static [(&'static str, i64)]);

/// Everything: more bytes than any buffer has.
const ALL: i64 = i32::MAX as i64;

/// Words for a host call with some fields filled in.
pub static SHORT_FORMS: &[ShortForm] = &[
    ("get_request_header", "get_header_map_value", &[("map", 0)]),
    ("add_request_header", "add_header_map_value", &[("map", 0)]),
    ("replace_request_header", "replace_header_map_value", &[("map", 0)]),
    ("remove_request_header", "remove_header_map_value", &[("map", 0)]),
    ("get_request_headers", "get_header_map_pairs", &[("map", 0)]),
    ("set_request_headers", "set_header_map_pairs", &[("map", 0)]),
    ("get_request_trailers", "get_header_map_pairs", &[("map", 1)]),
    ("get_response_header", "get_header_map_value", &[("map", 2)]),
    ("add_response_header", "add_header_map_value", &[("map", 2)]),
    ("replace_response_header", "replace_header_map_value", &[("map", 2)]),
    ("remove_response_header", "remove_header_map_value", &[("map", 2)]),
    ("get_response_headers", "get_header_map_pairs", &[("map", 2)]),
    ("set_response_headers", "set_header_map_pairs", &[("map", 2)]),
    ("get_response_trailers", "get_header_map_pairs", &[("map", 3)]),
    ("get_request_body", "get_buffer_bytes", &[("buffer", 0)]),
    ("set_request_body", "set_buffer_bytes", &[("buffer", 0), ("size", ALL)]),
    ("get_response_body", "get_buffer_bytes", &[("buffer", 1)]),
    ("set_response_body", "set_buffer_bytes", &[("buffer", 1), ("size", ALL)]),
    ("get_call_headers", "get_header_map_pairs", &[("map", 6)]),
    ("get_call_trailers", "get_header_map_pairs", &[("map", 7)]),
    ("get_call_body", "get_buffer_bytes", &[("buffer", 4)]),
    ("get_grpc_message", "get_buffer_bytes", &[("buffer", 5)]),
    ("get_redis_response", "get_buffer_bytes", &[("buffer", 9)]),
    ("continue_request", "continue_stream", &[("stream", 0)]),
    ("continue_response", "continue_stream", &[("stream", 1)]),
];

/// Names of numbers, by the field in which they are understood.
static NUMBERS: &[(&str, &[(&str, i64)])] = &[
    (
        "map",
        &[
            ("request_headers", 0),
            ("request_trailers", 1),
            ("response_headers", 2),
            ("response_trailers", 3),
            ("grpc_initial_metadata", 4),
            ("grpc_trailing_metadata", 5),
            ("call_headers", 6),
            ("call_trailers", 7),
        ],
    ),
    (
        "buffer",
        &[
            ("request_body", 0),
            ("response_body", 1),
            ("downstream_data", 2),
            ("upstream_data", 3),
            ("call_body", 4),
            ("grpc_message", 5),
            ("vm_configuration", 6),
            ("plugin_configuration", 7),
            ("foreign_arguments", 8),
            ("redis_response", 9),
        ],
    ),
    (
        "stream",
        &[("request", 0), ("response", 1), ("downstream", 2), ("upstream", 3)],
    ),
    (
        "level",
        &[
            ("trace", 0),
            ("debug", 1),
            ("info", 2),
            ("warn", 3),
            ("error", 4),
            ("critical", 5),
        ],
    ),
    ("type", &[("counter", 0), ("gauge", 1), ("histogram", 2)]),
    (
        "action",
        &[
            ("continue", 0),
            ("pause", 1),
            ("stop_iteration", 1),
            ("buffer", 1),
            ("false", 0),
            ("true", 1),
        ],
    ),
];

/// What a number is when the step does not say it, by host call and field; 0 when it is not here.
static DEFAULTS: &[(&str, &str, i64)] = &[
    ("proxy_log", "level", 2),
    ("proxy_get_buffer_bytes", "size", ALL),
    ("proxy_send_local_response", "status", 200),
    ("proxy_send_local_response", "grpc_status", -1),
    ("proxy_http_call", "timeout", 5000),
    ("proxy_grpc_call", "timeout", 5000),
    ("proxy_redis_init", "timeout", 1000),
];

/// Fields that hold steps.
static NESTED: &[&str] = &["then", "steps", "close", "initial_metadata", "trailing_metadata"];

/// The number that a name stands for in a field.
pub fn named_number(field: &str, name: &str) -> Option<i64> {
    let (_, names) = NUMBERS.iter().find(|(known, _)| *known == field)?;
    names
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

/// The number that a field has when the step does not say it.
pub fn default_number(call: &str, field: &str) -> i64 {
    DEFAULTS
        .iter()
        .find(|row| row.0 == call && row.1 == field)
        .map_or(0, |row| row.2)
}

/// The short form behind a word.
pub fn short_form(word: &str) -> Option<&'static ShortForm> {
    SHORT_FORMS.iter().find(|form| form.0 == word)
}

/// Reads a configuration and refuses one with a word that no step has, so that a typo fails at once.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let script: Value = serde_json::from_slice(bytes).map_err(|error| format!("configuration is not JSON: {error}"))?;
    let Some(callbacks) = script.as_object() else {
        return Err(String::from("configuration is not an object"));
    };
    for (name, steps) in callbacks {
        match name.as_str() {
            "trace" => {}
            "cases" => {
                let cases = steps.as_object().ok_or("`cases` is not an object")?;
                cases
                    .values()
                    .filter_map(Value::as_object)
                    .flat_map(|case| case.values())
                    .try_for_each(check)?;
            }
            _ => check(steps)?,
        }
    }
    Ok(script)
}

fn check(steps: &Value) -> Result<(), String> {
    for step in steps.as_array().map(Vec::as_slice).unwrap_or_default() {
        let word = step["op"]
            .as_str()
            .ok_or_else(|| format!("a step without `op`: {step}"))?;
        let behind = short_form(word).map_or(word, |form| form.1);
        if !VERBS.contains(&word) && context::host_call(word).is_none() && context::host_call(behind).is_none() {
            return Err(format!("this ABI has no `{word}`"));
        }
        NESTED.iter().try_for_each(|field| check(&step[field]))?;
    }
    Ok(())
}
