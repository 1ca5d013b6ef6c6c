//! How durations are spread: counts in buckets that grow by a quarter, from one microsecond on.

use std::time::Duration;

/// Four buckets for each doubling, over 26 doublings: up to 67 s. A plugin adds microseconds, which wider buckets would not tell apart.
const PER_DOUBLING: u32 = 4;
const DOUBLINGS: u32 = 26;
const BUCKETS: usize = (PER_DOUBLING * DOUBLINGS) as usize + 1;

/// Counts of durations. The last bucket holds what is longer than all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    counts: Vec<u64>,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
        }
    }
}

impl Spread {
    /// How many buckets there are.
    pub const BUCKETS: usize = BUCKETS;

    /// Counts that somebody else kept, by [`Spread::bucket`].
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> Self {
        let mut spread = Self::default();
        for (mine, count) in spread.counts.iter_mut().zip(counts) {
            *mine = count;
        }
        spread
    }

    /// Which bucket a duration falls into.
    #[must_use]
    pub fn bucket(duration: Duration) -> usize {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let Some(doubling) = micros.checked_ilog2() else {
            return 0;
        };
        // What is beyond the power of two, in quarters of it.
        let beyond = micros.saturating_sub(1 << doubling);
        let quarter = u32::try_from(beyond.saturating_mul(4) >> doubling).unwrap_or(0);
        let bucket = doubling.saturating_mul(PER_DOUBLING).saturating_add(quarter);
        usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
    }

    /// Microseconds at which a bucket ends.
    #[must_use]
    pub fn end_us(bucket: usize) -> f64 {
        let bucket = u32::try_from(bucket).unwrap_or(u32::MAX).min(PER_DOUBLING * DOUBLINGS);
        let (doubling, quarter) = (bucket / PER_DOUBLING, bucket % PER_DOUBLING);
        f64::from(doubling).exp2() * (1.0 + f64::from(quarter + 1) / f64::from(PER_DOUBLING))
    }

    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        if let Some(count) = self.counts.get_mut(Self::bucket(duration)) {
            *count = count.saturating_add(1);
        }
    }

    /// Counts values of which only is known that they are up to `upper`, by buckets that somebody else chose.
    pub fn add_up_to(&mut self, upper: u64, count: u64) {
        let bucket = Self::bucket(Duration::from_micros(upper));
        if let Some(mine) = self.counts.get_mut(bucket) {
            *mine = mine.saturating_add(count);
        }
    }

    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// What has come since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let counts = self.counts.iter().zip(&before.counts);
        Self::from_counts(counts.map(|(now, before)| now.saturating_sub(*before)))
    }

    /// How many durations there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many are in `bucket` or in one before.
    #[must_use]
    pub fn up_to(&self, bucket: usize) -> u64 {
        self.counts.iter().take(bucket.saturating_add(1)).sum()
    }

    /// The first bucket up to which at least so many are.
    #[must_use]
    pub fn bucket_of(&self, rank: u64) -> Option<usize> {
        let mut below = 0_u64;
        self.counts.iter().position(|count| {
            below = below.saturating_add(*count);
            below >= rank
        })
    }
}
