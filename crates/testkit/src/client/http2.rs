//! HTTP/2 as a client, on the codec crate alone.

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};

use super::{Request, Stream};
use crate::fields::{Fields, from_map, to_map};
use crate::wire::Piece;

/// A connection.
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
}

impl Connection {
    pub(super) async fn new(stream: Box<dyn Stream>) -> Result<Self> {
        let (sender, connection) = h2::client::handshake(stream).await.context("no HTTP/2 handshake")?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    pub(super) async fn begin(&mut self, request: &Request) -> Result<Exchange> {
        let mut sender = self
            .sender
            .clone()
            .ready()
            .await
            .context("the connection takes no stream")?;
        let uri = if request.authority.is_empty() {
            request.target.clone()
        } else {
            format!("http://{}{}", request.authority, request.target)
        };
        let mut head = http::Request::builder()
            .method(request.method.as_str())
            .uri(uri)
            .version(http::Version::HTTP_2);
        if let Some(fields) = head.headers_mut() {
            *fields = to_map(&request.fields)?;
        }
        let head = head.body(()).context("no request head")?;
        let (response, body) = sender
            .send_request(head, !request.has_body())
            .context("cannot send a head")?;
        let body = request.has_body().then_some(body);
        Ok(Exchange {
            request: body,
            response: Some(response),
            body: None,
            trailers_read: false,
        })
    }
}

/// One exchange.
pub struct Exchange {
    request: Option<SendStream<Bytes>>,
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    trailers_read: bool,
}

impl Exchange {
    pub(super) async fn data(&mut self, mut data: Bytes) -> Result<()> {
        let stream = self.request.as_mut().context("this request has no body")?;
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            let granted = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
            let granted = granted
                .context("the stream is closed")?
                .context("the stream is reset")?;
            stream
                .send_data(data.split_to(granted.min(data.len())), false)
                .context("cannot send a piece of body")?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, trailers: &Fields) -> Result<()> {
        let Some(mut stream) = self.request.take() else {
            return Ok(());
        };
        if trailers.is_empty() {
            return stream.send_data(Bytes::new(), true).context("cannot end the request");
        }
        stream.send_trailers(to_map(trailers)?).context("cannot send trailers")
    }

    pub(super) async fn head(&mut self) -> Result<(u16, Fields)> {
        let response = self
            .response
            .take()
            .context("the head was read")?
            .await
            .context("no response")?;
        let status = response.status().as_u16();
        let fields = from_map(response.headers());
        self.body = Some(response.into_body());
        Ok((status, fields))
    }

    pub(super) async fn piece(&mut self) -> Result<Option<Piece>> {
        let body = self.body.as_mut().context("the head comes first")?;
        if let Some(data) = body.data().await {
            let data = data.context("the response broke off")?;
            body.flow_control()
                .release_capacity(data.len())
                .context("no flow control")?;
            return Ok(Some(Piece::Data(data)));
        }
        if std::mem::replace(&mut self.trailers_read, true) {
            return Ok(None);
        }
        let trailers = body.trailers().await.context("the response broke off")?;
        Ok(trailers.map(|trailers| Piece::Trailers(from_map(&trailers))))
    }
}
