//! TLS for tests: an authority that issues certificates into a folder, and connections that trust it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, SanType};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::client::{Connection, Version};

/// An authority with its certificate in a file.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    /// PEM file of its certificate.
    pub file: PathBuf,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// PEM file of the certificate.
    pub chain: PathBuf,
    /// PEM file of the key.
    pub key: PathBuf,
}

impl Authority {
    /// An authority whose files go into a folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = name("testkit authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let file = folder.join("authority.pem");
        fs::write(&file, issuer.pem()).context("cannot write a certificate")?;
        Ok(Self {
            issuer,
            folder: folder.to_owned(),
            file,
        })
    }

    /// Issues a certificate for a common name with further names: a URI when it holds `://`, else DNS.
    ///
    /// # Errors
    /// When a name is none, or the folder cannot be written.
    pub fn issue(&self, common_name: &str, names: &[&str]) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(common_name);
        for further in names {
            let text = (*further)
                .try_into()
                .with_context(|| format!("no name for a certificate: `{further}`"))?;
            params.subject_alt_names.push(if further.contains("://") {
                SanType::URI(text)
            } else {
                SanType::DnsName(text)
            });
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let path = |end: &str| self.folder.join(format!("{common_name}.{end}"));
        let identity = Identity {
            chain: path("pem"),
            key: path("key"),
        };
        // The key first: who looks between the two writes sees a pair that does not fit and keeps the old one.
        fs::write(&identity.key, key.serialize_pem()).context("cannot write a key")?;
        fs::write(&identity.chain, certificate.pem()).context("cannot write a certificate")?;
        Ok(identity)
    }
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Connects with TLS to speak a version, which is the one protocol that is offered (ALPN).
///
/// # Errors
/// As [`stream`].
pub async fn connect(
    address: SocketAddr,
    server_name: &str,
    authority: &Authority,
    identity: Option<&Identity>,
    version: Version,
) -> Result<Connection> {
    let protocol = match version {
        Version::Http1 => "http/1.1",
        Version::Http2 => "h2",
    };
    let stream = stream(address, server_name, authority, identity, &[protocol]).await?;
    let local = stream.get_ref().0.local_addr()?;
    Ok(Connection::over(Box::new(stream), version).await?.at(local))
}

/// Connects with TLS: trusts `authority` alone, shows `identity` when there is one, offers `protocols` (ALPN) in order.
///
/// # Errors
/// When the handshake fails.
pub async fn stream(
    address: SocketAddr,
    server_name: &str,
    authority: &Authority,
    identity: Option<&Identity>,
    protocols: &[&str],
) -> Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("cannot connect to {address}"))?;
    let server_name = ServerName::try_from(server_name.to_owned()).context("no server name")?;
    client(authority, identity, protocols)?
        .connect(server_name, stream)
        .await
        .context("no TLS handshake")
}

/// A client that trusts `authority` alone, shows `identity` when there is one, and offers `protocols` (ALPN) in order.
///
/// # Errors
/// When a file is not readable.
pub fn client(authority: &Authority, identity: Option<&Identity>, protocols: &[&str]) -> Result<TlsConnector> {
    client_of_versions(authority, identity, protocols, rustls::DEFAULT_VERSIONS)
}

/// As [`client`], and speaks these versions of TLS alone.
///
/// # Errors
/// As [`client`].
pub fn client_of_versions(
    authority: &Authority,
    identity: Option<&Identity>,
    protocols: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&authority.file).context("no certificate of the authority")?)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.read()?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    config.alpn_protocols = alpn(protocols);
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Takes TLS off in front of an address: an upstream over TLS, which shows `identity`. It ends with the caller's runtime.
///
/// # Errors
/// When a file is not readable, or there is no port.
pub async fn in_front_of(identity: &Identity, behind: SocketAddr, protocols: &[&str]) -> Result<SocketAddr> {
    let (chain, key) = identity.read()?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = alpn(protocols);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
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

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = CertificateDer::pem_file_iter(&self.chain).context("no certificate")?;
        let chain = chain.collect::<Result<Vec<_>, _>>().context("no certificate")?;
        Ok((chain, PrivateKeyDer::from_pem_file(&self.key).context("no key")?))
    }
}

fn alpn(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
