//! One endpoint on one worker: its address, its connections, its exchanges in flight, and its recent failures.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gate_plan::Upstream as UpstreamSpec;
use http::HeaderValue;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::http1::{Http1Connection, Http1Pool};
use crate::http2::{Http2Pool, Http2Stream};
use crate::stats::UpstreamStats;

/// What all endpoints of one upstream share.
pub(crate) struct Settings {
    pub(crate) spec: Arc<UpstreamSpec>,
    pub(crate) name: Arc<str>,
    pub(crate) tls: Option<TlsConnector>,
    /// Ours, for upstreams that ask for one.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    pub(crate) stats: Arc<UpstreamStats>,
}

/// An endpoint's state on this worker.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    /// The DNS name it came from.
    pub(crate) host: Option<Arc<str>>,
    /// `Host` of requests that bring none.
    pub(crate) authority: Option<HeaderValue>,
    /// What TLS checks; none without TLS.
    pub(crate) server_name: Option<ServerName<'static>>,
    pub(crate) settings: Rc<Settings>,
    pub(crate) http1: Http1Pool,
    pub(crate) http2: Http2Pool,
    active: Cell<usize>,
    penalty: Cell<Option<Instant>>,
    failures: Cell<u32>,
}

/// LIMIT: how long an endpoint is passed over after its first failed connect; doubled with each further one.
const PENALTY_FIRST: Duration = Duration::from_secs(1);
/// LIMIT: how long at most.
const PENALTY_MAX: Duration = Duration::from_secs(30);

impl Node {
    pub(crate) fn new(address: SocketAddr, host: Option<Arc<str>>, settings: &Rc<Settings>) -> Rc<Self> {
        let written = match &host {
            Some(host) => format!("{host}:{}", address.port()),
            None => address.to_string(),
        };
        Rc::new(Self {
            address,
            authority: HeaderValue::try_from(written).ok(),
            server_name: server_name(address, host.as_deref(), settings),
            host,
            settings: Rc::clone(settings),
            http1: Http1Pool::new(&settings.spec),
            http2: Http2Pool::default(),
            active: Cell::new(0),
            penalty: Cell::new(None),
            failures: Cell::new(0),
        })
    }

    /// Exchanges and raw streams in flight.
    pub(crate) fn active(&self) -> usize {
        self.active.get()
    }

    /// Whether it may be chosen: no failed connect lately. Asks the clock only after a failure.
    pub(crate) fn usable(&self) -> bool {
        self.penalty.get().is_none_or(|until| until <= Instant::now())
    }

    /// A connect failed: it is passed over for a while. Further failures in that while are of the same death and lengthen nothing.
    pub(crate) fn failed(&self) {
        if !self.usable() {
            return;
        }
        let doublings = self.failures.get().min(5);
        let length = PENALTY_FIRST.saturating_mul(1 << doublings).min(PENALTY_MAX);
        self.failures.set(doublings + 1);
        self.penalty.set(Instant::now().checked_add(length));
    }

    /// A connect succeeded.
    pub(crate) fn recovered(&self) {
        self.failures.set(0);
        self.penalty.set(None);
    }

    /// It is no longer in the configuration or in DNS: idle connections close, those in use close after use.
    pub(crate) fn retire(&self) {
        self.http1.retire();
        self.http2.retire();
    }
}

fn server_name(address: SocketAddr, host: Option<&str>, settings: &Settings) -> Option<ServerName<'static>> {
    let tls = settings.spec.tls.as_ref()?;
    match tls.server_name.as_deref().or(host) {
        Some(name) => ServerName::try_from(name.to_owned()).ok(),
        None => Some(ServerName::from(address.ip())),
    }
}

/// An endpoint as chosen by [`crate::Upstream::pick`].
///
/// It may still lack its address: the first exchange of an upstream with DNS names may come before the names are resolved. Then
/// [`crate::Upstream::send`] waits for the names and chooses; [`crate::Sent::endpoint`] tells which.
#[derive(Clone)]
pub struct Endpoint(pub(crate) Option<Rc<Node>>);

impl Endpoint {
    /// Its address, once known.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref().map(|node| node.address)
    }

    /// The DNS name it came from, when it came from one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.0.as_ref().and_then(|node| node.host.as_deref())
    }

    /// Exchanges and raw streams in flight to it from this worker.
    #[must_use]
    pub fn active(&self) -> usize {
        self.0.as_ref().map_or(0, |node| node.active())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(address) => write!(f, "Endpoint({address})"),
            None => f.write_str("Endpoint(unresolved)"),
        }
    }
}

/// An endpoint as operators and plugins see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostState {
    /// Its address.
    pub address: SocketAddr,
    /// The DNS name it came from.
    pub host: Option<Arc<str>>,
    /// Whether connects succeeded lately.
    pub healthy: bool,
    /// Exchanges and raw streams in flight to it from this worker.
    pub active: usize,
}

/// An exchange's hold on its endpoint: counted as active until dropped; then the connection goes back to its pool.
///
/// Drop it after the response's body: a connection given back earlier is kept too, but cannot be taken before the body has ended.
pub struct Lease {
    node: Rc<Node>,
    hold: Hold,
}

enum Hold {
    Nothing,
    Http1(Http1Connection),
    Http2 { _stream: Http2Stream },
}

impl Lease {
    pub(crate) fn begin(node: &Rc<Node>) -> Self {
        node.active.set(node.active.get() + 1);
        node.settings.stats.requests_active.up();
        Self {
            node: Rc::clone(node),
            hold: Hold::Nothing,
        }
    }

    pub(crate) fn with_http1(mut self, connection: Http1Connection) -> Self {
        self.hold = Hold::Http1(connection);
        self
    }

    pub(crate) fn with_http2(mut self, stream: Http2Stream) -> Self {
        self.hold = Hold::Http2 { _stream: stream };
        self
    }

    pub(crate) fn node(&self) -> &Rc<Node> {
        &self.node
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.node.active.set(self.node.active.get().saturating_sub(1));
        self.node.settings.stats.requests_active.down();
        if let Hold::Http1(connection) = std::mem::replace(&mut self.hold, Hold::Nothing) {
            self.node.http1.give_back(connection);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({})", self.node.address)
    }
}
