//! How long to wait before a store is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait; each further one is twice as long.
const WAIT: Duration = Duration::from_millis(100);
/// LIMIT: the longest wait, before chance is added.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// LIMIT: times that the wait is doubled; far beyond the longest.
const DOUBLINGS_MAX: u32 = 16;

/// Waits that grow with each failure up to a bound, each with a part of chance, so that many gateways do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    wait_max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(WAIT_MAX)
    }
}

impl Backoff {
    /// With another longest wait.
    #[must_use]
    pub fn up_to(wait_max: Duration) -> Self {
        Self { failures: 0, wait_max }
    }

    /// The wait after one more failure.
    pub fn wait(&mut self) -> Duration {
        let chance = RandomState::new().hash_one(self.failures);
        self.wait_by(u32::try_from(chance % 51).unwrap_or(25))
    }

    /// The same with chance given, from 0 to 50: three quarters to five quarters of the wait.
    pub fn wait_by(&mut self, chance: u32) -> Duration {
        let doubled = WAIT
            .saturating_mul(2_u32.saturating_pow(self.failures.min(DOUBLINGS_MAX)))
            .min(self.wait_max);
        self.failures = self.failures.saturating_add(1);
        doubled.saturating_mul(75_u32.saturating_add(chance.min(50))) / 100
    }

    /// All is well again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds_and_start_small_again(failures in 0_usize..200, chance in 0_u32..100) {
            let mut backoff = Backoff::default();
            let mut last = Duration::ZERO;
            for _ in 0..=failures {
                last = backoff.wait_by(chance);
                prop_assert!(last >= WAIT * 3 / 4 && last <= WAIT_MAX * 5 / 4, "{last:?}");
            }
            if failures > 10 {
                prop_assert!(last >= WAIT_MAX * 3 / 4, "{last:?}");
            }
            backoff.reset();
            prop_assert!(backoff.wait_by(chance) <= WAIT * 5 / 4);
        }

        #[test]
        fn no_wait_is_shorter_than_the_one_before_it_by_more_than_chance(chances in prop::collection::vec(0_u32..=50, 2..40)) {
            let mut backoff = Backoff::default();
            let waits: Vec<Duration> = chances.iter().map(|chance| backoff.wait_by(*chance)).collect();
            prop_assert!(waits.windows(2).all(|pair| pair[1] * 5 >= pair[0] * 3), "{waits:?}");
        }
    }

    #[test]
    fn two_gateways_do_not_come_back_together() {
        let waits: std::collections::HashSet<Duration> = (0..50).map(|_| Backoff::default().wait()).collect();
        assert!(waits.len() > 10, "{}", waits.len());
    }
}
