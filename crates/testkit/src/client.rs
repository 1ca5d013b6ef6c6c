//! Clients that show a response exactly as it came: an exchange step by step, a whole exchange at once, or bare bytes.

mod http1;
mod http2;
mod message;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fields::Fields;
use crate::process::DEADLINE;
use crate::wire::Piece;

pub use message::{End, Request, Response, Version};

/// Bytes that a client speaks over, TLS or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection on which exchanges follow one another.
pub struct Connection {
    /// The client's own address; none over a stream of the caller's.
    pub local: Option<SocketAddr>,
    kind: Kind,
}

enum Kind {
    Http1(http1::Connection),
    Http2(http2::Connection),
}

impl Connection {
    /// Connects to a listener.
    ///
    /// # Errors
    /// When it does not accept, or does not speak HTTP/2 where that is asked for.
    pub async fn open(address: SocketAddr, version: Version) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        Ok(Self::over(Box::new(stream), version).await?.at(local))
    }

    /// Speaks over a stream that stands already, for example TLS.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub async fn over(stream: Box<dyn Stream>, version: Version) -> Result<Self> {
        let kind = match version {
            Version::Http1 => Kind::Http1(http1::Connection::new(stream)),
            Version::Http2 => Kind::Http2(http2::Connection::new(stream).await?),
        };
        Ok(Self { local: None, kind })
    }

    /// Notes the client's own address.
    #[must_use]
    pub fn at(mut self, local: SocketAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// Sends a request's head; its body follows through the [`Exchange`] when `request` says that there is one.
    ///
    /// # Errors
    /// When the peer has closed.
    pub async fn begin(&mut self, request: &Request) -> Result<Exchange<'_>> {
        Ok(match &mut self.kind {
            Kind::Http1(connection) => Exchange::Http1(connection.begin(request).await?),
            Kind::Http2(connection) => Exchange::Http2(connection.begin(request).await?),
        })
    }

    /// Makes a whole exchange. What goes wrong once the request has begun is in the response's `end`.
    ///
    /// # Errors
    /// When there is no response head by the deadline.
    pub async fn send(&mut self, request: &Request) -> Result<Response> {
        let mut exchange = self.begin(request).await?;
        for piece in &request.pieces {
            // The answer may come before the request has ended; what it says counts, not the failed write.
            let _ = exchange.data(piece.clone()).await;
        }
        let _ = exchange.finish(&request.trailers).await;
        exchange.response().await
    }
}

/// One exchange, step by step.
pub enum Exchange<'connection> {
    /// Over HTTP/1.1.
    Http1(http1::Exchange<'connection>),
    /// Over HTTP/2.
    Http2(http2::Exchange),
}

impl Exchange<'_> {
    /// Sends a piece of the body.
    ///
    /// # Errors
    /// When the peer has closed.
    pub async fn data(&mut self, data: Bytes) -> Result<()> {
        match self {
            Self::Http1(exchange) => exchange.data(&data).await,
            Self::Http2(exchange) => exchange.data(data).await,
        }
    }

    /// Ends the request; trailers may be empty.
    ///
    /// # Errors
    /// When the peer has closed.
    pub async fn finish(&mut self, trailers: &Fields) -> Result<()> {
        match self {
            Self::Http1(exchange) => exchange.finish(trailers).await,
            Self::Http2(exchange) => exchange.finish(trailers),
        }
    }

    /// Waits for the response's head: status and fields, informational ones before it left out.
    ///
    /// # Errors
    /// When the peer closes or says nothing by the deadline.
    pub async fn head(&mut self) -> Result<(u16, Fields)> {
        let head = async {
            match self {
                Self::Http1(exchange) => exchange.head().await,
                Self::Http2(exchange) => exchange.head().await,
            }
        };
        tokio::time::timeout(DEADLINE, head)
            .await
            .context("no response head by the deadline")?
    }

    async fn piece(&mut self) -> Result<Option<Piece>> {
        let piece = async {
            match self {
                Self::Http1(exchange) => exchange.piece().await,
                Self::Http2(exchange) => exchange.piece().await,
            }
        };
        tokio::time::timeout(DEADLINE, piece)
            .await
            .context("no end of the response by the deadline")?
    }

    /// Waits for the next piece of the response's body; none at its end. Trailers are skipped: see [`Exchange::response`].
    ///
    /// # Errors
    /// When the body breaks off or nothing comes by the deadline.
    pub async fn data_received(&mut self) -> Result<Option<Bytes>> {
        Ok(match self.piece().await? {
            Some(Piece::Data(data)) => Some(data),
            _ => None,
        })
    }

    /// Waits for the whole response. A body that breaks off is in its `end`.
    ///
    /// # Errors
    /// When there is no head by the deadline.
    pub async fn response(&mut self) -> Result<Response> {
        let (status, fields) = self.head().await?;
        let mut response = Response::new(status, fields);
        self.read_rest(&mut response).await;
        Ok(response)
    }

    /// Waits for what follows the head, or what has come of it. A body that breaks off is in the response's `end`.
    pub async fn read_rest(&mut self, response: &mut Response) {
        loop {
            match self.piece().await {
                Ok(Some(Piece::Data(data))) => response.pieces.push(data),
                Ok(Some(Piece::Trailers(trailers))) => response.trailers = trailers,
                Ok(None) => return,
                Err(error) => {
                    response.end = End::Broken(format!("{error:#}"));
                    return;
                }
            }
        }
    }
}

/// Makes one exchange on a connection of its own.
///
/// # Errors
/// When there is no response head by the deadline.
pub async fn send(address: SocketAddr, version: Version, request: &Request) -> Result<Response> {
    Connection::open(address, version).await?.send(request).await
}

/// Sends bytes as they are and reads until the peer closes or has been silent for `silence`: for hostile input.
///
/// # Errors
/// When the listener does not accept.
pub async fn send_bytes(address: SocketAddr, bytes: &[u8], silence: Duration) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("cannot connect to {address}"))?;
    // A peer that refuses early may close before it has read all: its answer still counts.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    while let Ok(Ok(size @ 1..)) = tokio::time::timeout(silence, stream.read(&mut buffer)).await {
        answer.extend(buffer.iter().take(size));
    }
    Ok(answer)
}
