//! Local responses from every phase, with everything that they may carry.

use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::Request;

use crate::case::{AUX, Case, GRPC, Plugin, Say};

pub(super) fn cases() -> Vec<Case> {
    let mut all = phases();
    all.extend(contents());
    all.extend(chains());
    all
}

fn plain() -> Value {
    json!({"op": "send_local_response", "status": 418, "body": "short", "details": "why not", "headers": [["x-local", "1"]]})
}

/// What the plugin sees of its own response.
fn watched(callback: &str) -> Value {
    json!({
        callback: [plain()],
        "log": [
            {"op": "get_response_header", "key": "x-local"},
            {"op": "get_property", "path": ["response", "code"], "as": "u64"},
            {"op": "get_property", "path": ["response", "code_details"]},
            {"op": "get_property", "path": ["response", "flags"], "as": "u64"}]})
}

fn post() -> Request {
    Request::new("POST", "/").piece("body").trailer("x-t", "1")
}

fn answered() -> Reply {
    Reply::new(200).field("x-up", "1").piece("body").trailer("x-t", "1")
}

fn phases() -> Vec<Case> {
    let after = |callback: &str| json!({callback: [plain(), {"op": "get_request_headers", "show": false}, {"op": "return", "action": "continue"}]});
    vec![
        Case::new("reply-in-request-headers", watched("request_headers")),
        Case::new("reply-in-request-headers-with-body", watched("request_headers")).send(post()),
        Case::new("reply-in-request-body", watched("request_body")).send(post()),
        Case::new("reply-in-request-trailers", watched("request_trailers")).send(post()),
        Case::new("reply-in-response-headers", watched("response_headers")).reply(answered()),
        Case::new("reply-in-response-body", watched("response_body")).reply(answered()),
        Case::new("reply-in-response-trailers", watched("response_trailers")).reply(answered()),
        Case::new("reply-in-response-headers-http2", watched("response_headers")).http2(),
        Case::new("reply-in-response-body-http2", watched("response_body"))
            .http2()
            .reply(answered()),
        Case::with(
            "reply-in-stopped-response-body",
            vec![
                Plugin::probe(json!({"response_headers": [{"op": "return", "action": 1}], "response_body": [plain()]}))
                    .stop_iteration(),
            ],
        ),
        Case::new("reply-in-create", json!({"context_create": [plain()]})),
        Case::new("reply-in-configure", json!({"configure": [plain()]})),
        Case::new("reply-then-continue", after("request_headers")),
        Case::new(
            "reply-from-callout",
            json!({"request_headers": [
                {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "aux"]],
                    "then": [{"op": "set_effective_context", "context": "${origin}"}, plain()]},
                {"op": "return", "action": "pause"}]}),
        ),
        Case::new(
            "reply-from-callout-in-response",
            json!({"response_headers": [
                {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "aux"]],
                    "then": [{"op": "set_effective_context", "context": "${origin}"}, plain()]},
                {"op": "return", "action": "pause"}]}),
        ),
        Case::new(
            "reply-from-callout-without-context",
            json!({"request_headers": [
                {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "aux"]],
                    "then": [plain(), {"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}]},
                {"op": "return", "action": "pause"}]}),
        ),
        Case::new(
            "reply-in-tick",
            json!({"request_headers": [
                    {"op": "set", "name": "stream", "value": "${self}", "scope": "root"},
                    {"op": "set_effective_context", "context": "${root}"}, {"op": "set_tick_period_milliseconds", "period": 20},
                    {"op": "return", "action": "pause"}],
                "tick": [{"op": "set_tick_period_milliseconds", "period": 0}, {"op": "set_effective_context", "context": "${stream}"}, plain()]}),
        ),
        Case::new(
            "reply-twice",
            json!({"request_headers": [plain(), {"op": "send_local_response", "status": 500, "body": "second"}]}),
        ),
        Case::new(
            "reply-in-its-own-response",
            json!({"request_headers": [plain()], "response_headers": [{"op": "send_local_response", "status": 500, "body": "second"}]}),
        ),
        Case::new(
            "reply-while-upstream-answers",
            json!({"request_body": [{"op": "return", "action": 0, "when": "first"}, plain()]}),
        )
        .reply(Reply::new(200).wait_first("go").piece("early").wait("never").early())
        .talk(
            Request::new("POST", "/"),
            vec![
                Say::Data("part"),
                Say::Arrived("api", "part"),
                Say::Release("api", "go"),
                Say::Head,
                Say::Piece,
                Say::Data("more"),
            ],
        ),
        Case::new("reply-in-log", json!({"log": [plain()]})).dies(),
        Case::new(
            "close-in-request-headers",
            json!({"request_headers": [{"op": "close_stream", "stream": 0}]}),
        ),
        Case::new(
            "close-in-response-headers",
            json!({"response_headers": [{"op": "close_stream", "stream": 1}]}),
        ),
        Case::new(
            "close-in-response-body",
            json!({"response_body": [{"op": "close_stream", "stream": 1}]}),
        ),
        Case::new(
            "close-in-request-headers-http2",
            json!({"request_headers": [{"op": "close_stream", "stream": 0}]}),
        )
        .http2(),
    ]
}

fn contents() -> Vec<Case> {
    let reply = |fields: Value| {
        let mut step = json!({"op": "send_local_response"});
        if let (Some(step), Some(fields)) = (step.as_object_mut(), fields.as_object()) {
            step.extend(fields.clone());
        }
        json!({"request_headers": [step], "response_headers": [{"op": "get_response_headers"}], "response_body": [{"op": "get_response_body"}],
            "log": [{"op": "get_property", "path": ["response", "code_details"]}]})
    };
    let grpc = || {
        Request::new("POST", "/")
            .field("content-type", "application/grpc")
            .field("te", "trailers")
            .piece("")
    };
    vec![
        Case::new("reply-bare", reply(json!({"status": 204}))),
        Case::new("reply-empty", reply(json!({"status": 200}))),
        Case::new("reply-body-only", reply(json!({"status": 200, "body": "text"}))),
        Case::new(
            "reply-type",
            reply(json!({"status": 200, "body": "{}", "headers": [["Content-Type", "application/json"]]})),
        ),
        Case::new(
            "reply-repeated",
            reply(json!({"status": 200, "headers": [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["X-Upper", "A"]]})),
        ),
        Case::new(
            "reply-length",
            reply(json!({"status": 200, "body": "text", "headers": [["content-length", "99"]]})),
        ),
        Case::new(
            "reply-pseudo",
            reply(json!({"status": 200, "body": "text", "headers": [[":status", "403"], [":path", "/x"]]})),
        ),
        Case::new(
            "reply-injection",
            reply(json!({"status": 200, "headers": [["x-line", "a\r\nx-evil: 1"]]})),
        ),
        Case::new(
            "reply-date",
            reply(
                json!({"status": 200, "headers": [["server", "mine"], ["connection", "close"], ["transfer-encoding", "chunked"]]}),
            ),
        ),
        Case::new("reply-0", reply(json!({"status": 0, "body": "x"})))
            .talk(Request::get("/"), vec![Say::Finish, Say::Log("log("), Say::Leave]),
        Case::new("reply-100", reply(json!({"status": 100, "body": "x"})))
            .talk(Request::get("/"), vec![Say::Finish, Say::Log("log("), Say::Leave]),
        Case::new("reply-600", reply(json!({"status": 600, "body": "x"}))),
        Case::new("reply-1000", reply(json!({"status": 1000, "body": "x"}))),
        Case::new("reply-304", reply(json!({"status": 304, "body": "x"}))),
        Case::new("reply-head", reply(json!({"status": 200, "body": "text"}))).send(Request::new("HEAD", "/")),
        Case::new(
            "reply-grpc-status",
            reply(json!({"status": 200, "body": "no", "grpc_status": 7})),
        )
        .http2(),
        Case::new(
            "reply-to-grpc",
            reply(json!({"status": 403, "body": "no way", "grpc_status": 7})),
        )
        .http2()
        .send(grpc()),
        Case::new(
            "reply-to-grpc-without-status",
            reply(json!({"status": 403, "body": "no way"})),
        )
        .http2()
        .send(grpc()),
        Case::new(
            "reply-to-grpc-odd-status",
            reply(json!({"status": 200, "body": "no way", "grpc_status": 99})),
        )
        .http2()
        .send(grpc()),
        Case::new("reply-in-grpc-response", json!({"response_headers": [plain()]}))
            .to(GRPC)
            .http2()
            .send(grpc()),
        Case::new(
            "reply-long",
            reply(json!({"status": 200, "body": {"repeat": "x", "times": 100_000}})),
        ),
        Case::new(
            "reply-bad-headers",
            reply(json!({"status": 200, "headers": {"hex": "ffffffff"}})),
        ),
        Case::new(
            "reply-details",
            reply(json!({"status": 200, "details": "two words\tand a tab"})),
        ),
    ]
}

fn chains() -> Vec<Case> {
    let two = |first: Value, second: Value| vec![Plugin::probe(first), Plugin::probe(second)];
    let ask = json!({"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "aux"]],
        "then": [{"op": "set_effective_context", "context": "${origin}"}, plain()]});
    vec![
        Case::with(
            "reply-by-the-first",
            two(json!({"request_headers": [plain()]}), json!({})),
        ),
        Case::with(
            "reply-by-the-second",
            two(json!({}), json!({"request_headers": [plain()]})),
        ),
        Case::with(
            "reply-by-the-first-in-response",
            two(json!({"response_headers": [plain()]}), json!({})),
        ),
        Case::with(
            "reply-by-the-second-in-response",
            two(json!({}), json!({"response_headers": [plain()]})),
        ),
        Case::with(
            "reply-by-the-second-in-body",
            two(json!({}), json!({"request_body": [plain()]})),
        )
        .send(Request::post("/", "body")),
        Case::with(
            "reply-by-the-second-after-a-callout",
            two(
                json!({}),
                json!({"request_headers": [ask, {"op": "return", "action": "pause"}]}),
            ),
        )
        .reply_at(AUX, "/ask", Reply::new(200).body("asked")),
        Case::with(
            "reply-changed-by-the-first",
            two(
                json!({"response_headers": [{"op": "replace_response_header", "key": ":status", "value": "200"}, {"op": "remove_response_header", "key": "content-length"}],
                       "response_body": [{"op": "set_response_body", "value": "changed"}]}),
                json!({"request_headers": [plain()]}),
            ),
        ),
    ]
}
