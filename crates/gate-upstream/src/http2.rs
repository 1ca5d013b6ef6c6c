//! HTTP/2 connections of one endpoint: shared by many exchanges, opened one at a time, and the exchange over one stream.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, Request};
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use log_kernel::{Gauge, Mount};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::body::{OutBody, WireBody};
use crate::dial::{Dialled, Speech, dial, within};
use crate::endpoint::{Endpoint, Lease, Node};
use crate::fault::UpstreamFault;
use crate::raw::{UpstreamTls, Wire};
use crate::send::{Failed, Ready, Sent, Spare, Wait};
use crate::shape;
use crate::stats::OpenConnection;
use crate::upstream::Upstream;

/// LIMIT: connections to one endpoint from one worker; with them all full, requests are refused.
const CONNECTIONS_MAX: usize = 64;
/// LIMIT: connections that one request may wait for, one after the other, when others fill them first.
const WAITS_MAX: usize = 8;
/// LIMIT: bytes of a response's head; Envoy's default.
const HEAD_BYTES_MAX: u32 = 60 * 1024;

/// Runs hyper's tasks on this worker.
#[derive(Clone, Copy)]
struct LocalExec;

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExec {
    fn execute(&self, task: F) {
        spawn_local(task);
    }
}

/// One connection.
struct Http2Connection {
    sender: RefCell<SendRequest<WireBody>>,
    local: SocketAddr,
    tls: Option<Rc<UpstreamTls>>,
    gauge: Gauge,
    streams: Cell<usize>,
    /// SETTINGS_MAX_CONCURRENT_STREAMS of the peer; 100 until it says.
    streams_max: Rc<Cell<usize>>,
    idle_since: Cell<Instant>,
    /// When it last answered a request.
    answered: Cell<Option<Instant>>,
}

/// A place on a connection, held until dropped.
pub(crate) struct Http2Stream(Rc<Http2Connection>);

impl Http2Connection {
    fn place(self: &Rc<Self>) -> Option<Http2Stream> {
        let streams = self.streams.get();
        if streams >= self.streams_max.get() || self.sender.borrow().is_closed() {
            return None;
        }
        self.streams.set(streams + 1);
        Some(Http2Stream(Rc::clone(self)))
    }

    fn over(&self, now: Instant, node: &Node) -> bool {
        let idle_time = node.settings.spec.timeouts.pool_idle;
        let unused = self.streams.get() == 0 && now.saturating_duration_since(self.idle_since.get()) >= idle_time;
        unused || self.sender.borrow().is_closed()
    }
}

impl Http2Stream {
    fn ready(&self, node: &Node) -> Ready {
        Ready {
            endpoint: node.address,
            local: self.0.local,
            tls: self.0.tls.clone(),
            gauge: self.0.gauge.clone(),
        }
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        let streams = self.0.streams.get().saturating_sub(1);
        self.0.streams.set(streams);
        if streams == 0 {
            self.0.idle_since.set(Instant::now());
        }
    }
}

/// The connections of one endpoint.
#[derive(Default)]
pub(crate) struct Http2Pool {
    connections: RefCell<Vec<Rc<Http2Connection>>>,
    opening: RefCell<Option<Rc<Opening>>>,
    retired: Cell<bool>,
}

/// A connection being opened, for all that wait for it; it does not end with the request that began it.
#[derive(Default)]
struct Opening {
    outcome: RefCell<Option<Result<Rc<Http2Connection>, UpstreamFault>>>,
    done: Notify,
}

impl Opening {
    async fn wait(&self) -> Result<Rc<Http2Connection>, UpstreamFault> {
        loop {
            if let Some(outcome) = self.outcome.borrow().clone() {
                return outcome;
            }
            self.done.notified().await;
        }
    }
}

impl Http2Pool {
    /// The first connection with a free place: so the others empty and can expire.
    fn place(&self) -> Option<Http2Stream> {
        self.connections.borrow().iter().find_map(Http2Connection::place)
    }

    fn opening(&self, node: &Rc<Node>) -> Result<Rc<Opening>, UpstreamFault> {
        if let Some(opening) = &*self.opening.borrow() {
            return Ok(Rc::clone(opening));
        }
        self.sweep(Instant::now(), node);
        if self.connections.borrow().len() >= CONNECTIONS_MAX {
            return Err(node.overflow());
        }
        let opening = Rc::new(Opening::default());
        *self.opening.borrow_mut() = Some(Rc::clone(&opening));
        spawn_local(run(Rc::clone(&opening), Rc::clone(node)));
        Ok(opening)
    }

    fn opened(&self, outcome: &Result<Rc<Http2Connection>, UpstreamFault>) {
        *self.opening.borrow_mut() = None;
        if let Ok(connection) = outcome
            && !self.retired.get()
        {
            self.connections.borrow_mut().push(Rc::clone(connection));
        }
    }

    /// Lets go of connections that closed or that nobody used for too long.
    pub(crate) fn sweep(&self, now: Instant, node: &Node) {
        self.connections
            .borrow_mut()
            .retain(|connection| !connection.over(now, node));
    }

    /// No new streams on this connection.
    fn forget(&self, connection: &Rc<Http2Connection>) {
        self.connections
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, connection));
    }

    pub(crate) fn retire(&self) {
        self.retired.set(true);
        self.connections.borrow_mut().clear();
    }
}

impl Node {
    pub(crate) fn no_http2(&self, reason: &str) -> UpstreamFault {
        UpstreamFault::NoHttp2 {
            upstream: Arc::clone(&self.settings.name),
            address: self.address,
            reason: Arc::from(reason),
        }
    }

    fn overflow(&self) -> UpstreamFault {
        UpstreamFault::Overflow {
            upstream: Arc::clone(&self.settings.name),
            address: self.address,
        }
    }
}

async fn run(opening: Rc<Opening>, node: Rc<Node>) {
    let outcome = within(&node, open(&node)).await;
    node.http2.opened(&outcome);
    *opening.outcome.borrow_mut() = Some(outcome);
    opening.done.notify_waiters();
}

async fn open(node: &Node) -> Result<Rc<Http2Connection>, UpstreamFault> {
    let Dialled {
        mount,
        wire,
        gauge,
        local,
        tls,
        open,
    } = dial(node, Speech::Http2).await?;
    let handshake = Builder::new(LocalExec)
        .max_header_list_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(wire))
        .await;
    let (sender, connection) = handshake.map_err(|error| node.no_http2(&error.to_string()))?;
    let streams_max = Rc::new(Cell::new(connection.current_max_send_streams()));
    spawn_local(drive(connection, Rc::clone(&streams_max), (open, mount)));
    Ok(Rc::new(Http2Connection {
        sender: RefCell::new(sender),
        local,
        tls,
        gauge,
        streams: Cell::new(0),
        streams_max,
        idle_since: Cell::new(Instant::now()),
        answered: Cell::new(None),
    }))
}

async fn drive(
    connection: Connection<TokioIo<Wire>, WireBody, LocalExec>,
    streams_max: Rc<Cell<usize>>,
    (open, mount): (OpenConnection, Mount),
) {
    let mut connection = connection;
    // What is declared last is dropped first: the number of the socket is taken back before it closes.
    let _mount = mount;
    poll_fn(|cx| {
        let done = Pin::new(&mut connection).poll(cx);
        streams_max.set(connection.current_max_send_streams());
        // Its error has reached the exchanges that it hit.
        done.map(drop)
    })
    .await;
    drop(open);
}

/// A place on a connection, opening one if need be.
async fn stream(node: Rc<Node>) -> Result<Http2Stream, UpstreamFault> {
    if let Some(place) = node.http2.place() {
        return Ok(place);
    }
    for _ in 0..WAITS_MAX {
        let opening = node.http2.opening(&node)?;
        let connection = opening.wait().await?;
        if let Some(place) = connection.place().or_else(|| node.http2.place()) {
            return Ok(place);
        }
    }
    Err(node.overflow())
}

/// Sends a request over a stream; once more if the upstream says that it did nothing.
pub(crate) async fn send(
    upstream: &Upstream,
    node: Rc<Node>,
    mut request: Request<OutBody>,
    tell: &dyn Fn(Ready, &mut HeaderMap),
) -> Result<Sent, UpstreamFault> {
    shape::for_http2(&mut request, &node)?;
    let (node, place, hops) = upstream.reach(node, stream).await?;
    tell(place.ready(&node), request.headers_mut());
    let spare = Spare::of(&request);
    let mut again = match exchange(&node, place, request, spare).await {
        Ok(sent) => return Ok(Sent { retries: hops, ..sent }),
        Err(Failed { again: None, fault }) => return Err(fault),
        Err(Failed { again: Some(again), .. }) => again,
    };
    node.settings.stats.retries.up();
    let (node, place, more) = upstream.reach(node, stream).await?;
    tell(place.ready(&node), again.headers_mut());
    let sent = exchange(&node, place, again, Spare::Nothing).await;
    let sent = sent.map_err(|failed| failed.fault)?;
    Ok(Sent {
        retries: hops + 1 + more,
        ..sent
    })
}

async fn exchange(
    node: &Rc<Node>,
    place: Http2Stream,
    request: Request<OutBody>,
    spare: Spare,
) -> Result<Sent, Failed> {
    let lease = Lease::begin(node);
    let connection = &place.0;
    let reused = connection.answered.get().is_some();
    if reused {
        node.settings.stats.reuses.up();
    }
    let since = Instant::now();
    let (parts, body) = request.into_parts();
    let (body, handover) = WireBody::new(body);
    let sent = connection
        .sender
        .borrow_mut()
        .try_send_request(Request::from_parts(parts, body));
    let wait = Wait {
        node,
        alarm: &mut Alarm::default(),
        since,
        handover,
    };
    let mut answer = wait.answer(sent, spare).await;
    match &mut answer {
        Ok(_) => connection.answered.set(Some(Instant::now())),
        // A peer that vanished without a word would swallow each further request; one that answers others is alive.
        Err(Failed {
            fault: UpstreamFault::RequestTimeout { .. },
            ..
        }) if connection.answered.get().is_none_or(|at| at < since) => {
            node.http2.forget(connection);
        }
        // By prior knowledge, a peer that knows only HTTP/1.1 is noticed here: it hangs up after our preface.
        Err(Failed { fault, .. }) if !reused && hung_up(fault) => {
            *fault = node.no_http2("it ended the connection before it answered anything");
        }
        Err(_) => {}
    }
    Ok(Sent {
        response: answer?,
        local: connection.local,
        endpoint: Endpoint(Some(Rc::clone(node))),
        reused,
        retries: 0,
        lease: lease.with_http2(place),
    })
}

/// The connection ended before the request was read.
fn hung_up(fault: &UpstreamFault) -> bool {
    matches!(fault, UpstreamFault::Reset { cause, .. } if cause.is_canceled())
}
