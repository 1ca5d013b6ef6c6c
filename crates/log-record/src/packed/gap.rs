//! The line that stands where records were lost.

use super::line::{Heading, begin, key};
use crate::field::{self, Field};
use crate::grade::Level;
use crate::json;

/// Records of one level that were lost for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost<'a> {
    /// Their level.
    pub level: Level,
    /// Why, in one word.
    pub reason: &'a str,
    /// How many.
    pub count: u64,
}

/// Appends a gap record as one JSON object, without a line end: how many records were lost, of which levels and why, and where: `place` is the field
/// that says it, with the name of the ring or the sink.
pub fn write_gap(heading: &Heading, place: (&Field, &str), lost: &[Lost<'_>], out: &mut Vec<u8>) {
    begin(heading, out);
    key(&field::DROPPED, out);
    let all = lost.iter().fold(0_u64, |sum, lost| sum.saturating_add(lost.count));
    json::integer(all, out);
    key(&field::DROPPED_BY, out);
    let mut separator = b'[';
    for lost in lost {
        out.push(separator);
        separator = b',';
        out.extend_from_slice(b"{\"level\":");
        json::text(lost.level.word(), out);
        out.extend_from_slice(b",\"reason\":");
        json::text(lost.reason, out);
        out.extend_from_slice(b",\"count\":");
        json::integer(lost.count, out);
        out.push(b'}');
    }
    out.extend_from_slice(if lost.is_empty() { b"[]" } else { b"]" });
    key(place.0, out);
    json::text(place.1, out);
    if heading.is_recovered {
        key(&field::RECOVERED, out);
        out.extend_from_slice(b"true");
    }
    out.push(b'}');
}
