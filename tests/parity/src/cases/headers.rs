//! Header maps of both directions: reading, every change, repetitions, case, pseudo-headers, wrong phases.

use serde_json::json;
use testkit::backend::Reply;
use testkit::client::Request;

use crate::case::{BRIEF, Case};

pub(super) fn cases() -> Vec<Case> {
    let mut all = reading();
    all.extend(changing());
    all.extend(pseudo());
    all.extend(misuse());
    all
}

fn many() -> Request {
    Request::get("/p?q=1")
        .field("X-Two", "2")
        .field("x-one", "1")
        .field("X-Two", "3")
        .field("Accept", "*/*")
        .field("x-empty", "")
}

fn reading() -> Vec<Case> {
    let see = || json!({"request_headers": [{"op": "get_request_headers"}], "response_headers": [{"op": "get_response_headers"}]});
    let replied = || {
        Reply::new(200)
            .field("X-Up", "1")
            .field("Set-Cookie", "a=1")
            .field("set-cookie", "b=2")
            .body("body")
    };
    vec![
        Case::new("headers-read", see())
            .reply_at("api", "/p", replied())
            .send(many()),
        Case::new("headers-read-http2", see())
            .reply_at("api", "/p", replied())
            .send(many())
            .http2(),
        Case::new("headers-read-post", see()).send(Request::post("/", "body").field("content-type", "text/plain")),
        Case::new("headers-read-browser", see()).send(
            Request::get("/")
                .field("user-agent", "probe/1")
                .field("x-forwarded-for", "10.1.2.3")
                .field("x-forwarded-proto", "https")
                .field("x-forwarded-host", "other.example")
                .field("x-request-id", "not-a-uuid")
                .field("x-envoy-force-trace", "1")
                .field("via", "1.1 before"),
        ),
        Case::new("headers-hop-by-hop", see()).send(
            Request::get("/")
                .field("connection", "x-hop, close")
                .field("x-hop", "1")
                .field("keep-alive", "timeout=5")
                .field("proxy-connection", "keep-alive")
                .field("te", "trailers")
                .field("proxy-authorization", "Basic eDp5"),
        ),
        Case::new(
            "headers-response-hop-by-hop",
            json!({"response_headers": [{"op": "get_response_headers"}]}),
        )
        .reply(
            Reply::new(200)
                .field("connection", "x-hop")
                .field("x-hop", "1")
                .field("keep-alive", "timeout=5")
                .field("server", "upstream/1")
                .field("date", "Tue, 15 Nov 1994 08:12:31 GMT")
                .body("b"),
        ),
        Case::new(
            "header-value",
            json!({"request_headers": [
                {"op": "get_request_header", "key": "x-two"}, {"op": "get_request_header", "key": "X-ONE"},
                {"op": "get_request_header", "key": "x-empty"}, {"op": "get_request_header", "key": "x-missing"},
                {"op": "get_request_header", "key": ""}, {"op": "get_request_header", "key": "host"},
                {"op": "get_request_header", "key": ":authority"}, {"op": "get_request_header", "key": ":path"},
                {"op": "get_request_header", "key": ":method"}, {"op": "get_request_header", "key": ":scheme"},
                {"op": "get_request_header", "key": ":status"}]}),
        )
        .send(many()),
        Case::new("headers-head", see()).send(Request::new("HEAD", "/")),
        Case::new("headers-no-content", see()).reply(Reply::new(204).field("x-up", "1")),
        Case::new("headers-not-modified", see()).reply(Reply::new(304).field("etag", "\"a\"")),
        Case::new("headers-latin1", see())
            .reply(Reply::new(200).field("x-up", "caf\u{e9}").body("b"))
            .send(Request::get("/").field("x-text", "caf\u{e9}")),
    ]
}

fn changing() -> Vec<Case> {
    let steps = |side: &str| {
        json!([
            {"op": format!("add_{side}_header"), "key": "x-new", "value": "1"},
            {"op": format!("add_{side}_header"), "key": "x-new", "value": "2"},
            {"op": format!("add_{side}_header"), "key": "X-Upper", "value": "Kept"},
            {"op": format!("replace_{side}_header"), "key": "x-one", "value": "changed"},
            {"op": format!("replace_{side}_header"), "key": "x-created", "value": "3"},
            {"op": format!("remove_{side}_header"), "key": "x-gone"},
            {"op": format!("remove_{side}_header"), "key": "x-missing"},
            {"op": format!("get_{side}_headers")}])
    };
    let repeated = |side: &str| {
        json!([
            {"op": format!("get_{side}_header"), "key": "x-r"},
            {"op": format!("replace_{side}_header"), "key": "x-r", "value": "one"},
            {"op": format!("get_{side}_headers")},
            {"op": format!("add_{side}_header"), "key": "x-r", "value": "two"},
            {"op": format!("get_{side}_headers")},
            {"op": format!("remove_{side}_header"), "key": "x-s"},
            {"op": format!("get_{side}_headers")}])
    };
    let edits = |side: &str| {
        json!([
            {"op": format!("replace_{side}_header"), "key": "X-ONE", "value": "upper"},
            {"op": format!("remove_{side}_header"), "key": "X-TWO"},
            {"op": format!("add_{side}_header"), "key": "X-One", "value": "again"},
            {"op": format!("add_{side}_header"), "key": "x-nothing", "value": ""},
            {"op": format!("get_{side}_headers")}])
    };
    let given = || {
        Reply::new(200)
            .field("x-one", "1")
            .field("x-gone", "1")
            .field("x-two", "2")
            .body("b")
    };
    let twice = || {
        Reply::new(200)
            .field("x-r", "1")
            .field("x-s", "1")
            .field("x-r", "2")
            .field("x-s", "2")
            .body("b")
    };
    vec![
        Case::new("request-header-edits", json!({"request_headers": steps("request")}))
            .send(many().field("x-gone", "1")),
        Case::new("response-header-edits", json!({"response_headers": steps("response")})).reply(given()),
        Case::new("request-header-repeated", json!({"request_headers": repeated("request")})).send(
            Request::get("/").field("x-r", "1").field("x-s", "1").field("x-r", "2").field("x-s", "2"),
        ),
        Case::new("response-header-repeated", json!({"response_headers": repeated("response")})).reply(twice()),
        Case::new("request-header-case", json!({"request_headers": edits("request")})).send(many()),
        Case::new("response-header-case", json!({"response_headers": edits("response")})).reply(given()),
        Case::new(
            "request-headers-set",
            json!({"request_headers": [
                {"op": "set_request_headers", "pairs": [[":method", "PUT"], [":path", "/new"], [":authority", "new.example"], [":scheme", "http"], ["x-r", "1"], ["X-R", "2"]]},
                {"op": "get_request_headers"}]}),
        )
        .send(many()),
        Case::new(
            "response-headers-set",
            json!({"response_headers": [
                {"op": "set_response_headers", "pairs": [[":status", "202"], ["x-r", "1"], ["X-R", "2"]]},
                {"op": "get_response_headers"}]}),
        ),
        Case::new(
            "header-cookies",
            json!({"request_headers": [{"op": "get_request_header", "key": "cookie"}, {"op": "get_request_headers"}]}),
        )
        .send(Request::get("/").field("cookie", "a=1").field("cookie", "b=2")),
        Case::new(
            "header-cookies-http2",
            json!({"request_headers": [{"op": "get_request_header", "key": "cookie"}, {"op": "get_request_headers"}]}),
        )
        .send(Request::get("/").field("cookie", "a=1").field("cookie", "b=2"))
        .http2(),
        Case::new(
            "header-content-length-removed",
            json!({"request_headers": [{"op": "remove_request_header", "key": "content-length"}],
                   "response_headers": [{"op": "remove_response_header", "key": "content-length"}]}),
        )
        .send(Request::post("/", "body")),
        Case::new(
            "header-framing-by-plugin",
            json!({"request_headers": [
                {"op": "add_request_header", "key": "connection", "value": "x-one"}, {"op": "add_request_header", "key": "keep-alive", "value": "9"},
                {"op": "add_request_header", "key": "transfer-encoding", "value": "chunked"}]}),
        )
        .to(BRIEF)
        .send(Request::post("/", "body").field("x-one", "1")),
    ]
}

fn pseudo() -> Vec<Case> {
    let replace = |key: &str, value: &str| json!({"request_headers": [{"op": "replace_request_header", "key": key, "value": value}, {"op": "get_request_headers"}]});
    let remove = |key: &str| json!({"request_headers": [{"op": "remove_request_header", "key": key}, {"op": "get_request_headers"}]});
    vec![
        Case::new("pseudo-path", replace(":path", "/new?x=y")).send(many()),
        Case::new("pseudo-authority", replace(":authority", "new.example:81")),
        Case::new("pseudo-host", replace("host", "new.example")),
        Case::new("pseudo-method", replace(":method", "DELETE")),
        Case::new("pseudo-scheme", replace(":scheme", "https")),
        Case::new("pseudo-path-empty", replace(":path", "")),
        Case::new("pseudo-path-removed", remove(":path")),
        Case::new("pseudo-authority-removed", remove(":authority")),
        Case::new("pseudo-method-removed", remove(":method")),
        Case::new("pseudo-scheme-removed", remove(":scheme")),
        Case::new(
            "pseudo-missing-in-set",
            json!({"request_headers": [{"op": "set_request_headers", "pairs": [["x-only", "1"]]}, {"op": "get_request_headers"}]}),
        ),
        Case::new(
            "pseudo-status",
            json!({"response_headers": [{"op": "replace_response_header", "key": ":status", "value": "404"}, {"op": "get_response_headers"}]}),
        ),
        Case::new(
            "pseudo-status-no-number",
            json!({"response_headers": [{"op": "replace_response_header", "key": ":status", "value": "fine"}, {"op": "get_response_headers"}]}),
        ),
        Case::new(
            "pseudo-status-removed",
            json!({"response_headers": [{"op": "remove_response_header", "key": ":status"}, {"op": "get_response_headers"}]}),
        ),
        Case::new(
            "pseudo-status-missing-in-set",
            json!({"response_headers": [{"op": "set_response_headers", "pairs": [["x-only", "1"]]}, {"op": "get_response_headers"}]}),
        ),
        Case::new(
            "pseudo-added-twice",
            json!({"request_headers": [{"op": "add_request_header", "key": ":path", "value": "/two"}, {"op": "get_request_headers"}]}),
        ),
        Case::new(
            "pseudo-unknown",
            json!({"request_headers": [{"op": "add_request_header", "key": ":unknown", "value": "1"}, {"op": "get_request_headers"}]}),
        ),
    ]
}

fn misuse() -> Vec<Case> {
    let try_all = || {
        json!([
            {"op": "get_request_headers"}, {"op": "get_request_trailers"}, {"op": "get_response_headers"}, {"op": "get_response_trailers"},
            {"op": "get_call_headers"}, {"op": "get_call_trailers"}, {"op": "get_header_map_pairs", "map": 4}, {"op": "get_header_map_pairs", "map": 9},
            {"op": "get_header_map_value", "map": 0, "key": "x-m"}, {"op": "get_header_map_value", "map": 1, "key": "x-m"},
            {"op": "get_header_map_value", "map": 2, "key": "x-m"}, {"op": "get_header_map_value", "map": 3, "key": "x-m"},
            {"op": "get_header_map_value", "map": 6, "key": "x-m"}, {"op": "get_header_map_value", "map": 9, "key": "x-m"},
            {"op": "get_header_map_size", "map": 1}, {"op": "get_header_map_size", "map": 2}, {"op": "get_header_map_size", "map": 6}, {"op": "get_header_map_size", "map": 9}])
    };
    let change_all = || {
        json!([
            {"op": "add_header_map_value", "map": 0, "key": "x-m", "value": "1"}, {"op": "add_header_map_value", "map": 1, "key": "x-m", "value": "1"},
            {"op": "add_header_map_value", "map": 2, "key": "x-m", "value": "1"}, {"op": "add_header_map_value", "map": 3, "key": "x-m", "value": "1"},
            {"op": "replace_header_map_value", "map": 1, "key": "x-m", "value": "1"}, {"op": "replace_header_map_value", "map": 3, "key": "x-m", "value": "1"},
            {"op": "remove_header_map_value", "map": 1, "key": "x-m"}, {"op": "remove_header_map_value", "map": 2, "key": "x-m"},
            {"op": "set_header_map_pairs", "map": 1, "pairs": [["x-m", "1"]]}, {"op": "set_header_map_pairs", "map": 3, "pairs": [["x-m", "1"]]},
            {"op": "add_header_map_value", "map": 6, "key": "x-m", "value": "1"}, {"op": "add_header_map_value", "map": 9, "key": "x-m", "value": "1"}])
    };
    vec![
        Case::new("maps-in-request-headers", json!({"request_headers": try_all()})).send(Request::get("/").field("x-m", "m")),
        Case::new("maps-in-request-body", json!({"request_body": try_all()})).send(Request::post("/", "b").field("x-m", "m")),
        Case::new("maps-in-response-headers", json!({"response_headers": try_all()})).send(Request::get("/").field("x-m", "m")),
        Case::new("maps-in-response-body", json!({"response_body": try_all()})).send(Request::get("/").field("x-m", "m")),
        Case::new("maps-in-log", json!({"log": try_all()})).send(Request::get("/").field("x-m", "m")),
        Case::new("maps-in-done", json!({"done": try_all()})).send(Request::get("/").field("x-m", "m")),
        Case::new("maps-in-delete", json!({"delete": try_all()})).send(Request::get("/").field("x-m", "m")),
        Case::new("maps-in-create", json!({"context_create": try_all()})).send(Request::get("/").field("x-m", "m")),
        Case::new("maps-in-configure", json!({"configure": try_all()})),
        Case::new("map-changes-in-request-headers", json!({"request_headers": change_all()})),
        Case::new("map-changes-in-response-headers", json!({"response_headers": change_all()})),
        Case::new("map-changes-in-log", json!({"log": change_all()})),
        Case::new(
            "header-map-size",
            json!({"request_headers": [
                {"op": "set_request_headers", "pairs": [[":method", "GET"], [":path", "/"], [":authority", "a"], ["x", "y"]]},
                {"op": "get_header_map_size", "map": 0}]}),
        ),
        Case::new(
            "header-injection",
            json!({"request_headers": [
                {"op": "add_request_header", "key": "x-line", "value": "a\r\nx-evil: 1"},
                {"op": "get_request_header", "key": "x-line"}]}),
        ),
        Case::new(
            "header-injection-response",
            json!({"response_headers": [
                {"op": "add_response_header", "key": "x-line", "value": "a\r\nx-evil: 1"},
                {"op": "get_response_header", "key": "x-line"}]}),
        ),
        Case::new(
            "header-name-bad",
            json!({"request_headers": [
                {"op": "add_request_header", "key": "bad name", "value": "1"},
                {"op": "add_request_header", "key": "", "value": "1"},
                {"op": "get_request_headers"}]}),
        ),
        Case::new(
            "header-added-in-body",
            json!({"request_body": [{"op": "add_request_header", "key": "x-late", "value": "1"}, {"op": "get_request_header", "key": "x-late"}],
                   "response_body": [{"op": "add_response_header", "key": "x-late", "value": "1"}, {"op": "get_response_header", "key": "x-late"}]}),
        )
        .send(Request::post("/", "body")),
    ]
}
