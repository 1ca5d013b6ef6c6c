//! One request over one connection: the answer, the request timeout, and what a failure allows to be tried again.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use log_kernel::Gauge;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::body::{Handover, OutBody, WireBody};
use crate::endpoint::{Endpoint, Lease, Node};
use crate::fault::UpstreamFault;
use crate::raw::UpstreamTls;

/// A response whose headers are here.
#[derive(Debug)]
pub struct Sent {
    /// The response; its body streams.
    pub response: Response<Incoming>,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The endpoint that answered; another than the one picked if that one could not be connected to.
    pub endpoint: Endpoint,
    /// Whether the connection had served before.
    pub reused: bool,
    /// Further attempts that were needed.
    pub retries: u32,
    /// The hold on endpoint and connection; to be dropped after the body.
    pub lease: Lease,
}

/// A connection over which a request is about to go.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The other end.
    pub endpoint: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// What its handshake settled, when it is encrypted.
    pub tls: Option<Rc<UpstreamTls>>,
    /// What the kernel knows of it, on demand. The connection may serve others, before, after and, on HTTP/2, at the same time.
    pub gauge: Gauge,
}

/// Why a request failed, and the request if it may be sent again.
pub(crate) struct Failed {
    pub(crate) fault: UpstreamFault,
    pub(crate) again: Option<Request<OutBody>>,
}

/// What may be sent again if this connection turns out to be dead.
pub(crate) enum Spare {
    /// Nothing, unless hyper hands the request back unread.
    Nothing,
    /// A copy that may be sent even if the first was read (RFC 9110 section 9.2.2: idempotent methods).
    Idempotent(Request<OutBody>),
    /// A copy that may be sent only if the upstream says that it did nothing.
    Unprocessed(Request<OutBody>),
}

impl Spare {
    /// A copy of a request, as far as its body allows one. It costs about 0.3 µs; only connections that may be stale need it.
    pub(crate) fn of(request: &Request<OutBody>) -> Self {
        let Some(body) = request.body().copy() else {
            return Self::Nothing;
        };
        let mut copy = Request::new(body);
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        if copy.method().is_idempotent() {
            Self::Idempotent(copy)
        } else {
            Self::Unprocessed(copy)
        }
    }

    fn after(self, dead: Dead) -> Option<Request<OutBody>> {
        match (self, dead) {
            (Self::Idempotent(copy), Dead::Unprocessed | Dead::Unknown) => Some(copy),
            (Self::Unprocessed(copy), Dead::Unprocessed) => Some(copy),
            _ => None,
        }
    }
}

/// What a failure says of the request's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dead {
    /// None: it was not read, or it was refused unread.
    Unprocessed,
    /// The connection ended without an answer; nobody knows.
    Unknown,
    /// There was an answer, though an unusable one, or the failure is ours.
    Final,
}

type HyperResult = Result<Response<Incoming>, TrySendError<Request<WireBody>>>;

/// Where and how long a request waits for its answer.
pub(crate) struct Wait<'a> {
    pub(crate) node: &'a Node,
    pub(crate) alarm: &'a mut Alarm,
    /// When the request was given to hyper.
    pub(crate) since: Instant,
    /// Of a streaming body, whose end starts the clock.
    pub(crate) handover: Option<Rc<Handover>>,
}

impl Wait<'_> {
    /// Awaits the response's headers.
    pub(crate) async fn answer(
        mut self,
        sent: impl Future<Output = HyperResult>,
        spare: Spare,
    ) -> Result<Response<Incoming>, Failed> {
        let mut sent = pin!(sent);
        let outcome = poll_fn(|cx| match sent.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => self.poll_late(cx).map(|()| None),
        });
        match outcome.await {
            Some(Ok(response)) => {
                self.node.settings.stats.answered(response.status(), self.since);
                Ok(response)
            }
            Some(Err(error)) => Err(self.failed(error, spare)),
            None => Err(Failed {
                fault: self.late(),
                again: None,
            }),
        }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = match &self.handover {
            None => self.since,
            Some(handover) => match handover.poll_ended(cx) {
                Poll::Ready(at) => at,
                Poll::Pending => return Poll::Pending,
            },
        };
        match since.checked_add(self.node.settings.spec.timeouts.request) {
            Some(deadline) => self.alarm.poll_until(cx, deadline),
            None => Poll::Pending,
        }
    }

    fn late(&self) -> UpstreamFault {
        self.node.settings.stats.request_timeouts.up();
        UpstreamFault::RequestTimeout {
            upstream: Arc::clone(&self.node.settings.name),
            address: self.node.address,
            within: self.node.settings.spec.timeouts.request,
        }
    }

    fn failed(&self, mut error: TrySendError<Request<WireBody>>, spare: Spare) -> Failed {
        let unread = error.take_message().map(|request| request.map(WireBody::into_inner));
        if let Some(cause) = self.handover.as_ref().and_then(|handover| handover.fault()) {
            let upstream = Arc::clone(&self.node.settings.name);
            return Failed {
                fault: UpstreamFault::RequestBody { upstream, cause },
                again: None,
            };
        }
        let (fault, dead) = judge(self.node, error.into_error());
        if matches!(fault, UpstreamFault::Reset { .. } | UpstreamFault::StreamReset { .. }) {
            self.node.settings.stats.resets.up();
        }
        Failed {
            fault,
            again: unread.or_else(|| spare.after(dead)),
        }
    }
}

/// What an error of hyper means.
fn judge(node: &Node, error: hyper::Error) -> (UpstreamFault, Dead) {
    if let Some(h2) = cause_of::<h2::Error>(&error)
        && !h2.is_io()
    {
        let seen = Http2Error::from(h2);
        return judge_http2(node, seen, error);
    }
    let (upstream, address) = (Arc::clone(&node.settings.name), node.address);
    if error.is_user() {
        return (unsendable(node, &error), Dead::Final);
    }
    let dead = if error.is_canceled() || error.is_closed() {
        Dead::Unprocessed
    } else {
        Dead::Unknown
    };
    let garbled = error.is_parse();
    let cause = Arc::new(error);
    if garbled {
        return (
            UpstreamFault::Protocol {
                upstream,
                address,
                cause,
            },
            Dead::Final,
        );
    }
    (
        UpstreamFault::Reset {
            upstream,
            address,
            cause,
        },
        dead,
    )
}

/// Who ended what over HTTP/2.
enum Http2Error {
    /// The peer ended this stream.
    StreamReset(h2::Reason),
    /// The peer ended the connection.
    GoAway,
    /// We found what the peer sent to be wrong.
    Wrong,
    /// We were asked to send what cannot be sent.
    Unsendable,
}

impl From<&h2::Error> for Http2Error {
    fn from(error: &h2::Error) -> Self {
        match (error.is_remote(), error.is_reset()) {
            (true, true) => Self::StreamReset(error.reason().unwrap_or(h2::Reason::INTERNAL_ERROR)),
            (true, false) => Self::GoAway,
            (false, _) if error.is_library() => Self::Wrong,
            (false, _) => Self::Unsendable,
        }
    }
}

fn judge_http2(node: &Node, seen: Http2Error, error: hyper::Error) -> (UpstreamFault, Dead) {
    let (upstream, address) = (Arc::clone(&node.settings.name), node.address);
    match seen {
        Http2Error::StreamReset(reason) => {
            // RFC 9113 section 8.7: a refused stream was not processed.
            let dead = if reason == h2::Reason::REFUSED_STREAM {
                Dead::Unprocessed
            } else {
                Dead::Final
            };
            (
                UpstreamFault::StreamReset {
                    upstream,
                    address,
                    reason,
                },
                dead,
            )
        }
        // RFC 9113 section 6.8: h2 fails only the streams above the last one that GOAWAY names, and those were not processed.
        Http2Error::GoAway => (
            UpstreamFault::Reset {
                upstream,
                address,
                cause: Arc::new(error),
            },
            Dead::Unprocessed,
        ),
        Http2Error::Wrong => (
            UpstreamFault::Protocol {
                upstream,
                address,
                cause: Arc::new(error),
            },
            Dead::Final,
        ),
        Http2Error::Unsendable => (unsendable(node, &error), Dead::Final),
    }
}

/// The fault of a request that cannot be said in the upstream's protocol.
pub(crate) fn unsendable(node: &Node, error: &dyn std::error::Error) -> UpstreamFault {
    let reason = match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    UpstreamFault::Unsendable {
        upstream: Arc::clone(&node.settings.name),
        reason: Arc::from(reason),
    }
}

/// The fault of a connection that ended while it was being made ready.
pub(crate) fn reset(node: &Node, error: hyper::Error) -> UpstreamFault {
    UpstreamFault::Reset {
        upstream: Arc::clone(&node.settings.name),
        address: node.address,
        cause: Arc::new(error),
    }
}

/// The fault of a response whose body broke off.
pub(crate) fn broken(node: &Node, error: hyper::Error) -> UpstreamFault {
    UpstreamFault::BrokenResponse {
        upstream: Arc::clone(&node.settings.name),
        address: node.address,
        cause: Arc::new(error),
    }
}

fn cause_of<E: std::error::Error + 'static>(error: &hyper::Error) -> Option<&E> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}
