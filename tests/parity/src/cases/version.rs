//! The same through guests of ABI 0.1.0 and 0.2.0, and what only those have.

use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::Request;

use crate::case::{Case, Plugin};

pub(super) fn cases() -> Vec<Case> {
    let post = || Request::new("POST", "/").piece("body").trailer("x-t", "1");
    let answered = || Reply::new(200).field("x-up", "1").piece("body").trailer("x-t", "1");
    let ask = |then: &str| {
        json!({"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"]],
        "then": [{"op": "get_call_headers"}, {"op": "get_call_body"}, {"op": "set_effective_context", "context": "${origin}"}, {"op": then}]})
    };
    let hold = || json!({"op": "return", "action": "pause"});
    let missing = || {
        json!({"request_headers": [
        {"op": "get_request_header", "key": "x-missing"}, {"op": "get_request_header", "key": ":path"}, {"op": "get_response_header", "key": "x"}, {"op": "get_request_trailers"},
        {"op": "get_property", "path": ["nothing"]}, {"op": "get_shared_data", "key": "nothing"}, {"op": "get_header_map_value", "map": 1, "key": "x"}]})
    };
    let mut all = Vec::new();
    for (guest, names) in [
        (
            "probe-010",
            [
                "010-whole",
                "010-missing",
                "010-edits",
                "010-held-body",
                "010-reply",
                "010-actions",
            ],
        ),
        (
            "probe-020",
            [
                "020-whole",
                "020-missing",
                "020-edits",
                "020-held-body",
                "020-reply",
                "020-actions",
            ],
        ),
    ] {
        let [whole, absent, edits, held, reply, actions] = names;
        let case = |name: &'static str, script: Value| Case::new(name, script).guest(guest);
        all.extend([
            case(whole, json!({"request_headers": [{"op": "get_request_headers"}], "response_headers": [{"op": "get_response_headers"}]})).send(post()).reply(answered()),
            case(absent, missing()),
            case(edits, json!({"request_headers": [{"op": "add_request_header", "key": "x-new", "value": "1"}], "response_headers": [{"op": "remove_response_header", "key": "x-up"}],
                "response_body": [{"op": "set_response_body", "value": "edit"}]})).reply(answered()),
            case(held, json!({"request_body": [{"op": "return", "action": "buffer", "when": "not_end"}, {"op": "get_request_body"}]})).send(Request::post("/", "body")),
            case(reply, json!({"request_headers": [{"op": "send_local_response", "status": 403, "body": "no", "headers": [["x-local", "1"]]}]})),
            case(actions, json!({"request_headers": [{"op": "return", "action": 3, "when": {"saved": "never", "is": "x"}}, {"op": "return", "action": 0}]})).send(post()),
        ]);
    }
    all.extend([
        Case::new("010-pauses", json!({"request_headers": [ask("continue_request"), hold()], "response_headers": [ask("continue_response"), hold()]})).guest("probe-010").send(post()).reply(answered()),
        Case::new("020-pauses", json!({"request_headers": [ask("continue_request"), hold()], "response_headers": [ask("continue_response"), hold()]})).guest("probe-020").send(post()).reply(answered()),
        Case::new("010-only", json!({"configure": [{"op": "get_configuration"}], "request_headers": [{"op": "get_configuration"}, {"op": "clear_route_cache"}, {"op": "continue_request"}]})).guest("probe-010"),
        Case::with("versions-in-one-chain", vec![
            Plugin::probe(json!({})),
            { let mut plugin = Plugin::probe(json!({})); plugin.guest = "probe-010"; plugin },
            { let mut plugin = Plugin::probe(json!({})); plugin.guest = "probe-020"; plugin }]).send(post()).reply(answered()),
    ]);
    all
}
