//! Where a lane's body comes from.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use hyper::body::Incoming;

/// A piece of a body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes; `end` when nothing follows.
    Data { bytes: Bytes, end: bool },
    /// Trailers; nothing follows.
    Trailers(HeaderMap),
}

/// The connection broke or its bytes made no sense, so that a body did not come to its end.
#[derive(Debug)]
pub(crate) struct SourceFault(pub(crate) hyper::Error);

/// Where a lane's body comes from.
pub(crate) enum Source {
    /// Nowhere.
    Empty,
    /// Bytes at hand.
    Full(Bytes),
    /// A connection.
    Incoming(Incoming),
    /// Pieces that a rehearsal brings.
    Script(VecDeque<Piece>),
    /// Pieces that a rehearsal brings while the lane runs, of which the last has the end with it.
    Fed(VecDeque<Piece>),
}

impl Source {
    /// The source for a message's body.
    pub(crate) fn of(body: Incoming) -> Self {
        if body.is_end_stream() {
            Self::Empty
        } else {
            Self::Incoming(body)
        }
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Incoming(body) => body.is_end_stream(),
            Self::Script(pieces) => pieces.is_empty(),
            Self::Fed(_) => false,
        }
    }

    /// Whether the end of the body comes by itself, after its last bytes.
    pub(crate) fn ends_apart(&self) -> bool {
        matches!(self, Self::Incoming(_) | Self::Script(_))
    }

    /// The next piece.
    pub(crate) fn poll_piece(&mut self, task: &mut Context<'_>) -> Poll<Result<Piece, SourceFault>> {
        match self {
            Self::Empty => Poll::Ready(Ok(Piece::Data {
                bytes: Bytes::new(),
                end: true,
            })),
            Self::Full(bytes) => Poll::Ready(Ok(Piece::Data {
                bytes: std::mem::take(bytes),
                end: true,
            })),
            Self::Incoming(body) => poll_incoming(body, task),
            Self::Script(pieces) | Self::Fed(pieces) => {
                pieces.pop_front().map_or(Poll::Pending, |piece| Poll::Ready(Ok(piece)))
            }
        }
    }
}

fn poll_incoming(body: &mut Incoming, task: &mut Context<'_>) -> Poll<Result<Piece, SourceFault>> {
    loop {
        let frame = match Pin::new(&mut *body).poll_frame(task) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(frame) => frame,
        };
        let frame = match frame {
            None => {
                return Poll::Ready(Ok(Piece::Data {
                    bytes: Bytes::new(),
                    end: true,
                }));
            }
            Some(Err(error)) => return Poll::Ready(Err(SourceFault(error))),
            Some(Ok(frame)) => frame,
        };
        let frame = match frame.into_data() {
            Ok(bytes) => {
                return Poll::Ready(Ok(Piece::Data {
                    bytes,
                    end: body.is_end_stream(),
                }));
            }
            Err(frame) => frame,
        };
        // Frames of other kinds than data and trailers are unknown and passed over (`http_body::Frame` may grow).
        if let Ok(trailers) = frame.into_trailers() {
            return Poll::Ready(Ok(Piece::Trailers(trailers)));
        }
    }
}
