//! One upstream on one worker: choosing an endpoint, sending, connecting.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use gate_plan::{EndpointSpec, Upstream as UpstreamSpec, UpstreamProtocol};
use http::{HeaderMap, Request};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::balance::Balancer;
use crate::body::OutBody;
use crate::dial::{Speech, dial, within};
use crate::endpoint::{Endpoint, HostState, Lease, Node, Settings};
use crate::fault::UpstreamFault;
use crate::prepare::PreparedUpstream;
use crate::raw::UpstreamStream;
use crate::resolve::{Dns, Names};
use crate::send::{self, Ready, Sent};
use crate::stats::UpstreamStats;
use crate::{http1, http2};

/// LIMIT: endpoints that one exchange tries to connect to.
const ENDPOINTS_TRIED_MAX: usize = 3;

/// A destination.
pub struct Upstream {
    settings: Rc<Settings>,
    /// What TLS was set up from; another fingerprint means changed files.
    tls_fingerprint: u64,
    nodes: RefCell<Rc<[Rc<Node>]>>,
    balancer: Balancer,
    names: Names,
    /// The tasks that keep DNS names resolved; they end with the upstream.
    resolving: RefCell<JoinSet<()>>,
}

impl Upstream {
    /// Sets up an upstream on this worker and starts resolving its names. Runs inside the worker's `LocalSet`.
    pub(crate) fn new(prepared: &PreparedUpstream, dns: &Dns, stats: Arc<UpstreamStats>) -> Rc<Self> {
        let spec = &prepared.spec;
        let settings = Rc::new(Settings {
            spec: Arc::clone(spec),
            name: Arc::from(spec.name.as_str()),
            tls: prepared
                .tls
                .as_ref()
                .map(|tls| TlsConnector::from(Arc::clone(&tls.config))),
            certificate: prepared.tls.as_ref().and_then(|tls| tls.certificate.clone()),
            stats,
        });
        let upstream = Rc::new(Self {
            settings,
            tls_fingerprint: prepared.tls_fingerprint(),
            nodes: RefCell::new(Rc::from([])),
            balancer: Balancer::new(spec.balance),
            names: Names::of(spec),
            resolving: RefCell::default(),
        });
        upstream.rebuild();
        Names::resolve_all(&upstream, dns, &mut upstream.resolving.borrow_mut());
        upstream
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.spec.name
    }

    /// Its configuration; `timeouts.idle` is for whoever reads and writes the bodies.
    #[must_use]
    pub fn spec(&self) -> &Arc<UpstreamSpec> {
        &self.settings.spec
    }

    /// Its numbers on this worker.
    #[must_use]
    pub fn stats(&self) -> Arc<UpstreamStats> {
        Arc::clone(&self.settings.stats)
    }

    /// Chooses an endpoint. `wanted`, as `ip:port`, is taken instead if it is one of them, healthy or not.
    ///
    /// An endpoint whose connects failed lately is passed over, unless all are such.
    ///
    /// # Errors
    ///
    /// [`UpstreamFault::NoEndpoint`], and [`UpstreamFault::Resolve`] after its names were found to have no address.
    pub fn pick(&self, wanted: Option<&str>) -> Result<Endpoint, UpstreamFault> {
        let nodes = self.nodes.borrow();
        if nodes.is_empty() {
            return if self.names.pending() {
                Ok(Endpoint(None))
            } else {
                Err(self.nowhere())
            };
        }
        if let Some(wanted) = wanted.and_then(|wanted| wanted.parse::<SocketAddr>().ok())
            && let Some(node) = nodes.iter().find(|node| node.address == wanted)
        {
            return Ok(Endpoint(Some(Rc::clone(node))));
        }
        let node = self.balancer.choose(&nodes, Node::usable);
        let node = node.or_else(|| self.balancer.choose(&nodes, |_| true));
        Ok(Endpoint(node.map(Rc::clone)))
    }

    /// Sends a request to an endpoint and waits for the response's headers.
    ///
    /// A connection that cannot be made is tried with further endpoints. A pooled connection that turns out to be dead costs one more
    /// attempt, if the request was not read, or is idempotent and has its whole body at hand. The request timeout runs from the moment
    /// when the last byte of the body was taken.
    ///
    /// The request's URI may be in origin or absolute form; `Host`, `Content-Length` and version are made to fit the upstream's protocol.
    /// Hop-by-hop headers are the caller's business.
    ///
    /// # Errors
    ///
    /// All of [`UpstreamFault`] but `NoSuchUpstream` and `BrokenResponse`.
    pub async fn send(&self, endpoint: &Endpoint, request: Request<OutBody>) -> Result<Sent, UpstreamFault> {
        self.send_telling(endpoint, request, &|_, _| {}).await
    }

    /// Like [`Self::send`]; `tell` learns of each connection just before the request is written to it, and may still
    /// change its headers, so that each try tells whoever is called what it is.
    ///
    /// # Errors
    ///
    /// Those of [`Self::send`].
    pub async fn send_telling(
        &self,
        endpoint: &Endpoint,
        request: Request<OutBody>,
        tell: &dyn Fn(Ready, &mut HeaderMap),
    ) -> Result<Sent, UpstreamFault> {
        let stats = &self.settings.stats;
        stats.requests.up();
        let sent = self.forward(endpoint, request, tell).await;
        sent.inspect_err(|fault| stats.failed(fault))
    }

    async fn forward(
        &self,
        endpoint: &Endpoint,
        request: Request<OutBody>,
        tell: &dyn Fn(Ready, &mut HeaderMap),
    ) -> Result<Sent, UpstreamFault> {
        let node = self.node(endpoint).await?;
        match self.settings.spec.protocol {
            UpstreamProtocol::Http1 => http1::send(self, node, request, tell).await,
            UpstreamProtocol::Http2 => http2::send(self, node, request, tell).await,
        }
    }

    /// Connects to an endpoint, or to further ones if that fails, for bytes instead of HTTP.
    ///
    /// # Errors
    ///
    /// Those of [`UpstreamFault`] that concern resolving and connecting.
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<UpstreamStream, UpstreamFault> {
        let opened = self.open(endpoint).await;
        opened.inspect_err(|fault| self.settings.stats.failed(fault))
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<UpstreamStream, UpstreamFault> {
        let node = self.node(endpoint).await?;
        let open = async |node: Rc<Node>| within(&node, dial(&node, Speech::Bytes)).await;
        let (node, dialled, _) = self.reach(node, open).await?;
        let lease = Lease::begin(&node);
        Ok(UpstreamStream {
            _mount: dialled.mount,
            wire: dialled.wire,
            local: dialled.local,
            tls: dialled.tls,
            gauge: dialled.gauge,
            endpoint: Endpoint(Some(node)),
            _lease: lease,
            _open: dialled.open,
        })
    }

    /// The fault to record when a response's body broke off.
    #[must_use]
    pub fn broken_response(sent: &Lease, error: hyper::Error) -> UpstreamFault {
        send::broken(sent.node(), error)
    }

    /// Its endpoints as they are now.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostState> {
        let state = |node: &Rc<Node>| HostState {
            address: node.address,
            host: node.host.clone(),
            healthy: node.usable(),
            active: node.active(),
        };
        self.nodes.borrow().iter().map(state).collect()
    }

    /// Opens something at an endpoint; if that cannot be connected to, at further ones. Also tells how many further ones.
    pub(crate) async fn reach<T>(
        &self,
        first: Rc<Node>,
        open: impl AsyncFn(Rc<Node>) -> Result<T, UpstreamFault>,
    ) -> Result<(Rc<Node>, T, u32), UpstreamFault> {
        let mut node = first;
        let mut tried = Vec::new();
        let mut hops = 0;
        loop {
            let fault = match open(Rc::clone(&node)).await {
                Ok(opened) => return Ok((node, opened, hops)),
                Err(fault) => fault,
            };
            tried.push(node.address);
            if !fault.is_connect() || tried.len() >= ENDPOINTS_TRIED_MAX {
                return Err(fault);
            }
            node = self.other(&tried).ok_or(fault)?;
            self.settings.stats.retries.up();
            hops += 1;
        }
    }

    fn other(&self, tried: &[SocketAddr]) -> Option<Rc<Node>> {
        let nodes = self.nodes.borrow();
        let fresh = |node: &Node| !tried.contains(&node.address);
        let node = self.balancer.choose(&nodes, |node| fresh(node) && node.usable());
        node.or_else(|| self.balancer.choose(&nodes, fresh)).map(Rc::clone)
    }

    async fn node(&self, endpoint: &Endpoint) -> Result<Rc<Node>, UpstreamFault> {
        if let Some(node) = &endpoint.0 {
            return Ok(Rc::clone(node));
        }
        // LIMIT: a first resolution is part of connecting.
        let first = self.names.first(|| !self.nodes.borrow().is_empty());
        let _ = tokio::time::timeout(self.settings.spec.timeouts.connect, first).await;
        self.pick(None)?.0.ok_or_else(|| self.nowhere())
    }

    fn nowhere(&self) -> UpstreamFault {
        let upstream = Arc::clone(&self.settings.name);
        self.names
            .fault(&upstream)
            .unwrap_or(UpstreamFault::NoEndpoint { upstream })
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Makes the list of endpoints anew from the configuration and the names' addresses; endpoints that stay keep their connections.
    pub(crate) fn rebuild(&self) {
        let old = Rc::clone(&self.nodes.borrow());
        let mut nodes: Vec<Rc<Node>> = Vec::new();
        let mut keep = |address: SocketAddr, host: Option<&Arc<str>>| {
            let same = |node: &&Rc<Node>| node.address == address && node.host.as_ref() == host;
            if nodes.iter().find(same).is_none() {
                let kept = old.iter().find(same).map(Rc::clone);
                nodes.push(kept.unwrap_or_else(|| Node::new(address, host.cloned(), &self.settings)));
            }
        };
        for (place, spec) in self.settings.spec.endpoints.iter().enumerate() {
            match spec {
                EndpointSpec::Fixed(address) => keep(*address, None),
                EndpointSpec::Named { .. } => self.names.each_address(place, &mut keep),
            }
        }
        old.iter()
            .filter(|node| !nodes.iter().any(|kept| Rc::ptr_eq(kept, node)))
            .for_each(|node| node.retire());
        *self.nodes.borrow_mut() = Rc::from(nodes);
    }

    /// Whether it may go on serving under this configuration.
    pub(crate) fn serves(&self, prepared: &PreparedUpstream) -> bool {
        *self.settings.spec == *prepared.spec && self.tls_fingerprint == prepared.tls_fingerprint()
    }

    /// Its configuration is gone: idle connections close; exchanges in flight end.
    pub(crate) fn retire(&self) {
        self.nodes.borrow().iter().for_each(|node| node.retire());
    }

    /// Closes what was idle for too long.
    pub(crate) fn sweep(&self) {
        let now = tokio::time::Instant::now();
        for node in self.nodes.borrow().iter() {
            node.http1.sweep(now);
            node.http2.sweep(now, node);
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({})", self.name())
    }
}
