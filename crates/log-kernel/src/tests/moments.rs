//! The kernel's clock, and the one on the wall.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::{Clock, Moment};

#[test]
fn a_moment_becomes_the_wall_clock_before_and_after_the_pair() {
    let noon = UNIX_EPOCH + Duration::from_secs(43_200);
    let clock = Clock::at(Moment::from_ns(5_000_000_000), noon);
    assert_eq!(clock.wall(Moment::from_ns(5_000_000_000)), noon);
    assert_eq!(
        clock.wall(Moment::from_ns(3_000_000_001)),
        noon - Duration::from_nanos(1_999_999_999)
    );
    assert_eq!(
        clock.wall(Moment::from_ns(5_000_000_007)),
        noon + Duration::from_nanos(7)
    );
    assert!(Clock::at(Moment::from_ns(0), noon).wall(Moment::from_ns(u64::MAX)) > noon);
}

#[test]
fn the_present_is_the_present_on_both_clocks() {
    let clock = Clock::read();
    let (before, told, after) = (SystemTime::now(), clock.wall(Moment::now()), SystemTime::now());
    let slack = Duration::from_millis(5);
    assert!(
        told + slack > before && told < after + slack,
        "{before:?} {told:?} {after:?}"
    );
}

#[test]
fn an_instant_is_the_moment_that_it_was() {
    let before = Moment::now();
    let instant = Instant::now();
    let after = Moment::now();
    // Both are asked again in between, so that a pause of this thread can only make it earlier by its own length.
    let (early, told) = (Instant::now(), Moment::of(instant));
    let pause = early.elapsed();
    assert!(
        told >= before.before(pause) && told <= Moment::from_ns(after.ns() + 1_000_000),
        "{before:?} {told:?} {after:?}"
    );
}
