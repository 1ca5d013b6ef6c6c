//! `tracing`: which trace an exchange belongs to, who is told, and where spans go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::logs::{Batch, OtlpSink, Queue, Retry, Spool};
use crate::word::{Kept, Written};

/// Which trace an exchange belongs to, who is told, and where spans go. Records carry the same ids, exported or not.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tracing {
    /// Headers of requests that are read. A valid `traceparent` counts before `b3`.
    #[schemars(length(min = 1))]
    pub(crate) accept: Vec<TraceFormat>,
    /// Headers that upstreams are sent.
    #[schemars(length(min = 1))]
    pub(crate) send: Vec<TraceFormat>,
    /// Whose ids and decisions count: `callers`, `nobody`, or of those who call some listeners. Who is not trusted begins a trace of its own:
    /// strangers could else choose which of their requests leave a record.
    pub(crate) trust: Trust,
    /// What is made of what trusted callers decided.
    pub(crate) parents: Parents,
    /// The part of the exchanges whose spans are kept, and whose traces upstreams are told to keep. Default: as `logs.sampling` says.
    pub(crate) keep: Option<Written<Kept>>,
    /// Where spans go. Default: nowhere.
    pub(crate) spans: Option<Spans>,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            accept: vec![TraceFormat::W3c],
            send: vec![TraceFormat::W3c],
            trust: Trust::Nobody,
            parents: Parents::Obeyed,
            keep: None,
            spans: None,
        }
    }
}

/// Headers that carry a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TraceFormat {
    /// `traceparent` and `tracestate` (W3C Trace Context).
    W3c,
    /// `b3`, and when reading also `x-b3-traceid` and its like (Zipkin).
    B3,
}

/// Whose ids and decisions count.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Trust {
    /// Those of whoever calls.
    Callers,
    /// Nobody's.
    #[default]
    Nobody,
    /// Those of whoever calls one of these listeners.
    Listeners(Vec<String>),
}

/// What is made of what callers decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Parents {
    /// Theirs is ours, so that traces are whole.
    #[default]
    Obeyed,
    /// Each trace is judged by our own rules.
    Ignored,
}

/// Where spans go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spans {
    /// The collector.
    pub(crate) otlp: OtlpSink,
    /// Spans of one exchange, at most: its stages, plugins, tries of an upstream and callouts. What is more is dropped and counted.
    #[serde(default = "per_exchange")]
    #[schemars(range(min = 1, max = 256))]
    pub(crate) per_exchange: u16,
    /// What waits for it in memory.
    #[serde(default)]
    pub(crate) queue: Queue,
    /// What goes to it at once.
    #[serde(default)]
    pub(crate) batch: Batch,
    /// How often is tried again.
    #[serde(default)]
    pub(crate) retry: Retry,
    /// Where spans wait on disk while it does not take them. Default: nowhere.
    pub(crate) spool: Option<Spool>,
}

fn per_exchange() -> u16 {
    crate::plan::tracing::Spans::PER_EXCHANGE_MAX
}
