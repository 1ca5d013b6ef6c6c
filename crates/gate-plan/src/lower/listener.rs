//! Listeners: addresses that do not clash, and what each protocol needs.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::Lowering;
use super::chain::Chains;
use crate::findings::Draft;
use crate::place::Span;
use crate::plan::{CertificateFiles, ClientCertificates, Listener, Protocol, ServerTls};
use crate::tree::Node;
use crate::wire;

impl Lowering<'_> {
    pub(super) fn listeners(
        &mut self,
        written: Vec<wire::Listener>,
        admin: Option<&wire::Admin>,
        chains: &Chains,
    ) -> Vec<Listener> {
        let mut places: HashMap<SocketAddr, Span> = HashMap::new();
        if let Some(admin) = admin {
            places.insert(admin.listen.word, self.tree.at("admin").at("listen").span);
        }
        let tree = self.tree;
        let lowered = written.into_iter().zip(tree.list("listeners")).map(|(written, node)| {
            self.address(written.listen.word, node.at("listen").span, &mut places);
            self.listener(written, node, chains)
        });
        lowered.collect()
    }

    fn address(&mut self, address: SocketAddr, span: Span, places: &mut HashMap<SocketAddr, Span>) {
        // The system chooses another port each time.
        if address.port() == 0 {
            return;
        }
        if let Some(first) = places.get(&address) {
            let draft = Draft::error(span, format!("the address `{address}` is taken"));
            self.error(
                draft
                    .related("it is given here already", *first)
                    .help("choose another port"),
            );
        } else {
            places.insert(address, span);
        }
    }

    fn listener(&mut self, written: wire::Listener, node: &Node, chains: &Chains) -> Listener {
        let protocol = match written.protocol {
            wire::ListenerProtocol::Http => {
                self.nothing_of_tcp(node);
                Protocol::Http
            }
            wire::ListenerProtocol::Tcp => {
                if written.upstream.is_none() {
                    let message = format!("the tcp listener `{}` has no upstream", written.name.text());
                    let draft = Draft::error(node.at("name").span, message);
                    self.absent(node, draft.help("say `upstream: …`; what arrives goes there"));
                }
                Protocol::Tcp {
                    upstream: written.upstream.unwrap_or_default(),
                    plugins: chains.sorted(written.plugins),
                }
            }
        };
        Listener {
            name: written.name.word.0,
            listen: written.listen.word,
            protocol,
            tls: written.tls.map(server_tls),
        }
    }

    fn nothing_of_tcp(&mut self, node: &Node) {
        for key in ["upstream", "plugins"]
            .into_iter()
            .filter(|key| node.get(key).is_some())
        {
            let draft = Draft::error(
                node.key_span(key),
                format!("`{key}` belongs to a tcp listener; this one speaks http"),
            );
            self.absent(
                node.at("protocol"),
                draft.help(format!("say `protocol: tcp`, or give `{key}` in a route")),
            );
        }
    }
}

fn server_tls(written: wire::ServerTls) -> ServerTls {
    let client_certificates = match written.client_certificates {
        wire::ClientCertificates::None => ClientCertificates::None,
        wire::ClientCertificates::Optional(trusted) => ClientCertificates::Optional {
            authorities: trusted.authorities.word.0,
        },
        wire::ClientCertificates::Required(trusted) => ClientCertificates::Required {
            authorities: trusted.authorities.word.0,
        },
    };
    ServerTls {
        certificates: written.certificates.into_iter().map(certificate).collect(),
        client_certificates,
    }
}

pub(super) fn certificate(written: wire::CertificateFiles) -> CertificateFiles {
    CertificateFiles {
        chain: written.chain.word.0,
        key: written.key.word.0,
    }
}
