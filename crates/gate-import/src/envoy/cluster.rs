//! Clusters become upstreams.

use super::Reader;
use super::any::{span, unwrapped};
use super::tls;
use crate::gateway::Upstream;
use crate::ledger::Cursor;

impl Reader<'_, '_, '_> {
    pub(super) fn cluster(&mut self, cluster: &Cursor<'_, '_>, name: &str) {
        cluster.without_note("@type");
        let own = self.gateway.upstream_named(name);
        if own != name {
            cluster.say(
                format!("the name `{name}` became `{own}`"),
                "plugins that call it by name need the new one",
            );
        }
        let mut upstream = Upstream {
            at: Some(cluster.at),
            name: own.clone(),
            ..Upstream::default()
        };
        discovery(cluster, &mut upstream);
        upstream.connect = cluster.get("connect_timeout").and_then(|place| span(&place));
        upstream.request = self.timeouts.get(&own).cloned();
        upstream.least_request = least_request(cluster);
        upstream.http2 = http2(cluster);
        if let Some(socket) = cluster.map("transport_socket") {
            upstream.tls = tls::client(&socket);
        }
        if let Some(assignment) = cluster.map("load_assignment") {
            assignment.without_note("cluster_name");
            let localities = assignment.maps("endpoints").into_iter();
            let endpoints = localities
                .flat_map(|locality| locality.maps("lb_endpoints"))
                .filter_map(|endpoint| self::endpoint(&endpoint));
            upstream.endpoints.extend(endpoints);
        }
        if upstream.endpoints.is_empty() {
            upstream.endpoints.push("127.0.0.1:9000".to_owned());
            upstream.comments.push("FILL IN: where it is".to_owned());
            cluster.say(
                format!("the source does not say where `{own}` is"),
                "a placeholder is in the configuration, marked with FILL IN",
            );
        }
        if !self.gateway.add_upstream(upstream) {
            cluster.leave_out(format!("there are two clusters `{name}`"), "the first one was kept");
        }
    }
}

fn discovery(cluster: &Cursor<'_, '_>, upstream: &mut Upstream) {
    let Some(kind) = cluster.get("type") else { return };
    match kind.as_text().unwrap_or_default() {
        "STATIC" | "STRICT_DNS" | "LOGICAL_DNS" => {}
        other => {
            let hint = "write its endpoints into the configuration; names are resolved, and resolved again";
            kind.say(format!("endpoints of the type `{other}` have no counterpart"), hint);
            upstream.comments.push(format!("Its endpoints came by {other}."));
        }
    }
}

fn least_request(cluster: &Cursor<'_, '_>) -> bool {
    let Some(policy) = cluster.get("lb_policy") else {
        return false;
    };
    match policy.as_text() {
        Some("LEAST_REQUEST") => true,
        Some("ROUND_ROBIN") | None => false,
        Some(other) => {
            policy.say(
                format!("the policy `{other}` has no counterpart"),
                "`balance` is `round_robin` or `least_request`",
            );
            false
        }
    }
}

/// HTTP/2 in the old way, or among the options of the protocol.
fn http2(cluster: &Cursor<'_, '_>) -> bool {
    let old = cluster.map("http2_protocol_options").is_some();
    let options = cluster
        .map("typed_extension_protocol_options")
        .map(|options| options.entries())
        .unwrap_or_default();
    let options = options
        .into_iter()
        .filter_map(|(_, option)| option.as_map())
        .map(unwrapped);
    let explicit = options
        .filter(|(kind, _)| *kind == "HttpProtocolOptions")
        .filter_map(|(_, option)| option.map("explicit_http_config"));
    let new = explicit
        .filter_map(|explicit| explicit.get("http2_protocol_options"))
        .count()
        > 0;
    old || new
}

/// `address:port` of an endpoint.
fn endpoint(endpoint: &Cursor<'_, '_>) -> Option<String> {
    let address = endpoint.map("endpoint")?.map("address")?;
    let Some(socket) = address.map("socket_address") else {
        address.leave_out("the endpoint is no address with a port", "only TCP endpoints are");
        return None;
    };
    socket.without_note("protocol");
    let host = socket.text("address")?;
    let port = socket.integer("port_value")?;
    Some(super::authority(host, port))
}
