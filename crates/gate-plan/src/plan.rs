//! The Plan: a checked, immutable configuration, the only form in which other rooms see it.

mod audit;
mod grants;
mod likeness;
pub mod logs;
mod plugin;
mod rollout;
mod signatures;
mod store;
pub mod tracing;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

pub use self::audit::{Audit, AuditToolchain};
pub use self::grants::Grants;
pub(crate) use self::grants::resolved;
pub use self::plugin::{
    Burst, Fetch, Isolation, LineLevel, OnFault, Plugin, PluginDebug, PluginLimits, PluginPhase, Pull, Restart, Source,
};
pub use self::rollout::{
    Rollout, RolloutAnalysis, RolloutBound, RolloutMetric, RolloutShadow, RolloutStep, RolloutWaves, Sticky,
    WaveGateways,
};
pub use self::signatures::{Signatures, Signer, SignerIdentity};
pub use self::store::{Bootstrap, Machine, Store, StoreBackend, StoreLogin, StorePlace, StoreSecret};
use crate::findings::Findings;
use crate::route::RouteTable;
use crate::word::ImagePattern;

/// A checked, immutable configuration.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the operator's listener stands; none when the file names none.
    pub admin: Option<Admin>,
    /// Number of worker threads; the number of cores when absent.
    pub workers: Option<NonZeroUsize>,
    /// Sockets on which traffic arrives.
    pub listeners: Vec<Arc<Listener>>,
    /// Destinations, in the order of the file.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Plugins, in the order of the file.
    pub plugins: Vec<Arc<Plugin>>,
    /// Routes, most specific first.
    pub routes: RouteTable,
    /// Where access records go when [`logs::Logs::sinks`] is empty.
    pub access_log: AccessLog,
    /// What becomes a record, what is masked in it, what is kept of it, and where it goes.
    pub logs: logs::Logs,
    /// Which trace an exchange belongs to, who is told, and where spans go; headers of callers pass untouched when absent.
    pub tracing: Option<tracing::Tracing>,
    /// How long a stop waits.
    pub drain: Drain,
    /// Where compiled modules are kept; the user's cache folder when absent.
    pub cache_dir: Option<PathBuf>,
    /// Where is kept what served last; the user's state folder when absent.
    pub state_dir: Option<PathBuf>,
    /// Whether a gateway starts without plugins that cannot run.
    pub start_without_plugins: bool,
    /// Whose signature plugins must have; none when absent.
    pub signatures: Option<Signatures>,
    /// What every plugin's module must be; anything when absent.
    pub audit: Option<Audit>,
    /// What plugins may do, by name.
    pub grants: Grants,
    /// Where reports of dead plugins are kept.
    pub crash_reports: CrashReports,
    /// What is kept of plugins' last callbacks.
    pub recordings: Recordings,
    /// What compiling a module may take.
    pub compile: Compile,
    /// Bounds on what a client may send.
    pub limits: Limits,
    /// What the process adds to or trusts in forwarding headers.
    pub forwarding: Forwarding,
    /// What is allowed but probably not meant.
    pub warnings: Findings,
}

/// Where reports of dead plugins are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashReports {
    /// Their folder; the user's state folder when absent.
    pub dir: Option<PathBuf>,
    /// Bytes of all together; 0 keeps none.
    pub bytes_max: u64,
    /// Folder of unstripped modules.
    pub debug_files: Option<PathBuf>,
}

/// What is kept of plugins' last callbacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recordings {
    /// Bytes for each instance; 0 keeps nothing.
    pub bytes_max: u64,
    /// Names of headers, in small letters, whose values are left out of files.
    pub sensitive_headers: Vec<String>,
    /// Paths of properties, joined by dots, whose values are left out of files.
    pub sensitive_properties: Vec<String>,
}

/// The operator's listener: health, metrics, configuration, plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Address; port 0 lets the system choose and the chosen one is said on stderr.
    pub listen: SocketAddr,
    /// From where modules may be taken that are rolled out beside the configuration; nothing may when absent.
    pub rollouts_from: Option<RolloutsFrom>,
}

/// From where modules may be taken that the configuration does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutsFrom {
    /// Folders, relative to that of the configuration.
    pub folders: Vec<PathBuf>,
    /// Repositories of images.
    pub images: Vec<ImagePattern>,
}

/// What compiling one module may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compile {
    /// Address space. Default 2 GiB.
    pub memory_bytes_max: u64,
    /// Processor time. Default 2 minutes.
    pub cpu: Duration,
    /// Time by the clock. Default 5 minutes.
    pub time: Duration,
}

/// One socket on which traffic arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Unique name.
    pub name: String,
    /// Address; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// TLS, when the socket is encrypted.
    pub tls: Option<ServerTls>,
}

/// What a listener speaks.
#[derive(Debug, Clone, PartialEq)]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2 (prior knowledge or ALPN).
    Http,
    /// Bytes, handed to one upstream through a chain of plugins.
    Tcp {
        /// Name of the upstream.
        upstream: String,
        /// Plugin names, in order.
        plugins: Vec<String>,
    },
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Certificates, chosen by SNI; the first is the default.
    pub certificates: Vec<CertificateFiles>,
    /// Whether clients show a certificate.
    pub client_certificates: ClientCertificates,
}

/// A certificate chain and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM file of the chain, leaf first.
    pub chain: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

/// Whether clients show a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Not asked for.
    None,
    /// Asked for; checked when shown.
    Optional {
        /// PEM file of the trusted authorities.
        authorities: PathBuf,
    },
    /// A handshake without one fails.
    Required {
        /// PEM file of the trusted authorities.
        authorities: PathBuf,
    },
}

/// A destination: one or more endpoints behind one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Unique name.
    pub name: String,
    /// Further names under which plugins know it, for example `outbound|80||api.static`.
    pub aliases: Vec<String>,
    /// Addresses; names are resolved and resolved again.
    pub endpoints: Vec<EndpointSpec>,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// What is spoken to it.
    pub protocol: UpstreamProtocol,
    /// TLS towards it.
    pub tls: Option<ClientTls>,
    /// Bounds in time.
    pub timeouts: Timeouts,
    /// Idle connections kept for each endpoint and worker.
    pub idle_connections_max: usize,
}

/// One endpoint as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointSpec {
    /// An address.
    Fixed(SocketAddr),
    /// A DNS name and a port.
    Named {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// One after the other.
    RoundRobin,
    /// Of two taken at random, the one with fewer exchanges in flight.
    LeastRequest,
}

/// What is spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, by prior knowledge or ALPN.
    Http2,
}

/// TLS towards an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// Name sent as SNI and checked in the certificate; the endpoint's host when absent.
    pub server_name: Option<String>,
    /// PEM file of the trusted authorities; the system's when absent.
    pub authorities: Option<PathBuf>,
    /// Own certificate, for mutual TLS.
    pub certificate: Option<CertificateFiles>,
}

/// Bounds in time of one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to stand, TLS included. Default 5 s.
    pub connect: Duration,
    /// From the request's last byte to the response's headers. Default 15 s.
    pub request: Duration,
    /// Longest silence in a body, in either direction. Default 5 min.
    pub idle: Duration,
    /// How long an unused connection is kept. Default 60 s.
    pub pool_idle: Duration,
}

/// One route: what it matches is in the [`RouteTable`], what happens is here.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Unique name.
    pub name: String,
    /// What answers.
    pub action: Action,
    /// Plugin names, in the order in which requests pass them.
    pub plugins: Vec<String>,
    /// Changes to the request before it goes upstream, after the plugins.
    pub request_headers: HeaderEdits,
    /// Changes to the response before it goes to the client, after the plugins.
    pub response_headers: HeaderEdits,
    /// Names of the listeners it serves; all when empty.
    pub listeners: Vec<String>,
}

/// What answers an exchange.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// An upstream.
    Forward {
        /// Which upstream.
        target: Target,
        /// Replaces the matched prefix (or the whole exact path).
        prefix_rewrite: Option<String>,
        /// Replaces the host.
        host_rewrite: Option<String>,
    },
    /// A redirect.
    Redirect(Redirect),
    /// A fixed response.
    Respond(FixedResponse),
    /// The request, described as JSON, back to the client.
    Echo,
}

/// Which upstream a route takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Always this one.
    Upstream(String),
    /// The one a request header names (Envoy's `cluster_header`).
    Header(HeaderName),
}

/// A redirect (RFC 9110 section 15.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// New scheme.
    pub scheme: Option<String>,
    /// New host.
    pub host: Option<String>,
    /// New port.
    pub port: Option<u16>,
    /// New path; the old one when absent.
    pub path: Option<String>,
    /// Whether the query is left out.
    pub strip_query: bool,
}

/// A fixed response.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedResponse {
    /// Status.
    pub status: StatusCode,
    /// Body.
    pub body: String,
    /// Headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Changes to a header map: removed first, then set, then added.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeaderEdits {
    /// Names taken out.
    pub remove: Vec<HeaderName>,
    /// Replaced or created.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Appended.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

/// Where access records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// One JSON line each to stdout.
    Stdout,
    /// Nowhere.
    Off,
    /// One JSON line each to a file, opened for appending.
    File(PathBuf),
}

/// How a stop proceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Between "not ready" and closed sockets. Default 0 s.
    pub grace: Duration,
    /// Longest wait for exchanges in flight. Default 30 s.
    pub wait: Duration,
}

/// Bounds on what a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All header bytes of one request; beyond it 431. Default 60 KiB, as in Envoy.
    pub header_bytes_max: u32,
    /// Number of header lines; beyond it 431. Default 100, as in Envoy.
    pub header_count_max: u16,
    /// For the headers of a request to arrive. Default 10 s.
    pub header_timeout: Duration,
    /// Streams at a time on one HTTP/2 connection. Default 100.
    pub http2_streams_max: u32,
    /// Connections at a time on one worker. Default 16384.
    pub connections_max: usize,
}

/// What the process trusts in forwarding headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// Hops in front of us whose `x-forwarded-for` entries are believed (Envoy's `xff_num_trusted_hops`). Default 0.
    pub trusted_hops: u32,
    /// `x-request-id` of the client is kept (Envoy's `preserve_external_request_id`). Default false.
    pub preserve_request_id: bool,
}
