//! HTTP/1.1 connections of one endpoint: a stack of idle ones, and the exchange over one of them.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use gate_plan::Upstream as UpstreamSpec;
use http::{HeaderMap, Request};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use log_kernel::Gauge;
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::body::{OutBody, WireBody};
use crate::dial::{Dialled, Speech, dial, within};
use crate::endpoint::{Endpoint, Lease, Node};
use crate::fault::UpstreamFault;
use crate::raw::UpstreamTls;
use crate::send::{self, Failed, Ready, Sent, Spare, Wait};
use crate::shape;
use crate::upstream::Upstream;

/// LIMIT: bytes of a response's head; Envoy's default. The number of its lines is bounded by hyper's 100, which is Envoy's default too.
const HEAD_BYTES_MAX: usize = 60 * 1024;

/// A connection between two requests.
pub(crate) struct Http1Connection {
    sender: SendRequest<WireBody>,
    alarm: Alarm,
    local: SocketAddr,
    tls: Option<Rc<UpstreamTls>>,
    gauge: Gauge,
    idle_since: Instant,
}

/// Idle connections, the latest on top: it is the warmest, and those at the bottom can expire.
pub(crate) struct Http1Pool {
    idle: RefCell<Vec<Http1Connection>>,
    // LIMIT: `idle_connections_max` of the upstream.
    idle_max: usize,
    idle_time: Duration,
    retired: Cell<bool>,
}

impl Http1Pool {
    pub(crate) fn new(spec: &UpstreamSpec) -> Self {
        Self {
            idle: RefCell::new(Vec::new()),
            idle_max: spec.idle_connections_max,
            idle_time: spec.timeouts.pool_idle,
            retired: Cell::new(false),
        }
    }

    /// The warmest connection that can serve now. One whose last response is still being read stays where it is.
    fn take(&self, now: Instant) -> Option<Http1Connection> {
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            let candidate = idle.get(at)?;
            if candidate.expired(now, self.idle_time) {
                idle.remove(at);
            } else if candidate.sender.is_ready() {
                return Some(idle.remove(at));
            }
        }
        None
    }

    /// Keeps a connection after an exchange, unless it closed or there are enough.
    pub(crate) fn give_back(&self, mut connection: Http1Connection) {
        if self.retired.get() || connection.sender.is_closed() {
            return;
        }
        connection.idle_since = Instant::now();
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.idle_max {
            idle.push(connection);
        }
    }

    /// Closes what nobody used for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle
            .borrow_mut()
            .retain(|connection| !connection.expired(now, self.idle_time));
    }

    pub(crate) fn retire(&self) {
        self.retired.set(true);
        self.idle.borrow_mut().clear();
    }
}

impl Http1Connection {
    fn expired(&self, now: Instant, idle_time: Duration) -> bool {
        self.sender.is_closed() || now.saturating_duration_since(self.idle_since) >= idle_time
    }

    fn ready(&self, node: &Node) -> Ready {
        Ready {
            endpoint: node.address,
            local: self.local,
            tls: self.tls.clone(),
            gauge: self.gauge.clone(),
        }
    }
}

/// Sends a request over a pooled connection, or over a new one.
pub(crate) async fn send(
    upstream: &Upstream,
    node: Rc<Node>,
    mut request: Request<OutBody>,
    tell: &dyn Fn(Ready, &mut HeaderMap),
) -> Result<Sent, UpstreamFault> {
    shape::for_http1(&mut request, &node);
    let now = Instant::now();
    let mut retries = 0;
    if let Some(connection) = node.http1.take(now) {
        node.settings.stats.reuses.up();
        let spare = Spare::of(&request);
        tell(connection.ready(&node), request.headers_mut());
        match exchange(&node, connection, request, now, spare).await {
            Ok(sent) => return Ok(Sent { reused: true, ..sent }),
            Err(Failed { again: None, fault }) => return Err(fault),
            Err(Failed { again: Some(again), .. }) => request = again,
        }
        node.settings.stats.retries.up();
        retries = 1;
    }
    let (node, connection, hops) = upstream.reach(node, open).await?;
    tell(connection.ready(&node), request.headers_mut());
    let sent = exchange(&node, connection, request, Instant::now(), Spare::Nothing).await;
    let sent = sent.map_err(|failed| failed.fault)?;
    Ok(Sent {
        retries: retries + hops,
        ..sent
    })
}

/// A new connection.
async fn open(node: Rc<Node>) -> Result<Http1Connection, UpstreamFault> {
    within(&node, async {
        let Dialled {
            mount,
            wire,
            gauge,
            local,
            tls,
            open,
        } = dial(&node, Speech::Http1).await?;
        let handshake = Builder::new()
            .max_header_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(wire))
            .await;
        let (sender, connection) = handshake.map_err(|error| send::reset(&node, error))?;
        spawn_local(async move {
            let connection = pin!(connection.with_upgrades());
            // What is declared last is dropped first: the number of the socket is taken back before it closes.
            let _mount = mount;
            // Its error has reached the exchange that it hit; an idle connection's end is no event.
            let _ = connection.await;
            drop(open);
        });
        Ok(Http1Connection {
            sender,
            alarm: Alarm::default(),
            local,
            tls,
            gauge,
            idle_since: Instant::now(),
        })
    })
    .await
}

async fn exchange(
    node: &Rc<Node>,
    mut connection: Http1Connection,
    request: Request<OutBody>,
    since: Instant,
    spare: Spare,
) -> Result<Sent, Failed> {
    let lease = Lease::begin(node);
    let (parts, body) = request.into_parts();
    let (body, handover) = WireBody::new(body);
    let sent = connection.sender.try_send_request(Request::from_parts(parts, body));
    let wait = Wait {
        node,
        alarm: &mut connection.alarm,
        since,
        handover,
    };
    let response = wait.answer(sent, spare).await?;
    Ok(Sent {
        response,
        local: connection.local,
        endpoint: Endpoint(Some(Rc::clone(node))),
        reused: false,
        retries: 0,
        lease: lease.with_http1(connection),
    })
}
