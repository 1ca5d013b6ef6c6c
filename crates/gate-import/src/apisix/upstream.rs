//! APISIX's upstreams, named or inside of routes and services.

use super::route::referred;
use super::{Parts, scalar};
use crate::gateway::{Gateway, Upstream};
use crate::ledger::Cursor;
use crate::yaml::Yaml;

impl<'d, 'l> Parts<'d, 'l> {
    /// Our upstream of a route, and the host that it is told.
    pub(super) fn upstream_of(
        &self,
        route: &Cursor<'d, 'l>,
        service: Option<Cursor<'d, 'l>>,
        (name, gateway): (&str, &mut Gateway),
    ) -> (String, Option<String>) {
        for holder in [Some(*route), service].into_iter().flatten() {
            if let Some(inside) = holder.map("upstream") {
                let given = inside.text("name").map(str::to_owned);
                let own = gateway.upstream_named(&given.unwrap_or_else(|| format!("{name}-{}", holder.at.spot.line())));
                return (own.clone(), take(&inside, own, gateway));
            }
            let Some(found) = referred(&holder, "upstream_id", &self.upstreams) else {
                continue;
            };
            let id = holder.get("upstream_id").map(|id| scalar(&id)).unwrap_or_default();
            let given = found.text("name").map(str::to_owned);
            let own = gateway.upstream_named(&given.unwrap_or_else(|| format!("upstream-{id}")));
            return (own.clone(), take(&found, own, gateway));
        }
        (gateway.upstream_wanted("upstream", route.at), None)
    }
}

/// Adds the upstream, and gives the host that it is told.
fn take(upstream: &Cursor<'_, '_>, own: String, gateway: &mut Gateway) -> Option<String> {
    let scheme = upstream.text("scheme").unwrap_or("http");
    let mut endpoints = nodes(upstream, if scheme.ends_with('s') { 443 } else { 80 });
    let mut comments = Vec::new();
    if endpoints.is_empty() {
        upstream.say(
            format!("the source does not say where `{own}` is"),
            "a placeholder is in the configuration, marked with FILL IN",
        );
        endpoints.push("127.0.0.1:9000".to_owned());
        comments.push("FILL IN: where it is".to_owned());
    }
    if scheme.ends_with('s') {
        upstream.say(
            "APISIX does not check an upstream's certificate unless it is told to",
            "here it is always checked, against the system's authorities unless `tls.authorities` names others",
        );
    }
    let timeout = upstream.map("timeout");
    let seconds = |key: &str| {
        let seconds = timeout?.integer(key)?;
        (seconds > 0).then(|| format!("{seconds}s"))
    };
    gateway.add_upstream(Upstream {
        at: Some(upstream.at),
        comments,
        name: own,
        endpoints,
        least_request: least_request(upstream),
        http2: scheme.starts_with("grpc"),
        tls: matches!(scheme, "https" | "grpcs").then(Yaml::map),
        connect: seconds("connect"),
        request: seconds("read"),
        ..Upstream::default()
    });
    let pass = upstream.get("pass_host")?;
    match pass.as_text()? {
        "rewrite" => upstream.text("upstream_host").map(str::to_owned),
        "pass" => None,
        other => {
            pass.say(
                format!("`pass_host: {other}` has no counterpart"),
                "`rewrite.host` of the route says what the upstream is told",
            );
            None
        }
    }
}

fn least_request(upstream: &Cursor<'_, '_>) -> bool {
    let Some(kind) = upstream.get("type") else { return false };
    match kind.as_text() {
        Some("least_conn") => true,
        Some("roundrobin") | None => false,
        Some(other) => {
            kind.say(
                format!("the policy `{other}` has no counterpart"),
                "`balance` is `round_robin` or `least_request`",
            );
            false
        }
    }
}

/// `{ "host:port": weight }` or a list of maps.
fn nodes(upstream: &Cursor<'_, '_>, default: i64) -> Vec<String> {
    let Some(nodes) = upstream.get("nodes") else {
        return Vec::new();
    };
    let mut weights = Vec::new();
    let mut endpoints = Vec::new();
    if nodes.is_map() {
        for (address, weight) in nodes.entries() {
            let port = if address.contains(':') {
                String::new()
            } else {
                format!(":{default}")
            };
            endpoints.push(format!("{address}{port}"));
            weights.push(weight.as_integer());
        }
    } else {
        for node in nodes.as_list().into_iter().filter_map(Cursor::as_map) {
            let Some(host) = node.text("host") else { continue };
            let port = node.integer("port").unwrap_or(default);
            endpoints.push(crate::envoy::authority(host, port));
            weights.push(node.integer("weight"));
        }
    }
    if weights.iter().any(|weight| Some(weight) != weights.first()) {
        nodes.say("the weights of nodes have no counterpart", "endpoints get equal shares");
    }
    endpoints
}
