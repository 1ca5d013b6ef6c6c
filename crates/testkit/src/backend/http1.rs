//! A backend over HTTP/1.1.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::record::Caller;
use super::shared::{Place, Shared};
use super::{RecordEnd, Reply, Step};
use crate::fields::{Fields, value};
use crate::wire::{Framing, Head, Piece, read_head, read_piece, request_framing};
use crate::wire::{write_chunk, write_head, write_last_chunk};

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Keep,
    Hang,
    Close,
}

pub(super) async fn serve(stream: TcpStream, caller: Caller, shared: &Shared) -> Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(Head { start, fields }) = read_head(&mut reader).await? {
        let mut words = start.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let framing = request_framing(&fields)?;
        let expects = value(&fields, "expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        let place = shared.begin(caller.record("HTTP/1.1", method, target, fields));
        let reply = shared.choose(target);
        if expects && reply.continues {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let bodiless = method == "HEAD";
        let after = if reply.early {
            both(&mut reader, framing, &mut writer, &reply, bodiless, (shared, place)).await?
        } else {
            read_body(&mut reader, framing, shared, place).await?;
            answer(&mut writer, &reply, bodiless, shared).await?
        };
        match after {
            After::Keep => {}
            After::Close => return Ok(()),
            After::Hang => {
                // Nothing but the peer's end can come.
                let _ = reader.read_u8().await;
                shared.change(place, |record| record.end = RecordEnd::Broken);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Answers while the request still comes.
async fn both(
    reader: &mut BufReader<OwnedReadHalf>,
    framing: Framing,
    writer: &mut OwnedWriteHalf,
    reply: &Reply,
    bodiless: bool,
    (shared, place): (&Shared, Place),
) -> Result<After> {
    let read = read_body(reader, framing, shared, place);
    let write = answer(writer, reply, bodiless, shared);
    tokio::pin!(read, write);
    tokio::select! {
        written = &mut write => match written? {
            After::Close => Ok(After::Close),
            after => read.await.map(|()| after),
        },
        was_read = &mut read => {
            was_read?;
            write.await
        }
    }
}

async fn read_body(
    reader: &mut BufReader<OwnedReadHalf>,
    mut framing: Framing,
    shared: &Shared,
    place: Place,
) -> Result<()> {
    loop {
        match read_piece(reader, &mut framing).await {
            Ok(Some(Piece::Data(data))) => shared.change(place, |record| record.pieces.push(data)),
            Ok(Some(Piece::Trailers(trailers))) => shared.change(place, |record| record.trailers = trailers),
            Ok(None) => {
                shared.change(place, |record| record.end = RecordEnd::Complete);
                return Ok(());
            }
            Err(error) => {
                shared.change(place, |record| record.end = RecordEnd::Broken);
                return Err(error);
            }
        }
    }
}

async fn answer(writer: &mut OwnedWriteHalf, reply: &Reply, bodiless: bool, shared: &Shared) -> Result<After> {
    let mut chunked = false;
    let mut sized = true;
    let mut ended = bodiless;
    // The head leaves with what follows it at once, as from a real server, so that the two always arrive together.
    let mut head = Vec::new();
    for step in &reply.steps {
        if !matches!(step, Step::Data(_)) {
            writer.write_all(&std::mem::take(&mut head)).await?;
        }
        match step {
            Step::Head(status, fields) => {
                let fields = reply.framed(*status, fields);
                chunked = value(&fields, "transfer-encoding").is_some();
                sized = chunked || value(&fields, "content-length").is_some() || !reply.has_body();
                let start = format!("HTTP/1.1 {status} {}", reason(*status));
                head = write_head(&start, &fields);
            }
            Step::Data(_) | Step::Trailers(_) if bodiless => {}
            Step::Data(data) => {
                if chunked {
                    head.extend(write_chunk(data));
                } else {
                    head.extend_from_slice(data);
                }
                writer.write_all(&std::mem::take(&mut head)).await?;
            }
            Step::Raw(data) => writer.write_all(data).await?,
            Step::Trailers(trailers) => {
                writer.write_all(&write_last_chunk(trailers)).await?;
                ended = true;
            }
            Step::Wait(gate) => shared.pass(gate).await,
            Step::Hang => return Ok(After::Hang),
            Step::Close => return Ok(After::Close),
            Step::Reset => {
                writer.as_ref().set_zero_linger().context("no linger")?;
                return Ok(After::Close);
            }
        }
    }
    writer.write_all(&head).await?;
    if chunked && !ended {
        writer.write_all(&write_last_chunk(&Fields::new())).await?;
    }
    Ok(if sized { After::Keep } else { After::Close })
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default()
}
