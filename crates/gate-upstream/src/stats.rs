//! Numbers of one upstream on one worker, readable from other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
