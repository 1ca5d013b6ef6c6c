//! TLS towards upstreams: trust, names, ALPN, own certificates.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use gate_plan::{CertificateFiles, ClientTls, EndpointSpec, Upstream as UpstreamSpec, UpstreamProtocol};
use http::{Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::peer::{Peer, get, on_worker, only, send, serve_http1, serve_http2, spec, text};
use crate::{Ready, Upstream, UpstreamFault};

/// An authority of its own.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate as a file.
    pub(super) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("authority.pem");
        std::fs::write(&path, self.0.pem()).unwrap();
        path
    }

    fn issue(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    /// A certificate and its key as files.
    pub(super) fn write_issued(&self, folder: &Path, names: &[&str]) -> CertificateFiles {
        let (certificate, key) = self.issue(names);
        let files = CertificateFiles {
            chain: folder.join("own.pem"),
            key: folder.join("own.key"),
        };
        std::fs::write(&files.chain, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn server(&self, names: &[&str], alpn: &[&str], clients: Option<&Authority>) -> TlsAcceptor {
        acceptor(self.issue(names), alpn, clients)
    }
}

fn acceptor(
    (certificate, key): (rcgen::Certificate, KeyPair),
    alpn: &[&str],
    clients: Option<&Authority>,
) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A peer that answers with the name it was asked for by SNI.
async fn secure_peer(acceptor: TlsAcceptor) -> Peer {
    Peer::raw(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let session = stream.get_ref().1;
            let name = session.server_name().unwrap_or("none").to_owned();
            let http2 = session.alpn_protocol() == Some(b"h2");
            let answer = Rc::new(move |_: Request<Incoming>| {
                let name = name.clone();
                async move { Response::builder().header("name", name).body(text("ok")).unwrap() }
            });
            if http2 {
                serve_http2(stream, 100, answer).await
            } else {
                serve_http1(stream, answer).await
            }
        }
    })
    .await
}

fn tls(authority: &Authority, folder: &Path, server_name: Option<&str>) -> ClientTls {
    ClientTls {
        server_name: server_name.map(str::to_owned),
        authorities: Some(authority.write(folder)),
        certificate: None,
    }
}

async fn asked(upstream: &Upstream) -> Result<String, UpstreamFault> {
    let sent = send(upstream, get("/")).await?;
    Ok(sent.response.headers()["name"].to_str().unwrap().to_owned())
}

#[test]
fn the_servers_certificate_is_checked_against_the_configured_name() {
    on_worker(async {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let peer = secure_peer(authority.server(&["api.test"], &[], None)).await;
        let with = |name| UpstreamSpec {
            tls: Some(tls(&authority, folder.path(), name)),
            ..spec(&[peer.address])
        };
        assert_eq!(asked(&only(with(Some("api.test"))).1).await.unwrap(), "api.test");

        let fault = asked(&only(with(Some("other.test"))).1).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::TlsHandshake { .. }), "{fault}");
        assert_eq!((fault.code(), fault.flags()), ("upstream.tls_failed", "UF"));
        assert!(fault.to_string().contains("other.test"), "{fault}");
        // Without a name it is the address that the certificate must be for.
        let fault = asked(&only(with(None)).1).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::TlsHandshake { .. }), "{fault}");
    });
}

#[test]
fn an_address_can_be_what_the_certificate_is_for() {
    on_worker(async {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let peer = secure_peer(authority.server(&["127.0.0.1"], &[], None)).await;
        let spec = UpstreamSpec {
            tls: Some(tls(&authority, folder.path(), None)),
            ..spec(&[peer.address])
        };
        assert_eq!(asked(&only(spec).1).await.unwrap(), "none");
    });
}

#[test]
fn a_dns_name_is_what_the_certificate_is_for() {
    on_worker(async {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let peer = secure_peer(authority.server(&["localhost"], &[], None)).await;
        let named = EndpointSpec::Named {
            host: "localhost".to_owned(),
            port: peer.address.port(),
        };
        let tls = Some(tls(&authority, folder.path(), None));
        let (_all, api) = only(UpstreamSpec {
            endpoints: vec![named],
            tls,
            ..spec(&[])
        });
        assert_eq!(asked(&api).await.unwrap(), "localhost");
    });
}

#[test]
fn an_unknown_authority_is_refused() {
    on_worker(async {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let peer = secure_peer(Authority::new().server(&["api.test"], &[], None)).await;
        let tls = Some(tls(&authority, folder.path(), Some("api.test")));
        let fault = asked(
            &only(UpstreamSpec {
                tls,
                ..spec(&[peer.address])
            })
            .1,
        )
        .await
        .unwrap_err();
        assert!(matches!(fault, UpstreamFault::TlsHandshake { .. }), "{fault}");
    });
}

#[test]
fn http2_over_tls_is_agreed_on_by_alpn() {
    on_worker(async {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let both = secure_peer(authority.server(&["api.test"], &["h2", "http/1.1"], None)).await;
        let old = secure_peer(authority.server(&["api.test"], &[], None)).await;
        let with = |peer: &Peer, protocol| {
            let tls = Some(tls(&authority, folder.path(), Some("api.test")));
            only(UpstreamSpec {
                tls,
                protocol,
                ..spec(&[peer.address])
            })
        };
        let (_all, api) = with(&both, UpstreamProtocol::Http2);
        assert_eq!(send(&api, get("/")).await.unwrap().response.version(), Version::HTTP_2);
        let (_all, api) = with(&both, UpstreamProtocol::Http1);
        assert_eq!(send(&api, get("/")).await.unwrap().response.version(), Version::HTTP_11);
        let (_all, api) = with(&old, UpstreamProtocol::Http2);
        let fault = send(&api, get("/")).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::NoHttp2 { .. }), "{fault}");
    });
}

#[test]
fn an_own_certificate_is_shown_where_one_is_asked_for() {
    on_worker(async {
        let (authority, clients, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
        let peer = secure_peer(authority.server(&["api.test"], &[], Some(&clients))).await;
        let mut tls = tls(&authority, folder.path(), Some("api.test"));
        let without = UpstreamSpec {
            tls: Some(tls.clone()),
            ..spec(&[peer.address])
        };
        // In TLS 1.3 the client is done before the server looks at its certificate, so the refusal comes instead of an answer.
        asked(&only(without).1).await.unwrap_err();
        tls.certificate = Some(clients.write_issued(folder.path(), &["gateway.test"]));
        let with = UpstreamSpec {
            tls: Some(tls),
            ..spec(&[peer.address])
        };
        assert_eq!(asked(&only(with).1).await.unwrap(), "api.test");
    });
}

#[test]
fn what_the_handshake_settled_is_told() {
    on_worker(async {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let issued = authority.issue(&["api.test"]);
        let shown = issued.0.der().to_vec();
        let peer = secure_peer(acceptor(issued, &["h2", "http/1.1"], None)).await;
        let mut tls = tls(&authority, folder.path(), Some("api.test"));
        let files = authority.write_issued(folder.path(), &["gateway.test"]);
        let own = CertificateDer::from_pem_file(&files.chain).unwrap();
        tls.certificate = Some(files);
        let settled = |ready: Option<Ready>| {
            let tls = ready.unwrap().tls.unwrap();
            assert_eq!(tls.version, Some(rustls::ProtocolVersion::TLSv1_3));
            assert_eq!(tls.cipher, Some(rustls::CipherSuite::TLS13_AES_256_GCM_SHA384));
            assert_eq!(tls.peer.as_deref(), Some(&shown[..]));
            assert_eq!(tls.local.as_deref(), Some(&own[..]));
        };
        for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
            let (_all, api) = only(UpstreamSpec {
                tls: Some(tls.clone()),
                protocol,
                ..spec(&[peer.address])
            });
            // Over a new connection, and over one that has served.
            for _ in 0..2 {
                let told = RefCell::new(None);
                let endpoint = api.pick(None).unwrap();
                let tell = |ready, _: &mut http::HeaderMap| *told.borrow_mut() = Some(ready);
                let sent = api.send_telling(&endpoint, get("/"), &tell).await.unwrap();
                sent.response.into_body().collect().await.unwrap();
                settled(told.take());
            }
            let stream = api.connect(&api.pick(None).unwrap()).await.unwrap();
            settled(stream.ready());
        }
    });
}

#[test]
fn a_raw_stream_can_be_encrypted() {
    on_worker(async {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let peer = secure_peer(authority.server(&["api.test"], &[], None)).await;
        let tls = Some(tls(&authority, folder.path(), Some("api.test")));
        let (_all, api) = only(UpstreamSpec {
            tls,
            ..spec(&[peer.address])
        });
        assert!(api.connect(&api.pick(None).unwrap()).await.unwrap().is_tls());
    });
}
