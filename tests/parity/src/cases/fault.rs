//! Plugins that die: what the exchange, the next exchange and the other plugins of the chain get.

use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::Request;

use crate::case::{Case, Plugin, Say};

pub(super) fn cases() -> Vec<Case> {
    let dying = |callback: &str| json!({callback: [{"op": "unreachable"}]});
    let open = |script: Value| vec![Plugin::probe(script).open()];
    let get = || Request::get("/");
    let post = || Request::new("POST", "/").piece("body").trailer("x-t", "1");
    vec![
        Case::new("dies-in-request-headers", dying("request_headers")).dies().send(get()),
        Case::new("dies-in-request-body", dying("request_body")).dies().send(post()),
        Case::new("dies-in-request-trailers", dying("request_trailers")).dies().send(post()),
        Case::new("dies-in-response-headers", dying("response_headers")).dies().send(get()),
        Case::new("dies-in-response-body", dying("response_body")).dies().send(get()),
        Case::new("dies-in-create", dying("context_create")).dies().send(get()),
        Case::new("dies-in-log", dying("log")).dies().send(get()),
        Case::new("dies-and-comes-back", dying("request_headers")).dies().send(get()).send(get()),
        Case::with("dies-open-and-comes-back", open(dying("request_headers"))).dies().send(get()).send(get()),
        Case::new("dies-by-panic", json!({"request_headers": [{"op": "panic", "text": "gone"}], "note": []})).dies().send(get()),
        Case::with("dies-open-in-request-headers", open(dying("request_headers"))).dies().send(get()),
        Case::with("dies-open-in-request-body", open(dying("request_body"))).dies().send(post()),
        Case::with("dies-open-in-response-headers", open(dying("response_headers"))).dies().send(get()),
        Case::with("dies-open-in-response-body", open(dying("response_body"))).dies().send(get()),
        Case::new("dies-in-callout", json!({"request_headers": [
            {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"]], "then": [{"op": "unreachable"}]}]}))
            .reply(Reply::new(200).wait_first("dead").body("unharmed"))
            .reply_at("aux", "/ask", Reply::new(200).wait_first("ask").body("now"))
            .dies()
            .talk(get(), vec![Say::Finish, Say::Ended("api"), Say::Release("aux", "ask"), Say::Log("http_call_response("), Say::Release("api", "dead")]),
        Case::with("dies-beside-another", vec![Plugin::probe(json!({})), Plugin::probe(dying("request_headers")), Plugin::probe(json!({}))]).dies().send(get()),
        Case::with("dies-beside-another-in-response", vec![Plugin::probe(json!({})), Plugin::probe(dying("response_headers"))]).dies().send(get()),
    ]
}
