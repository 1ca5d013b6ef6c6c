//! Connections to stores, encrypted where they are to be; one way for all of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::fault::{Result, StoreFault};
use crate::settings::{Endpoint, Tls};

/// LIMIT: how long a name, a connection or a handshake may take.
const DIAL_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a line may be silent before the system asks whether anybody is there, how often then, and how many times.
const SILENT: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_secs(5);
const ASK_TIMES: u32 = 3;

/// Either kind of connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// TLS of one store: its settings with the files read.
#[derive(Clone)]
pub(crate) struct Encryption {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl Encryption {
    /// Reads the files, anew for each connection: certificates may be renewed while the gateway runs.
    pub(crate) fn read(tls: &Tls, protocol: Option<&[u8]>) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| no_tls("TLS", &why.to_string()))?
            .with_root_certificates(authorities(tls)?);
        let mut config = match &tls.identity {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let what = |path: &std::path::Path| format!("the file `{}`", path.display());
                let certificates = CertificateDer::pem_file_iter(chain)
                    .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
                    .map_err(|why| no_tls(&what(chain), &why.to_string()))?;
                let key_der = PrivateKeyDer::from_pem_file(key).map_err(|why| no_tls(&what(key), &why.to_string()))?;
                config
                    .with_client_auth_cert(certificates, key_der)
                    .map_err(|why| no_tls(&what(chain), &why.to_string()))?
            }
        };
        config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
        Ok(Self {
            config: Arc::new(config),
            server_name: tls.server_name.clone(),
        })
    }
}

fn authorities(tls: &Tls) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = &tls.authorities else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let what = format!("the file `{}`", path.display());
    let certificates = CertificateDer::pem_file_iter(path).map_err(|why| no_tls(&what, &why.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|why| no_tls(&what, &why.to_string()))?;
        roots.add(certificate).map_err(|why| no_tls(&what, &why.to_string()))?;
    }
    if roots.is_empty() {
        return Err(no_tls(&what, "there is no certificate in it"));
    }
    Ok(roots)
}

fn no_tls(what: &str, why: &str) -> StoreFault {
    StoreFault::Secret {
        what: what.to_owned(),
        why: why.to_owned(),
    }
}

/// Connects.
pub(crate) async fn dial(endpoint: &Endpoint, encryption: Option<&Encryption>) -> Result<Box<dyn Stream>> {
    let unreachable = |why: String| StoreFault::Unreachable {
        place: endpoint.to_string(),
        why,
    };
    let late = |_| unreachable(format!("no connection within {DIAL_WAIT_MAX:?}"));
    let connecting = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
    let stream = timeout(DIAL_WAIT_MAX, connecting).await.map_err(late)?;
    let stream = stream.map_err(|why| unreachable(why.to_string()))?;
    // A line whose other end is gone without a word is noticed without it too, only later.
    let _ = stream.set_nodelay(true);
    let alive = TcpKeepalive::new()
        .with_time(SILENT)
        .with_interval(ASK_EVERY)
        .with_retries(ASK_TIMES);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&alive);
    let Some(encryption) = encryption else {
        return Ok(Box::new(stream));
    };
    let name = encryption.server_name.as_ref().unwrap_or(&endpoint.host);
    let name = ServerName::try_from(name.clone()).map_err(|why| unreachable(why.to_string()))?;
    let shaking = TlsConnector::from(Arc::clone(&encryption.config)).connect(name, stream);
    match timeout(DIAL_WAIT_MAX, shaking).await.map_err(late)? {
        Ok(stream) => Ok(Box::new(stream)),
        // So the crate marks what TLS itself does not accept, a certificate for one.
        Err(why) if why.kind() == io::ErrorKind::InvalidData => Err(StoreFault::Refused {
            place: endpoint.to_string(),
            why: format!("TLS: {why}"),
        }),
        Err(why) => Err(unreachable(why.to_string())),
    }
}
