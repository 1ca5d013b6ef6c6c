//! A new socket to an endpoint: TCP, then TLS, both within the connect timeout.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use log_kernel::{Gauge, Mount};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::endpoint::Node;
use crate::fault::UpstreamFault;
use crate::raw::{UpstreamTls, Wire};
use crate::stats::OpenConnection;

/// A connected socket.
pub(crate) struct Dialled {
    /// Before the socket, whose number it lends; whoever takes the two apart drops it first.
    pub(crate) mount: Mount,
    pub(crate) wire: Wire,
    /// What the kernel knows of it.
    pub(crate) gauge: Gauge,
    pub(crate) local: SocketAddr,
    pub(crate) tls: Option<Rc<UpstreamTls>>,
    pub(crate) open: OpenConnection,
}

/// What is to be spoken over a socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    Http1,
    Http2,
    Bytes,
}

impl Speech {
    /// Protocols offered by ALPN.
    fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec()],
            Self::Bytes => Vec::new(),
        }
    }
}

/// Runs one attempt to connect within the connect timeout; its outcome counts for or against the endpoint.
pub(crate) async fn within<T>(
    node: &Node,
    attempt: impl Future<Output = Result<T, UpstreamFault>>,
) -> Result<T, UpstreamFault> {
    let bound = node.settings.spec.timeouts.connect;
    let stats = &node.settings.stats;
    let outcome = timeout(bound, attempt).await.unwrap_or_else(|_| {
        stats.connect_timeouts.up();
        Err(UpstreamFault::ConnectTimeout {
            upstream: Arc::clone(&node.settings.name),
            address: node.address,
            within: bound,
        })
    });
    if outcome.is_err() {
        stats.connect_failures.up();
        node.failed();
    } else {
        node.recovered();
    }
    outcome
}

/// Connects, without a bound of its own: run it in [`within`].
pub(crate) async fn dial(node: &Node, speech: Speech) -> Result<Dialled, UpstreamFault> {
    let stream = TcpStream::connect(node.address)
        .await
        .map_err(|error| refused(node, error))?;
    // Heads and small bodies are whole messages; waiting for more only delays them.
    stream.set_nodelay(true).map_err(|error| refused(node, error))?;
    let local = stream.local_addr().map_err(|error| refused(node, error))?;
    let wire = match &node.settings.tls {
        None => Wire::Plain(stream),
        Some(connector) => encrypt(node, connector, stream, speech).await?,
    };
    let (mount, gauge) = wire.mount();
    Ok(Dialled {
        tls: settled(node, &wire),
        mount,
        wire,
        gauge,
        local,
        open: OpenConnection::count(&node.settings.stats),
    })
}

async fn encrypt(
    node: &Node,
    connector: &TlsConnector,
    stream: TcpStream,
    speech: Speech,
) -> Result<Wire, UpstreamFault> {
    let Some(name) = node.server_name.clone() else {
        return Err(refused(
            node,
            io::Error::new(io::ErrorKind::InvalidInput, "no name to check its certificate by"),
        ));
    };
    let stream = connector.with_alpn(speech.alpn()).connect(name, stream).await;
    let stream = stream.map_err(|error| UpstreamFault::TlsHandshake {
        upstream: Arc::clone(&node.settings.name),
        address: node.address,
        cause: Arc::new(error),
    })?;
    // RFC 9113 section 3.3: over TLS, HTTP/2 is spoken only after ALPN chose it.
    if speech == Speech::Http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(node.no_http2("it did not choose `h2` by ALPN"));
    }
    Ok(Wire::Tls(Box::new(stream)))
}

fn settled(node: &Node, wire: &Wire) -> Option<Rc<UpstreamTls>> {
    let Wire::Tls(stream) = wire else { return None };
    let (_, session) = stream.get_ref();
    let peer = session.peer_certificates().and_then(<[_]>::first);
    Some(Rc::new(UpstreamTls {
        version: session.protocol_version(),
        cipher: session.negotiated_cipher_suite().map(|suite| suite.suite()),
        peer: peer.cloned(),
        local: node.settings.certificate.clone(),
    }))
}

fn refused(node: &Node, error: io::Error) -> UpstreamFault {
    UpstreamFault::Connect {
        upstream: Arc::clone(&node.settings.name),
        address: node.address,
        cause: Arc::new(error),
    }
}
