//! Routes and plugins: a changed route after changed headers, no route, properties of the route.

use serde_json::{Value, json};
use testkit::client::Request;

use crate::case::{API, AUX, Case, Plugin, Route};

pub(super) fn cases() -> Vec<Case> {
    let routed = |name: &'static str, script: Value| with_routes(Case::new(name, script));
    let add = || json!({"op": "add_request_header", "key": "x-go", "value": "aux"});
    let names =
        || json!([{"op": "get_property", "path": ["route_name"]}, {"op": "get_property", "path": ["cluster_name"]}]);
    let steps = |parts: &[Value]| -> Value {
        let flat: Vec<Value> = parts
            .iter()
            .flat_map(|part| part.as_array().cloned().unwrap_or_else(|| vec![part.clone()]))
            .collect();
        json!(flat)
    };
    vec![
        routed("route-changed-by-header", json!({"request_headers": [add()]})),
        routed("route-changed-by-path", json!({"request_headers": [{"op": "replace_request_header", "key": ":path", "value": "/special/x"}]})),
        routed("route-changed-back", json!({"request_headers": steps(&[add(), names(), json!({"op": "remove_request_header", "key": "x-go"}), names()])})),
        routed("route-changed-by-set", json!({"request_headers": [
            {"op": "set_request_headers", "pairs": [[":method", "GET"], [":path", "/"], [":authority", "a"], [":scheme", "http"], ["x-forwarded-proto", "http"], ["x-go", "aux"]]}]})),
        routed("route-cache-kept", json!({"request_headers": [{"op": "set_property", "path": ["clear_route_cache"], "value": "off"}, add()]})),
        routed("route-cleared-by-foreign-function", json!({"request_headers": [{"op": "call_foreign_function", "name": "clear_route_cache", "arguments": ""}, {"op": "get_property", "path": ["route_name"]}]})),
        with_routes(Case::with("route-changed-while-stopped", vec![
            Plugin::probe(json!({"request_headers": [{"op": "return", "action": 1}], "request_body": [{"op": "return", "action": 1, "when": "not_end"}, add()]})).stop_iteration()]))
        .send(Request::post("/", "body")),
        with_routes(Case::with("route-changed-by-the-first-of-two", vec![
            Plugin::probe(json!({"request_headers": [add()]})),
            Plugin::probe(json!({"request_headers": names()}))])),
        Case::new("route-none", json!({"request_headers": names(), "response_headers": [{"op": "get_response_headers"}]}))
            .route(Route { name: "", header: None, prefix: "/only", upstream: API }),
        Case::new("route-none-after-change", json!({"request_headers": [{"op": "replace_request_header", "key": ":path", "value": "/elsewhere"}]}))
            .route(Route { name: "", header: None, prefix: "/only", upstream: API })
            .send(Request::get("/only/here")),
    ]
}

fn with_routes(case: Case) -> Case {
    case.route(Route {
        name: "by-header",
        header: Some(("x-go", "aux")),
        prefix: "/",
        upstream: AUX,
    })
    .route(Route {
        name: "by-path",
        header: None,
        prefix: "/special",
        upstream: AUX,
    })
    .route(Route {
        name: "",
        header: None,
        prefix: "/",
        upstream: API,
    })
}
