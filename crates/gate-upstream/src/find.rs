//! The names under which an upstream is found: its own, its aliases, Higress's four fields, Kong's `host:port`.

use std::net::SocketAddr;

use gate_plan::{EndpointSpec, Upstream as UpstreamSpec};

/// Higress's (and Istio's) `outbound|PORT|SUBSET|NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outbound<'a> {
    pub(crate) port: u16,
    pub(crate) name: &'a str,
}

impl<'a> Outbound<'a> {
    /// Takes the four fields apart. A subset says nothing here: only an alias can name one.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.strip_prefix("outbound|")?.splitn(3, '|');
        let (port, _subset, name) = (fields.next()?, fields.next()?, fields.next()?);
        let port = port.parse().ok()?;
        (!name.is_empty()).then_some(Self { port, name })
    }

    /// Whether the name is this upstream's.
    pub(crate) fn names(&self, spec: &UpstreamSpec) -> bool {
        spec.name == self.name || spec.aliases.iter().any(|alias| alias == self.name)
    }
}

/// Whether one of its endpoints has this port.
pub(crate) fn has_port(spec: &UpstreamSpec, wanted: u16) -> bool {
    spec.endpoints.iter().any(|endpoint| match endpoint {
        EndpointSpec::Fixed(address) => address.port() == wanted,
        EndpointSpec::Named { port, .. } => *port == wanted,
    })
}

/// Whether one of its endpoints was written as `host` and `port`.
pub(crate) fn has_endpoint(spec: &UpstreamSpec, host: &str, port: u16) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let address = ip.map(|ip| SocketAddr::new(ip, port));
    spec.endpoints.iter().any(|endpoint| match endpoint {
        EndpointSpec::Fixed(fixed) => Some(*fixed) == address,
        EndpointSpec::Named { host: named, port: at } => *at == port && named.eq_ignore_ascii_case(host),
    })
}

/// `host:port`, with brackets round an IPv6 host.
pub(crate) fn host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}
