//! HTTP/1.1 as a client that hides nothing.

use anyhow::{Context, Result};
use tokio::io::{AsyncWriteExt, BufReader, ReadHalf, WriteHalf};

use super::{Request, Stream};
use crate::fields::Fields;
use crate::wire::{Framing, Piece, read_head, read_piece, response_framing, status_of, write_chunk, write_head};
use crate::wire::{Head, write_last_chunk};

/// A connection on which exchanges follow one another.
pub(super) struct Connection {
    reader: BufReader<ReadHalf<Box<dyn Stream>>>,
    writer: WriteHalf<Box<dyn Stream>>,
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader: BufReader::new(reader),
            writer,
        }
    }

    pub(super) async fn begin(&mut self, request: &Request) -> Result<Exchange<'_>> {
        let start = format!("{} {} HTTP/1.1", request.method, request.target);
        let mut fields = Fields::new();
        if !request.authority.is_empty() {
            fields.push(("Host".to_owned(), request.authority.clone()));
        }
        fields.extend(request.fields.iter().cloned());
        if request.is_chunked() {
            fields.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
        }
        self.writer
            .write_all(&write_head(&start, &fields))
            .await
            .context("cannot send a head")?;
        Ok(Exchange {
            connection: self,
            method: request.method.clone(),
            chunked: request.is_chunked(),
            framing: None,
        })
    }
}

/// One exchange.
pub struct Exchange<'connection> {
    connection: &'connection mut Connection,
    method: String,
    chunked: bool,
    framing: Option<Framing>,
}

impl Exchange<'_> {
    pub(super) async fn data(&mut self, data: &[u8]) -> Result<()> {
        let bytes = if self.chunked { write_chunk(data) } else { data.to_vec() };
        self.connection
            .writer
            .write_all(&bytes)
            .await
            .context("cannot send a piece of body")
    }

    pub(super) async fn finish(&mut self, trailers: &Fields) -> Result<()> {
        if self.chunked {
            let last = write_last_chunk(trailers);
            self.connection
                .writer
                .write_all(&last)
                .await
                .context("cannot send the last chunk")?;
        }
        Ok(())
    }

    pub(super) async fn head(&mut self) -> Result<(u16, Fields)> {
        loop {
            let head = read_head(&mut self.connection.reader).await?;
            let Head { start, fields } = head.context("closed without a response")?;
            let status = status_of(&start)?;
            if status == 101 || status >= 200 {
                self.framing = Some(response_framing(&self.method, status, &fields)?);
                return Ok((status, fields));
            }
        }
    }

    pub(super) async fn piece(&mut self) -> Result<Option<Piece>> {
        let framing = self.framing.as_mut().context("the head comes first")?;
        read_piece(&mut self.connection.reader, framing).await
    }
}
