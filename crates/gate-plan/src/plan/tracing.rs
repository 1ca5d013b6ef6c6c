//! Which trace an exchange belongs to, who is told, and where spans go.

use super::logs::{Batch, Keep, Otlp, Queue, Retry, Spool};

/// Which trace an exchange belongs to, who is told, and where spans go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracing {
    /// Headers of requests that are read; never empty. Default W3C.
    pub accept: Vec<TraceFormat>,
    /// Headers that upstreams are sent; never empty. Default W3C.
    pub send: Vec<TraceFormat>,
    /// Whose ids and decisions count. Default nobody's.
    pub trust: Trust,
    /// What is made of what trusted callers decided. Default obeyed.
    pub parents: Parents,
    /// The part of the exchanges whose spans are kept and whose traces upstreams are told to keep; as sampling of logs has it when absent.
    pub keep: Option<Keep>,
    /// Where spans go; nowhere when absent.
    pub spans: Option<Spans>,
}

/// Headers that carry a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceFormat {
    /// `traceparent` and `tracestate`.
    W3c,
    /// `b3`, and when reading also `x-b3-traceid` and its like.
    B3,
}

/// Whose ids and decisions count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Nobody's.
    Nobody,
    /// Those of whoever calls.
    Callers,
    /// Those of whoever calls one of these listeners, by their names.
    Listeners(Vec<String>),
}

impl Trust {
    /// Whether callers of the listener are trusted.
    #[must_use]
    pub fn holds_on(&self, listener: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::Callers => true,
            Self::Listeners(names) => names.iter().any(|name| name == listener),
        }
    }
}

/// What is made of what callers decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parents {
    /// Theirs is ours.
    Obeyed,
    /// Each trace is judged by our own rules.
    Ignored,
}

impl Spans {
    /// Spans of one exchange where nobody says how many.
    pub const PER_EXCHANGE_MAX: u16 = 64;
}

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans {
    /// The collector; over HTTP with the path of its API.
    pub to: Otlp,
    /// Spans of one exchange, 1 to 256. Default 64.
    pub per_exchange_max: u16,
    /// What waits for it in memory.
    pub queue: Queue,
    /// What goes to it at once.
    pub batch: Batch,
    /// How often is tried again.
    pub retry: Retry,
    /// Where spans wait on disk.
    pub spool: Option<Spool>,
}
