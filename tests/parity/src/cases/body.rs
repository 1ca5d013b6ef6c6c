//! Bodies of both directions: pieces, ranges, whole-body buffering, every edit, limits.

use serde_json::{Value, json};
use testkit::backend::{Reply, Step};
use testkit::client::Request;

use crate::case::{API, Case, GRPC, Plugin, Say};

pub(super) fn cases() -> Vec<Case> {
    let mut all = in_pieces();
    all.extend(buffers());
    all.extend(ends());
    all.extend(editing());
    all.extend(limits());
    all
}

fn pieces() -> Vec<Say> {
    vec![
        Say::Data("one"),
        Say::Log("request_body(size=3"),
        Say::Data("four"),
        Say::Log("size=4"),
        Say::Finish,
    ]
}

fn held_pieces() -> Vec<Say> {
    vec![
        Say::Data("one"),
        Say::Log("request_body(size=3"),
        Say::Data("four"),
        Say::Log("size=7"),
        Say::Finish,
    ]
}

fn streamed() -> Reply {
    Reply::new(200).piece("one").wait("more").piece("four").wait("end")
}

fn in_pieces() -> Vec<Case> {
    let read = |side: &str| json!({format!("{side}_body"): [{"op": format!("get_{side}_body")}]});
    let heard = |upstream: &'static str| {
        vec![
            Say::Finish,
            Say::Head,
            Say::Piece,
            Say::Release(upstream, "more"),
            Say::Piece,
            Say::Release(upstream, "end"),
        ]
    };
    let events = || {
        Reply::new(200)
            .field("content-type", "text/event-stream")
            .piece("data: 1\n\n")
            .wait("next")
            .piece("data: 2\n\n")
    };
    vec![
        Case::new("request-body-pieces", read("request")).talk(Request::new("POST", "/"), pieces()),
        Case::new("request-body-pieces-http2", read("request"))
            .http2()
            .talk(Request::new("POST", "/"), pieces()),
        Case::new("response-body-pieces", read("response"))
            .reply(streamed())
            .talk(Request::get("/"), heard(API)),
        Case::new("response-body-pieces-http2", read("response"))
            .to(GRPC)
            .reply_at(GRPC, "/", streamed())
            .http2()
            .talk(Request::get("/"), heard(GRPC)),
        Case::new("response-sse", read("response")).reply(events()).talk(
            Request::get("/"),
            vec![Say::Finish, Say::Head, Say::Piece, Say::Release(API, "next")],
        ),
        Case::new("request-body-length-http2", read("request"))
            .http2()
            .send(Request::post("/", "body")),
        Case::new("request-body-empty", read("request")).talk(Request::new("POST", "/"), vec![Say::Finish]),
        Case::new("request-body-length-zero", read("request"))
            .send(Request::new("POST", "/").field("content-length", "0")),
        Case::new("response-body-empty", read("response")).reply(Reply::new(200)),
        Case::new("request-expects-continue", read("request"))
            .send(Request::post("/", "body").field("expect", "100-continue")),
    ]
}

fn buffers() -> Vec<Case> {
    let ranges = |buffer: u32| {
        json!([
            {"op": "get_buffer_bytes", "buffer": buffer}, {"op": "get_buffer_bytes", "buffer": buffer, "start": 2, "size": 3},
            {"op": "get_buffer_bytes", "buffer": buffer, "start": 2, "size": 99}, {"op": "get_buffer_bytes", "buffer": buffer, "start": 99, "size": 1},
            {"op": "get_buffer_bytes", "buffer": buffer, "start": 0, "size": 0}, {"op": "get_buffer_bytes", "buffer": buffer, "start": -1, "size": 1},
            {"op": "get_buffer_bytes", "buffer": buffer, "start": 2, "size": -1}, {"op": "get_buffer_status", "buffer": buffer}])
    };
    let all = || {
        let each: Vec<Value> = (0..10)
            .flat_map(|buffer| {
                [
                    json!({"op": "get_buffer_bytes", "buffer": buffer}),
                    json!({"op": "get_buffer_status", "buffer": buffer}),
                ]
            })
            .collect();
        json!(each)
    };
    vec![
        Case::new("request-body-ranges", json!({"request_body": ranges(0)})).send(Request::post("/", "0123456789")),
        Case::new("response-body-ranges", json!({"response_body": ranges(1)})),
        Case::new("buffers-in-configure", json!({"configure": all()})),
        Case::new("buffers-in-request-headers", json!({"request_headers": all()})).send(Request::post("/", "body")),
        Case::new("buffers-in-request-body", json!({"request_body": all()})).send(Request::post("/", "body")),
        Case::new("buffers-in-response-headers", json!({"response_headers": all()})).send(Request::post("/", "body")),
        Case::new("buffers-in-log", json!({"log": all()})).send(Request::post("/", "body")),
    ]
}

/// Who ends what, and when.
fn ends() -> Vec<Case> {
    // The end comes after all that the length promised: the plugin hears it all the same.
    let behind_its_length = |name: &'static str| {
        let reply = Reply::new(200).field("content-length", "4").piece("body").wait("end");
        let says = vec![
            Say::Finish,
            Say::Log("response_body(size=4 end=0)"),
            Say::Release(GRPC, "end"),
            Say::Log("response_body(size=0 end=1)"),
        ];
        Case::new(name, json!({}))
            .to(GRPC)
            .reply_at(GRPC, "/", reply)
            .talk(Request::get("/"), says)
    };
    let both_ways = Reply::new(200)
        .wait_first("down")
        .piece("down")
        .wait("up")
        .piece("more")
        .early();
    vec![
        behind_its_length("response-body-end-behind-its-length").http2(),
        behind_its_length("response-body-end-behind-its-length-http1"),
        Case::new("early-answer", json!({}))
            .reply(Reply::new(200).wait_first("now").piece("early").early())
            .talk(
                Request::new("POST", "/"),
                vec![
                    Say::Data("part"),
                    Say::Arrived(API, "part"),
                    Say::Release(API, "now"),
                    Say::Head,
                    Say::Piece,
                ],
            ),
        Case::new("both-ways-at-once", json!({}))
            .http2()
            .to(GRPC)
            .reply_at(GRPC, "/", both_ways)
            .talk(
                Request::new("POST", "/"),
                vec![
                    Say::Data("a"),
                    Say::Arrived(GRPC, "a"),
                    Say::Release(GRPC, "down"),
                    Say::Head,
                    Say::Piece,
                    Say::Data("b"),
                    Say::Arrived(GRPC, "ab"),
                    Say::Finish,
                    Say::Ended(GRPC),
                    Say::Release(GRPC, "up"),
                ],
            ),
    ]
}

/// Waits for the whole body, then does `edit`.
fn whole(side: &str, edit: &Value) -> Value {
    let mut steps = vec![json!({"op": "return", "action": "buffer", "when": "not_end"})];
    steps.extend(edit.as_array().into_iter().flatten().cloned());
    steps.push(json!({"op": format!("get_{side}_body")}));
    json!({
        format!("{side}_headers"): [{"op": format!("remove_{side}_header"), "key": "content-length"}],
        format!("{side}_body"): steps})
}

fn editing() -> Vec<Case> {
    let edit = |buffer: u32, start: i64, size: i64, value: &str| json!([{"op": "set_buffer_bytes", "buffer": buffer, "start": start, "size": size, "value": value}]);
    let edits: [(&str, i64, i64, &str); 9] = [
        ("prepend", 0, 0, "<"),
        ("append", 10, 0, ">"),
        ("append-far", 1000, 5, ">"),
        ("replace-all", 0, i64::from(i32::MAX), "new"),
        ("replace-start", 0, 3, "abc"),
        ("replace-middle", 3, 3, "abc"),
        ("insert-middle", 3, 0, "abc"),
        ("emptied", 0, 10, ""),
        ("longer", 0, 10, "a far longer body than there was before"),
    ];
    let mut all = Vec::new();
    for (word, start, size, value) in edits {
        let request = whole("request", &edit(0, start, size, value));
        all.push(Case::new(name("request-body-", word), request).send(Request::post("/", "0123456789")));
        let response = whole("response", &edit(1, start, size, value));
        all.push(Case::new(name("response-body-", word), response).reply(Reply::new(200).body("0123456789")));
    }
    let marks = |side: &str| {
        json!({format!("{side}_body"): [{"op": format!("set_{side}_body"), "value": "[${size},${end}]"}, {"op": format!("get_{side}_body")}],
        format!("{side}_headers"): [{"op": format!("remove_{side}_header"), "key": "content-length"}]})
    };
    all.extend([
        Case::new("request-body-held-pieces", whole("request", &json!([{"op": "set_request_body", "value": "whole"}]))).talk(Request::new("POST", "/"), held_pieces()),
        Case::new("request-body-held-http2", whole("request", &json!([{"op": "set_request_body", "value": "whole"}]))).http2().talk(Request::new("POST", "/"), held_pieces()),
        Case::new("request-body-each-piece", marks("request")).talk(Request::new("POST", "/"), pieces()),
        Case::new("response-body-each-piece", marks("response")),
        Case::new("request-body-set-without-body", json!({"request_headers": [{"op": "set_request_body", "value": "new"}]})),
        Case::new("request-body-longer-than-length", json!({"request_body": [{"op": "set_request_body", "value": "much longer", "when": "first"}]}))
            // Envoy writes the rest as the beginning of the next request: the connection must not be used again.
            .reply(Reply::new(200).body("once").step(Step::Close))
            .send(Request::post("/", "body")),
        Case::new("response-body-longer-than-length", json!({"response_body": [{"op": "set_response_body", "value": "much longer than it was", "when": "first"}]})),
        Case::new("response-body-shorter-than-length", json!({"response_body": [{"op": "set_response_body", "value": "short", "when": "first"}]}))
            .talk(Request::get("/"), vec![Say::Finish, Say::Head, Say::Piece, Say::Log("response_body(size=0 end=1"), Say::Leave]),
        Case::new("body-of-the-other-side", json!({
            "request_body": [{"op": "set_response_body", "value": "x"}, {"op": "get_response_body"}],
            "response_body": [{"op": "set_request_body", "value": "x"}, {"op": "get_request_body"}],
            "configure": [{"op": "set_buffer_bytes", "buffer": 7, "size": 5, "value": "x"}, {"op": "set_buffer_bytes", "buffer": 9, "value": "x"}]}))
            .send(Request::post("/", "body")),
        Case::with("body-through-two", vec![
            Plugin::probe(whole("request", &json!([{"op": "set_buffer_bytes", "buffer": 0, "start": 99, "value": "+a"}]))),
            Plugin::probe(whole("request", &json!([{"op": "set_buffer_bytes", "buffer": 0, "start": 99, "value": "+b"}])))])
            .send(Request::post("/", "body")),
        Case::with("response-body-through-two", vec![
            Plugin::probe(whole("response", &json!([{"op": "set_buffer_bytes", "buffer": 1, "start": 99, "value": "+a"}]))),
            Plugin::probe(whole("response", &json!([{"op": "set_buffer_bytes", "buffer": 1, "start": 99, "value": "+b"}])))]),
        Case::new("body-whole-with-trailers", whole("request", &json!([{"op": "set_request_body", "value": "whole"}])))
            .send(Request::new("POST", "/").piece("onefour").trailer("x-t", "1")),
    ]);
    all
}

fn name(side: &str, word: &str) -> &'static str {
    Box::leak(format!("{side}{word}").into_boxed_str())
}

fn limits() -> Vec<Case> {
    let hold = |callback: &str| json!({callback: [{"op": "return", "action": "buffer"}]});
    let long = || "0123456789abcdef".repeat(200);
    vec![
        Case::new("request-body-over-limit", hold("request_body"))
            .body_kib_max(1)
            .send(Request::post("/", &long())),
        Case::new("response-body-over-limit", hold("response_body"))
            .body_kib_max(1)
            .reply(Reply::new(200).body(&long())),
        Case::new("request-body-over-limit-paused-headers", hold("request_headers"))
            .body_kib_max(1)
            .talk(
                Request::new("POST", "/"),
                vec![Say::Data("part"), Say::Log("request_headers("), Say::Leave],
            ),
        Case::new("body-over-limit-not-held", json!({}))
            .body_kib_max(1)
            .send(Request::post("/", &long()))
            .reply(Reply::new(200).body(&long())),
        Case::new(
            "request-body-grown-over-limit",
            json!({"request_headers": [{"op": "remove_request_header", "key": "content-length"}],
            "request_body": [{"op": "set_request_body", "value": {"repeat": "x", "times": 3000}, "when": "first"}]}),
        )
        .body_kib_max(1)
        .send(Request::post("/", "body")),
        Case::new("response-body-over-limit-headers-held", json!({"response_headers": [{"op": "return", "action": 3}]}))
            .body_kib_max(1)
            .reply(Reply::new(200).body(&long())),
        Case::with(
            "response-body-over-limit-headers-stopped",
            vec![Plugin::probe(json!({"response_headers": [{"op": "return", "action": 1}], "response_body": [{"op": "return", "action": 1}]})).stop_iteration()],
        )
        .body_kib_max(1)
        .reply(Reply::new(200).body(&long())),
        Case::new(
            "response-body-over-limit-partly-sent",
            json!({"response_body": [{"op": "return", "action": "buffer", "when": "not_first"}]}),
        )
        .body_kib_max(1)
        .reply(Reply::new(200).piece("first").wait("more").piece(&long()))
        .talk(
            Request::get("/"),
            vec![Say::Finish, Say::Head, Say::Piece, Say::Release(API, "more")],
        ),
    ]
}
