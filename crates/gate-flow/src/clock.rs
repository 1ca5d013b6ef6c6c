//! The clock of traces: nanoseconds that all workers count from one moment on.

use std::sync::LazyLock;
use std::time::Instant;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds now, by the clock of spans, rates, floors and debug windows. It is steady, and the same on all threads.
#[must_use]
pub fn now_ns() -> u64 {
    ns_of(Instant::now())
}

/// The same for a moment; 0 for one from before the first that anybody asked for.
pub(crate) fn ns_of(moment: Instant) -> u64 {
    let since = moment.saturating_duration_since(*BEGAN);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The moment of so many nanoseconds; none for one that no clock reaches.
pub(crate) fn moment_of(ns: u64) -> Option<Instant> {
    BEGAN.checked_add(std::time::Duration::from_nanos(ns))
}
