//! B3 propagation of Zipkin: the single header `b3`, and the headers that begin with `x-b3-`.

use crate::context::Asked;
use crate::id::{SpanId, TraceId};
use crate::parent::{behind_dash, trimmed};
use crate::text::Text;

/// Bytes of the longest single header that is written: both ids, the state, the parent.
pub(crate) const BYTES: usize = 32 + 1 + 16 + 1 + 1 + 1 + 16;

/// What B3 says: ids, a decision, or both. Neither is no context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct B3 {
    pub(crate) ids: Option<(TraceId, SpanId)>,
    pub(crate) asked: Asked,
}

/// Reads the single header: `TRACE-SPAN[-STATE[-PARENT]]`, or a state alone.
pub(crate) fn read_single(value: &[u8]) -> Option<B3> {
    let value = trimmed(value);
    if let [state] = value {
        let asked = state_of(*state)?;
        return Some(B3 { ids: None, asked });
    }
    let long = value.get(32) == Some(&b'-');
    let (trace, rest) = value.split_at_checked(if long { 32 } else { 16 })?;
    let (span, rest) = behind_dash(rest)?.split_first_chunk::<16>()?;
    let ids = Some((trace_id(trace)?, SpanId::read(span)?));
    let Some(rest) = behind_dash(rest) else {
        let asked = Asked::Nothing;
        return rest.is_empty().then_some(B3 { ids, asked });
    };
    let (state, rest) = rest.split_first()?;
    let asked = state_of(*state)?;
    // The caller's parent is checked and not kept: here the caller is the parent.
    let ends_well = rest.is_empty()
        || behind_dash(rest)
            .and_then(|parent| SpanId::read(parent.try_into().ok()?))
            .is_some();
    ends_well.then_some(B3 { ids, asked })
}

/// The values of several headers, of each name the first that came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Several<'a> {
    pub(crate) trace: Option<&'a [u8]>,
    pub(crate) span: Option<&'a [u8]>,
    pub(crate) sampled: Option<&'a [u8]>,
    pub(crate) flags: Option<&'a [u8]>,
}

impl Several<'_> {
    /// Reads them. Ids of which one is wrong or missing are none, but a decision counts without them.
    pub(crate) fn read(&self) -> Option<B3> {
        let ids = self.trace.zip(self.span).and_then(|(trace, span)| {
            let span = SpanId::read(trimmed(span).try_into().ok()?)?;
            Some((trace_id(trimmed(trace))?, span))
        });
        let asked = match (self.flags.map(trimmed), self.sampled.map(trimmed)) {
            // Debug implies that the trace is kept, whatever else is said.
            (Some(b"1"), _) => Asked::Debug,
            // Words are what tracers wrote before the specification.
            (_, Some(b"1" | b"true")) => Asked::Kept,
            (_, Some(b"0" | b"false")) => Asked::Dropped,
            _ => Asked::Nothing,
        };
        (ids.is_some() || asked != Asked::Nothing).then_some(B3 { ids, asked })
    }
}

/// Writes the single header.
pub(crate) fn write_single(trace: TraceId, span: SpanId, parent: Option<SpanId>, state: u8) -> Text<BYTES> {
    let mut text = Text::new();
    let _ = text.push(trace_text(trace).as_bytes());
    let _ = text.push(b"-");
    let _ = text.push(&span.digits());
    let _ = text.push(&[b'-', state]);
    if let Some(parent) = parent {
        let _ = text.push(b"-");
        let _ = text.push(&parent.digits());
    }
    text
}

/// The digits of a trace's id: 16 where it came so, for who knows only the short form would not find it by the long one.
pub(crate) fn trace_text(trace: TraceId) -> Text<32> {
    let digits = trace.digits();
    let mut text = Text::new();
    let from = if trace.high() == 0 { 16 } else { 0 };
    let _ = text.push(digits.get(from..).unwrap_or_default());
    text
}

fn state_of(letter: u8) -> Option<Asked> {
    match letter {
        b'1' => Some(Asked::Kept),
        b'0' => Some(Asked::Dropped),
        b'd' => Some(Asked::Debug),
        _ => None,
    }
}

/// 32 digits, or 16 as the low half.
fn trace_id(digits: &[u8]) -> Option<TraceId> {
    if let Ok(digits) = digits.try_into() {
        return TraceId::read(digits);
    }
    let short: &[u8; 16] = digits.try_into().ok()?;
    SpanId::read(short).and_then(|low| TraceId::new(u128::from(low.number())))
}
