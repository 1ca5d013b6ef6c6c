//! Upstreams.

use std::collections::HashMap;

use super::Lowering;
use super::listener::certificate;
use crate::findings::Draft;
use crate::place::Span;
use crate::plan::{Balance, ClientTls, EndpointSpec, Timeouts, Upstream, UpstreamProtocol};
use crate::tree::Node;
use crate::wire;

impl Lowering<'_> {
    pub(super) fn upstreams(&mut self, written: Vec<wire::Upstream>) -> Vec<Upstream> {
        let tree = self.tree;
        let pairs = written.into_iter().zip(tree.list("upstreams"));
        pairs.map(|(written, node)| self.upstream(written, node)).collect()
    }

    fn upstream(&mut self, written: wire::Upstream, node: &Node) -> Upstream {
        self.repeated_endpoints(node);
        let endpoints: Vec<EndpointSpec> = written.endpoints.into_iter().map(|endpoint| endpoint.word).collect();
        Upstream {
            name: written.name.word.0,
            aliases: written.aliases.into_iter().map(|alias| alias.word.0).collect(),
            endpoints,
            balance: match written.balance {
                wire::Balance::RoundRobin => Balance::RoundRobin,
                wire::Balance::LeastRequest => Balance::LeastRequest,
            },
            protocol: match written.protocol {
                wire::UpstreamProtocol::Http1 => UpstreamProtocol::Http1,
                wire::UpstreamProtocol::Http2 => UpstreamProtocol::Http2,
            },
            tls: written.tls.map(client_tls),
            timeouts: timeouts(&written.timeouts),
            idle_connections_max: super::count(written.idle_connections_max),
        }
    }

    fn repeated_endpoints(&mut self, node: &Node) {
        let mut places: HashMap<&str, Span> = HashMap::new();
        for (endpoint, text) in node
            .list("endpoints")
            .iter()
            .filter_map(|endpoint| Some((endpoint, endpoint.text()?)))
        {
            if let Some(first) = places.insert(text, endpoint.span) {
                let draft = Draft::warning(endpoint.span, format!("the endpoint `{text}` is given twice"));
                self.report.add(
                    draft
                        .related("it is given here, too", first)
                        .help("it gets twice its share of the traffic"),
                );
            }
        }
    }
}

pub(super) fn client_tls(written: wire::ClientTls) -> ClientTls {
    ClientTls {
        server_name: written.server_name.map(|name| name.word.0),
        authorities: written.authorities.map(|path| path.word.0),
        certificate: written.certificate.map(certificate),
    }
}

fn timeouts(written: &wire::Timeouts) -> Timeouts {
    Timeouts {
        connect: written.connect.word,
        request: written.request.word,
        idle: written.idle.word,
        pool_idle: written.pool_idle.word,
    }
}
