//! Kong's services and upstreams, which become our upstreams.

use std::collections::HashMap;

use crate::gateway::{Gateway, Upstream};
use crate::ledger::Cursor;
use crate::yaml::Yaml;

/// A service that routes lead to.
pub(super) struct Service<'d, 'l> {
    pub(super) cursor: Cursor<'d, 'l>,
    /// Its name, or what stands for it.
    pub(super) key: String,
    id: &'d str,
    /// Our upstream.
    pub(super) upstream: String,
    /// What is put before paths.
    pub(super) path: String,
    /// The host that upstreams are told, unless the client's is kept.
    pub(super) host: Option<String>,
}

/// Endpoints by the names of Kong's upstreams.
pub(super) type Targets = HashMap<String, Vec<String>>;

/// The targets of the upstreams.
pub(super) fn targets(document: &Cursor<'_, '_>) -> Targets {
    let mut all = Targets::new();
    for upstream in document.maps("upstreams") {
        let name = upstream.text("name").unwrap_or_default();
        let mut endpoints = Vec::new();
        let mut weights = Vec::new();
        for target in upstream.maps("targets") {
            let Some(address) = target.text("target") else { continue };
            let port = if has_port(address) { "" } else { ":8000" };
            endpoints.push(format!("{address}{port}"));
            weights.push(target.integer("weight").unwrap_or(100));
        }
        if weights.iter().any(|weight| Some(weight) != weights.first()) {
            upstream.say(
                "the weights of targets have no counterpart",
                "endpoints get equal shares",
            );
        }
        all.insert(name.to_owned(), endpoints);
    }
    all
}

fn has_port(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']') && port.parse::<u16>().is_ok())
}

impl<'d, 'l> Service<'d, 'l> {
    pub(super) fn read(service: &Cursor<'d, 'l>, targets: &Targets, gateway: &mut Gateway) -> Option<Self> {
        let id = service.text("id").unwrap_or_default();
        let key = service.text("name").unwrap_or(id).to_owned();
        let Some(address) = Address::read(service) else {
            service.leave_out(
                format!("the service `{key}` says no `url` and no `host`"),
                "give one of them",
            );
            return None;
        };
        if address.tls {
            let hint =
                "here it is always checked, against the system's authorities unless `tls.authorities` names others";
            service.say(
                "Kong does not check an upstream's certificate unless it is told to",
                hint,
            );
        }
        let upstream = gateway.upstream_named(&key);
        let known = targets.get(&address.host).filter(|endpoints| !endpoints.is_empty());
        let own = crate::envoy::authority(&address.host, address.port);
        let default = if address.tls { 443 } else { 80 };
        let host = if address.port == default {
            address.host.clone()
        } else {
            own.clone()
        };
        gateway.add_upstream(Upstream {
            at: Some(service.at),
            name: upstream.clone(),
            endpoints: known.cloned().unwrap_or_else(|| vec![own]),
            http2: address.grpc,
            tls: address.tls.then(Yaml::map),
            connect: milliseconds(service, "connect_timeout"),
            request: milliseconds(service, "read_timeout"),
            ..Upstream::default()
        });
        Some(Self {
            cursor: *service,
            key,
            id,
            upstream,
            path: address.path,
            host: known.is_none().then_some(host),
        })
    }

    pub(super) fn is(&self, key: &str) -> bool {
        self.key == key || (!self.id.is_empty() && self.id == key)
    }
}

fn milliseconds(service: &Cursor<'_, '_>, key: &str) -> Option<String> {
    service
        .integer(key)
        .filter(|given| *given > 0)
        .map(|given| format!("{given}ms"))
}

/// `protocol`, `host`, `port` and `path`, or all of them in `url`.
struct Address {
    tls: bool,
    grpc: bool,
    host: String,
    port: i64,
    path: String,
}

impl Address {
    fn read(service: &Cursor<'_, '_>) -> Option<Self> {
        let (protocol, rest) = match service.text("url").and_then(|url| url.split_once("://")) {
            Some((protocol, rest)) => (protocol, Some(rest)),
            None => (service.text("protocol").unwrap_or("http"), None),
        };
        let tls = matches!(protocol, "https" | "grpcs" | "tls");
        let default = if tls { 443 } else { 80 };
        let (host, port, path) = match rest {
            Some(rest) => {
                let (authority, path) = rest
                    .find('/')
                    .and_then(|at| rest.split_at_checked(at))
                    .unwrap_or((rest, ""));
                let pair = authority.rsplit_once(':').filter(|_| has_port(authority));
                let (host, port) = pair.map_or((authority, default), |(host, port)| {
                    (host, port.parse().unwrap_or(default))
                });
                (host, port, path)
            }
            None => {
                let port = service.integer("port").unwrap_or(if tls { 443 } else { 80 });
                (service.text("host")?, port, service.text("path").unwrap_or_default())
            }
        };
        Some(Self {
            tls,
            grpc: protocol.starts_with("grpc"),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}
