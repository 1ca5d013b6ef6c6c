//! Asking again: after longer and longer waits, a bounded number of times, and only what may go well later.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::fault::{PackageFault, Result};

/// Wait after the first failure; doubled with each further one, as in Istio's fetcher.
const WAIT: Duration = Duration::from_millis(500);
/// LIMIT: the longest such wait.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// LIMIT: the longest wait that the other side may ask for.
const ASKED_MAX: Duration = Duration::from_secs(30);

/// Does something up to `tries` times; `says` hears of each failure that is not the last.
pub(crate) async fn retried<T>(
    tries: u32,
    says: impl Fn(&PackageFault, Duration),
    mut work: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let mut failures = 0_u32;
    loop {
        let fault = match work().await {
            Ok(done) => return Ok(done),
            Err(fault) => fault,
        };
        failures = failures.saturating_add(1);
        if failures >= tries || !fault.may_pass() {
            return Err(fault);
        }
        let wait = wait(failures, &fault);
        says(&fault, wait);
        tokio::time::sleep(wait).await;
    }
}

/// Three quarters to five quarters of the wait, so that many gateways do not come back together.
fn wait(failures: u32, fault: &PackageFault) -> Duration {
    if let Some(asked) = fault.retry_after() {
        return asked.min(ASKED_MAX);
    }
    let doubled = WAIT
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)))
        .min(WAIT_MAX);
    let chance = u32::try_from(RandomState::new().hash_one(failures) % 51).unwrap_or(25);
    doubled.saturating_mul(75_u32.saturating_add(chance)) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable() -> PackageFault {
        PackageFault::Unreachable {
            host: String::new(),
            why: String::new(),
        }
    }

    #[test]
    fn waits_grow_to_a_bound_and_are_never_the_same() {
        for (failures, least, most) in [
            (1, 375, 630),
            (2, 750, 1_260),
            (3, 1_500, 2_520),
            (5, 6_000, 10_080),
            (99, 6_000, 10_080),
        ] {
            let wait = wait(failures, &unreachable()).as_millis();
            assert!((least..=most).contains(&wait), "{failures}: {wait}");
        }
        let waits: std::collections::HashSet<_> = (0..50).map(|_| wait(5, &unreachable())).collect();
        assert!(waits.len() > 10);
    }

    #[test]
    fn a_wait_that_is_asked_for_is_kept_up_to_a_bound() {
        let asked = |seconds| PackageFault::Status {
            host: String::new(),
            status: 429,
            what: String::new(),
            said: String::new(),
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(wait(1, &asked(3)), Duration::from_secs(3));
        assert_eq!(wait(1, &asked(9_999)), ASKED_MAX);
    }
}
