//! A histogram of durations with fixed buckets, owned by one worker and added up by whoever reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in microseconds: 100 µs to 60 s, for a gateway adds tens of microseconds and an LLM answers in minutes.
pub const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
    15_000_000, 60_000_000,
];

/// Counts of durations by bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram {
    buckets: [u64; BOUNDS_US.len()],
    count: u64,
    sum_us: u64,
}

impl Histogram {
    /// An empty histogram.
    pub const fn new() -> Self {
        Self {
            buckets: [0; BOUNDS_US.len()],
            count: 0,
            sum_us: 0,
        }
    }

    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let micros = micros(duration);
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(micros);
        if let Some((bucket, _)) = self
            .buckets
            .iter_mut()
            .zip(BOUNDS_US)
            .find(|(_, bound)| micros <= *bound)
        {
            *bucket += 1;
        }
    }

    /// Adds another worker's counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// Number of durations counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the durations in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// Upper bounds in microseconds with the number of durations at or below each.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        BOUNDS_US.iter().zip(self.buckets).scan(0, |below, (bound, count)| {
            *below += count;
            Some((*bound, *below))
        })
    }
}

/// A histogram that one worker writes and anybody reads.
#[derive(Debug, Default)]
pub struct SharedHistogram {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl SharedHistogram {
    /// Counts one duration. Only the owning worker may: a load and a store cost less than a locked add.
    pub fn record(&self, duration: Duration) {
        let micros = micros(duration);
        let add = |number: &AtomicU64, more: u64| {
            number.store(number.load(Ordering::Relaxed).saturating_add(more), Ordering::Relaxed);
        };
        add(&self.count, 1);
        add(&self.sum_us, micros);
        let bucket = self.buckets.iter().zip(BOUNDS_US).find(|(_, bound)| micros <= *bound);
        if let Some((bucket, _)) = bucket {
            add(bucket, 1);
        }
    }

    /// The counts so far. Read on another thread than the owner's, they may be of two moments: a duration in the count and in no bucket.
    #[must_use]
    pub fn read(&self) -> Histogram {
        Histogram {
            buckets: self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed)),
            count: self.count.load(Ordering::Relaxed),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
