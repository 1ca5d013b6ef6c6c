//! The body of a response on its way to the client, and the moment at which an exchange has ended.

use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gate_upstream::Lease;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

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
    journal: Rc<Journal>,
    _finish: Finish,
}

impl ResponseBody {
    pub(crate) fn new(stream: Bytestream, journal: Rc<Journal>, finish: Finish) -> Self {
        Self {
            stream,
            journal,
            _finish: finish,
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
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    let sent = &this.journal.volume.response;
                    sent.set(sent.get().saturating_add(bytes.len() as u64));
                }
            }
            Poll::Ready(Some(Err(_))) => this.journal.note("UC", "upstream_reset_after_response_started"),
            _ => {}
        }
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
