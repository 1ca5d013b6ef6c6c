//! What one plugin did on one worker, in numbers: its host calls by name, and how long its callbacks computed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plug_abi::{CALLS, call_name};

use crate::engine::TICK;

/// Upper bounds of the buckets of time, in ticks of the engine: 1 ms to half a second. Below one millisecond the engine seldom looks.
const BOUNDS: [u64; 9] = [4, 8, 20, 40, 80, 200, 400, 800, 2_000];

/// Numbers that the owning worker alone writes, and the admin listener reads.
pub(crate) struct Tally {
    calls: [AtomicU64; CALLS],
    /// Callbacks by the first bound that they did not exceed; the last place is for those above all.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    ticks: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            calls: [const { AtomicU64::new(0) }; CALLS],
            buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1],
            ticks: AtomicU64::new(0),
        }
    }
}

/// How long callbacks computed. A callback is seen by the engine's ticks that fall into it: of a hundred that take 10 us each one has a
/// tick, so that the sum is right although each single one is off by up to a tick.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Computed {
    /// Upper bounds with the number of callbacks at or below each.
    pub cumulative: Vec<(Duration, u64)>,
    /// All callbacks.
    pub count: u64,
    /// Time of all of them.
    pub sum: Duration,
}

impl Tally {
    /// A host call of that number was made.
    pub(crate) fn called(&self, number: usize) {
        if let Some(count) = self.calls.get(number) {
            add(count, 1);
        }
    }

    /// An entry has ended that had so many ticks.
    pub(crate) fn computed(&self, ticks: u64) {
        let bucket = BOUNDS.iter().position(|bound| ticks <= *bound);
        if let Some(count) = self.buckets.get(bucket.unwrap_or(BOUNDS.len())) {
            add(count, 1);
        }
        if ticks > 0 {
            add(&self.ticks, ticks);
        }
    }

    /// Host calls that were made, by name.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.calls.iter().map(|count| count.load(Ordering::Relaxed));
        let named = |(number, count)| Some((call_name(number)?, count));
        counts.enumerate().filter(|(_, count)| *count > 0).filter_map(named)
    }

    pub(crate) fn time(&self) -> Computed {
        let mut below = 0_u64;
        let mut cumulative = Vec::new();
        let counts = self.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        let mut bounds = BOUNDS.iter().map(|ticks| span(*ticks));
        for count in counts {
            below = below.saturating_add(count);
            if let Some(bound) = bounds.next() {
                cumulative.push((bound, below));
            }
        }
        Computed {
            cumulative,
            count: below,
            sum: span(self.ticks.load(Ordering::Relaxed)),
        }
    }
}

impl Computed {
    /// Adds what another worker counted.
    pub fn add(&mut self, other: &Self) {
        if self.cumulative.is_empty() {
            self.cumulative.clone_from(&other.cumulative);
        } else {
            for ((_, count), (_, more)) in self.cumulative.iter_mut().zip(&other.cumulative) {
                *count = count.saturating_add(*more);
            }
        }
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

fn span(ticks: u64) -> Duration {
    TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// Only the owning worker writes, so a load and a store do; a locked add would cost about 5 ns.
pub(crate) fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use plug_abi::call_number;

    use super::*;

    #[test]
    fn callbacks_are_counted_by_the_bound_that_they_keep() {
        let tally = Tally::default();
        for ticks in [0, 4, 8, 80, 81, 2_001] {
            tally.computed(ticks);
        }
        let time = tally.time();
        let counts: Vec<u64> = time.cumulative.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 3, 3, 3, 4, 5, 5, 5, 5]);
        assert_eq!((time.count, time.sum), (6, TICK * 2_174));
        let mut both = Computed::default();
        both.add(&time);
        both.add(&time);
        assert_eq!((both.count, both.sum), (12, TICK * 4_348));
        assert_eq!(both.cumulative.last().map(|(_, count)| *count), Some(10));
    }

    #[test]
    fn calls_are_counted_by_name() {
        let tally = Tally::default();
        tally.called(call_number("proxy_log"));
        tally.called(call_number("fd_write"));
        tally.called(call_number("fd_write"));
        tally.called(call_number("no such call"));
        let calls: Vec<_> = tally.calls().collect();
        assert_eq!(calls, [("proxy_log", 1), ("fd_write", 2)]);
    }
}
