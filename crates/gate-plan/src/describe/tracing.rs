//! Traces, described.

use serde_json::{Value, json};

use super::logs::keep;
use super::sinks::{describe_batch, describe_otlp, describe_queue, describe_retry, describe_spool};
use crate::plan::tracing::{Parents, Spans, TraceFormat, Tracing, Trust};

pub(super) fn describe(tracing: &Tracing) -> Value {
    json!({
        "accept": formats(&tracing.accept),
        "send": formats(&tracing.send),
        "trust": match &tracing.trust {
            Trust::Nobody => json!("nobody"),
            Trust::Callers => json!("callers"),
            Trust::Listeners(names) => json!({"listeners": names}),
        },
        "parents": match tracing.parents {
            Parents::Obeyed => "obeyed",
            Parents::Ignored => "ignored",
        },
        "keep": tracing.keep.map(keep),
        "spans": tracing.spans.as_ref().map(describe_spans),
    })
}

fn formats(formats: &[TraceFormat]) -> Vec<&'static str> {
    let word = |format: &TraceFormat| match format {
        TraceFormat::W3c => "w3c",
        TraceFormat::B3 => "b3",
    };
    formats.iter().map(word).collect()
}

fn describe_spans(spans: &Spans) -> Value {
    json!({
        "otlp": describe_otlp(&spans.to),
        "per_exchange": spans.per_exchange_max,
        "queue": describe_queue(&spans.queue),
        "batch": describe_batch(&spans.batch),
        "retry": describe_retry(&spans.retry),
        "spool": spans.spool.as_ref().map(describe_spool),
    })
}
