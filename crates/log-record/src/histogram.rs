//! A histogram of durations, owned by one worker and added up by whoever reads: fixed buckets for everybody, and Prometheus' native ones beside them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Upper bounds of the fixed buckets in microseconds: 100 µs to 60 s, for a gateway adds tens of microseconds and an LLM answers in minutes.
pub const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
    15_000_000, 60_000_000,
];

/// Schema of the native buckets: eight to each doubling, so that a quantile is off by 4.5 % at most.
pub const SCHEMA: i32 = 3;
/// What takes no longer than this counts in the zero bucket: 2⁻¹⁷ s or 7.6 µs, which no exchange is quicker than.
pub const ZERO_THRESHOLD_S: f64 = 1.0 / 131_072.0;
/// LIMIT: native buckets. The last one ends at 2¹⁵ s, nine hours; what takes longer counts in it.
pub const NATIVE_BUCKETS: usize = 256;
/// Index of the first native bucket, the one above [`ZERO_THRESHOLD_S`]. Bucket `index` ends at 2^(`index` / 8) s, that included.
pub const NATIVE_FIRST: i32 = -17 * 8 + 1;

/// Lower edges of the eight buckets of a doubling, as parts of its end: 2^(n / 8) / 2.
const EDGES: [f64; 8] = [
    0.5,
    0.545_253_866_332_628_8,
    0.594_603_557_501_360_5,
    0.648_419_777_325_504_8,
    0.707_106_781_186_547_5,
    0.771_105_412_703_970_4,
    0.840_896_415_253_714_5,
    0.917_004_043_204_671_1,
];
/// Eight for each power of two up to [`ZERO_THRESHOLD_S`], as the bits of a number count them (from 1023 for 1), and the first bucket begins
/// behind them.
const ZERO_PLACE: usize = (1023 - 17) * 8 + 1;

/// The exchange that stands for a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    /// Number of its trace.
    pub trace: u128,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// When it was over.
    pub at: SystemTime,
}

/// Counts of durations by bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BOUNDS_US.len()],
    native: [u64; NATIVE_BUCKETS],
    zeros: u64,
    count: u64,
    sum_us: u64,
    /// One for each fixed bucket, and one for what is above all of them.
    exemplars: [Option<Exemplar>; BOUNDS_US.len() + 1],
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram.
    pub const fn new() -> Self {
        Self {
            buckets: [0; BOUNDS_US.len()],
            native: [0; NATIVE_BUCKETS],
            zeros: 0,
            count: 0,
            sum_us: 0,
            exemplars: [None; BOUNDS_US.len() + 1],
        }
    }

    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        self.put(micros(duration));
    }

    /// Counts one duration, and keeps the exchange as the latest of its bucket if it has a trace.
    pub fn record_with(&mut self, duration: Duration, trace: Option<u128>, when: SystemTime) {
        let micros = micros(duration);
        let place = self.put(micros);
        let Some(trace) = trace else { return };
        if let Some(kept) = self.exemplars.get_mut(place) {
            *kept = Some(Exemplar {
                trace,
                micros,
                at: when,
            });
        }
    }

    /// Counts it, and says in which fixed bucket.
    fn put(&mut self, micros: u64) -> usize {
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(micros);
        let place = place(micros);
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
        match native_place(micros).and_then(|place| self.native.get_mut(place)) {
            Some(bucket) => *bucket += 1,
            None => self.zeros += 1,
        }
        place
    }

    /// Adds another worker's counts; of two exemplars the newer stays.
    pub fn add(&mut self, other: &Self) {
        let counts = self.buckets.iter_mut().zip(&other.buckets);
        for (mine, theirs) in counts.chain(self.native.iter_mut().zip(&other.native)) {
            *mine += theirs;
        }
        self.zeros += other.zeros;
        self.count += other.count;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        for (mine, theirs) in self.exemplars.iter_mut().zip(other.exemplars) {
            if theirs.map(|theirs| theirs.at) > mine.map(|mine| mine.at) {
                *mine = theirs;
            }
        }
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
            // Counts that were read while their owner wrote may be of two moments; a page that contradicts itself is refused whole.
            Some((*bound, (*below).min(self.count)))
        })
    }

    /// One exemplar for each of [`Self::cumulative`], and one for what is above.
    pub fn exemplars(&self) -> &[Option<Exemplar>] {
        &self.exemplars
    }

    /// Native buckets that hold something, by index, and their counts.
    pub fn native(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        (NATIVE_FIRST..).zip(self.native).filter(|(_, count)| *count > 0)
    }

    /// Durations up to [`ZERO_THRESHOLD_S`].
    pub fn zeros(&self) -> u64 {
        self.zeros
    }
}

/// A histogram that one worker writes and anybody reads.
#[derive(Debug)]
pub struct SharedHistogram {
    buckets: [AtomicU64; BOUNDS_US.len()],
    native: [AtomicU64; NATIVE_BUCKETS],
    zeros: AtomicU64,
    sum_us: AtomicU64,
}

impl Default for SharedHistogram {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BOUNDS_US.len()],
            native: [const { AtomicU64::new(0) }; NATIVE_BUCKETS],
            zeros: AtomicU64::new(0),
            sum_us: AtomicU64::new(0),
        }
    }
}

impl SharedHistogram {
    /// Counts one duration. Only the owning worker may: a load and a store cost less than a locked add.
    pub fn record(&self, duration: Duration) {
        let micros = micros(duration);
        let add = |number: &AtomicU64, more: u64| {
            number.store(number.load(Ordering::Relaxed).saturating_add(more), Ordering::Relaxed);
        };
        add(&self.sum_us, micros);
        if let Some(bucket) = self.buckets.get(place(micros)) {
            add(bucket, 1);
        }
        let native = native_place(micros).and_then(|place| self.native.get(place));
        add(native.unwrap_or(&self.zeros), 1);
    }

    /// The counts so far. Read on another thread than the owner's, a duration may be in the count and not in the sum.
    #[must_use]
    pub fn read(&self) -> Histogram {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let native = self.native.each_ref().map(load);
        let zeros = load(&self.zeros);
        Histogram {
            buckets: self.buckets.each_ref().map(load),
            native,
            zeros,
            count: native.iter().fold(zeros, |sum, count| sum.saturating_add(*count)),
            sum_us: load(&self.sum_us),
            ..Histogram::new()
        }
    }
}

/// The fixed bucket of a duration; one past the last when it is above all of them.
fn place(micros: u64) -> usize {
    let holds = |bound: &u64| micros <= *bound;
    BOUNDS_US.iter().position(holds).unwrap_or(BOUNDS_US.len())
}

/// The native bucket of a duration, by the bits of its seconds as a fraction and a power of two; none for the zero bucket.
fn native_place(micros: u64) -> Option<usize> {
    const FRACTION: u64 = (1 << 52) - 1;
    // A division would take longer than all the rest. Where a bucket's end is a whole number of microseconds, the product is exact too.
    let seconds = micros as f64 * 1e-6;
    if seconds <= ZERO_THRESHOLD_S {
        return None;
    }
    let fraction = f64::from_bits(seconds.to_bits() & FRACTION | 1022 << 52);
    let exponent = usize::try_from(seconds.to_bits() >> 52).ok()?;
    let above = EDGES.iter().position(|edge| fraction <= *edge).unwrap_or(EDGES.len());
    let place = (exponent * 8 + above).checked_sub(ZERO_PLACE)?;
    Some(place.min(NATIVE_BUCKETS - 1))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
