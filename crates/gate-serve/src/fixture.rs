//! For tests: a service whose paths say what it does, listeners on chosen ports, raw clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gate_plan::{Limits, Listener, Protocol, ServerTls};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use crate::bind::bind;
use crate::connection::Connection;
use crate::refusal::Refusal;
use crate::service::{Abort, Service};
use crate::stream::Stream;
use crate::unserved::Unserved;
use crate::worker::Workers;

/// No test waits longer for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const LIMITS: Limits = Limits {
    header_bytes_max: 16 * 1024,
    header_count_max: 20,
    header_timeout: Duration::from_secs(10),
    http2_streams_max: 100,
    connections_max: 100,
};

/// What the service saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Began(String),
    /// The exchange's future is gone: finished or dropped.
    Ended(String),
    Refused(Refusal),
    /// The code, and the name that was asked for.
    Unserved(&'static str, Option<String>),
    Stopped,
}

pub(crate) struct Performer {
    pub(crate) worker: usize,
    events: SyncSender<Event>,
    /// Lets `/hang` go on.
    pub(crate) release: Notify,
}

struct Watcher<'a>(&'a Performer, String);

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.0.say(Event::Ended(std::mem::take(&mut self.1)));
    }
}

impl Performer {
    fn say(&self, event: Event) {
        // A test may be over before its workers are.
        let _ = self.events.try_send(event);
    }
}

type Answer = UnsyncBoxBody<Bytes, hyper::Error>;

fn text(text: impl Into<Bytes>) -> Answer {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

impl Service for Performer {
    type Body = Answer;

    async fn http(
        self: Rc<Self>,
        connection: Rc<Connection>,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, Abort> {
        let path = request.uri().path().to_owned();
        self.say(Event::Began(path.clone()));
        let _watcher = Watcher(&self, path.clone());
        let body = match path.as_str() {
            "/echo" => match request.into_body().collect().await {
                Ok(body) => text(body.to_bytes()),
                Err(_) => {
                    let mut response = Response::new(text("bad body"));
                    *response.status_mut() = http::StatusCode::BAD_REQUEST;
                    return Ok(response);
                }
            },
            "/stream" => request.into_body().boxed_unsync(),
            "/hang" => {
                self.release.notified().await;
                text("released")
            }
            "/panic" => panic!("asked to"),
            "/abort" => return Err(Abort),
            "/date" => {
                let response = Response::builder().header("date", "Thu, 01 Jan 1970 00:00:00 GMT");
                return Ok(response.body(text("then")).unwrap());
            }
            "/empty" => Empty::new().map_err(|never| match never {}).boxed_unsync(),
            "/worker" => text(self.worker.to_string()),
            "/connection" => text(format!("{connection:?}")),
            "/kernel" => {
                let info = connection.gauge.read().unwrap();
                text(format!(
                    "{} {:?} {:?} {}",
                    info.state().unwrap().word(),
                    info.retransmits(),
                    info.retransmits().map(|total| connection.gauge.tell_retransmits(total)),
                    connection.gauge.congestion().unwrap().name(),
                ))
            }
            _ => text("ok"),
        };
        Ok(Response::new(body))
    }

    async fn tcp(self: Rc<Self>, _: Rc<Connection>, stream: Stream) {
        self.say(Event::Began("tcp".into()));
        let _watcher = Watcher(&self, "tcp".into());
        let (mut from, mut to) = tokio::io::split(stream);
        let _ = tokio::io::copy(&mut from, &mut to).await;
        let _ = to.shutdown().await;
    }

    fn refused(&self, _: &Connection, refusal: Refusal, _: Option<&Request<Incoming>>) {
        self.say(Event::Refused(refusal));
    }

    fn unserved(&self, unserved: &Unserved<'_>) {
        self.say(Event::Unserved(
            unserved.why.code(),
            unserved.server_name.map(str::to_owned),
        ));
    }

    async fn stop(self: Rc<Self>) {
        self.say(Event::Stopped);
    }
}

pub(crate) fn listener(name: &str, protocol: Protocol, tls: Option<ServerTls>) -> Arc<Listener> {
    Arc::new(Listener {
        name: name.into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        protocol,
        tls,
    })
}

/// Waits for what another thread does a moment later.
pub(crate) fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::yield_now();
    }
}

pub(crate) fn http_listener() -> Arc<Listener> {
    listener("web", Protocol::Http, None)
}

pub(crate) fn tcp_listener() -> Arc<Listener> {
    listener(
        "raw",
        Protocol::Tcp {
            upstream: "u".into(),
            plugins: vec![],
        },
        None,
    )
}

/// Workers that serve.
pub(crate) struct Stage {
    pub(crate) workers: Workers<Performer>,
    pub(crate) events: Receiver<Event>,
}

impl Stage {
    pub(crate) fn start(count: usize, listeners: &[Arc<Listener>], limits: Limits) -> Self {
        let (events, seen) = sync_channel(10_000);
        let count = NonZeroUsize::new(count).unwrap();
        let bound = bind(listeners, limits, count).unwrap();
        let factory = move |worker| {
            let events = events.clone();
            async move {
                Ok(Rc::new(Performer {
                    worker,
                    events,
                    release: Notify::new(),
                }))
            }
        };
        let mut workers = Workers::start(count, factory).unwrap();
        workers.open(bound).unwrap();
        Self { workers, events: seen }
    }

    pub(crate) fn web() -> Self {
        Self::start(1, &[http_listener()], LIMITS)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.workers.listeners()[0].address
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// Sends bytes on a connection of their own and reads until the gateway closes it.
    pub(crate) fn talk(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.client();
        client.send(bytes);
        client.rest()
    }

    pub(crate) fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("no event")
    }

    pub(crate) fn wait_for(&self, wanted: &Event) {
        while self.event() != *wanted {}
    }

    pub(crate) fn release(&self) {
        for mailbox in self.workers.mailboxes() {
            mailbox.tell(|service| service.release.notify_one()).unwrap();
        }
    }
}

/// A raw client.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn get(&mut self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.response()
    }

    /// Everything until the gateway closes; a reset counts as the end.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match self.0.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(fault) if fault.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(fault) => panic!("the gateway does not close: {fault}"),
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    /// One response with `content-length`.
    pub(crate) fn response(&mut self) -> String {
        let head = self.head();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        head + std::str::from_utf8(&body).unwrap()
    }

    /// One head, up to and with its empty line.
    pub(crate) fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }
}
