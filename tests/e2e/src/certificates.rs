//! An authority, the certificates it signs, and TLS on both sides of a test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustls::SupportedProtocolVersion;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::client::{Connection, Version};
use testkit::tls::{self, Identity};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority with a folder for what it signs.
pub(crate) struct Authority {
    folder: TempDir,
    authority: tls::Authority,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = tls::Authority::new(folder.path())?;
        Ok(Self { folder, authority })
    }

    /// The authority's own certificate, as a file.
    pub(crate) fn file(&self) -> PathBuf {
        self.authority.file.clone()
    }

    /// Writes a certificate for `name` to `FILE.pem` and `FILE.key` and gives the configuration's words for it.
    pub(crate) fn certificate(&self, file: &str, name: &str) -> Result<Value> {
        let Identity { chain, key } = self.authority.issue(file, &[name])?;
        Ok(json!({"chain": chain, "key": key}))
    }

    fn identity(&self, file: &str) -> Identity {
        let path = |end: &str| self.folder.path().join(format!("{file}.{end}"));
        Identity {
            chain: path("pem"),
            key: path("key"),
        }
    }

    /// A client that trusts this authority, with a certificate of its own when `own` names one, and these protocols.
    pub(crate) fn client(&self, own: Option<&str>, protocols: &[&str]) -> Result<TlsConnector> {
        let own = own.map(|file| self.identity(file));
        tls::client(&self.authority, own.as_ref(), protocols)
    }

    /// As [`Authority::client`], of one version of TLS.
    pub(crate) fn client_of(
        &self,
        own: Option<&str>,
        protocols: &[&str],
        version: &'static SupportedProtocolVersion,
    ) -> Result<TlsConnector> {
        let own = own.map(|file| self.identity(file));
        tls::client_of_versions(&self.authority, own.as_ref(), protocols, &[version])
    }

    /// Takes TLS off in front of an address: an upstream over TLS.
    pub(crate) async fn in_front_of(&self, file: &str, behind: SocketAddr, protocols: &[&str]) -> Result<SocketAddr> {
        tls::in_front_of(&self.identity(file), behind, protocols).await
    }
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
