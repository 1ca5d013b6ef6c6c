//! Connections without HTTP: data both ways, edits, pauses, ends, properties.

use serde_json::{Value, json};

use crate::case::{Case, DEAD, Plugin, RAW, SAFE, Say};

/// Steps that read properties and say which.
fn read(names: &[&str]) -> Value {
    let steps: Vec<Value> = names
        .iter()
        .flat_map(|name| {
            let path: Vec<&str> = name.split('.').collect();
            [
                json!({"op": "log", "text": name}),
                json!({"op": "get_property", "path": path, "as": if name.ends_with("port") { "i64" } else { "text" }}),
            ]
        })
        .collect();
    json!(steps)
}

pub(super) fn cases() -> Vec<Case> {
    let talk = || vec![Say::Data("ping"), Say::Piece, Say::Finish];
    let properties = || {
        read(&[
            "source.address",
            "source.port",
            "destination.address",
            "destination.port",
            "connection.mtls",
            "connection.requested_server_name",
            "upstream.address",
            "upstream.port",
            "request.path",
            "response.code",
            "plugin_name",
            "xds.cluster_name",
        ])
    };
    let upstream_tls = || {
        read(&[
            "upstream.tls_version",
            "upstream.subject_peer_certificate",
            "upstream.sha256_peer_certificate_digest",
        ])
    };
    let buffers = |callback: &str| {
        json!({callback: [
        {"op": "get_buffer_bytes", "buffer": 2}, {"op": "get_buffer_status", "buffer": 2}, {"op": "get_buffer_bytes", "buffer": 3}, {"op": "get_buffer_status", "buffer": 3},
        {"op": "get_request_headers"}, {"op": "add_request_header", "key": "x", "value": "1"}]})
    };
    let twice = |callback: &str| json!({callback: [{"op": "return", "action": "pause", "when": "first"}]});
    vec![
        Case::new("tcp", json!({})).bytes(talk()),
        Case::new("tcp-upstream-first-closes", json!({})).bytes(vec![Say::Data("ping"), Say::Piece, Say::Log("upstream_data("), Say::Finish]),
        Case::new("tcp-left", json!({})).bytes(vec![Say::Data("ping"), Say::Piece, Say::Leave]),
        Case::new("tcp-buffers-downstream", buffers("downstream_data")).bytes(talk()),
        Case::new("tcp-buffers-upstream", buffers("upstream_data")).bytes(talk()),
        Case::new("tcp-edit-downstream", json!({"downstream_data": [{"op": "set_buffer_bytes", "buffer": 2, "start": 0, "size": 2, "value": "PON", "when": "not_end"}, {"op": "get_buffer_bytes", "buffer": 2}]})).bytes(talk()),
        Case::new("tcp-edit-upstream", json!({"upstream_data": [{"op": "set_buffer_bytes", "buffer": 3, "start": 99, "value": "+", "when": "not_end"}, {"op": "get_buffer_bytes", "buffer": 3}]})).bytes(talk()),
        Case::new("tcp-hold-downstream", twice("downstream_data"))
            .bytes(vec![Say::Data("one"), Say::Log("downstream_data("), Say::Data("two"), Say::Arrived(RAW, "onetwo"), Say::Piece, Say::Finish]),
        Case::new("tcp-hold-upstream", twice("upstream_data"))
            .bytes(vec![Say::Data("one"), Say::Log("upstream_data("), Say::Data("two"), Say::Piece, Say::Finish]),
        Case::new("tcp-pause-connection", json!({"new_connection": [
            {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"]],
                "then": [{"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_stream", "stream": "downstream"}]},
            {"op": "return", "action": "pause"}]})).bytes(talk()),
        Case::new("tcp-close", json!({"downstream_data": [{"op": "close_stream", "stream": "downstream"}]})).bytes(vec![Say::Data("ping"), Say::Ended(RAW)]),
        Case::new("tcp-close-at-once", json!({"new_connection": [{"op": "close_stream", "stream": "downstream"}]})).bytes(vec![]),
        Case::new("tcp-dead", json!({})).to(DEAD).bytes(vec![]),
        Case::new("tcp-properties", json!({"new_connection": properties(), "downstream_data": properties(), "upstream_data": properties(), "log": properties()})).bytes(talk()),
        Case::new("tcp-properties-upstream-tls", json!({"upstream_data": upstream_tls(), "log": upstream_tls()}))
            .to(SAFE)
            .bytes(vec![Say::Data("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"), Say::Piece, Say::Finish]),
        Case::with("tcp-two", vec![Plugin::probe(json!({})), Plugin::probe(json!({}))]).bytes(talk()),
        Case::new("tcp-dies", json!({"downstream_data": [{"op": "unreachable"}]})).dies().bytes(vec![Say::Data("ping"), Say::Ended(RAW)]),
        Case::new("tcp-local-response", json!({"new_connection": [{"op": "send_local_response", "status": 403, "body": "no"}]})).bytes(talk()),
    ]
}
