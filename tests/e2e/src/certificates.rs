//! An authority, the certificates it signs, and TLS on both sides of a test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::client::{Connection, Version};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// An authority with a folder for what it signs.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "e2e authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("authority.pem"), issuer.pem())?;
        Ok(Self { folder, issuer })
    }

    /// The authority's own certificate, as a file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Writes a certificate for `name` to `FILE.pem` and `FILE.key` and gives the configuration's words for it.
    pub(crate) fn certificate(&self, file: &str, name: &str) -> Result<Value> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        let signed = params.signed_by(&key, &self.issuer)?;
        // The key first: who looks between the two writes sees a pair that does not fit and keeps the old one.
        std::fs::write(self.path(file, "key"), key.serialize_pem())?;
        std::fs::write(self.path(file, "pem"), signed.pem())?;
        Ok(json!({"chain": self.path(file, "pem"), "key": self.path(file, "key")}))
    }

    fn path(&self, file: &str, end: &str) -> PathBuf {
        self.folder.path().join(format!("{file}.{end}"))
    }

    fn chain(&self, file: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = CertificateDer::pem_file_iter(self.path(file, "pem"))?.collect::<Result<_, _>>()?;
        Ok((chain, PrivateKeyDer::from_pem_file(self.path(file, "key"))?))
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.file())?)?;
        Ok(roots)
    }

    /// A client that trusts this authority, with a certificate of its own when `own` names one, and these protocols.
    pub(crate) fn client(&self, own: Option<&str>, protocols: &[&str]) -> Result<TlsConnector> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots()?);
        let mut client = match own {
            Some(file) => {
                let (chain, key) = self.chain(file)?;
                builder.with_client_auth_cert(chain, key)?
            }
            None => builder.with_no_client_auth(),
        };
        client.alpn_protocols = protocols.iter().map(|word| word.as_bytes().to_vec()).collect();
        Ok(TlsConnector::from(Arc::new(client)))
    }

    /// Takes TLS off in front of an address: an upstream over TLS. It ends with the test's runtime.
    pub(crate) async fn in_front_of(&self, file: &str, behind: SocketAddr, protocols: &[&str]) -> Result<SocketAddr> {
        let (chain, key) = self.chain(file)?;
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        server.alpn_protocols = protocols.iter().map(|word| word.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut outer = acceptor.accept(stream).await?;
                    let mut inner = TcpStream::connect(behind).await?;
                    tokio::io::copy_bidirectional(&mut outer, &mut inner).await
                });
            }
        });
        Ok(address)
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A TLS connection to a listener under a name.
pub(crate) async fn connect(client: &TlsConnector, address: SocketAddr, name: &str) -> Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned())?;
    client.connect(name, stream).await.context("no TLS handshake")
}

/// A TLS connection on which exchanges follow one another.
pub(crate) async fn exchanges(
    client: &TlsConnector,
    address: SocketAddr,
    name: &str,
    version: Version,
) -> Result<Connection> {
    Connection::over(Box::new(connect(client, address, name).await?), version).await
}

/// The certificate that the other side showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    chain.first().expect("a certificate was shown").clone().into_owned()
}

/// The leaf certificate in a file.
pub(crate) fn leaf(words: &Value) -> Result<CertificateDer<'static>> {
    let path = words["chain"].as_str().context("no chain")?;
    Ok(CertificateDer::from_pem_file(Path::new(path))?)
}
