//! How long to wait before a delivery is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// LIMIT: times that the wait is doubled; far beyond the longest.
const DOUBLINGS_MAX: u32 = 20;

/// Waits that grow with each failure up to a bound, each with a part of chance, so that many gateways do not come back together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    failures: u32,
    wait_min: Duration,
    wait_max: Duration,
}

impl Backoff {
    pub(crate) fn new(wait_min: Duration, wait_max: Duration) -> Self {
        Self {
            failures: 0,
            wait_min,
            wait_max: wait_max.max(wait_min),
        }
    }

    /// The wait after one more failure.
    pub(crate) fn wait(&mut self) -> Duration {
        let chance = RandomState::new().hash_one(self.failures);
        self.wait_by(u32::try_from(chance % 51).unwrap_or(25))
    }

    /// The same with chance given, from 0 to 50: three quarters to five quarters of the wait.
    fn wait_by(&mut self, chance: u32) -> Duration {
        let factor = 2_u32.saturating_pow(self.failures.min(DOUBLINGS_MAX));
        let doubled = self.wait_min.saturating_mul(factor).min(self.wait_max);
        self.failures = self.failures.saturating_add(1);
        doubled.saturating_mul(75_u32.saturating_add(chance.min(50))) / 100
    }

    /// All is well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIN: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(30);

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds_and_start_small_again(failures in 0_usize..100, chance in 0_u32..100) {
            let mut backoff = Backoff::new(MIN, MAX);
            let mut last = Duration::ZERO;
            for _ in 0..=failures {
                last = backoff.wait_by(chance);
                prop_assert!(last >= MIN * 3 / 4 && last <= MAX * 5 / 4, "{last:?}");
            }
            if failures > 10 {
                prop_assert!(last >= MAX * 3 / 4, "{last:?}");
            }
            backoff.reset();
            prop_assert!(backoff.wait_by(chance) <= MIN * 5 / 4);
        }
    }

    #[test]
    fn two_gateways_do_not_come_back_together() {
        let waits: std::collections::HashSet<Duration> = (0..50).map(|_| Backoff::new(MIN, MAX).wait()).collect();
        assert!(waits.len() > 10, "{}", waits.len());
    }
}
