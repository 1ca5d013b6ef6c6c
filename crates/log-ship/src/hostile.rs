//! Doors for bytes that are anything: what stands in spools and chains was on a disk, where anybody may have changed it.

use std::io::Cursor;

use crate::chain::{ChainNames, Digest, Hash, Head};
use crate::record::Record;

/// Frames as they stand in a segment of a spool behind its header; and how many of the bytes those are.
#[must_use]
pub fn frames(bytes: &[u8]) -> (Vec<Record>, u64) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let (mut reader, mut records, mut at) = (Cursor::new(bytes), Vec::new(), 0);
    while let Ok(Some((record, taken))) = crate::spool::read_frame(&mut reader, length - at) {
        at += taken;
        records.push(record);
    }
    (records, at)
}

/// The frame of a record.
#[must_use]
pub fn framed(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::spool::write_frame(record, &mut bytes);
    bytes
}

/// A record as a line of a chain, with its end, and the head that it is; none when it cannot be one.
#[must_use]
pub fn chained(names: &ChainNames, digest: &Digest, record: &[u8], before: Head) -> Option<(Vec<u8>, Head)> {
    let mut line = Vec::new();
    let head = crate::chain::write_line(names, digest, record, before, &mut line)?;
    Some((line, head))
}

/// What a line of a chain says that it is, without its end: itself, the hash of the one before, and whether its own hash is right.
#[must_use]
pub fn unchained(names: &ChainNames, digest: &Digest, line: &[u8]) -> Option<(Head, Hash, bool)> {
    let link = crate::chain::read_line(names, digest, line)?;
    let head = Head {
        sequence: link.sequence,
        hash: link.hash,
    };
    Some((head, link.previous, link.hash == link.computed))
}
