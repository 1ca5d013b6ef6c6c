//! A request's body on its way to the upstream past no plugin: counted, and bounded in silence.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gate_upstream::BodyFault;
use http_body::{Body, Frame, SizeHint};
use plug_host::Direction;

use crate::journal::Journal;
use crate::silence::Silence;
use crate::source::{Piece, Source};

/// A body that passes no plugin.
pub(crate) struct Passing {
    source: Source,
    journal: Rc<Journal>,
    silence: Silence,
    ended: bool,
}

impl Passing {
    pub(crate) fn new(source: Source, journal: Rc<Journal>, idle: Duration) -> Self {
        let ended = source.is_empty();
        Self {
            source,
            journal,
            silence: Silence::new(idle),
            ended,
        }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = match self.source.poll_piece(task) {
            Poll::Pending => return self.silence.poll_over(task).map(|()| Some(Err(BodyFault::Idle))),
            Poll::Ready(piece) => piece,
        };
        self.silence.broken();
        Poll::Ready(match piece {
            Err(_) => Some(Err(BodyFault::ClientGone)),
            Ok(Piece::Data { bytes, end }) => {
                self.ended = end;
                self.journal.request_read.set(end);
                let volume = &self.journal.volume.request;
                volume.set(volume.get().saturating_add(bytes.len() as u64));
                self.journal.sees(Direction::Request, &bytes);
                if bytes.is_empty() && end {
                    None
                } else {
                    Some(Ok(Frame::data(bytes)))
                }
            }
            Ok(Piece::Trailers(trailers)) => {
                self.ended = true;
                Some(Ok(Frame::trailers(trailers)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.source.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Incoming(body) => body.size_hint(),
            Source::Empty | Source::Full(_) | Source::Script(_) | Source::Fed(_) => SizeHint::default(),
        }
    }
}
