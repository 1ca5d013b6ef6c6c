//! What a configuration says of traces: which headers are believed and written, what is kept, and what a burst shows.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderName;
use log_trace::{Before, Bodies, Burst, BurstSettings, Fault, Meters, Notice, Table, Trust};

/// Keys of rates where a configuration says nothing.
const RATE_KEYS: usize = 1024;

/// What a configuration says of traces. By default the gateway takes no part in them: headers of callers pass untouched, a valid context is
/// written into records, and everything is kept.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// Headers in and out; none where the gateway is no part of any trace.
    pub headers: Option<TraceHeaders>,
    /// Spans of one exchange at most; none are made when 0, or without `headers`.
    pub spans_max: usize,
    /// What is kept.
    pub table: Arc<Table>,
    /// The request header that names the tenant, for rules and rates.
    pub tenant: Option<HeaderName>,
    /// Keys of rates that one worker has room for.
    pub rate_keys: usize,
    /// What a burst shows; nothing where absent.
    pub debug: Option<DebugSettings>,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            headers: None,
            spans_max: 0,
            table: Arc::default(),
            tenant: None,
            rate_keys: RATE_KEYS,
            debug: None,
        }
    }
}

impl TraceSettings {
    /// Looks whether a worker could follow them.
    ///
    /// # Errors
    /// What is beyond its limits.
    pub fn check(&self) -> Result<(), Fault> {
        Meters::with_keys(self.rate_keys, 0)?;
        if let Some(debug) = &self.debug {
            Burst::new(debug.burst)?;
            Before::with_bytes(debug.before_bytes)?;
        }
        Ok(())
    }

    /// What is believed of whoever calls a listener.
    pub(crate) fn trust(&self, listener: &str) -> Trust {
        let Some(headers) = &self.headers else {
            return Trust::Callers;
        };
        let own = headers.trusts.iter().find(|(name, _)| name == listener);
        own.map_or(headers.trust, |(_, trust)| *trust)
    }
}

/// Headers of traces.
#[derive(Clone, Debug)]
pub struct TraceHeaders {
    /// Those that are read.
    pub accept: Formats,
    /// Those that are written, to upstreams and callouts.
    pub send: Formats,
    /// What is believed of whoever calls, by the listener's name.
    pub trusts: Vec<(String, Trust)>,
    /// The same for all other listeners.
    pub trust: Trust,
}

/// Forms in which a context is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Formats {
    /// `traceparent` and `tracestate`.
    pub w3c: bool,
    /// `b3`.
    pub b3: bool,
    /// `x-b3-traceid` and its like.
    pub b3_several: bool,
}

impl Formats {
    /// None of them.
    pub const NONE: Self = Self {
        w3c: false,
        b3: false,
        b3_several: false,
    };
}

/// What a burst shows, and for how long.
#[derive(Clone, Debug)]
pub struct DebugSettings {
    /// What a burst is, and what bounds its window.
    pub burst: BurstSettings,
    /// Bytes of debug records that one worker holds for the time before a window.
    pub before_bytes: usize,
    /// How far back a window shows.
    pub before: Duration,
    /// Whose bodies are shown.
    pub bodies: Bodies,
    /// Whether clients, too, are told `x-debug-trace-id`. Upstreams are; clients learn by it that somebody looks.
    pub tells_clients: bool,
    /// Through which workers learn of each other's windows: one for all of them.
    pub windows: Arc<DebugWindows>,
}

/// The debug window that some worker opened last, for all others.
#[derive(Debug, Default)]
pub struct DebugWindows(ArcSwapOption<Notice>);

impl DebugWindows {
    /// Tells all workers of a window: one of them found a burst, or an operator wants to see.
    pub fn open(&self, notice: Notice) {
        self.0.store(Some(Arc::new(notice)));
    }

    /// The window of which was told last, open or not.
    #[must_use]
    pub fn last(&self) -> Option<Notice> {
        self.0.load().as_deref().copied()
    }
}

/// A tenant as rules and rates know it: in one process the same name is always the same number.
#[must_use]
pub fn tenant_number(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}
