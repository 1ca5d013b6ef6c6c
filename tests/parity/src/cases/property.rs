//! Properties: every name with its encoding, in every phase where it has a value; set and read again.

use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::Request;

use crate::case::{API, AUX, Case, NAMELESS, Plugin, Route, SAFE, Transport};

/// Names with the way in which their value is shown; `length` for those that differ by nature.
const REQUEST: &[(&str, &str)] = &[
    ("request.path", "text"),
    ("request.url_path", "text"),
    ("request.host", "text"),
    ("request.scheme", "text"),
    ("request.method", "text"),
    ("request.referer", "text"),
    ("request.useragent", "text"),
    ("request.query", "text"),
    ("request.protocol", "text"),
    ("request.time", "length"),
    ("request.id", "text"),
    ("request.duration", "length"),
    ("request.size", "i64"),
    ("request.total_size", "length"),
    ("request.headers.x-one", "text"),
    ("request.headers.X-One", "text"),
    ("request.headers.x-r", "text"),
    ("request.headers.x-missing", "text"),
    ("request.nothing", "text"),
    ("request", "length"),
    ("request.headers", "map"),
];

const RESPONSE: &[(&str, &str)] = &[
    ("response.code", "i64"),
    ("response.code_details", "text"),
    ("response.flags", "i64"),
    ("response.grpc_status", "i64"),
    ("response.size", "i64"),
    ("response.total_size", "length"),
    ("response.headers.x-up", "text"),
    ("response.trailers.x-t", "text"),
    ("response.nothing", "text"),
    ("response.headers", "map"),
    ("response.trailers", "map"),
    ("response.backend_latency", "length"),
];

const CONNECTION: &[(&str, &str)] = &[
    ("source.address", "text"),
    ("source.port", "i64"),
    ("destination.address", "text"),
    ("destination.port", "i64"),
    ("connection.id", "length"),
    ("connection.mtls", "hex"),
    ("connection.requested_server_name", "text"),
    ("connection.tls_version", "text"),
    ("connection.subject_local_certificate", "text"),
    ("connection.subject_peer_certificate", "text"),
    ("connection.dns_san_local_certificate", "text"),
    ("connection.dns_san_peer_certificate", "text"),
    ("connection.uri_san_local_certificate", "text"),
    ("connection.uri_san_peer_certificate", "text"),
    ("connection.sha256_peer_certificate_digest", "text"),
    ("connection.termination_details", "text"),
    ("connection.transport_failure_reason", "text"),
    ("connection.nothing", "text"),
    ("connection_id", "length"),
    ("source.nothing", "text"),
];

const UPSTREAM: &[(&str, &str)] = &[
    ("upstream.address", "text"),
    ("upstream.port", "i64"),
    ("upstream.local_address", "text"),
    ("upstream.local_port", "length"),
    ("upstream.transport_failure_reason", "text"),
    ("upstream.request_attempt_count", "i64"),
    ("upstream.cx_pool_ready_duration", "length"),
    ("upstream.locality", "text"),
    ("upstream.nothing", "text"),
    ("cluster_name", "text"),
    ("route_name", "text"),
    ("xds.cluster_name", "text"),
    ("xds.route_name", "text"),
    ("xds.virtual_host_name", "length"),
    ("xds.filter_chain_name", "text"),
    ("xds.listener_direction", "i64"),
    ("xds.node", "length"),
    ("xds.cluster_metadata", "length"),
    ("xds.route_metadata", "length"),
    ("xds.virtual_host_metadata", "length"),
    ("xds.upstream_host_metadata", "length"),
    ("xds.listener_metadata", "length"),
    ("xds.upstream_host_locality_metadata", "length"),
];

const UPSTREAM_TLS: &[(&str, &str)] = &[
    ("upstream.tls_version", "text"),
    ("upstream.subject_local_certificate", "text"),
    ("upstream.subject_peer_certificate", "text"),
    ("upstream.dns_san_local_certificate", "text"),
    ("upstream.dns_san_peer_certificate", "text"),
    ("upstream.uri_san_local_certificate", "text"),
    ("upstream.uri_san_peer_certificate", "text"),
    ("upstream.sha256_peer_certificate_digest", "text"),
];

const PLUGIN: &[(&str, &str)] = &[
    ("plugin_name", "text"),
    ("plugin_root_id", "text"),
    ("plugin_vm_id", "text"),
    ("listener_direction", "i64"),
    ("node", "length"),
    ("node.id", "text"),
    ("node.cluster", "text"),
    ("node.metadata", "length"),
    ("listener_metadata", "length"),
    ("route_metadata", "length"),
    ("cluster_metadata", "length"),
    ("upstream_host_metadata", "length"),
    ("metadata", "length"),
    ("filter_state", "length"),
    ("nothing", "text"),
    ("", "text"),
];

/// Steps that read properties; the log names each.
fn get(names: &[(&str, &str)]) -> Vec<Value> {
    let step = |(name, shown): &(&str, &str)| {
        let path: Vec<&str> = name.split('.').collect();
        json!({"op": "get_property", "path": path, "as": shown, "named": name})
    };
    names.iter().map(step).collect()
}

fn asked() -> Request {
    Request::post("/p/q?a=1&b=2", "body")
        .field("x-one", "1")
        .field("x-r", "1")
        .field("x-r", "2")
        .field("referer", "http://before.example/")
        .field("user-agent", "probe/1")
}

fn answered() -> Reply {
    Reply::new(203).field("x-up", "1").piece("body").trailer("x-t", "1")
}

pub(super) fn cases() -> Vec<Case> {
    let case =
        |name: &'static str, script: Value| Case::new(name, script).reply_at(API, "/p/q", answered()).send(asked());
    let during = |names: &[(&str, &str)]| json!({"request_headers": get(names), "response_headers": get(names), "log": get(names)});
    let everything = || [REQUEST, RESPONSE, CONNECTION, UPSTREAM, UPSTREAM_TLS, PLUGIN].concat();
    let set = |name: &str, value: &str| json!({"op": "set_property", "path": name.split('.').collect::<Vec<_>>(), "value": value});
    let read = |name: &str| json!({"op": "get_property", "path": name.split('.').collect::<Vec<_>>(), "named": name});
    let set_and_read = json!([set("own", "1"), read("own"), set("own", "2"), read("own"), set("two.words", "x"), read("two.words"), read("two"),
        set("", "empty"), read(""), set("bytes", ""), read("bytes"), read("wasm.own"), {"op": "get_property", "path": ["filter_state", "wasm.own"], "named": "filter_state.wasm.own"}]);
    let other = || Route {
        name: "other",
        header: Some(("x-go", "aux")),
        prefix: "/",
        upstream: AUX,
    };
    let fallback = || Route {
        name: "",
        header: None,
        prefix: "/",
        upstream: API,
    };
    vec![
        case("property-request", during(REQUEST)),
        case("property-request-http2", during(REQUEST)).http2(),
        case("property-response", during(RESPONSE)),
        case("property-connection", during(CONNECTION)),
        case("property-tls", during(CONNECTION)).over(Transport::Tls),
        case("property-tls-http2", during(CONNECTION)).over(Transport::Tls).http2(),
        case("property-mutual-tls", during(CONNECTION)).over(Transport::MutualTls),
        case("property-upstream", during(&[UPSTREAM, UPSTREAM_TLS].concat())),
        Case::new("property-upstream-tls", during(UPSTREAM_TLS)).to(SAFE),
        Case::new("property-upstream-tls-nameless", during(UPSTREAM_TLS)).to(NAMELESS),
        case("property-plugin", during(PLUGIN)),
        case("property-in-configure", json!({"configure": get(&everything())})),
        case("property-in-create", json!({"context_create": get(&everything())})),
        case("property-in-done", json!({"done": get(&everything())})),
        case("property-in-delete", json!({"delete": get(&everything())})),
        case("property-in-request-body", json!({"request_body": get(&everything())})),
        case("property-in-response-body", json!({"response_body": get(&everything())})),
        Case::with("property-root-id", vec![Plugin::probe(json!({"configure": get(&PLUGIN[..3]), "request_headers": get(&PLUGIN[..3])})).root_id("mine").vm_id("its-vm")]),
        Case::new("property-of-dead-upstream", json!({"log": get(&[RESPONSE, UPSTREAM].concat())})).to("dead"),
        Case::new("property-of-local-reply", json!({"request_headers": [{"op": "send_local_response", "status": 403, "details": "mine"}], "log": get(&[RESPONSE, UPSTREAM].concat())})),
        Case::new("property-of-fresh-route", json!({"request_headers": [
                read("route_name"), read("cluster_name"), {"op": "add_request_header", "key": "x-go", "value": "aux"}, read("route_name"), read("cluster_name")],
                "response_headers": [read("route_name"), read("cluster_name")]}))
            .route(other())
            .route(fallback()),
        Case::new("property-set", json!({"request_headers": set_and_read, "response_headers": [read("own"), set("own", "3"), read("own")], "log": [read("own")], "delete": [read("own")]})),
        Case::new("property-set-in-root", json!({"configure": [set("own", "1"), read("own")], "request_headers": [read("own")]})),
        Case::with("property-set-for-the-next", vec![
            Plugin::probe(json!({"request_headers": [set("shared", "from a")], "response_headers": [read("shared")]})),
            Plugin::probe(json!({"request_headers": [read("shared"), set("shared", "from b")], "log": [read("shared")]}))]),
        Case::new("property-set-of-another-request", json!({"request_headers": [read("own"), set("own", "1")]})).send(Request::get("/")).send(Request::get("/")),
        Case::new("property-after-change", json!({"request_headers": [
            {"op": "replace_request_header", "key": ":path", "value": "/changed?c=3"}, {"op": "replace_request_header", "key": ":authority", "value": "changed.example"},
            {"op": "replace_request_header", "key": ":method", "value": "PUT"}, {"op": "add_request_header", "key": "x-one", "value": "new"},
            read("request.path"), read("request.url_path"), read("request.query"), read("request.host"), read("request.method"), read("request.headers.x-one")]})),
    ]
}
