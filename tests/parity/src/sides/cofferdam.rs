//! Cases as Cofferdam's configuration, and its log as lines of plugins.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Result;
use serde_json::{Map, Value, json};
use testkit::gateway::plugin_lines;
use testkit::place::guest;
use testkit::process::Line;

use super::{BRIEF_MS, Certificates, LogLine, SERVER_NAME};
use crate::case::{API, BRIEF, Case, GRPC, NAMELESS, Plugin, Route, SAFE, Transport};

/// The configuration, as JSON, which is YAML.
pub(super) fn configuration(
    cases: &[&Case],
    upstreams: &BTreeMap<&'static str, SocketAddr>,
    certificates: &Certificates,
) -> Result<Value> {
    let listeners: Vec<Value> = cases.iter().map(|case| listener(case, certificates)).collect();
    let upstreams: Vec<Value> = upstreams
        .iter()
        .map(|(name, address)| upstream(name, *address, certificates))
        .collect();
    let mut plugins = Vec::new();
    for case in cases {
        for (index, written) in case.plugins.iter().enumerate() {
            plugins.push(plugin(case, &case.plugin_name(index), written)?);
        }
    }
    Ok(json!({
        "admin": {"listen": "127.0.0.1:0"},
        "workers": 1,
        "access_log": "off",
        "listeners": listeners,
        "upstreams": upstreams,
        "plugins": plugins,
        "routes": cases.iter().flat_map(|case| routes(case)).collect::<Vec<_>>(),
    }))
}

pub(super) fn log_lines(lines: &[Line]) -> Vec<LogLine> {
    plugin_lines(lines)
        .into_iter()
        .map(|line| LogLine {
            plugin: line.plugin,
            level: line.level,
            text: line.text,
        })
        .collect()
}

fn listener(case: &Case, certificates: &Certificates) -> Value {
    let mut written = json!({"name": case.name, "listen": "127.0.0.1:0", "protocol": "http"});
    let authorities = json!({"authorities": certificates.authority.file});
    match case.transport {
        Transport::Plain => {}
        Transport::Tls => written["tls"] = json!({"certificates": [server(certificates)]}),
        Transport::MutualTls => {
            written["tls"] = json!({
                "certificates": [server(certificates)],
                "client_certificates": {"required": authorities},
            });
        }
        Transport::Bytes => {
            written["protocol"] = json!("tcp");
            written["upstream"] = json!(case.routes.first().map(|route| route.upstream));
            written["plugins"] = json!(plugin_names(case));
        }
    }
    written
}

fn server(certificates: &Certificates) -> Value {
    json!({"chain": certificates.server.chain, "key": certificates.server.key})
}

fn plugin_names(case: &Case) -> Vec<String> {
    (0..case.plugins.len()).map(|index| case.plugin_name(index)).collect()
}

fn upstream(name: &str, address: SocketAddr, certificates: &Certificates) -> Value {
    let mut written = json!({"name": name, "endpoints": [address.to_string()]});
    if name == GRPC {
        written["protocol"] = json!("http2");
    }
    if name == BRIEF {
        written["timeouts"] = json!({"request": format!("{BRIEF_MS}ms")});
    }
    if matches!(name, SAFE | NAMELESS) {
        written["tls"] = json!({"server_name": SERVER_NAME, "authorities": certificates.authority.file});
    }
    if name == SAFE {
        written["tls"]["certificate"] = json!({"chain": certificates.client.chain, "key": certificates.client.key});
    }
    written
}

fn routes(case: &Case) -> Vec<Value> {
    if case.transport == Transport::Bytes {
        return Vec::new();
    }
    let fallback = Route {
        name: "",
        header: None,
        prefix: "/",
        upstream: API,
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
        "listeners": [case.name],
        "match": {"path": {"prefix": route.prefix}},
        "upstream": route.upstream,
        "plugins": plugin_names(case),
    });
    if let Some((name, value)) = route.header {
        written["match"]["headers"] = json!([{"name": name, "exact": value}]);
    }
    written
}

fn plugin(case: &Case, name: &str, plugin: &Plugin) -> Result<Value> {
    let environment: Map<String, Value> = plugin
        .environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let mut written = json!({
        "name": name,
        "source": {"file": guest(plugin.guest)?},
        // As text, so that both gateways hand over the same bytes.
        "config": plugin.configuration.to_string(),
        "vm_id": if plugin.vm_id.is_empty() { name } else { plugin.vm_id },
        "root_id": plugin.root_id,
        "environment": environment,
        "on_fault": if plugin.open { "open" } else { "close" },
        // The first callback runs on the guest's own stack, all others on the worker's.
        "limits": {"trusted_after": 1},
    });
    if !plugin.vm_configuration.is_null() {
        written["vm_config"] = json!(plugin.vm_configuration.to_string());
    }
    if let Some(allowed) = plugin.stop_iteration {
        written["allow_on_headers_stop_iteration"] = json!(allowed);
    }
    if let Some(kib) = case.body_kib_max {
        written["limits"]["body"] = json!(format!("{kib}KiB"));
    }
    Ok(written)
}
