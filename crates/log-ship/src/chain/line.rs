//! A line of a chain: made at the end of a record's object, and taken apart from its end.

use super::{ChainNames, Digest, HASH_BYTES, Hash, Head};

/// A line taken apart. What it says of itself need not be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) sequence: u64,
    pub(crate) previous: Hash,
    pub(crate) hash: Hash,
    /// The hash of what is there.
    pub(crate) computed: Hash,
}

/// Appends a record with its place in the chain, and a line's end; gives the new head. None when the record is no object.
pub(crate) fn write(
    names: &ChainNames,
    digest: &Digest,
    record: &[u8],
    before: Head,
    out: &mut Vec<u8>,
) -> Option<Head> {
    let open = record
        .trim_ascii()
        .strip_suffix(b"}")
        .filter(|open| open.starts_with(b"{"))?;
    // A line's end inside would make two lines of it.
    if open.contains(&b'\n') {
        return None;
    }
    // Spaces between the two would keep the line from being read again.
    let is_empty = open.trim_ascii() == b"{";
    let open = if is_empty { b"{" } else { open };
    let begin = out.len();
    let sequence = before.sequence.saturating_add(1);
    out.extend_from_slice(open);
    let comma = if is_empty { "" } else { "," };
    let members = format!(
        "{comma}\"{}\":{sequence},\"{}\":\"{}\"",
        names.sequence,
        names.previous,
        hex(&before.hash)
    );
    out.extend_from_slice(members.as_bytes());
    let hash = (digest.hash)(out.get(begin..).unwrap_or_default());
    out.extend_from_slice(format!(",\"{}\":\"{}\"}}\n", names.hash, hex(&hash)).as_bytes());
    Some(Head { sequence, hash })
}

/// The first line of a segment, before it is chained.
pub(super) fn opening(names: &ChainNames, digest: &Digest, segment: u64) -> Vec<u8> {
    let name: String = digest.name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{{\"{}\":{segment},\"{}\":\"{name}\"}}", names.segment, names.digest).into_bytes()
}

/// Takes a line apart, without its end.
pub(crate) fn read(names: &ChainNames, digest: &Digest, line: &[u8]) -> Option<Link> {
    let rest = line.strip_suffix(b"\"}")?;
    let (rest, hash) = hash_at_end(rest)?;
    let hashed = rest.strip_suffix(format!(",\"{}\":\"", names.hash).as_bytes())?;
    let rest = hashed.strip_suffix(b"\"")?;
    let (rest, previous) = hash_at_end(rest)?;
    let rest = rest.strip_suffix(format!(",\"{}\":\"", names.previous).as_bytes())?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, number) = rest.split_at_checked(rest.len().checked_sub(digits)?)?;
    let rest = rest.strip_suffix(format!("\"{}\":", names.sequence).as_bytes())?;
    if !matches!(rest.last(), Some(b',' | b'{')) {
        return None;
    }
    Some(Link {
        sequence: std::str::from_utf8(number).ok()?.parse().ok()?,
        previous,
        hash,
        computed: (digest.hash)(hashed),
    })
}

fn hash_at_end(bytes: &[u8]) -> Option<(&[u8], Hash)> {
    let (rest, digits) = bytes.split_at_checked(bytes.len().checked_sub(2 * HASH_BYTES)?)?;
    Some((rest, unhex(digits)?))
}

pub(super) fn hex(hash: &Hash) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * HASH_BYTES);
    for byte in hash {
        // Writing into a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(super) fn unhex(digits: &[u8]) -> Option<Hash> {
    let mut hash = [0; HASH_BYTES];
    if digits.len() != 2 * HASH_BYTES {
        return None;
    }
    for (place, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        // Only as we write it: capitals would be another text for the same hash.
        if !pair.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        *place = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}
