//! HTTP callouts: what is sent, what comes back, and every way in which nothing does.

use serde_json::{Value, json};
use testkit::backend::{Reply, Step};
use testkit::client::Request;

use crate::case::{API, AUX, Case, GRPC, Plugin, Say};

pub(super) fn cases() -> Vec<Case> {
    let mut all = answered();
    all.extend(failing());
    all.extend(elsewhere());
    all
}

/// What the callback looks at before it lets the request go on.
fn look() -> Value {
    json!([
        {"op": "get_call_headers"}, {"op": "get_call_body"}, {"op": "get_call_trailers"}, {"op": "get_status"},
        {"op": "get_header_map_value", "map": 6, "key": "x-ask"}, {"op": "get_header_map_size", "map": 6},
        {"op": "get_buffer_status", "buffer": 4}, {"op": "add_header_map_value", "map": 6, "key": "x", "value": "1"},
        {"op": "set_buffer_bytes", "buffer": 4, "value": "x"},
        {"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}])
}

/// A request that waits for a callout with these fields changed.
fn asking(changed: Value) -> Value {
    let mut step = json!({"op": "http_call", "upstream": "aux", "timeout": 5000,
        "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "ask.example"]], "then": look()});
    if let (Some(step), Some(changed)) = (step.as_object_mut(), changed.as_object()) {
        step.extend(changed.clone());
    }
    json!({"request_headers": [step, {"op": "return", "action": "pause"}]})
}

/// A request that makes a callout that is refused at once, and goes on.
fn refused(changed: Value) -> Value {
    let mut script = asking(changed);
    script["request_headers"][1]["action"] = json!("continue");
    script
}

fn answered() -> Vec<Case> {
    let found = || Reply::new(200).field("X-Ask", "1").field("x-ask", "2").body("answer");
    vec![
        Case::new("callout", asking(json!({}))).reply_at(AUX, "/ask", found()),
        Case::new("callout-post", asking(json!({"headers": [[":method", "POST"], [":path", "/ask?q=1"], [":authority", "ask.example"], ["X-Mine", "1"], ["x-mine", "2"]], "body": "question"}))).reply_at(AUX, "/ask", found()),
        Case::new("callout-with-trailers", asking(json!({"headers": [[":method", "POST"], [":path", "/ask"], [":authority", "a"]], "body": "question", "trailers": [["x-t", "1"]]}))).reply_at(AUX, "/ask", found()),
        Case::new("callout-with-length", asking(json!({"headers": [[":method", "POST"], [":path", "/ask"], [":authority", "a"], ["content-length", "3"]], "body": "question"}))).reply_at(AUX, "/ask", found()),
        Case::new("callout-with-host", asking(json!({"headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"], ["host", "b"], [":scheme", "https"], ["connection", "close"], ["x-request-id", "mine"]]}))).reply_at(AUX, "/ask", found()),
        Case::new("callout-chunked-answer", asking(json!({}))).reply_at(AUX, "/ask", Reply::new(200).piece("one").piece("two").trailer("x-t", "1")),
        Case::new("callout-empty-answer", asking(json!({}))).reply_at(AUX, "/ask", Reply::new(204)),
        Case::new("callout-not-found", asking(json!({}))).reply_at(AUX, "/ask", Reply::new(404).body("nothing")),
        Case::new("callout-server-error", asking(json!({}))).reply_at(AUX, "/ask", Reply::new(500).body("broken")),
        Case::new("callout-redirect", asking(json!({}))).reply_at(AUX, "/ask", Reply::new(302).field("location", "/other")),
        Case::new("callout-http2", asking(json!({"upstream": "grpc"}))).reply_at(GRPC, "/ask", found()),
        Case::new("callout-http2-trailers", asking(json!({"upstream": "grpc"}))).reply_at(GRPC, "/ask", Reply::new(200).piece("body").trailer("x-t", "1")),
        Case::new("callout-head", asking(json!({"headers": [[":method", "HEAD"], [":path", "/ask"], [":authority", "a"]]}))).reply_at(AUX, "/ask", found()),
        Case::new("callout-large-answer", asking(json!({"then": [{"op": "get_buffer_status", "buffer": 4}, {"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}]}))).reply_at(AUX, "/ask", Reply::new(200).body(&"x".repeat(300_000))),
        Case::new("callouts-several", json!({"request_headers": [
            {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/one"], [":authority", "a"]], "then": [{"op": "get_call_body"}]},
            {"op": "http_call", "upstream": "api", "headers": [[":method", "GET"], [":path", "/two"], [":authority", "a"]], "then": [{"op": "get_call_body"}]},
            {"op": "http_call", "upstream": "grpc", "headers": [[":method", "GET"], [":path", "/three"], [":authority", "a"]],
                "then": [{"op": "get_call_body"}, {"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}]},
            {"op": "return", "action": "pause"}]}))
            .reply_at(AUX, "/one", Reply::new(200).wait_first("one").body("1"))
            .reply_at(API, "/two", Reply::new(200).wait_first("two").body("2"))
            .reply_at(GRPC, "/three", Reply::new(200).wait_first("three").body("3"))
            .talk(Request::get("/"), vec![
                Say::Finish, Say::Release(API, "two"), Say::Log("value=\"2\""), Say::Release(AUX, "one"), Say::Log("value=\"1\""), Say::Release(GRPC, "three")]),
        Case::new(
            "callouts-in-order",
            json!({"request_headers": [
                {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/one"], [":authority", "a"]],
                    "then": [{"op": "get_call_body"}, {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/two"], [":authority", "a"]],
                        "then": [{"op": "get_call_body"}, {"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}]}]},
                {"op": "return", "action": "pause"}]}),
        )
        .reply_at(AUX, "/one", Reply::new(200).body("1"))
        .reply_at(AUX, "/two", Reply::new(200).body("2")),
        Case::new("callout-timeout-zero", asking(json!({"timeout": 0}))).reply_at(AUX, "/ask", found()),
        Case::new("callout-path-relative", refused(json!({"headers": [[":method", "GET"], [":path", "ask"], [":authority", "a"]]}))),
        Case::new("callout-method-odd", asking(json!({"headers": [[":method", "PURGE"], [":path", "/ask"], [":authority", "a"]]}))).reply_at(AUX, "/ask", found()),
    ]
}

fn failing() -> Vec<Case> {
    vec![
        Case::new("callout-unknown-upstream", refused(json!({"upstream": "nobody"}))),
        Case::new("callout-empty-upstream", refused(json!({"upstream": ""}))),
        Case::new(
            "callout-without-path",
            refused(json!({"headers": [[":method", "GET"], [":authority", "a"]]})),
        ),
        Case::new(
            "callout-without-method",
            refused(json!({"headers": [[":path", "/ask"], [":authority", "a"]]})),
        ),
        Case::new(
            "callout-without-authority",
            refused(json!({"headers": [[":method", "GET"], [":path", "/ask"]]})),
        ),
        Case::new("callout-without-headers", refused(json!({"headers": ""}))),
        Case::new(
            "callout-bad-map",
            refused(json!({"headers": {"hex": "05000000ffffffff"}})),
        ),
        Case::new(
            "callout-header-injection",
            asking(
                json!({"headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"], ["x-line", "a\r\nx-evil: 1"]]}),
            ),
        )
        .talk(Request::get("/"), vec![Say::Finish, Say::Log("http_call -> "), Say::Leave]),
        Case::new("callout-timeout", asking(json!({"timeout": 100}))).reply_at(AUX, "/ask", Reply::silence()),
        Case::new("callout-timeout-in-body", asking(json!({"timeout": 100}))).reply_at(
            AUX,
            "/ask",
            Reply::new(200).piece("part").step(Step::Hang),
        ),
        Case::new("callout-dead-upstream", asking(json!({"upstream": "dead"}))),
        Case::new("callout-closed", asking(json!({}))).reply_at(AUX, "/ask", Reply::of(vec![Step::Close])),
        Case::new("callout-reset", asking(json!({}))).reply_at(AUX, "/ask", Reply::of(vec![Step::Reset])),
        Case::new("callout-reset-in-body", asking(json!({}))).reply_at(
            AUX,
            "/ask",
            Reply::new(200).piece("part").step(Step::Reset),
        ),
        Case::new("callout-cut-short", asking(json!({}))).reply_at(
            AUX,
            "/ask",
            Reply::new(200)
                .field("content-length", "99")
                .piece("part")
                .step(Step::Close),
        ),
        Case::new("callout-http2-reset", asking(json!({"upstream": "grpc"}))).reply_at(
            GRPC,
            "/ask",
            Reply::of(vec![Step::Reset]),
        ),
        Case::new("callout-no-http", asking(json!({}))).reply_at(
            AUX,
            "/ask",
            Reply::of(vec![Step::Raw("nonsense\r\n\r\n".into()), Step::Close]),
        ),
    ]
}

/// Callouts from other phases, and such as outlive their stream.
fn elsewhere() -> Vec<Case> {
    let ask = |then: Value| json!({"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"]], "then": then});
    let late = || json!([{"op": "get_call_body"}, {"op": "get_request_headers"}, {"op": "set_effective_context", "context": "${origin}"}, {"op": "get_request_header", "key": ":path"}, {"op": "continue_request"}]);
    vec![
        Case::new("callout-outlives-stream", json!({"request_headers": [ask(late())]}))
            .reply_at(AUX, "/ask", Reply::new(200).wait_first("later").body("late"))
            .send(Request::get("/"))
            .log("delete(")
            .release(AUX, "later")
            .log("continue_request"),
        Case::new(
            "callout-in-log",
            json!({"log": [ask(json!([{"op": "get_call_body"}]))]}),
        )
        .send(Request::get("/"))
        .log("get_call_body"),
        Case::new(
            "callout-in-done",
            json!({"done": [ask(json!([{"op": "get_call_body"}]))]}),
        )
        .send(Request::get("/"))
        .log("get_call_body"),
        Case::new(
            "callout-in-delete",
            json!({"delete": [ask(json!([{"op": "get_call_body"}]))]}),
        )
        .send(Request::get("/"))
        .log("get_call_body"),
        Case::new(
            "callout-in-response-body",
            json!({"response_body": [{"op": "http_call", "when": "first", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"]],
            "then": [{"op": "get_call_body"}, {"op": "set_effective_context", "context": "${origin}"}, {"op": "get_response_body"}, {"op": "continue_response"}]},
            {"op": "return", "action": "buffer", "when": "first"}]}),
        )
        .reply(Reply::new(200).piece("one").wait("more").piece("two"))
        .talk(Request::get("/"), vec![Say::Finish, Say::Head, Say::Piece, Say::Release(API, "more")]),
        Case::with(
            "callout-in-both-plugins",
            vec![
                Plugin::probe(asking(json!({}))),
                Plugin::probe(asking(
                    json!({"headers": [[":method", "GET"], [":path", "/second"], [":authority", "a"]]}),
                )),
            ],
        ),
        Case::new(
            "callout-in-tick",
            json!({
            "request_headers": [
                {"op": "set", "name": "stream", "value": "${self}", "scope": "root"},
                {"op": "set_effective_context", "context": "${root}"}, {"op": "set_tick_period_milliseconds", "period": 20},
                {"op": "return", "action": "pause"}],
            "tick": [{"op": "set_tick_period_milliseconds", "period": 0},
                ask(json!([{"op": "get_call_body"}, {"op": "set_effective_context", "context": "${stream}"}, {"op": "continue_request"}]))]}),
        ),
        Case::new(
            "callout-of-the-stream-itself",
            json!({"request_headers": [
            {"op": "set_effective_context", "context": "${root}"}, ask(json!([{"op": "get_call_body"}, {"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}])),
            {"op": "return", "action": "pause"}]}),
        ),
    ]
}
