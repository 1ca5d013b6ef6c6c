//! What HTTP/1 needs between the socket and the parser.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::roster::Presence;
use crate::stream::Stream;

/// A stream on which HTTP is spoken: gives back what was read to tell the versions apart, shows HTTP/1 heads to the tap, and keeps a
/// half-close from the parser while an exchange is under way.
pub(crate) struct Wire {
    stream: Stream,
    presence: Rc<Presence>,
    replay: BytesMut,
    http1: bool,
}

impl Wire {
    pub(crate) fn new(stream: Stream, presence: Rc<Presence>, replay: BytesMut, http1: bool) -> Self {
        Self {
            stream,
            presence,
            replay,
            http1,
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.replay.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.replay.len().min(buffer.remaining());
        buffer.put_slice(self.replay.get(..count).unwrap_or_default());
        self.replay.advance(count);
        if self.replay.is_empty() {
            self.replay = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.http1 && this.presence.half_closed() {
            return if this.presence.hold_half_close() {
                Poll::Pending
            } else {
                Poll::Ready(Ok(()))
            };
        }
        let before = buffer.filled().len();
        ready!(this.poll_fill(cx, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        if fresh.is_empty() && this.http1 && this.presence.hold_half_close() {
            return Poll::Pending;
        }
        if !fresh.is_empty() {
            let head = this.http1 && this.presence.tap().borrow_mut().feed(fresh);
            this.presence.bytes_arrived(head);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
