//! Peers to talk to, and the worker that talks to them.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gate_plan::{Balance, EndpointSpec, Timeouts, Upstream as UpstreamSpec, UpstreamProtocol};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::{BodyFault, OutBody, Sent, Upstream, UpstreamFault, Upstreams};

/// Runs a test as a worker runs.
pub(super) fn on_worker<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test)
}

pub(super) fn spec(endpoints: &[SocketAddr]) -> UpstreamSpec {
    UpstreamSpec {
        name: "api".to_owned(),
        aliases: Vec::new(),
        endpoints: endpoints.iter().copied().map(EndpointSpec::Fixed).collect(),
        balance: Balance::RoundRobin,
        protocol: UpstreamProtocol::Http1,
        tls: None,
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(15),
            idle: Duration::from_secs(300),
            pool_idle: Duration::from_secs(60),
        },
        idle_connections_max: 8,
    }
}

pub(super) fn apply(all: &Rc<Upstreams>, specs: &[UpstreamSpec]) {
    let specs: Vec<_> = specs.iter().cloned().map(Arc::new).collect();
    all.apply(&Upstreams::prepare(&specs).unwrap());
}

/// A worker with one upstream.
pub(super) fn only(spec: UpstreamSpec) -> (Rc<Upstreams>, Rc<Upstream>) {
    let all = Upstreams::new();
    apply(&all, &[spec]);
    let one = all.iter().next().unwrap();
    (all, one)
}

pub(super) fn get(path: &str) -> Request<OutBody> {
    Request::get(path)
        .header("host", "a.test")
        .body(OutBody::Empty)
        .unwrap()
}

pub(super) async fn send(upstream: &Upstream, request: Request<OutBody>) -> Result<Sent, UpstreamFault> {
    upstream.send(&upstream.pick(None)?, request).await
}

/// Sends, reads the response to its end, and gives the connection back.
pub(super) async fn fetch(upstream: &Upstream, request: Request<OutBody>) -> Result<String, UpstreamFault> {
    let sent = send(upstream, request).await?;
    let body = sent.response.into_body().collect().await.unwrap().to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

/// Lets other tasks run until something is so.
pub(super) async fn until(so: impl Fn() -> bool) {
    while !so() {
        yield_now().await;
        // The I/O driver runs only when asked; a turn of the timer asks it without waiting.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    }
}

/// A peer and how many connections it accepted.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    accepted: Rc<Cell<usize>>,
}

impl Peer {
    /// Runs `each` on every connection, with its number from 0 on.
    pub(super) async fn raw<F: Future<Output = ()> + 'static>(each: impl Fn(usize, TcpStream) -> F + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Rc::new(Cell::new(0));
        let count = Rc::clone(&accepted);
        spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.get();
                count.set(number + 1);
                spawn_local(each(number, stream));
            }
        });
        Self { address, accepted }
    }

    /// HTTP/1.1.
    pub(super) async fn http1<F: Future<Output = Response<Answer>> + 'static>(
        answer: impl Fn(Request<Incoming>) -> F + 'static,
    ) -> Self {
        let answer = Rc::new(answer);
        Self::raw(move |_, stream| serve_http1(stream, Rc::clone(&answer))).await
    }

    /// HTTP/1.1 that says on which connection, counted from 0, it was asked.
    pub(super) async fn counting() -> Self {
        Self::raw(|number, stream| {
            serve_http1(
                stream,
                Rc::new(move |_| async move { Response::new(text(&number.to_string())) }),
            )
        })
        .await
    }

    /// An address where nobody listens.
    pub(super) async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.get()
    }
}

/// Body of a peer's response.
pub(super) type Answer = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

pub(super) fn text(text: &str) -> Answer {
    Full::new(Bytes::from(text.to_owned())).boxed_unsync()
}

pub(super) async fn serve_http1<F: Future<Output = Response<Answer>> + 'static>(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    answer: Rc<impl Fn(Request<Incoming>) -> F + 'static>,
) {
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}

pub(super) async fn serve_http2<F: Future<Output = Response<Answer>> + 'static>(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    streams_max: u32,
    answer: Rc<impl Fn(Request<Incoming>) -> F + 'static>,
) {
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = hyper::server::conn::http2::Builder::new(Local);
    builder.max_concurrent_streams(streams_max);
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

#[derive(Clone)]
struct Local;

impl<F: Future + 'static> Executor<F> for Local {
    fn execute(&self, task: F) {
        spawn_local(async move { drop(task.await) });
    }
}

/// Reads one request's head, and whatever came with it.
pub(super) async fn read_head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8(read).unwrap()
}

/// A request body that comes through a channel.
pub(super) struct Piped(mpsc::Receiver<Result<Bytes, BodyFault>>);

pub(super) fn piped() -> (mpsc::Sender<Result<Bytes, BodyFault>>, OutBody) {
    let (sender, receiver) = mpsc::channel(16);
    (sender, OutBody::stream(Piped(receiver)))
}

impl Body for Piped {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.0.poll_recv(cx).map(|next| next.map(|next| next.map(Frame::data)))
    }
}
