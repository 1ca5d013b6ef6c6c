//! Trailers of both directions: reading, every change, trailers that a plugin makes.

use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::Request;

use crate::case::{Case, GRPC};

pub(super) fn cases() -> Vec<Case> {
    let edits = |side: &str| {
        let map = if side == "request" { 1 } else { 3 };
        json!({format!("{side}_trailers"): [
            {"op": format!("get_{side}_trailers")},
            {"op": "get_header_map_value", "map": map, "key": "X-T"},
            {"op": "add_header_map_value", "map": map, "key": "x-t", "value": "3"},
            {"op": "add_header_map_value", "map": map, "key": "x-new", "value": "1"},
            {"op": "replace_header_map_value", "map": map, "key": "x-u", "value": "changed"},
            {"op": "remove_header_map_value", "map": map, "key": "x-gone"},
            {"op": format!("get_{side}_trailers")},
            {"op": format!("get_{side}_headers")},
            {"op": format!("get_{side}_body")}]})
    };
    let set = |side: &str| {
        let map = if side == "request" { 1 } else { 3 };
        json!({format!("{side}_trailers"): [{"op": "set_header_map_pairs", "map": map, "pairs": [["x-only", "1"], ["X-Only", "2"]]}]})
    };
    let made = |side: &str, when: &str| -> Value {
        let map = if side == "request" { 1 } else { 3 };
        json!({format!("{side}_body"): [
            {"op": "add_header_map_value", "map": map, "key": "x-made", "value": "1", "when": when},
            {"op": "get_header_map_pairs", "map": map, "when": when}]})
    };
    let sent = || {
        Request::new("POST", "/")
            .piece("body")
            .trailer("x-t", "1")
            .trailer("x-u", "1")
            .trailer("x-t", "2")
            .trailer("x-gone", "1")
    };
    let answered = || {
        Reply::new(200)
            .piece("body")
            .trailer("x-t", "1")
            .trailer("x-u", "1")
            .trailer("x-t", "2")
            .trailer("x-gone", "1")
    };
    vec![
        Case::new("request-trailers", edits("request")).send(sent()),
        Case::new("request-trailers-http2", edits("request")).to(GRPC).http2().send(sent()),
        Case::new("response-trailers", edits("response")).reply(answered()),
        Case::new("response-trailers-http2", edits("response")).to(GRPC).reply_at(GRPC, "/", answered()).http2(),
        Case::new("request-trailers-set", set("request")).send(sent()),
        Case::new("response-trailers-set", set("response")).reply(answered()),
        Case::new("request-trailers-made", made("request", "end")).to(GRPC).http2().send(Request::new("POST", "/").piece("body")),
        Case::new("response-trailers-made", made("response", "end")).to(GRPC).http2(),
        Case::new("request-trailers-made-early", made("request", "not_end")).to(GRPC).http2().send(Request::new("POST", "/").piece("body")),
        Case::new("response-trailers-made-http1", made("response", "end")),
        Case::new("request-trailers-unannounced", json!({"request_trailers": [{"op": "get_request_trailers"}]}))
            .send(Request::new("POST", "/").piece("body").trailer("x-t", "1"))
            .unannounced(),
        Case::new("response-trailers-unannounced", json!({"response_trailers": [{"op": "get_response_trailers"}]}))
            .reply(Reply::new(200).piece("body").trailer("x-t", "1"))
            .unannounced(),
        Case::new("trailers-only", json!({"response_headers": [{"op": "get_response_headers"}], "response_trailers": [{"op": "get_response_trailers"}],
                "log": [{"op": "get_response_trailers"}]}))
            .to(GRPC)
            .reply_at(GRPC, "/", Reply::new(200).field("content-type", "application/grpc").field("grpc-status", "5"))
            .http2()
            .send(Request::new("POST", "/").field("content-type", "application/grpc").field("te", "trailers").piece("")),
        Case::new("grpc-through", json!({"response_headers": [{"op": "get_response_headers"}], "response_trailers": [{"op": "get_response_trailers"}],
                "log": [{"op": "get_response_trailers"}, {"op": "get_request_trailers"}, {"op": "get_property", "path": ["response", "grpc_status"], "as": "i64"}]}))
            .to(GRPC)
            .reply_at(GRPC, "/", Reply::grpc(7, &[b"hi"]))
            .http2()
            .send(Request::new("POST", "/").field("content-type", "application/grpc").field("te", "trailers").piece("\0\0\0\0\0")),
    ]
}
