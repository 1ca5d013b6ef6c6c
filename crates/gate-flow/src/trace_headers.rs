//! Headers of traces: which there are, what came in them, and how ours are written.

use http::{HeaderMap, HeaderName, HeaderValue};
use log_trace::{Arrived, SpanId, Trace};

use crate::trace_settings::Formats;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const B3: HeaderName = HeaderName::from_static("b3");
const B3_TRACE: HeaderName = HeaderName::from_static("x-b3-traceid");
const B3_SPAN: HeaderName = HeaderName::from_static("x-b3-spanid");
const B3_PARENT: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const B3_SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const B3_FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// By which everything that a debug window shows is found together.
pub(crate) const DEBUG_ID: HeaderName = HeaderName::from_static("x-debug-trace-id");

/// All that tell of a trace.
const ALL: [HeaderName; 8] = [
    TRACEPARENT,
    TRACESTATE,
    B3,
    B3_TRACE,
    B3_SPAN,
    B3_PARENT,
    B3_SAMPLED,
    B3_FLAGS,
];

/// The form that a header belongs to.
fn format_of(name: &HeaderName) -> Formats {
    let text = name.as_str();
    // Most headers are told apart by their length.
    match text.len() {
        2 if text == "b3" => Formats {
            b3: true,
            ..Formats::NONE
        },
        10 | 11 if text == "traceparent" || text == "tracestate" => Formats {
            w3c: true,
            ..Formats::NONE
        },
        10..=17 if text.starts_with("x-b3-") => Formats {
            b3_several: true,
            ..Formats::NONE
        },
        _ => Formats::NONE,
    }
}

impl Formats {
    const fn has(self, other: Self) -> bool {
        self.w3c && other.w3c || self.b3 && other.b3 || self.b3_several && other.b3_several
    }
}

/// What came in the headers of `accepted` forms, and whether any came at all.
pub(crate) fn arrived(headers: &HeaderMap, accepted: Formats) -> (Arrived<'_>, bool) {
    let (mut arrived, mut is_any) = (Arrived::default(), false);
    for (name, value) in headers {
        let format = format_of(name);
        if accepted.has(format) {
            arrived.push(name.as_str().as_bytes(), value.as_bytes());
        }
        is_any |= format != Formats::NONE;
    }
    (arrived, is_any)
}

/// Takes all of them out: whoever is called must not be told of two traces.
pub(crate) fn remove(headers: &mut HeaderMap) {
    for name in &ALL {
        headers.remove(name);
    }
}

/// A span of a trace, with the one that it is part of.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) trace: &'a Trace,
    /// What `tracestate` is.
    pub(crate) state: &'a [u8],
    pub(crate) span: SpanId,
    pub(crate) parent: Option<SpanId>,
}

impl Caller<'_> {
    /// Tells of the span in these forms, in place of what was told before.
    pub(crate) fn write(&self, headers: &mut HeaderMap, formats: Formats) {
        let context = self.trace.context.at(self.span);
        if formats.w3c {
            set(headers, TRACEPARENT, &context.traceparent());
            if self.state.is_empty() {
                headers.remove(TRACESTATE);
            } else {
                set(headers, TRACESTATE, self.state);
            }
        }
        if formats.b3 {
            set(headers, B3, context.b3(self.parent, self.trace.asked).as_bytes());
        }
        if formats.b3_several {
            set(headers, B3_TRACE, context.b3_trace().as_bytes());
            set(headers, B3_SPAN, &self.span.digits());
            match self.parent {
                Some(parent) => set(headers, B3_PARENT, &parent.digits()),
                None => drop(headers.remove(B3_PARENT)),
            }
            match context.b3_state(self.trace.asked) {
                b'd' => set(headers, B3_FLAGS, b"1"),
                state => set(headers, B3_SAMPLED, &[state]),
            }
        }
    }

    /// Of `formats`, those that still tell of this span, so that they are ours to change; where `may_lack`, also those that are not there.
    pub(crate) fn still(&self, headers: &HeaderMap, formats: Formats, may_lack: bool) -> Formats {
        let context = self.trace.context.at(self.span);
        let is = |name: HeaderName, ours: &[u8]| {
            let found = headers.get(name);
            found.map_or(may_lack, |value| value.as_bytes() == ours)
        };
        Formats {
            w3c: formats.w3c && is(TRACEPARENT, &context.traceparent()),
            b3: formats.b3 && is(B3, context.b3(self.parent, self.trace.asked).as_bytes()),
            b3_several: formats.b3_several && is(B3_SPAN, &self.span.digits()),
        }
    }
}

/// Writes a header whose value has none but visible characters.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}
