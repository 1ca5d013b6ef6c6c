//! gRPC callouts, unary and streaming.

use serde_json::{Value, json};
use testkit::backend::{Reply, Step};

use crate::case::{Case, GRPC};

const PATH: &str = "/test.Service/Method";

pub(super) fn cases() -> Vec<Case> {
    let mut all = unary();
    all.extend(streaming());
    all
}

fn go_on() -> Value {
    json!([{"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}])
}

fn with(steps: Value, then: Value) -> Value {
    let mut all = steps.as_array().cloned().unwrap_or_default();
    all.extend(then.as_array().cloned().unwrap_or_default());
    json!(all)
}

fn call(changed: Value) -> Value {
    let mut step = json!({"op": "grpc_call", "upstream": "grpc", "service": "test.Service", "method": "Method",
        "metadata": [["x-md", "1"], ["X-Md", "2"]], "message": "question", "timeout": 5000,
        "initial_metadata": [{"op": "get_header_map_pairs", "map": 4}],
        "then": with(json!([{"op": "get_grpc_message"}, {"op": "get_status"}, {"op": "get_header_map_pairs", "map": 4}, {"op": "get_header_map_pairs", "map": 5}]), go_on()),
        "trailing_metadata": [{"op": "get_header_map_pairs", "map": 5}],
        "close": with(json!([{"op": "get_status"}, {"op": "get_grpc_message"}]), go_on())});
    if let (Some(step), Some(changed)) = (step.as_object_mut(), changed.as_object()) {
        step.extend(changed.clone());
    }
    step
}

fn calling(changed: Value) -> Value {
    json!({"request_headers": [call(changed), {"op": "return", "action": "pause"}]})
}

fn refused(changed: Value) -> Value {
    json!({"request_headers": [call(changed)]})
}

fn unary() -> Vec<Case> {
    vec![
        Case::new("grpc-call", calling(json!({}))).reply_at(GRPC, PATH, Reply::grpc(0, &[b"answer"]).field("x-initial", "1").trailer("x-trailing", "1")),
        Case::new("grpc-call-failing", calling(json!({}))).reply_at(GRPC, PATH, Reply::grpc(5, &[]).trailer("grpc-message", "not%20here")),
        Case::new("grpc-call-trailers-only", calling(json!({}))).reply_at(GRPC, PATH, Reply::new(200).field("content-type", "application/grpc").field("grpc-status", "7").field("grpc-message", "no")),
        Case::new("grpc-call-http-error", calling(json!({}))).reply_at(GRPC, PATH, Reply::new(503)),
        Case::new("grpc-call-reset", calling(json!({}))).reply_at(GRPC, PATH, Reply::of(vec![Step::Reset])),
        Case::new("grpc-call-timeout", calling(json!({"timeout": 100}))).reply_at(GRPC, PATH, Reply::silence()),
        Case::new("grpc-call-dead", calling(json!({"upstream": "dead"}))),
        Case::new("grpc-call-unknown-upstream", refused(json!({"upstream": "nobody"}))),
        Case::new("grpc-call-empty", calling(json!({"message": ""}))).reply_at(GRPC, PATH, Reply::grpc(0, &[b""])),
        Case::new("grpc-call-cancelled", json!({"request_headers": [call(json!({"save": "token"})), {"op": "grpc_cancel", "token": "${token}"}, {"op": "grpc_cancel", "token": 77}]})).reply_at(GRPC, PATH, Reply::silence()),
    ]
}

fn streaming() -> Vec<Case> {
    let stream = |then: Value| {
        json!({"op": "grpc_stream", "upstream": "grpc", "service": "test.Service", "method": "Method", "metadata": [["x-md", "1"]], "save": "token",
            "initial_metadata": [{"op": "get_header_map_pairs", "map": 4}],
            "then": then,
            "trailing_metadata": [{"op": "get_header_map_pairs", "map": 5}],
            "close": with(json!([{"op": "get_status"}]), go_on())})
    };
    let message = || json!([{"op": "get_grpc_message"}, {"op": "get_buffer_status", "buffer": 5}]);
    let held = |steps: Value| json!({"request_headers": with(steps, json!([{"op": "return", "action": "pause"}]))});
    vec![
        Case::new(
            "grpc-stream",
            held(json!([stream(message()), {"op": "grpc_send", "token": "${token}", "message": "one", "end_stream": 0}, {"op": "grpc_send", "token": "${token}", "message": "two", "end_stream": 1}])),
        )
        .reply_at(GRPC, PATH, Reply::grpc(0, &[b"first", b"second"]).field("x-initial", "1").trailer("x-trailing", "1")),
        Case::new(
            "grpc-stream-failing",
            held(json!([stream(message()), {"op": "grpc_send", "token": "${token}", "message": "one", "end_stream": 1}])),
        )
        .reply_at(GRPC, PATH, Reply::grpc(9, &[b"first"]).trailer("grpc-message", "later")),
        Case::new(
            "grpc-stream-closed-by-plugin",
            held(json!([stream(message()), {"op": "grpc_close", "token": "${token}"}, {"op": "grpc_send", "token": "${token}", "message": "x", "end_stream": 0}])),
        )
        .reply_at(GRPC, PATH, Reply::grpc(0, &[b"first"])),
        Case::new(
            "grpc-stream-cancelled",
            json!({"request_headers": [stream(message()), {"op": "grpc_cancel", "token": "${token}"}, {"op": "grpc_cancel", "token": "${token}"}]}),
        )
        .reply_at(GRPC, PATH, Reply::silence()),
        Case::new("grpc-stream-unknown", json!({"request_headers": [{"op": "grpc_stream", "upstream": "nobody", "service": "s", "method": "m", "metadata": ""},
            {"op": "grpc_send", "token": 6, "message": "x"}, {"op": "grpc_close", "token": 6}, {"op": "grpc_send", "token": 1, "message": "x"}]})),
    ]
}
