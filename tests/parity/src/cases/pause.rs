//! Pausing and going on: every action in every phase, resumed by a callout or a tick, left by the client.

use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::Request;

use crate::case::{API, AUX, Case, Plugin, Say};

pub(super) fn cases() -> Vec<Case> {
    let mut all = resumed();
    all.extend(actions());
    all.extend(left());
    all.extend(stopped_only());
    all
}

/// A callout to `aux` whose answer continues the stream that made it.
fn callout_then(stream: &str) -> Value {
    json!({"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "aux"]],
        "then": [{"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_stream", "stream": stream}]})
}

/// Steps of a header callback that keep the stream for a tick.
fn keep() -> Value {
    json!([
        {"op": "set", "name": "stream", "value": "${self}", "scope": "root"},
        {"op": "set_effective_context", "context": "${root}"}, {"op": "set_tick_period_milliseconds", "period": 20},
        {"op": "return", "action": "pause"}])
}

/// Steps of a tick that continue the kept stream, once.
fn tick(stream: &str) -> Value {
    json!([
        {"op": "set_tick_period_milliseconds", "period": 0},
        {"op": "set_effective_context", "context": "${stream}"}, {"op": "continue_stream", "stream": stream}])
}

fn pausing(callback: &str, stream: &str) -> Value {
    json!({callback: [callout_then(stream), {"op": "return", "action": "pause"}]})
}

fn chunked() -> Reply {
    Reply::new(200).field("x-up", "1").piece("onetwo").trailer("x-t", "1")
}

fn resumed() -> Vec<Case> {
    let once = |callback: &str, stream: &str| {
        json!({callback: [
            {"op": "get_header_map_pairs", "map": if stream == "request" { 0 } else { 2 }, "show": false},
            {"op": "http_call", "when": "first", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "aux"]],
                "then": [{"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_stream", "stream": stream}]},
            {"op": "return", "action": "pause", "when": "first"}]})
    };
    // The callout is made for the end of the body alone: two at a time could answer in any order.
    let at_end = |callback: &str, stream: &str| {
        let mut callout = callout_then(stream);
        callout["when"] = json!("end");
        json!({callback: [callout, {"op": "return", "action": "pause"}]})
    };
    vec![
        Case::new("pause-request-headers", pausing("request_headers", "request")),
        Case::new("pause-request-headers-with-body", pausing("request_headers", "request"))
            .send(Request::post("/", "body")),
        Case::new(
            "pause-request-headers-with-trailers",
            pausing("request_headers", "request"),
        )
        .send(Request::new("POST", "/").piece("body").trailer("x-t", "1")),
        Case::new("pause-request-body", at_end("request_body", "request")).send(Request::post("/", "body")),
        Case::new("pause-request-body-first", once("request_body", "request")).talk(
            Request::new("POST", "/"),
            vec![
                Say::Data("one"),
                Say::Log("continue_stream"),
                Say::Data("two"),
                Say::Log("request_body(size=3 end=0)"),
                Say::Finish,
            ],
        ),
        Case::new("pause-request-trailers", pausing("request_trailers", "request"))
            .send(Request::new("POST", "/").piece("body").trailer("x-t", "1")),
        Case::new("pause-response-headers", pausing("response_headers", "response")),
        Case::new(
            "pause-response-headers-with-trailers",
            pausing("response_headers", "response"),
        )
        .reply(chunked()),
        Case::new(
            "pause-response-headers-no-body",
            pausing("response_headers", "response"),
        )
        .reply(Reply::new(204)),
        Case::new("pause-response-body", at_end("response_body", "response")),
        Case::new("pause-response-body-first", once("response_body", "response"))
            .reply(Reply::new(200).piece("one").wait("more").piece("two"))
            .talk(
                Request::get("/"),
                vec![Say::Finish, Say::Head, Say::Piece, Say::Release(API, "more")],
            ),
        Case::new("pause-response-trailers", pausing("response_trailers", "response")).reply(chunked()),
        Case::new(
            "pause-request-by-tick",
            json!({"request_headers": keep(), "tick": tick("request")}),
        ),
        Case::new(
            "pause-response-by-tick",
            json!({"response_headers": keep(), "tick": tick("response")}),
        ),
        Case::new(
            "pause-both",
            json!({"request_headers": [callout_then("request"), {"op": "return", "action": "pause"}],
                   "response_headers": [callout_then("response"), {"op": "return", "action": "pause"}]}),
        ),
        Case::new(
            "continue-not-paused",
            json!({"request_headers": [{"op": "continue_request"}, {"op": "continue_stream", "stream": 2}, {"op": "continue_stream", "stream": 3}, {"op": "continue_stream", "stream": 9}],
                   "response_headers": [{"op": "continue_request"}]}),
        ),
        Case::new(
            "continue-response-at-once",
            json!({"response_headers": [{"op": "continue_response"}]}),
        ),
        Case::new(
            "continue-response-too-early",
            json!({"request_headers": [{"op": "continue_response"}]}),
        )
        .dies(),
        Case::new(
            "continue-in-the-same-callback",
            json!({"request_headers": [{"op": "continue_request"}, {"op": "return", "action": "pause"}]}),
        ),
        Case::new(
            "headers-changed-while-paused",
            json!({"request_headers": [
                {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "aux"]],
                    "then": [{"op": "add_request_header", "key": "x-before", "value": "1"},
                        {"op": "set_effective_context", "context": "${origin}"},
                        {"op": "add_request_header", "key": "x-held", "value": "1"},
                        {"op": "get_request_header", "key": "x-held"},
                        {"op": "get_response_headers"},
                        {"op": "continue_request"},
                        {"op": "add_request_header", "key": "x-after", "value": "1"}]},
                {"op": "return", "action": "pause"}]}),
        ),
    ]
}

/// Milliseconds until a stream is resumed that was stopped: longer than an exchange takes that is not, also on a busy machine.
const RESUMED_AFTER_MS: u32 = 500;

/// Every number that a callback may return, resumed by a tick where it stops.
fn actions() -> Vec<Case> {
    let names: [(&str, &str, &str, u32); 14] = [
        ("action-request-headers-2", "request_headers", "request", 2),
        ("action-request-headers-3", "request_headers", "request", 3),
        ("action-request-headers-4", "request_headers", "request", 4),
        ("action-request-headers-99", "request_headers", "request", 99),
        ("action-response-headers-2", "response_headers", "response", 2),
        ("action-response-headers-3", "response_headers", "response", 3),
        ("action-response-headers-4", "response_headers", "response", 4),
        ("action-response-headers-99", "response_headers", "response", 99),
        ("action-request-body-2", "request_body", "request", 2),
        ("action-request-body-3", "request_body", "request", 3),
        ("action-request-body-99", "request_body", "request", 99),
        ("action-response-body-2", "response_body", "response", 2),
        ("action-response-body-3", "response_body", "response", 3),
        ("action-response-body-99", "response_body", "response", 99),
    ];
    names
        .iter()
        .map(|(name, callback, stream, action)| {
            let script = json!({
                *callback: [
                    {"op": "get_buffer_bytes", "buffer": if *stream == "request" { 0 } else { 1 }},
                    {"op": "set", "name": "stream", "value": "${self}", "scope": "root", "when": "first"},
                    {"op": "set_effective_context", "context": "${root}", "when": "first"},
                    {"op": "set_tick_period_milliseconds", "period": RESUMED_AFTER_MS, "when": "first"},
                    {"op": "return", "action": action, "when": "first"}],
                "tick": tick(stream)});
            // Chunked, so that dropped bytes leave a message that is whole.
            Case::new(name, script)
                .reply(Reply::new(200).piece("reply"))
                .send(Request::new("POST", "/").piece("body"))
        })
        .collect()
}

/// The client leaves while something is held.
fn left() -> Vec<Case> {
    let hold = |callback: &str| json!({callback: [{"op": "return", "action": "pause"}]});
    let get = || Request::get("/");
    vec![
        Case::new("left-in-request-headers", hold("request_headers"))
            .talk(get(), vec![Say::Log("request_headers("), Say::Leave]),
        Case::new("left-in-request-body", hold("request_body"))
            .talk(Request::new("POST", "/"), vec![Say::Data("part"), Say::Log("request_body("), Say::Leave]),
        Case::new("left-in-response-headers", hold("response_headers"))
            .talk(get(), vec![Say::Finish, Say::Log("response_headers("), Say::Leave]),
        Case::new("left-in-response-body", hold("response_body"))
            .talk(get(), vec![Say::Finish, Say::Log("response_body("), Say::Leave]),
        Case::new("left-before-the-answer", json!({"log": [{"op": "get_property", "path": ["response", "code"], "as": "u64"}, {"op": "get_property", "path": ["response", "flags"], "as": "u64"}]}))
            .reply(Reply::silence())
            .talk(Request::new("POST", "/"), vec![Say::Data("part"), Say::Arrived(API, "part"), Say::Leave]),
        Case::new("left-in-http2", hold("request_headers"))
            .http2()
            .talk(get(), vec![Say::Log("request_headers("), Say::Leave]),
        Case::new("left-while-a-callout-is-out", json!({"request_headers": [
                {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "aux"]],
                    "then": [{"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}]},
                {"op": "return", "action": "pause"}]}))
            .reply_at(AUX, "/ask", Reply::new(200).wait_first("gone").body("late"))
            .talk(get(), vec![Say::Log("request_headers("), Say::Leave])
            .log("delete(")
            .release(AUX, "gone")
            .log("continue_request")
    ]
}

/// `allow_on_headers_stop_iteration`: the headers wait, the body still comes.
fn stopped_only() -> Vec<Case> {
    let chain = |script: Value| vec![Plugin::probe(script).stop_iteration()];
    vec![
        Case::with(
            "stop-iteration-request",
            chain(json!({
                "request_headers": [{"op": "return", "action": 1}],
                "request_body": [
                    {"op": "get_request_header", "key": ":method"},
                    {"op": "get_request_body"},
                    {"op": "return", "action": 1, "when": "not_end"},
                    {"op": "add_request_header", "key": "x-from-body", "value": "1"}]})),
        )
        .send(Request::post("/", "body")),
        Case::with(
            "stop-iteration-response",
            chain(json!({
                "response_headers": [{"op": "return", "action": 1}],
                "response_body": [
                    {"op": "get_response_header", "key": ":status"},
                    {"op": "get_response_body"},
                    {"op": "return", "action": 1, "when": "not_end"},
                    {"op": "replace_response_header", "key": ":status", "value": "201"},
                    {"op": "add_response_header", "key": "x-from-body", "value": "1"}]})),
        ),
        Case::with(
            "stop-iteration-then-continue-body",
            chain(json!({"request_headers": [{"op": "return", "action": 1}]})),
        )
        .send(Request::post("/", "body")),
        Case::with(
            "stop-iteration-trailers",
            chain(json!({"request_headers": [{"op": "return", "action": 1}], "request_body": [{"op": "return", "action": 1}],
                "request_trailers": [{"op": "get_request_header", "key": ":method"}, {"op": "get_request_body"}]})),
        )
        .send(Request::new("POST", "/").piece("body").trailer("x-t", "1")),
    ]
}
