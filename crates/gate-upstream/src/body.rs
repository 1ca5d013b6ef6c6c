//! Request bodies on their way to an upstream, and the signal that one was handed over.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// A body that streams and stays on its worker.
pub type LocalBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyFault>>>;

/// Why a request's body did not come to its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyFault {
    /// The client broke off.
    #[error("the client broke off its request body")]
    ClientGone,
    /// Nothing came for too long.
    #[error("no byte of the request body came for too long")]
    Idle,
    /// A bound was passed.
    #[error("the request body is longer than its limit")]
    TooLong,
    /// We gave the exchange up, for example after a plugin's fault.
    #[error("the exchange was given up")]
    GivenUp,
    /// Anything else.
    #[error("the request body could not be read: {0}")]
    Unreadable(Arc<dyn Error + Send + Sync>),
}

/// A request's body. The two forms without a box are those of nearly all requests, and those that can be sent again.
#[derive(Default)]
pub enum OutBody {
    /// None.
    #[default]
    Empty,
    /// Bytes at hand.
    Full(Bytes),
    /// Frames to come, trailers included.
    Stream(LocalBody),
}

impl OutBody {
    /// A streaming body.
    pub fn stream(body: impl Body<Data = Bytes, Error = BodyFault> + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// A second one of the same, when all of it is at hand.
    #[must_use]
    pub fn copy(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Full(bytes) => Some(Self::Full(bytes.clone())),
            Self::Stream(_) => None,
        }
    }
}

impl From<Bytes> for OutBody {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::Empty
        } else {
            Self::Full(bytes)
        }
    }
}

impl fmt::Debug for OutBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// How far a streaming body is: still coming, ended, failed. The request timeout starts where this says "ended".
#[derive(Default)]
pub(crate) struct Handover {
    ended: Cell<Option<Instant>>,
    fault: RefCell<Option<BodyFault>>,
    waiting: RefCell<Option<Waker>>,
}

impl Handover {
    /// When the last byte was taken; until then the task of `cx` is woken by the end.
    pub(crate) fn poll_ended(&self, cx: &Context<'_>) -> Poll<Instant> {
        if let Some(at) = self.ended.get() {
            return Poll::Ready(at);
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waiting = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Why the body broke off, if it did: HTTP/2 reports such a fault only as a reset stream.
    pub(crate) fn fault(&self) -> Option<BodyFault> {
        self.fault.borrow().clone()
    }
}

/// Ends a [`Handover`] when dropped: hyper drops a body as soon as it has taken its last frame.
struct HandoverEnd(Rc<Handover>);

impl Drop for HandoverEnd {
    fn drop(&mut self) {
        self.0.ended.set(Some(Instant::now()));
        if let Some(waker) = self.0.waiting.take() {
            waker.wake();
        }
    }
}

/// The body as given to hyper.
pub(crate) struct WireBody {
    body: OutBody,
    end: Option<HandoverEnd>,
}

impl WireBody {
    /// Wraps a body; only a streaming one has a handover to wait for.
    pub(crate) fn new(body: OutBody) -> (Self, Option<Rc<Handover>>) {
        if !matches!(body, OutBody::Stream(_)) {
            return (Self { body, end: None }, None);
        }
        let handover = Rc::new(Handover::default());
        let end = Some(HandoverEnd(Rc::clone(&handover)));
        (Self { body, end }, Some(handover))
    }

    pub(crate) fn into_inner(self) -> OutBody {
        self.body
    }
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Err(fault))), Some(end)) = (&frame, &self.end) {
            *end.0.fault.borrow_mut() = Some(fault.clone());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
