//! HTTP/1.1 on the wire, both sides: heads and bodies read and written without a change (RFC 9112).

use std::io;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};

use crate::fields::{Fields, text, value, values};

/// Longest line that is read.
// LIMIT: the largest header that a test sends, several times over.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Largest piece that is read at once.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// First line and fields of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) fields: Fields,
}

/// How the rest of a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
    Over,
}

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(Fields),
}

/// Reads a head; none when the peer closed before its first byte.
pub(crate) async fn read_head(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Head>> {
    let Some(start) = read_line(reader).await? else {
        return Ok(None);
    };
    Ok(Some(Head {
        start,
        fields: read_fields(reader).await?,
    }))
}

/// Reads fields up to and with the empty line.
async fn read_fields(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Fields> {
    let mut fields = Fields::new();
    loop {
        let line = read_line(reader).await?.context("closed amid header fields")?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("a field without a colon: {line:?}"))?;
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

/// Reads a line without its end; none when the peer closed before its first byte.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>> {
    let mut line = Vec::new();
    let mut limited = reader.take(LINE_BYTES_MAX);
    if limited.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    ensure!(
        line.pop() == Some(b'\n'),
        "closed amid a line, or a line beyond every limit"
    );
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(text(&line)))
}

/// Framing of a request's body (RFC 9112 section 6.3).
pub(crate) fn request_framing(fields: &Fields) -> Result<Framing> {
    Ok(explicit_framing(fields)?.unwrap_or(Framing::Over))
}

/// Framing of a response's body.
pub(crate) fn response_framing(method: &str, status: u16, fields: &Fields) -> Result<Framing> {
    if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
        return Ok(Framing::Over);
    }
    Ok(explicit_framing(fields)?.unwrap_or(Framing::UntilClose))
}

fn explicit_framing(fields: &Fields) -> Result<Option<Framing>> {
    if value(fields, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Ok(Some(Framing::Chunked));
    }
    let lengths = values(fields, "content-length");
    let Some(length) = lengths.first() else { return Ok(None) };
    let length = length
        .parse()
        .with_context(|| format!("no content-length: {length:?}"))?;
    Ok(Some(if length == 0 {
        Framing::Over
    } else {
        Framing::Length(length)
    }))
}

/// Reads the next part of a body; none at its end.
pub(crate) async fn read_piece(
    reader: &mut (impl AsyncBufRead + Unpin),
    framing: &mut Framing,
) -> Result<Option<Piece>> {
    match *framing {
        Framing::Over => Ok(None),
        Framing::UntilClose => {
            let piece = read_some(reader, PIECE_BYTES_MAX).await?;
            if piece.is_empty() {
                *framing = Framing::Over;
                return Ok(None);
            }
            Ok(Some(Piece::Data(piece)))
        }
        Framing::Length(left) => {
            let piece = read_some(reader, usize::try_from(left)?.min(PIECE_BYTES_MAX)).await?;
            ensure!(!piece.is_empty(), "closed with {left} bytes of the body missing");
            let left = left - piece.len() as u64;
            *framing = if left == 0 {
                Framing::Over
            } else {
                Framing::Length(left)
            };
            Ok(Some(Piece::Data(piece)))
        }
        Framing::Chunked => read_chunk(reader, framing).await,
    }
}

async fn read_chunk(reader: &mut (impl AsyncBufRead + Unpin), framing: &mut Framing) -> Result<Option<Piece>> {
    let line = read_line(reader).await?.context("closed before a chunk")?;
    let digits = line.split(';').next().unwrap_or_default().trim();
    let size = usize::from_str_radix(digits, 16).with_context(|| format!("no chunk size: {line:?}"))?;
    if size > 0 {
        let mut bytes = vec![0; size];
        reader.read_exact(&mut bytes).await.context("closed amid a chunk")?;
        ensure!(
            read_line(reader).await?.is_some_and(|line| line.is_empty()),
            "no line end after a chunk"
        );
        return Ok(Some(Piece::Data(Bytes::from(bytes))));
    }
    *framing = Framing::Over;
    let trailers = read_fields(reader).await?;
    Ok(if trailers.is_empty() {
        None
    } else {
        Some(Piece::Trailers(trailers))
    })
}

async fn read_some(reader: &mut (impl AsyncRead + Unpin), size_max: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; size_max];
    let size = reader.read(&mut bytes).await?;
    bytes.truncate(size);
    Ok(Bytes::from(bytes))
}

/// A head as bytes.
pub(crate) fn write_head(start: &str, fields: &Fields) -> Vec<u8> {
    let mut text = format!("{start}\r\n");
    for (name, value) in fields {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    crate::fields::bytes(&text)
}

/// A chunk as bytes.
pub(crate) fn write_chunk(data: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}

/// The last chunk, with trailers.
pub(crate) fn write_last_chunk(trailers: &Fields) -> Vec<u8> {
    write_head("0", trailers)
}

/// The status of a response's first line.
pub(crate) fn status_of(start: &str) -> Result<u16> {
    let word = start.split(' ').nth(1);
    let Some(status) = word.and_then(|word| word.parse().ok()) else {
        bail!("no status line: {start:?}")
    };
    Ok(status)
}
