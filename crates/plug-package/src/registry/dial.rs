//! Connections: the address is judged after the name was looked up, and that very address is connected to.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::address::{Loopback, refuse};
use crate::fault::{PackageFault, Result};

/// LIMIT: how long a name, a connection or a handshake may take.
const DIAL_WAIT_MAX: Duration = Duration::from_secs(10);
/// LIMIT: bytes of a body that are handed over at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Either kind of connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The authorities of the system.
pub(crate) fn tls() -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|why| PackageFault::Credentials(format!("no TLS: {why}")))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Connects to the host of a URL.
pub(crate) async fn dial(url: &Url, loopback: Loopback, tls: &Arc<ClientConfig>) -> Result<SendRequest<Chunks>> {
    let host = shown(url);
    let late = |_| PackageFault::Unreachable {
        host: host.clone(),
        why: format!("no connection within {DIAL_WAIT_MAX:?}"),
    };
    let stream = timeout(DIAL_WAIT_MAX, connect(url, loopback)).await.map_err(late)??;
    let stream: Box<dyn Stream> = match url.scheme() {
        "https" => timeout(DIAL_WAIT_MAX, encrypt(stream, url, tls))
            .await
            .map_err(late)??,
        _ => Box::new(stream),
    };
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|why| broken(url, &why))?;
    // It ends with the sender, or when the other side goes, which the exchange is told.
    tokio::spawn(async move { connection.await.is_ok() });
    Ok(sender)
}

async fn connect(url: &Url, loopback: Loopback) -> Result<TcpStream> {
    let host = shown(url);
    let port = url.port_or_known_default().unwrap_or(443);
    let unreachable = |why: io::Error| PackageFault::Unreachable {
        host: host.clone(),
        why: why.to_string(),
    };
    let addresses: Vec<SocketAddr> = match url.host() {
        Some(Host::Domain(name)) => tokio::net::lookup_host((name, port))
            .await
            .map_err(unreachable)?
            .collect(),
        Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
        None => Vec::new(),
    };
    let mut last = PackageFault::Unreachable {
        host: host.clone(),
        why: String::from("it has no address"),
    };
    for address in addresses {
        if let Some(why) = refuse(address.ip(), loopback) {
            last = PackageFault::Address {
                host: host.clone(),
                address: address.ip(),
                why,
            };
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Some bytes wait a little longer without it, nothing else.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(why) => last = unreachable(why),
        }
    }
    Err(last)
}

async fn encrypt(stream: TcpStream, url: &Url, tls: &Arc<ClientConfig>) -> Result<Box<dyn Stream>> {
    let failed = |why: String| PackageFault::Unreachable { host: shown(url), why };
    let name = url
        .host_str()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let name = ServerName::try_from(name.to_owned()).map_err(|why| failed(why.to_string()))?;
    match TlsConnector::from(Arc::clone(tls)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        // So the crate marks what TLS itself does not accept, a certificate for one: it stays so.
        Err(why) if why.kind() == io::ErrorKind::InvalidData => Err(PackageFault::Refused {
            host: shown(url),
            why: format!("is not trusted: {why}"),
        }),
        Err(why) => Err(failed(why.to_string())),
    }
}

/// Host and port of a URL, without what may be a secret.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

pub(crate) fn broken(url: &Url, why: &hyper::Error) -> PackageFault {
    use std::error::Error;
    let source = why.source().map(|source| format!(": {source}")).unwrap_or_default();
    PackageFault::Broken {
        host: shown(url),
        why: format!("{why}{source}"),
    }
}

/// What counts the bytes that have been handed over.
pub(crate) type Counts = Arc<dyn Fn(u64) + Send + Sync>;

/// A body that is handed over piece by piece, so that its progress shows.
pub(crate) struct Chunks {
    rest: Bytes,
    sent: u64,
    counts: Option<Counts>,
}

impl Chunks {
    pub(crate) fn new(rest: Bytes, counts: Option<Counts>) -> Self {
        Self { rest, sent: 0, counts }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(CHUNK_BYTES);
        let chunk = self.rest.split_to(length);
        self.sent = self.sent.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if let Some(counts) = &self.counts {
            counts(self.sent);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}
