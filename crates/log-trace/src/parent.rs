//! The header `traceparent`: W3C Trace Context, level 1 (Recommendation of 2021-11-23) and the flag that level 2 adds.

use crate::hex;
use crate::id::{SpanId, TraceId};

/// The caller may have recorded the trace.
pub(crate) const SAMPLED: u8 = 0x01;
/// At least the low 56 bits of the trace's id are random (level 2, section 3.2.2.5.2).
pub(crate) const RANDOM: u8 = 0x02;
/// The highest version is forbidden.
const VERSION_FORBIDDEN: u8 = 0xff;

/// Bytes of a `traceparent` of version 00.
pub(crate) const BYTES: usize = 55;

/// What a valid `traceparent` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Parent {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    /// As they came: whoever writes them writes the two that are known.
    pub(crate) flags: u8,
}

/// Reads a value; none when the trace is to be begun anew (section 3.2.4).
pub(crate) fn read(value: &[u8]) -> Option<Parent> {
    let (version, rest) = trimmed(value).split_first_chunk::<2>()?;
    let version = hex::read_byte(*version)?;
    let (trace, rest) = behind_dash(rest)?.split_first_chunk::<32>()?;
    let (span, rest) = behind_dash(rest)?.split_first_chunk::<16>()?;
    let (flags, rest) = behind_dash(rest)?.split_first_chunk::<2>()?;
    // Later versions may add fields, each behind a dash; version 00 has none.
    let ends_well = rest.is_empty() || version != 0 && rest.first() == Some(&b'-');
    if version == VERSION_FORBIDDEN || !ends_well {
        return None;
    }
    Some(Parent {
        trace: TraceId::read(trace)?,
        span: SpanId::read(span)?,
        flags: hex::read_byte(*flags)?,
    })
}

/// Writes version 00, the highest that is known here.
pub(crate) fn write(trace: TraceId, span: SpanId, flags: u8) -> [u8; BYTES] {
    let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
    if let Some((_, rest)) = value.split_first_chunk_mut::<3>()
        && let Some((digits, rest)) = rest.split_first_chunk_mut::<32>()
        && let Some((_, rest)) = rest.split_first_mut()
        && let Some((span_digits, rest)) = rest.split_first_chunk_mut::<16>()
        && let Some(flag_digits) = rest.last_chunk_mut::<2>()
    {
        *digits = trace.digits();
        *span_digits = span.digits();
        *flag_digits = hex::write_byte(flags);
    }
    value
}

/// What stands behind a dash.
pub(crate) fn behind_dash(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"-")
}

/// Without the white space that RFC 9110 allows around a value.
pub(crate) fn trimmed(value: &[u8]) -> &[u8] {
    let mut value = value;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
