//! How long a guest has computed: ticks of its engine, host calls included, without the time in which it gave way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::TICK;

/// Ticks after which a guest gives way for the first time in an entry. The first may come at any moment: with one, a callback of some
/// microseconds would now and then give way in its midst, and everybody who wants the same guest would wait behind it.
pub(crate) const TICKS_BEFORE_YIELD: u64 = 2;

/// What a guest may compute in one entry, and what it has used.
pub(crate) struct Slice {
    /// The engine's ticks.
    now: Arc<AtomicU64>,
    /// The tick in which it last began to compute; the future by which it gives way sets it.
    resumed: Arc<AtomicU64>,
    used: u64,
    length: Duration,
    exceeded: bool,
}

impl Slice {
    pub(crate) fn new(now: Arc<AtomicU64>, length: Duration) -> Self {
        let resumed = Arc::new(AtomicU64::new(now.load(Ordering::Relaxed)));
        Self {
            now,
            resumed,
            used: 0,
            length,
            exceeded: false,
        }
    }

    /// From the next entry on it may compute for `length`.
    pub(crate) fn allow(&mut self, length: Duration) {
        self.length = length;
    }

    /// An entry begins.
    pub(crate) fn begin(&mut self) {
        self.used = 0;
        self.resumed.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The engine's tick was noticed; false when the slice is over. A long host call lets several ticks pass unnoticed: they count.
    pub(crate) fn tick(&mut self) -> bool {
        let since = self
            .now
            .load(Ordering::Relaxed)
            .saturating_sub(self.resumed.load(Ordering::Relaxed));
        self.used = self.used.saturating_add(since.max(1));
        let max = u64::try_from(self.length.as_nanos() / TICK.as_nanos())
            .unwrap_or(u64::MAX)
            .max(1);
        self.exceeded = self.used > max;
        !self.exceeded
    }

    /// Gives way to the other tasks of the worker.
    ///
    /// The engine's own way wakes the task at once: the runtime would then run it 61 times before it looks for what the network brought.
    /// Tokio's way lets it look each time.
    pub(crate) fn give_way(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (now, resumed) = (Arc::clone(&self.now), Arc::clone(&self.resumed));
        Box::pin(async move {
            tokio::task::yield_now().await;
            resumed.store(now.load(Ordering::Relaxed), Ordering::Relaxed);
        })
    }

    /// What the entry has computed, in ticks.
    pub(crate) fn used(&self) -> Duration {
        TICK.saturating_mul(u32::try_from(self.used).unwrap_or(u32::MAX))
    }

    /// Whether an entry was ended because its slice was over.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded
    }

    /// What an entry may compute.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }
}

#[cfg(test)]
mod tests;
