//! Cases as Envoy's configuration, and its log as lines of plugins.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::envoy::{Envoy, plugin_lines};
use testkit::place::guest;
use testkit::process::{DEADLINE, Line};
use testkit::tls::Identity;

use super::{BRIEF_MS, Certificates, LogLine, SCOUT, SERVER_NAME};
use crate::case::{BRIEF, Case, GRPC, NAMELESS, Plugin, Route, SAFE, Transport};

/// Envoy's `static_resources`.
pub(super) fn resources(
    cases: &[&Case],
    upstreams: &BTreeMap<&'static str, SocketAddr>,
    certificates: &Certificates,
) -> Result<Value> {
    let listeners: Vec<Value> = cases
        .iter()
        .map(|case| listener(case, certificates))
        .collect::<Result<_>>()?;
    let clusters: Vec<Value> = upstreams
        .iter()
        .map(|(name, address)| cluster(name, *address, certificates))
        .collect();
    Ok(json!({"listeners": listeners, "clusters": clusters}))
}

/// The thread that serves: the one on which the scout's first stream is.
pub(super) async fn worker_thread(envoy: &Envoy) -> Result<String> {
    send(envoy.listener(SCOUT)?, Version::Http1, &Request::get("/")).await?;
    envoy
        .process
        .wait_for(0, DEADLINE, |lines| {
            let served = |text: &str| text.starts_with("request_headers");
            plugin_lines(lines)
                .into_iter()
                .find(|line| line.plugin.starts_with(SCOUT) && served(&line.text))
        })
        .await
        .map(|line| line.thread)
        .context("no thread serves")
}

/// Names of plugins by what stands in front of what their root contexts log: root id and VM id, where they are not empty.
pub(super) fn root_names(cases: &[&Case]) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for case in cases {
        for (index, plugin) in case.plugins.iter().enumerate() {
            let name = case.plugin_name(index);
            let vm_id = if plugin.vm_id.is_empty() { &name } else { plugin.vm_id };
            names.insert(format!("{} {vm_id}", plugin.root_id).trim().to_owned(), name);
        }
    }
    names
}

pub(super) fn log_lines(lines: &[Line], worker: &str, roots: &BTreeMap<String, String>) -> Vec<LogLine> {
    let served = plugin_lines(lines).into_iter().filter(|line| line.thread == worker);
    served
        .map(|line| LogLine {
            // In front of what a stream's context logs stands the plugin's name, then root id and VM id.
            plugin: match roots.get(&line.plugin) {
                Some(name) => name.clone(),
                None => line.plugin.split(' ').next().unwrap_or_default().to_owned(),
            },
            level: line.level,
            text: line.text,
        })
        .collect()
}

fn cluster(name: &str, address: SocketAddr, certificates: &Certificates) -> Value {
    let protocol = if name == GRPC {
        json!({"http2_protocol_options": {}})
    } else {
        json!({"http_protocol_options": {"enable_trailers": true}})
    };
    let mut written = json!({
        "name": name,
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(address)}}]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": protocol,
        }},
    });
    if matches!(name, SAFE | NAMELESS) {
        let own = (name == SAFE).then_some(&certificates.client);
        written["transport_socket"] = json!({"name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": SERVER_NAME,
            "common_tls_context": tls_context(certificates, own),
        }});
    }
    written
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn listener(case: &Case, certificates: &Certificates) -> Result<Value> {
    let filters = if case.transport == Transport::Bytes {
        byte_filters(case)?
    } else {
        vec![http_filter(case)?]
    };
    let mut chain = json!({"filters": filters});
    if matches!(case.transport, Transport::Tls | Transport::MutualTls) {
        chain["transport_socket"] = transport_socket(certificates, case.transport == Transport::MutualTls);
    }
    let inspector = json!({"name": "envoy.filters.listener.tls_inspector", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}});
    let mut listener = json!({
        "name": case.name,
        "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))),
        "listener_filters": if case.transport == Transport::Bytes { json!([]) } else { json!([inspector]) },
        "filter_chains": [chain],
    });
    if let Some(kib) = case.body_kib_max {
        listener["per_connection_buffer_limit_bytes"] = json!(kib * 1024);
    }
    Ok(listener)
}

fn transport_socket(certificates: &Certificates, mutual: bool) -> Value {
    let mut context = tls_context(certificates, Some(&certificates.server));
    context["alpn_protocols"] = json!(["h2", "http/1.1"]);
    json!({"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": mutual,
        "common_tls_context": context,
    }})
}

/// Trusts the authority and shows a certificate, if there is one.
fn tls_context(certificates: &Certificates, own: Option<&Identity>) -> Value {
    let shown =
        own.map(|own| json!({"certificate_chain": {"filename": own.chain}, "private_key": {"filename": own.key}}));
    json!({
        // Towards upstreams Envoy stops at 1.2 unless told.
        "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": shown.into_iter().collect::<Vec<_>>(),
        "validation_context": {"trusted_ca": {"filename": certificates.authority.file}},
    })
}

fn byte_filters(case: &Case) -> Result<Vec<Value>> {
    let mut filters = Vec::new();
    for (index, plugin) in case.plugins.iter().enumerate() {
        filters.push(json!({
            "name": case.plugin_name(index),
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm",
                "config": plugin_config(&case.plugin_name(index), plugin)?,
            },
        }));
    }
    filters.push(json!({"name": "tcp_proxy", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": case.name,
        "cluster": case.routes.first().map(|route| route.upstream),
    }}));
    Ok(filters)
}

fn http_filter(case: &Case) -> Result<Value> {
    let mut filters = vec![external_address_remover()];
    for (index, plugin) in case.plugins.iter().enumerate() {
        filters.push(json!({
            "name": case.plugin_name(index),
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": plugin_config(&case.plugin_name(index), plugin)?,
            },
        }));
    }
    // Envoy's own `x-envoy-*` response headers would be seen, and counted, by plugins.
    filters.push(json!({"name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": true,
    }}));
    Ok(json!({"name": "http", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": case.name,
        // As at an edge, which is where Cofferdam stands.
        "use_remote_address": true,
        "http_protocol_options": {"enable_trailers": true},
        // One second of Envoy's politeness for each broken exchange would be most of the test's time.
        "delayed_close_timeout": "0.05s",
        "http_filters": filters,
        "route_config": {
            "name": case.name,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes(case)}],
        },
    }}))
}

/// Takes out the one header that Envoy alone sets; plugins would see and count it.
fn external_address_remover() -> Value {
    json!({"name": "header_mutation", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": [{"remove": "x-envoy-external-address"}]},
    }})
}

fn routes(case: &Case) -> Vec<Value> {
    let fallback = Route {
        name: "",
        header: None,
        prefix: "/",
        upstream: crate::case::API,
    };
    let routes = if case.routes.is_empty() {
        std::slice::from_ref(&fallback)
    } else {
        &case.routes
    };
    routes.iter().map(|route| self::route(case, route)).collect()
}

fn route(case: &Case, route: &Route) -> Value {
    let mut written = json!({
        "name": route.full_name(case),
        "match": {"prefix": route.prefix},
        "route": {"cluster": route.upstream},
    });
    if let Some((name, value)) = route.header {
        written["match"]["headers"] = json!([{"name": name, "string_match": {"exact": value}}]);
    }
    if route.upstream == BRIEF {
        written["route"]["timeout"] = json!(format!("0.{BRIEF_MS}s"));
    }
    written
}

fn plugin_config(name: &str, plugin: &Plugin) -> Result<Value> {
    let text = |text: String| json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text});
    let environment: BTreeMap<_, _> = plugin
        .environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut vm = json!({
        "vm_id": if plugin.vm_id.is_empty() { name } else { plugin.vm_id },
        "runtime": "envoy.wasm.runtime.v8",
        "code": {"local": {"filename": guest(plugin.guest)?}},
        "environment_variables": {"key_values": environment},
    });
    if !plugin.vm_configuration.is_null() {
        vm["configuration"] = text(plugin.vm_configuration.to_string());
    }
    let mut config = json!({
        "name": name,
        "root_id": plugin.root_id,
        "configuration": text(plugin.configuration.to_string()),
        "vm_config": vm,
        "failure_policy": if plugin.open { "FAIL_OPEN" } else { "FAIL_CLOSED" },
    });
    if let Some(allowed) = plugin.stop_iteration {
        config["allow_on_headers_stop_iteration"] = json!(allowed);
    }
    Ok(config)
}
