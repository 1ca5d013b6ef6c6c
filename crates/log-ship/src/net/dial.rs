//! Connections to other sides, encrypted where they are to be.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Target, Tls};

/// Either kind of connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// Connects. Whoever calls bounds the time. Files are read anew, for certificates may be renewed while the gateway runs.
pub(crate) async fn dial(target: &Target, protocol: &[u8]) -> Result<Box<dyn Stream>, String> {
    let (host, port) = target.place()?;
    let stream = TcpStream::connect((host.as_str(), port)).await;
    let stream = stream.map_err(|why| format!("no connection to `{host}:{port}`: {why}"))?;
    let _ = stream.set_nodelay(true);
    if !target.is_encrypted() {
        return Ok(Box::new(stream));
    }
    let config = encryption(&target.tls, protocol)?;
    let name = target.tls.server_name.clone().unwrap_or(host);
    let name = ServerName::try_from(name).map_err(|why| format!("TLS: {why}"))?;
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    Ok(Box::new(shaken.map_err(|why| format!("TLS: {why}"))?))
}

fn encryption(tls: &Tls, protocol: &[u8]) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| format!("TLS: {why}"))?
        .with_root_certificates(authorities(tls)?);
    let mut config = match &tls.identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let shown = |why: &dyn std::fmt::Display| format!("TLS: `{}`: {why}", chain.display());
            let certificates = CertificateDer::pem_file_iter(chain)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|why| shown(&why))?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|why| format!("TLS: `{}`: {why}", key.display()))?;
            config
                .with_client_auth_cert(certificates, key)
                .map_err(|why| shown(&why))?
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

fn authorities(tls: &Tls) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &tls.authorities else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let wrong = |why: &dyn std::fmt::Display| format!("TLS: `{}`: {why}", path.display());
    for certificate in CertificateDer::pem_file_iter(path).map_err(|why| wrong(&why))? {
        let certificate = certificate.map_err(|why| wrong(&why))?;
        roots.add(certificate).map_err(|why| wrong(&why))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"there is no certificate in it"));
    }
    Ok(roots)
}
