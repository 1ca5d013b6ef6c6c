//! What is known about a client's connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use gate_plan::Listener;
use log_kernel::Gauge;

use crate::certificate::CertificateFacts;

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
    /// What the kernel knows of it, on demand; of its last moment, once it is closed.
    pub gauge: Gauge,
    /// When the connection stood, handshake included.
    pub started: Instant,
}

/// What the handshake settled. Made once for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, by its name at IANA.
    pub cipher: &'static str,
    /// Name that the client asked for (SNI), lower case.
    pub server_name: Option<String>,
    /// Protocol agreed by ALPN: `h2` or `http/1.1`.
    pub alpn: Option<&'static str>,
    /// The certificate shown to the client.
    pub local: Arc<CertificateFacts>,
    /// The client's certificate, when it showed one, which then was checked.
    pub peer: Option<CertificateFacts>,
}
