//! Numbers of one upstream on one worker, readable from other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use log_record::histogram::SharedHistogram;
use tokio::time::Instant;

use crate::fault::{FAILURES, UpstreamFault};

/// A number that one worker writes and anybody reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    // Only the owning worker writes, so a load and a store do; a locked add would cost about 5 ns for nothing.
    pub(crate) fn up(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn down(&self) {
        self.0.store(self.get().saturating_sub(1), Ordering::Relaxed);
    }
}

/// Numbers of one upstream on one worker; they survive a changed configuration as long as the name does.
#[derive(Debug, Default)]
pub struct UpstreamStats {
    /// Connections that stood, TLS included.
    pub connections_opened: Counter,
    /// Connections open now.
    pub connections_active: Counter,
    /// Attempts to connect that failed, timeouts included.
    pub connect_failures: Counter,
    /// Attempts to connect that took too long.
    pub connect_timeouts: Counter,
    /// Requests handed in.
    pub requests: Counter,
    /// Requests and raw streams in flight now.
    pub requests_active: Counter,
    /// Requests whose response headers took too long.
    pub request_timeouts: Counter,
    /// Further attempts: another endpoint after a failed connect, or a fresh connection after a stale one.
    pub retries: Counter,
    /// Requests that went over a connection that had served before.
    pub reuses: Counter,
    /// Connections that ended before the response's headers.
    pub resets: Counter,
    /// From a request given to its connection to the response's headers.
    pub durations: SharedHistogram,
    answers: [Counter; CLASSES],
    failures: [Counter; FAILURES.len()],
}

/// Classes of status from 1xx to 5xx, and one for all others.
const CLASSES: usize = 6;

impl UpstreamStats {
    /// Answered requests by class of status: the class's first status, and 600 for what has none.
    pub fn answers(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        (1..)
            .zip(&self.answers)
            .map(|(class, count): (u16, _)| (class * 100, count.get()))
    }

    /// Requests and raw streams that got no answer, by the code of their fault.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        FAILURES.into_iter().zip(self.failures.iter().map(Counter::get))
    }

    /// A request or a raw stream got no answer.
    pub(crate) fn failed(&self, fault: &UpstreamFault) {
        let code = fault.code();
        if let Some((_, count)) = FAILURES.iter().zip(&self.failures).find(|(known, _)| **known == code) {
            count.up();
        }
    }

    /// A response's headers are here.
    pub(crate) fn answered(&self, status: StatusCode, since: Instant) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES);
        if let Some(count) = self.answers.get(class - 1) {
            count.up();
        }
        self.durations.record(since.elapsed());
    }
}

/// Counts a connection as open until dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<UpstreamStats>);

impl OpenConnection {
    pub(crate) fn count(stats: &Arc<UpstreamStats>) -> Self {
        stats.connections_opened.up();
        stats.connections_active.up();
        Self(Arc::clone(stats))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections_active.down();
    }
}
