//! `listeners`: sockets on which traffic arrives.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::word::{FilePath, Label, Written};

/// A socket on which traffic arrives.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    /// Unique name.
    pub(crate) name: Written<Label>,
    /// Address and port; with port 0 the system chooses one.
    pub(crate) listen: Written<SocketAddr>,
    /// What is spoken on it.
    #[serde(default)]
    pub(crate) protocol: ListenerProtocol,
    /// TLS towards clients. Without it the socket is in the clear.
    pub(crate) tls: Option<ServerTls>,
    /// Where the bytes of a `tcp` listener go.
    pub(crate) upstream: Option<String>,
    /// Plugins of a `tcp` listener, in the order in which bytes from the client pass them. Sorted as in a route.
    #[serde(default)]
    pub(crate) plugins: Vec<String>,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListenerProtocol {
    /// HTTP/1.1 and HTTP/2, the latter by prior knowledge or ALPN. Routes decide.
    #[default]
    Http,
    /// Bytes, handed to one upstream.
    Tcp,
}

/// TLS towards clients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerTls {
    /// Certificates, chosen by the name that the client asks for (SNI); the first is the default. Changed files are read again.
    #[schemars(length(min = 1))]
    pub(crate) certificates: Vec<CertificateFiles>,
    /// Whether clients show a certificate: `none`, `optional` or `required`.
    #[serde(default)]
    pub(crate) client_certificates: ClientCertificates,
}

/// A certificate and its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateFiles {
    /// PEM file of the certificate chain, leaf first.
    pub(crate) chain: Written<FilePath>,
    /// PEM file of the private key.
    pub(crate) key: Written<FilePath>,
}

/// Whether clients show a certificate.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ClientCertificates {
    /// Not asked for.
    #[default]
    None,
    /// Asked for, and checked when shown.
    Optional(Authorities),
    /// A handshake without one fails.
    Required(Authorities),
}

/// Who may sign a client's certificate.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authorities {
    /// PEM file of the trusted authorities.
    pub(crate) authorities: Written<FilePath>,
}
