//! Lines become spans of OTLP.

use std::sync::Arc;

use serde_json::Value;

use super::encode::{converted, flags, resource, scope, unhex};
use super::messages::{
    ExportTraceServiceRequest, ExportTraceServiceResponse, KeyValue, ResourceSpans, ScopeSpans, Span, SpanStatus,
};
use super::{Signal, Unfit};
use crate::record::Record;

/// Kinds of spans, in the order of their numbers.
const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
/// Codes of a span's status, in the order of their numbers.
const STATUSES: [&str; 3] = ["unset", "ok", "error"];

/// What of a record has a place of its own in a span of OTLP. Every other member of its line becomes an attribute, and so does one of these whose
/// value is not of the kind that is said here.
#[derive(Clone, Debug, Default)]
pub struct SpanSettings {
    /// Attributes of the resource, such as `service.name`.
    pub resource: Vec<(String, String)>,
    /// Name of the instrumentation scope.
    pub scope: String,
    /// The member with the trace, 32 hexadecimal digits. A record without it, or without the next, is no span: it is dropped as refused.
    pub trace_id: String,
    /// The member with the span, 16 hexadecimal digits.
    pub span_id: String,
    /// The member with the span above, 16 hexadecimal digits.
    pub parent_span_id: String,
    /// The member with the vendors' state of the trace, as in `tracestate`: a text.
    pub trace_state: String,
    /// The member with the flags: a number, or two hexadecimal digits.
    pub flags: String,
    /// The member with the name: a text.
    pub name: String,
    /// The member with the kind: `internal`, `server`, `client`, `producer`, `consumer`, or its number.
    pub kind: String,
    /// The member with the start in nanoseconds since 1970: a whole number, or its digits as a text. The record's own time when it is absent.
    pub start: String,
    /// The member with the end, likewise; the start when it is absent or before it.
    pub end: String,
    /// The member with the outcome: `unset`, `ok`, `error`, or its number.
    pub status: String,
    /// The member with words about the outcome: a text.
    pub status_message: String,
    /// The member with how many attributes there was no room for.
    pub attributes_dropped: String,
    /// Members that the span says anyway, such as the time and level of the record.
    pub left_out: Vec<String>,
}

/// Records as spans.
pub(super) struct Spans(pub(super) SpanSettings);

impl Signal for Spans {
    type Request = ExportTraceServiceRequest;
    type Response = ExportTraceServiceResponse;

    const EXPORT: &'static str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

    fn request(&self, records: &[Arc<Record>]) -> Result<ExportTraceServiceRequest, Unfit> {
        let (mut spans, mut unfit) = (Vec::with_capacity(records.len()), Vec::new());
        for (place, record) in records.iter().enumerate() {
            match span(&self.0, record) {
                Some(span) => spans.push(span),
                None => unfit.push(place),
            }
        }
        if !unfit.is_empty() {
            return Err(Unfit(
                unfit,
                "a record without the ids of a trace and a span is no span",
            ));
        }
        let scope_spans = ScopeSpans {
            scope: Some(scope(&self.0.scope)),
            spans,
        };
        Ok(ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource(&self.0.resource)),
                scope_spans: vec![scope_spans],
            }],
        })
    }

    fn refused(response: &ExportTraceServiceResponse) -> Option<(i64, &str)> {
        let partial = response.partial_success.as_ref()?;
        Some((partial.rejected_spans, &partial.error_message))
    }
}

fn span(settings: &SpanSettings, record: &Record) -> Option<Span> {
    let Ok(Value::Object(members)) = serde_json::from_slice(&record.line) else {
        return None;
    };
    let mut span = Span {
        start_time_unix_nano: record.time_ns,
        ..Span::default()
    };
    let mut status = SpanStatus::default();
    for (name, value) in members {
        if !place(settings, &name, &value, &mut span, &mut status) && !settings.left_out.contains(&name) {
            span.attributes.push(KeyValue {
                key: name,
                value: Some(converted(value)),
            });
        }
    }
    if span.trace_id.is_empty() || span.span_id.is_empty() {
        return None;
    }
    // A clock that was set back while it ran must not make a span that collectors refuse.
    span.end_time_unix_nano = span.end_time_unix_nano.max(span.start_time_unix_nano);
    span.status = (status != SpanStatus::default()).then_some(status);
    Some(span)
}

/// Puts a member into its own place; says whether it has one.
fn place(settings: &SpanSettings, name: &str, value: &Value, span: &mut Span, status: &mut SpanStatus) -> bool {
    let bytes = |count| value.as_str().and_then(|text| unhex(text, count));
    let text = || value.as_str().map(str::to_owned);
    match name {
        name if name == settings.trace_id => put(&mut span.trace_id, bytes(16)),
        name if name == settings.span_id => put(&mut span.span_id, bytes(8)),
        name if name == settings.parent_span_id => put(&mut span.parent_span_id, bytes(8)),
        name if name == settings.trace_state => put(&mut span.trace_state, text()),
        name if name == settings.flags => put(&mut span.flags, flags(value)),
        name if name == settings.name => put(&mut span.name, text()),
        name if name == settings.kind => put(&mut span.kind, numbered(&KINDS, value)),
        name if name == settings.start => put(&mut span.start_time_unix_nano, nanoseconds(value)),
        name if name == settings.end => put(&mut span.end_time_unix_nano, nanoseconds(value)),
        name if name == settings.status => put(&mut status.code, numbered(&STATUSES, value)),
        name if name == settings.status_message => put(&mut status.message, text()),
        name if name == settings.attributes_dropped => {
            let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
            put(&mut span.dropped_attributes_count, count)
        }
        _ => false,
    }
}

fn put<T>(place: &mut T, value: Option<T>) -> bool {
    let is_there = value.is_some();
    if let Some(value) = value {
        *place = value;
    }
    is_there
}

fn nanoseconds(value: &Value) -> Option<u64> {
    match value {
        Value::String(digits) => digits.parse().ok(),
        other => other.as_u64(),
    }
}

/// The number of a word, or a number for which there is one.
fn numbered(words: &[&str], value: &Value) -> Option<i32> {
    let place = match value {
        Value::String(text) => words.iter().position(|word| word.eq_ignore_ascii_case(text))?,
        other => usize::try_from(other.as_u64()?)
            .ok()
            .filter(|place| *place < words.len())?,
    };
    i32::try_from(place).ok()
}
