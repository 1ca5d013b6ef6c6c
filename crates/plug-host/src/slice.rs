//! How long a guest has computed: ticks of its engine, host calls included, without the time in which it gave way, and without the time
//! that the machine gave to other threads.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::{CALM_TICKS, TICK};
use crate::pace::cpu_time;

/// Epochs of the engine after which a guest gives way for the first time in an entry. The first may come at any moment: with one, a callback
/// of some microseconds would now and then give way in its midst, and everybody who wants the same guest would wait behind it.
pub(crate) const EPOCHS_BEFORE_YIELD: u64 = 2;
/// Ticks of a stretch that are what it computed, or one more.
const TICKS_TRUSTED: u64 = 2;
/// Ticks of an entry's first stretch, whose CPU time nobody knows, that are not more than there should be, also when the engine is calm.
const TICKS_EXPECTED: u64 = EPOCHS_BEFORE_YIELD * CALM_TICKS;

/// What a guest may compute in one entry, and what it has used.
pub(crate) struct Slice {
    /// The engine's ticks.
    now: Arc<AtomicU64>,
    /// When the stretch began that it computes now; the future by which it gives way sets it.
    stretch: Arc<Stretch>,
    used: u64,
    length: Duration,
    exceeded: bool,
}

/// The beginning of a stretch between two looks at the clock.
#[derive(Default)]
struct Stretch {
    /// The engine's tick.
    tick: AtomicU64,
    /// CPU time of the thread in nanoseconds; 0 at the beginning of an entry, where asking for it would cost more than most callbacks.
    cpu_ns: AtomicU64,
}

impl Stretch {
    fn begin(&self, tick: u64, cpu: Duration) {
        self.tick.store(tick, Ordering::Relaxed);
        let nanoseconds = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_ns.store(nanoseconds, Ordering::Relaxed);
    }

    /// Ticks that were computed. On a machine with too few cores ticks go by while the thread waits for one: of a stretch with more
    /// ticks than there should be, the CPU time counts. A long host call takes CPU time, and counts.
    fn ticks(&self, tick: u64, cpu: Duration) -> u64 {
        let since = tick.saturating_sub(self.tick.load(Ordering::Relaxed)).max(1);
        match Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed)) {
            Duration::ZERO => since.min(TICKS_EXPECTED),
            _ if since <= TICKS_TRUSTED => since,
            began => ticks(cpu.saturating_sub(began)).clamp(1, since),
        }
    }
}

fn ticks(length: Duration) -> u64 {
    u64::try_from(length.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX)
}

impl Slice {
    pub(crate) fn new(now: Arc<AtomicU64>, length: Duration) -> Self {
        Self {
            now,
            stretch: Arc::default(),
            used: 0,
            length,
            exceeded: false,
        }
    }

    /// From the next entry on it may compute for `length`.
    pub(crate) fn allow(&mut self, length: Duration) {
        self.length = length;
    }

    /// The entry has used all that it may: the next tick ends it.
    pub(crate) fn use_up(&mut self) {
        self.used = ticks(self.length).max(1);
    }

    /// An entry begins.
    pub(crate) fn begin(&mut self) {
        self.used = 0;
        self.stretch.begin(self.now.load(Ordering::Relaxed), Duration::ZERO);
    }

    /// Whether an entry without somebody who looks would not have been met yet.
    pub(crate) fn is_early(&self) -> bool {
        self.used == 0 && self.ticks() < TICKS_EXPECTED
    }

    /// The engine's tick was noticed, at this CPU time of the thread; false when the slice is over.
    pub(crate) fn tick(&mut self, cpu: Duration) -> bool {
        let now = self.now.load(Ordering::Relaxed);
        self.used = self.used.saturating_add(self.stretch.ticks(now, cpu));
        self.stretch.begin(now, cpu);
        self.exceeded = self.used > ticks(self.length).max(1);
        !self.exceeded
    }

    /// Gives way to the other tasks of the worker.
    ///
    /// The engine's own way wakes the task at once: the runtime would then run it 61 times before it looks for what the network brought.
    /// Tokio's way lets it look each time.
    /// Twice, because what the network brought wakes its tasks in front of this one, but whom those wake comes behind it: an exchange
    /// that goes from its own task to that of a connection would wait once more for the guest, in each direction.
    pub(crate) fn give_way(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (now, stretch) = (Arc::clone(&self.now), Arc::clone(&self.stretch));
        Box::pin(async move {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            stretch.begin(now.load(Ordering::Relaxed), cpu_time());
        })
    }

    /// Ticks that have fallen into the entry, without those in which it gave way.
    pub(crate) fn ticks(&self) -> u64 {
        let since = self
            .now
            .load(Ordering::Relaxed)
            .saturating_sub(self.stretch.tick.load(Ordering::Relaxed));
        self.used.saturating_add(since)
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
