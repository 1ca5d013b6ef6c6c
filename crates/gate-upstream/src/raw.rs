//! A byte stream to an endpoint, plain or TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use log_kernel::{Gauge, Mount};
use rustls::{CipherSuite, ProtocolVersion};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::endpoint::{Endpoint, Lease};
use crate::send::Ready;
use crate::stats::OpenConnection;

/// The socket of a connection; the TLS state is boxed because it is larger than a page. An upgrade hands it over whole, so it can be sent.
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What the handshake with an upstream settled.
#[derive(Debug)]
pub struct UpstreamTls {
    /// The version agreed on.
    pub version: Option<ProtocolVersion>,
    /// The cipher suite agreed on.
    pub cipher: Option<CipherSuite>,
    /// The upstream's certificate.
    pub peer: Option<CertificateDer<'static>>,
    /// Ours, for upstreams that ask for one.
    pub local: Option<CertificateDer<'static>>,
}

impl Wire {
    /// Lets it be read by whoever does not own it. The mount is to be dropped before the wire.
    pub(crate) fn mount(&self) -> (Mount, Gauge) {
        match self {
            Self::Plain(stream) => Mount::beside(stream),
            Self::Tls(stream) => Mount::beside(stream.get_ref().0),
        }
    }
}

macro_rules! each {
    ($wire:expr, $stream:ident => $body:expr) => {
        match $wire {
            Wire::Plain(stream) => {
                let $stream = Pin::new(stream);
                $body
            }
            Wire::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $body
            }
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(&mut *self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => stream.poll_shutdown(cx))
    }
}

/// A byte stream to an endpoint, for TCP listeners and Redis. It counts as one active request of its endpoint until dropped.
pub struct UpstreamStream {
    // Before the socket, whose number it lends.
    pub(crate) _mount: Mount,
    pub(crate) wire: Wire,
    pub(crate) local: SocketAddr,
    pub(crate) tls: Option<Rc<UpstreamTls>>,
    pub(crate) gauge: Gauge,
    pub(crate) endpoint: Endpoint,
    pub(crate) _lease: Lease,
    pub(crate) _open: OpenConnection,
}

impl UpstreamStream {
    /// Both ends, once the endpoint has its address.
    #[must_use]
    pub fn ready(&self) -> Option<Ready> {
        Some(Ready {
            endpoint: self.endpoint.address()?,
            local: self.local,
            tls: self.tls.clone(),
            gauge: self.gauge.clone(),
        })
    }

    /// The endpoint reached; not always the one asked for, see [`crate::Upstream::connect`].
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether the stream is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.wire, Wire::Tls(_))
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(cx, buf)
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
