//! Two and three plugins in one chain: order, what each sees of the others, ends.

use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::Request;

use crate::case::{AUX, Case, Plugin, Say};

pub(super) fn cases() -> Vec<Case> {
    let two = |first: Value, second: Value| vec![Plugin::probe(first), Plugin::probe(second)];
    let post = || Request::new("POST", "/").piece("body").trailer("x-t", "1");
    let answered = || Reply::new(200).piece("body").trailer("x-t", "1");
    let add = |side: &str, value: &str| json!({"op": format!("add_{side}_header"), "key": "x-chain", "value": value});
    let seen = |side: &str| json!({"op": format!("get_{side}_header"), "key": "x-chain"});
    let ask = |stream: &str| {
        json!({"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"]],
        "then": [{"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_stream", "stream": stream}]})
    };
    let hold = || json!({"op": "return", "action": "pause"});
    vec![
        Case::with("chain-order", two(json!({}), json!({}))).send(post()).reply(answered()),
        Case::with("chain-of-three", vec![Plugin::probe(json!({})), Plugin::probe(json!({})), Plugin::probe(json!({}))]),
        Case::with(
            "chain-headers",
            two(
                json!({"request_headers": [add("request", "a")], "response_headers": [seen("response"), add("response", "a")]}),
                json!({"request_headers": [seen("request"), add("request", "b")], "response_headers": [seen("response"), add("response", "b")]}),
            ),
        ),
        // The second plugin hears the whole response while the first still holds its head.
        Case::with("chain-first-pauses", two(json!({"request_headers": [ask("request"), hold()], "response_headers": [ask("response"), hold()]}), json!({})))
            .reply(answered())
            .reply_at(AUX, "/ask", Reply::new(200).wait_first("ask").body("now"))
            .talk(Request::new("POST", "/").trailer("x-t", "1"), vec![
                Say::Data("body"), Say::Finish, Say::Release(AUX, "ask"), Say::Log("response_trailers("), Say::Release(AUX, "ask")]),
        Case::with("chain-second-pauses", two(json!({}), json!({"request_headers": [ask("request"), hold()]})))
            .reply_at(AUX, "/ask", Reply::new(200).wait_first("ask").body("now"))
            .talk(Request::new("POST", "/"), vec![Say::Data("body"), Say::Finish, Say::Log("request_body(size=0 end=1)"), Say::Release(AUX, "ask")]),
        Case::with("chain-second-pauses-response", two(json!({}), json!({"response_headers": [ask("response"), hold()]}))).send(post()).reply(answered()),
        // The first plugin hears the body and the trailers while the second holds the head.
        Case::with("chain-both-pause", two(json!({"request_headers": [ask("request"), hold()]}), json!({"request_headers": [ask("request"), hold()]})))
            .reply_at(AUX, "/ask", Reply::new(200).wait_first("ask").body("now"))
            .talk(Request::new("POST", "/").trailer("x-t", "1"), vec![
                Say::Data("body"), Say::Finish, Say::Release(AUX, "ask"), Say::Log("request_trailers("), Say::Release(AUX, "ask")]),
        Case::with("chain-second-holds-body", two(json!({}), json!({"request_body": [{"op": "return", "action": "buffer", "when": "not_end"}, {"op": "get_request_body"}]}))).send(post()),
        Case::with("chain-first-holds-body", two(json!({"request_body": [{"op": "return", "action": "buffer", "when": "not_end"}, {"op": "get_request_body"}]}), json!({"request_body": [{"op": "get_request_body"}]}))).send(post()),
        Case::with("chain-response-held", two(json!({"response_body": [{"op": "get_response_body"}]}), json!({"response_body": [{"op": "return", "action": "buffer", "when": "not_end"}, {"op": "set_response_body", "value": "held"}]}))).reply(answered()),
        Case::with(
            "chain-logs-with-the-sdk",
            vec![Plugin::guest("hello", json!({"greeting": "hi"})), Plugin::probe(json!({"request_headers": [{"op": "get_request_header", "key": "x-hello"}]}))],
        )
        .send(Request::get("/").field("x-name", "you")),
        Case::with("hello", vec![Plugin::guest("hello", json!({}))]),
        Case::with("hello-many", (0..10).map(|_| Plugin::guest("hello", json!({}))).collect()),
        Case::new("no-answer", json!({"log": [{"op": "get_response_headers"}]})).to("dead"),
        Case::new("upstream-too-slow", json!({"log": [{"op": "get_property", "path": ["response", "flags"], "as": "u64"}, {"op": "get_property", "path": ["response", "code_details"]}]})).to("brief").reply(Reply::silence()),
        Case::new("upstream-closes", json!({"log": [{"op": "get_property", "path": ["response", "flags"], "as": "u64"}, {"op": "get_property", "path": ["response", "code_details"]}]}))
            .reply(Reply::of(vec![testkit::backend::Step::Close])),
        Case::new("upstream-resets-in-body", json!({"log": [{"op": "get_property", "path": ["response", "flags"], "as": "u64"}, {"op": "get_property", "path": ["response", "code_details"]}]}))
            .reply(Reply::new(200).piece("part").wait("go").step(testkit::backend::Step::Reset))
            .talk(Request::get("/"), vec![Say::Finish, Say::Head, Say::Piece, Say::Release("api", "go")]),
        Case::new("no-plugin-body", json!({})).send(post()).reply(answered()),
    ]
}
