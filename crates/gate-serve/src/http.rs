//! Serves one connection on which HTTP is spoken: tells the versions apart, drives the connection as it is told, ends it properly.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use gate_plan::Limits;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connection::Connection;
use crate::door::Door;
use crate::head_check::{check_head, framing};
use crate::head_tap::Finding;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::roster::{Order, Presence};
use crate::service::{Abort, Service};
use crate::stream::Stream;
use crate::unserved::{Unserved, Why, http2_why};
use crate::wire::Wire;

mod executor;

pub(crate) use executor::Crew;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// LIMIT: bytes of a body that hyper reads ahead on HTTP/1, and of a response that it holds for a slow client; more when
/// `limits.header_bytes_max` is more.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// LIMIT: how long a closed connection still reads, so that unread bytes do not make the kernel reset it before the client has read our
/// answer (RFC 9112 section 9.6); Envoy's `delayed_close_timeout`.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// LIMIT: bytes read and thrown away while lingering.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// What serves the requests of one connection.
pub(crate) struct Desk<S> {
    pub(crate) service: Rc<S>,
    pub(crate) connection: Rc<Connection>,
    pub(crate) presence: Rc<Presence>,
    pub(crate) limits: Limits,
    pub(crate) door: Arc<Door>,
    pub(crate) crew: Crew,
}

/// Serves a connection until it ends or is told to.
pub(crate) async fn serve<S: Service>(stream: Stream, desk: Desk<S>) {
    let mut stream = stream;
    let mut replay = BytesMut::new();
    let http2 = match desk.connection.tls.as_ref().and_then(|tls| tls.alpn) {
        Some(alpn) => alpn == "h2",
        None => match desk
            .presence
            .unless_told_to_end(has_preface(&mut stream, &mut replay, &desk.presence))
            .await
        {
            Ok(Ok(http2)) => http2,
            // What there is of a head is late: HTTP/1 says so.
            Err(Order::HeaderTimeout) => false,
            Ok(Err(_)) | Err(_) => return,
        },
    };
    let presence = Rc::clone(&desk.presence);
    let wire = Wire::new(stream, Rc::clone(&presence), replay, !http2);
    let desk = Rc::new(desk);
    if http2 {
        presence.head_arrived();
        serve_http2(wire, desk).await;
    } else {
        serve_http1(wire, desk).await;
    }
}

/// Reads until it is clear whether HTTP/2's preface comes (RFC 9113 section 3.4); once for each connection, nothing for each request.
async fn has_preface(stream: &mut Stream, read: &mut BytesMut, presence: &Presence) -> io::Result<bool> {
    read.reserve(4096);
    loop {
        let count = stream.read_buf(read).await?;
        if count == 0 {
            return if read.is_empty() {
                Err(io::ErrorKind::UnexpectedEof.into())
            } else {
                Ok(false)
            };
        }
        presence.bytes_arrived(true);
        if read.starts_with(PREFACE) {
            return Ok(true);
        }
        if !PREFACE.starts_with(read) {
            return Ok(false);
        }
    }
}

async fn serve_http1<S: Service>(wire: Wire, desk: Rc<Desk<S>>) {
    let mut builder = http1::Builder::new();
    let header_bytes_max = usize::try_from(desk.limits.header_bytes_max).unwrap_or(usize::MAX);
    builder
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES_MAX.max(header_bytes_max))
        .max_header_size(header_bytes_max);
    // hyper's own number is 100; naming it costs an initialised array for each request.
    if desk.limits.header_count_max != 100 {
        builder.max_headers(usize::from(desk.limits.header_count_max));
    }
    let hand = Rc::clone(&desk);
    let mut connection = builder.serve_connection(
        TokioIo::new(wire),
        service_fn(move |request| answer(&hand, request, true)),
    );
    let end = drive(&mut connection, &desk.presence, |connection| {
        connection.graceful_shutdown()
    })
    .await;
    let mut wire = connection.into_parts().io.into_inner();
    match end {
        End::Over(Ok(())) if !desk.presence.tap().borrow().in_body() => {}
        End::Over(Ok(())) => linger(&mut wire, &desk.presence).await,
        End::Over(Err(fault)) => {
            if let Some(refusal) = refusal_of(&fault) {
                desk.refused(refusal, None);
                linger(&mut wire, &desk.presence).await;
            } else if fault.is_incomplete_message() && desk.presence.is_in_head() {
                desk.unserved(Why::HeadUnfinished);
            }
        }
        End::HeaderTimeout => {
            desk.refused(Refusal::HeaderTimeout, None);
            say_timeout(&mut wire, &desk.presence).await;
        }
        End::Abort => {}
    }
}

async fn serve_http2<S: Service>(wire: Wire, desk: Rc<Desk<S>>) {
    let mut builder = http2::Builder::new(desk.crew.clone());
    builder
        .max_concurrent_streams(desk.limits.http2_streams_max)
        .max_header_list_size(desk.limits.header_bytes_max);
    let hand = Rc::clone(&desk);
    let mut connection = builder.serve_connection(
        TokioIo::new(wire),
        service_fn(move |request| answer(&hand, request, false)),
    );
    let end = drive(&mut connection, &desk.presence, |connection| {
        connection.graceful_shutdown()
    })
    .await;
    if let End::Over(Err(fault)) = end
        && let Some(why) = http2_why(&fault)
    {
        desk.unserved(why);
    }
}

/// Checks a request's head and answers it, or has the service do so.
///
/// The check and the count happen when hyper hands the request over, before anything else of the connection is read.
fn answer<S: Service>(
    desk: &Rc<Desk<S>>,
    request: Request<Incoming>,
    http1: bool,
) -> impl Future<Output = Result<Response<Reply<S::Body>>, Abort>> + use<S> {
    let finding = if http1 {
        desk.look_at_raw_head(&request)
    } else {
        Finding::default()
    };
    let checked = check_head(&request, finding, &desk.limits);
    let in_flight = desk.presence.begin();
    let desk = Rc::clone(desk);
    async move {
        if let Err(refusal) = checked {
            desk.refused(refusal, Some(&request));
            return Ok(refusal.response(http1).map(Reply::refused));
        }
        let response = Rc::clone(&desk.service)
            .http(Rc::clone(&desk.connection), request)
            .await?;
        let mut response = response.map(|body| Reply::served(body, in_flight));
        if http1 && desk.presence.finishing() {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

impl<S: Service> Desk<S> {
    fn look_at_raw_head(&self, request: &Request<Incoming>) -> Finding {
        let target = request.uri().path_and_query().map_or("*", |target| target.as_str());
        self.presence
            .tap()
            .borrow_mut()
            .head_parsed(request.method().as_str(), target, framing(request))
    }

    fn refused(&self, refusal: Refusal, request: Option<&Request<Incoming>>) {
        self.door.tally().refuse(refusal);
        self.service.refused(&self.connection, refusal, request);
    }

    fn unserved(&self, why: Why) {
        let connection = &self.connection;
        self.service.unserved(&Unserved {
            peer: connection.peer,
            local: connection.local,
            listener: &connection.listener,
            server_name: connection.tls.as_ref().and_then(|tls| tls.server_name.as_deref()),
            lasted: connection.started.elapsed(),
            why,
        });
    }
}

/// How a connection ended.
enum End {
    Over(hyper::Result<()>),
    HeaderTimeout,
    Abort,
}

/// Polls a connection and does what it is told.
///
/// The connection comes first: in a drain, the request of a client that connected just before is still read and answered.
async fn drive<C>(connection: &mut C, presence: &Presence, finish: fn(Pin<&mut C>)) -> End
where
    C: Future<Output = hyper::Result<()>> + Unpin,
{
    let mut finishing = false;
    poll_fn(|cx: &mut Context<'_>| {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
                return Poll::Ready(End::Over(result));
            }
            match presence.poll_order(cx) {
                Order::Finish if !finishing => {
                    finishing = true;
                    finish(Pin::new(&mut *connection));
                }
                Order::Serve | Order::Finish => return Poll::Pending,
                Order::HeaderTimeout => return Poll::Ready(End::HeaderTimeout),
                Order::Abort => return Poll::Ready(End::Abort),
            }
        }
    })
    .await
}

/// What the client did wrong, when hyper says so; hyper itself has answered 400, 414 or 431.
fn refusal_of(fault: &hyper::Error) -> Option<Refusal> {
    if fault.is_parse_too_large() {
        Some(Refusal::HeadersTooLarge)
    } else if fault.is_parse() {
        Some(Refusal::Malformed)
    } else {
        None
    }
}

async fn say_timeout(wire: &mut Wire, presence: &Presence) {
    let text = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let said = async {
        wire.write_all(text).await?;
        wire.shutdown().await
    };
    let _ = presence.unless_aborted(tokio::time::timeout(LINGER_MAX, said)).await;
}

/// Reads and throws away what the client still sends, until it closes. The sending side is closed already.
async fn linger(wire: &mut Wire, presence: &Presence) {
    let discard = async {
        let mut left = LINGER_BYTES_MAX;
        let mut scrap = BytesMut::with_capacity(8192);
        while left > 0 {
            match wire.read_buf(&mut scrap).await {
                Ok(count) if count > 0 => left = left.saturating_sub(count),
                _ => return,
            }
            scrap.clear();
        }
    };
    let _ = presence.unless_aborted(tokio::time::timeout(LINGER_MAX, discard)).await;
}

#[cfg(test)]
mod tests;
