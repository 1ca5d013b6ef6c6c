//! TLS towards clients: certificates from files, the choice by server name, client certificates, reloading.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gate_plan::{ClientCertificates, ServerTls};
use parking_lot::Mutex;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{Acceptor, NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::{CipherSuite, ProtocolVersion, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use crate::certificate::CertificateFacts;
use crate::connection::TlsInfo;
use crate::unserved::Handshake;

mod certificates;
mod files;
mod reload;

pub use certificates::CertificateReport;
use certificates::Certificates;
pub(crate) use reload::refresh;
pub use reload::{CertificateNews, CertificateWatch};

/// Why TLS files are not usable. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// The file is missing or not readable.
    #[error("TLS file `{file}` is not readable: {source}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no PEM.
    #[error("TLS file `{file}` is no valid PEM: {reason}")]
    Pem {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// PEM, but without a certificate.
    #[error("TLS file `{file}` holds no certificate (no `BEGIN CERTIFICATE`)")]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// PEM, but without a private key.
    #[error(
        "TLS file `{file}` holds no private key (no `BEGIN PRIVATE KEY`, `BEGIN EC PRIVATE KEY` or `BEGIN RSA PRIVATE KEY`)"
    )]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// A certificate that does not parse or is not usable.
    #[error("certificate in `{file}` is not usable: {reason}")]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A private key that is not usable.
    #[error("private key in `{file}` is not usable: {reason}")]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key belongs to another certificate.
    #[error("private key in `{key}` does not belong to the first certificate in `{chain}`")]
    KeyMismatch {
        /// File of the key.
        key: PathBuf,
        /// File of the chain.
        chain: PathBuf,
    },
}

/// Reads and checks the files as binding does; for `cofferdam check`.
pub fn check_files(files: &ServerTls) -> Result<(), TlsFault> {
    Loaded::read(files, Speech::Http).map(|_| ())
}

/// What is spoken inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// HTTP/2 and HTTP/1.1, by ALPN.
    Http,
    /// Anything; no ALPN.
    Bytes,
}

/// The TLS of one listener; its certificates are replaced while it serves.
#[derive(Debug)]
pub(crate) struct TlsDoor {
    files: ServerTls,
    speech: Speech,
    loaded: ArcSwap<Loaded>,
    /// State of the files when they were last read. Touched by control threads only.
    seen: Mutex<Vec<reload::Fingerprint>>,
}

/// One reading of the files.
#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

impl TlsDoor {
    pub(crate) fn open(files: &ServerTls, speech: Speech) -> Result<Self, TlsFault> {
        let seen = Mutex::new(reload::fingerprints(files));
        let loaded = ArcSwap::from_pointee(Loaded::read(files, speech)?);
        Ok(Self {
            files: files.clone(),
            speech,
            loaded,
            seen,
        })
    }

    pub(crate) fn files(&self) -> &ServerTls {
        &self.files
    }

    pub(crate) fn speech(&self) -> Speech {
        self.speech
    }

    /// The certificates in force.
    pub(crate) fn report(&self) -> Vec<CertificateReport> {
        self.loaded.load().certificates.report()
    }

    /// Shakes hands with a client, within `limit`.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        limit: Duration,
    ) -> Result<(TlsStream<TcpStream>, TlsInfo), Unshaken> {
        let loaded = self.loaded.load_full();
        let mut hello = None;
        let shaken = tokio::time::timeout(limit, loaded.shake(stream, &mut hello)).await;
        let why = match shaken {
            Ok(Ok(stream)) => {
                let info = loaded.describe(&stream);
                return Ok((stream, info));
            }
            Ok(Err(fault)) => Handshake::of(&fault, hello.is_some()),
            Err(_) => Handshake::Timeout,
        };
        Err(Unshaken {
            why,
            server_name: hello.and_then(|hello| hello.server_name),
        })
    }
}

/// A handshake that failed.
#[derive(Debug)]
pub(crate) struct Unshaken {
    pub(crate) why: Handshake,
    /// Name that the client asked for, lower case.
    pub(crate) server_name: Option<String>,
}

/// What a client's hello said, kept for the case that the handshake fails.
struct Hello {
    server_name: Option<String>,
}

impl Loaded {
    fn read(files: &ServerTls, speech: Speech) -> Result<Self, TlsFault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificates = Arc::new(Certificates::read(&files.certificates, &provider)?);
        let verifier = verifier(&files.client_certificates, &provider)?;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|fault| certificates.unusable(&fault))?;
        let resolver: Arc<Certificates> = Arc::clone(&certificates);
        let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
        if speech == Speech::Http {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        // Stateless tickets: workers need no shared session table. A reload makes new ticket keys, so that a session made under old
        // client authorities is not resumed under new ones.
        if let Ok(ticketer) = aws_lc_rs::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(Self {
            config: Arc::new(config),
            certificates,
        })
    }

    /// Reads the hello first, so that it is known when what follows fails.
    async fn shake(&self, stream: TcpStream, hello: &mut Option<Hello>) -> io::Result<TlsStream<TcpStream>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let server_name = start.client_hello().server_name().map(str::to_ascii_lowercase);
        *hello = Some(Hello { server_name });
        start.into_stream(Arc::clone(&self.config)).await
    }

    fn describe(&self, stream: &TlsStream<TcpStream>) -> TlsInfo {
        let (_, session) = stream.get_ref();
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        TlsInfo {
            version: version_name(session.protocol_version()),
            cipher: session
                .negotiated_cipher_suite()
                .map_or("", |suite| cipher_name(suite.suite())),
            server_name: session.server_name().map(str::to_ascii_lowercase),
            alpn: match session.alpn_protocol() {
                Some(b"h2") => Some("h2"),
                Some(b"http/1.1") => Some("http/1.1"),
                _ => None,
            },
            local: Arc::clone(self.certificates.facts(session.server_name())),
            peer: leaf.map(|leaf| CertificateFacts::of(leaf)),
        }
    }
}

/// A version of TLS as Envoy writes it; rustls speaks two.
#[must_use]
pub fn version_name(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    }
}

/// A cipher suite by its name at IANA; rustls has names of its own for those of TLS 1.3. Empty for one that rustls does not speak.
#[must_use]
pub fn cipher_name(suite: CipherSuite) -> &'static str {
    let name = suite.as_str().unwrap_or_default();
    match name.strip_prefix("TLS13_") {
        Some("AES_128_GCM_SHA256") => "TLS_AES_128_GCM_SHA256",
        Some("AES_256_GCM_SHA384") => "TLS_AES_256_GCM_SHA384",
        Some("CHACHA20_POLY1305_SHA256") => "TLS_CHACHA20_POLY1305_SHA256",
        _ => name,
    }
}

fn verifier(
    wanted: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsFault> {
    let (authorities, required) = match wanted {
        ClientCertificates::None => return Ok(Arc::new(NoClientAuth)),
        ClientCertificates::Optional { authorities } => (authorities, false),
        ClientCertificates::Required { authorities } => (authorities, true),
    };
    let unusable = |reason: String| TlsFault::Certificate {
        file: authorities.clone(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for certificate in files::certificates(authorities)? {
        roots.add(certificate).map_err(|fault| unusable(fault.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if required {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    builder.build().map_err(|fault| unusable(fault.to_string()))
}

#[cfg(test)]
mod tests;
