//! Where one Redis reply ends (RESP2 and RESP3), without reading what it says.

/// LIMIT: how deep replies may nest.
const DEPTH_MAX: usize = 16;

/// Bytes are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The length of the first reply in `bytes`; none when it is not all there.
pub(crate) fn reply_bytes(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match end(bytes, 0, DEPTH_MAX) {
        Ok(end) => Ok(Some(end)),
        Err(Short::More) => Ok(None),
        Err(Short::Malformed) => Err(Malformed),
    }
}

enum Short {
    More,
    Malformed,
}

fn end(bytes: &[u8], start: usize, depth: usize) -> Result<usize, Short> {
    let kind = *bytes.get(start).ok_or(Short::More)?;
    let line_start = start + 1;
    let rest = bytes.get(line_start..).ok_or(Short::More)?;
    let length = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Short::More)?;
    let line = rest.get(..length).ok_or(Short::More)?;
    let after = line_start + length + 2;
    match kind {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => Ok(after),
        b'$' | b'=' | b'!' => match number(line)? {
            -1 => Ok(after),
            size => {
                let size = usize::try_from(size).map_err(|_| Short::Malformed)?;
                let end = after
                    .checked_add(size)
                    .and_then(|end| end.checked_add(2))
                    .ok_or(Short::Malformed)?;
                if end <= bytes.len() { Ok(end) } else { Err(Short::More) }
            }
        },
        b'*' | b'~' | b'>' => elements(bytes, after, number(line)?, depth),
        b'%' => elements(bytes, after, number(line)?.saturating_mul(2), depth),
        _ => Err(Short::Malformed),
    }
}

fn elements(bytes: &[u8], mut at: usize, count: i64, depth: usize) -> Result<usize, Short> {
    let depth = depth.checked_sub(1).ok_or(Short::Malformed)?;
    for _ in 0..count.max(0) {
        at = end(bytes, at, depth)?;
    }
    Ok(at)
}

fn number(line: &[u8]) -> Result<i64, Short> {
    std::str::from_utf8(line)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Short::Malformed)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests;
