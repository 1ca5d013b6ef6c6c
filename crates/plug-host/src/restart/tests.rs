//! Waits after faults, one after the other.

use std::time::Duration;

use tokio::time::Instant;

use super::{RestartPolicy, Restarts, Wait, spread};

const POLICY: RestartPolicy = RestartPolicy {
    backoff: Duration::from_millis(10),
    backoff_max: Duration::from_millis(40),
    recovered_after: Duration::from_secs(1),
    quarantine_after: 6,
    quarantine: Duration::from_secs(60),
    full_at_percent: 100,
};

/// Whether a wait is what it should be, give or take a quarter.
fn is_about(wait: Wait, ms: u64) -> bool {
    let Wait::Backoff(wait) = wait else { return false };
    let exact = Duration::from_millis(ms);
    (exact * 3 / 4..=exact * 5 / 4).contains(&wait)
}

#[test]
fn waits_double_to_their_bound_and_then_it_is_set_aside() {
    let now = Instant::now();
    let mut restarts = Restarts::default();
    assert!(!restarts.fault(&POLICY, Duration::ZERO, now));
    assert_eq!(restarts.wait(now), Wait::Over);
    for ms in [10, 20, 40, 40] {
        assert!(!restarts.fault(&POLICY, Duration::ZERO, now));
        assert!(is_about(restarts.wait(now), ms), "{ms}: {:?}", restarts.wait(now));
    }
    assert!(restarts.fault(&POLICY, Duration::ZERO, now));
    assert_eq!(restarts.wait(now), Wait::Quarantine(POLICY.quarantine));
    let over = now + POLICY.quarantine;
    assert_eq!(restarts.wait(over), Wait::Over);
    assert!(restarts.fault(&POLICY, Duration::ZERO, over), "one try only");
    assert!(
        !restarts.fault(&POLICY, POLICY.recovered_after, over),
        "it had recovered"
    );
    assert_eq!(restarts.wait(over), Wait::Over);
}

#[test]
fn without_a_number_nothing_is_set_aside() {
    let policy = RestartPolicy {
        quarantine_after: 0,
        ..POLICY
    };
    let now = Instant::now();
    let mut restarts = Restarts::default();
    for _ in 0..1_000 {
        assert!(!restarts.fault(&policy, Duration::ZERO, now));
    }
    assert!(is_about(restarts.wait(now), 40));
}

#[test]
fn waits_are_spread() {
    let wait = Duration::from_secs(1);
    let waits: Vec<_> = (0..1_000).map(|_| spread(wait)).collect();
    assert!(waits.iter().all(|one| (wait * 3 / 4..=wait * 5 / 4).contains(one)));
    assert!(waits.iter().any(|one| *one < wait * 9 / 10));
    assert!(waits.iter().any(|one| *one > wait * 11 / 10));
}
