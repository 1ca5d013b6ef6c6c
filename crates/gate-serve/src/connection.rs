//! What is known about a client's connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use gate_plan::Listener;

/// A client's connection, shared by its exchanges.
#[derive(Debug)]
pub struct Connection {
    /// Unique in the process.
    pub id: u64,
    /// The other end.
    pub peer: SocketAddr,
    /// This end.
    pub local: SocketAddr,
    /// The listener as it was when the connection came.
    pub listener: Arc<Listener>,
    /// TLS, when the listener has it.
    pub tls: Option<TlsInfo>,
    /// When the connection stood, handshake included.
    pub started: Instant,
}

/// What the handshake settled, in the words and notations of Envoy's `connection.*` properties. Made once for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Name that the client asked for (SNI), lower case.
    pub server_name: Option<String>,
    /// Protocol agreed by ALPN: `h2` or `http/1.1`.
    pub alpn: Option<&'static str>,
    /// Whether the client showed a certificate, which then was checked.
    pub mtls: bool,
    /// Subject of the client's certificate, as RFC 2253 writes it.
    pub subject_peer_certificate: Option<String>,
    /// Subject of the certificate shown to the client, as RFC 2253 writes it.
    pub subject_local_certificate: Option<String>,
    /// First URI among the client's subject alternative names.
    pub uri_san_peer: Option<String>,
    /// First DNS name among the client's subject alternative names.
    pub dns_san_peer: Option<String>,
    /// First URI among our subject alternative names.
    pub uri_san_local: Option<String>,
    /// First DNS name among our subject alternative names.
    pub dns_san_local: Option<String>,
    /// SHA-256 of the client's certificate, lower-case hexadecimal.
    pub sha256_peer_certificate_digest: Option<String>,
}
