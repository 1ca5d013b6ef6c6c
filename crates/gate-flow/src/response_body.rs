//! The body of a response on its way to the client, and the moment at which an exchange has ended.

use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gate_upstream::{Lease, broken_off};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use plug_host::Direction;

use crate::finish::Finish;
use crate::journal::Journal;
use crate::pump::Pump;
use crate::silence::Silence;

/// Why a response's body broke off.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// Where a response's bytes come from.
pub(crate) enum Bytestream {
    /// Nowhere.
    Empty,
    /// Bytes at hand.
    Full(Bytes),
    /// The upstream, past no plugin.
    Direct {
        body: Incoming,
        silence: Silence,
        _lease: Lease,
    },
    /// A chain of plugins.
    Chain(Pump<BodyError>),
}

/// The body of a response; its end, or its being dropped, ends the exchange.
pub struct ResponseBody {
    stream: Bytestream,
    /// Bytes that the head promises and that have not been taken; hyper stops asking when they are.
    missing: Option<u64>,
    ended: bool,
    journal: Rc<Journal>,
    _finish: Finish,
}

impl ResponseBody {
    /// A body whose head promises `promised` bytes; `bodiless` when the client expects none, as after HEAD.
    pub(crate) fn new(
        stream: Bytestream,
        promised: Option<u64>,
        bodiless: bool,
        journal: Rc<Journal>,
        finish: Finish,
    ) -> Self {
        Self {
            stream,
            missing: promised,
            ended: bodiless,
            journal,
            _finish: finish,
        }
    }
}

impl ResponseBody {
    fn note(&mut self, polled: &Poll<Item>) {
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                let sent = &self.journal.volume.response;
                sent.set(sent.get().saturating_add(bytes));
                if let Some(data) = frame.data_ref() {
                    self.journal.sees(Direction::Response, data);
                }
                self.missing = self.missing.map(|missing| missing.saturating_sub(bytes));
                self.ended |= self.missing == Some(0) || frame.is_trailers();
            }
            Poll::Ready(Some(Err(error))) => {
                self.ended = true;
                // A chain of plugins has noted its reason itself.
                if matches!(self.stream, Bytestream::Direct { .. }) {
                    let idle = ("LR", "response_idle_timeout");
                    let (flags, details) = error.downcast_ref().map_or(idle, broken_off);
                    self.journal.overrule(flags, details);
                }
            }
            Poll::Ready(None) => self.ended = true,
            Poll::Pending => {}
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if !self.ended && !self.is_end_stream() {
            self.journal.overrule("DC", "downstream_remote_disconnect");
        }
    }
}

/// The next frame of an upstream's body, or the end of patience.
fn poll_direct(body: &mut Incoming, silence: &mut Silence, task: &mut Context<'_>) -> Poll<Item> {
    match Pin::new(body).poll_frame(task) {
        Poll::Ready(frame) => {
            silence.broken();
            Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
        }
        Poll::Pending => silence
            .poll_over(task)
            .map(|()| Some(Err("the upstream was silent for too long".into()))),
    }
}

type Item = Option<Result<Frame<Bytes>, BodyError>>;

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Item> {
        let this = &mut *self;
        let polled = match &mut this.stream {
            Bytestream::Empty => Poll::Ready(None),
            Bytestream::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.stream = Bytestream::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Bytestream::Direct { body, silence, .. } => poll_direct(body, silence, task),
            Bytestream::Chain(pump) => Pin::new(pump).poll_frame(task),
        };
        this.note(&polled);
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.stream {
            Bytestream::Empty => true,
            Bytestream::Full(bytes) => bytes.is_empty(),
            Bytestream::Direct { body, .. } => body.is_end_stream(),
            Bytestream::Chain(pump) => pump.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.stream {
            Bytestream::Empty => SizeHint::with_exact(0),
            Bytestream::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Bytestream::Direct { body, .. } => body.size_hint(),
            Bytestream::Chain(_) => SizeHint::default(),
        }
    }
}
