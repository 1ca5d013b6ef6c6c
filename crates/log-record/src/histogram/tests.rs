//! Buckets are where their bounds say, workers add up, and the newest exemplar stays.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

/// The index whose bucket holds a duration, by the definition: the least with 2^(index / 8) at or above the seconds.
fn defined(micros: u64) -> i32 {
    let seconds = micros as f64 / 1e6;
    let first = NATIVE_FIRST..NATIVE_FIRST + 256;
    let mut indexes = first.clone();
    let found = indexes.find(|index| seconds <= (f64::from(*index) / 8.0).exp2());
    found.unwrap_or(first.end - 1)
}

fn of(micros: u64) -> Histogram {
    let mut histogram = Histogram::new();
    histogram.record(Duration::from_micros(micros));
    histogram
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

proptest! {
    #[test]
    fn a_native_bucket_holds_what_its_bounds_say(exponent in 3_u32..40, more in any::<u64>()) {
        let micros = (1_u64 << exponent) + more % (1_u64 << exponent);
        prop_assert_eq!(of(micros).native().collect::<Vec<_>>(), [(defined(micros), 1)]);
    }

    #[test]
    fn every_duration_is_in_one_native_bucket_and_below_its_fixed_bounds(micros in any::<u64>()) {
        let histogram = of(micros);
        prop_assert_eq!(histogram.native().map(|(_, count)| count).sum::<u64>() + histogram.zeros(), 1);
        for (bound, below) in histogram.cumulative() {
            prop_assert_eq!(below, u64::from(micros <= bound));
        }
    }
}

#[test]
fn powers_of_two_end_their_bucket() {
    assert_eq!(of(1_000_000).native().collect::<Vec<_>>(), [(0, 1)]);
    assert_eq!(of(1_000_001).native().collect::<Vec<_>>(), [(1, 1)]);
    assert_eq!(of(500_000).native().collect::<Vec<_>>(), [(-8, 1)]);
    assert_eq!(of(1_999_999).native().collect::<Vec<_>>(), [(8, 1)]);
}

#[test]
fn what_is_quicker_or_slower_than_all_buckets_is_counted_at_their_ends() {
    assert_eq!((of(0).zeros(), of(7).zeros(), of(8).zeros()), (1, 1, 0));
    assert_eq!(of(8).native().collect::<Vec<_>>(), [(NATIVE_FIRST, 1)]);
    assert_eq!(of(u64::MAX).native().collect::<Vec<_>>(), [(120, 1)]);
}

#[test]
fn histograms_of_workers_add_up() {
    let (mut one, mut two) = (Histogram::new(), Histogram::new());
    one.record(Duration::from_micros(50));
    two.record(Duration::from_micros(50));
    two.record(Duration::ZERO);
    two.record(Duration::MAX);
    one.add(&two);
    assert_eq!((one.count(), one.sum_us(), one.zeros()), (4, u64::MAX, 1));
    assert_eq!(one.cumulative().next(), Some((100, 3)));
    assert_eq!(one.native().collect::<Vec<_>>(), [(defined(50), 2), (120, 1)]);
}

#[test]
fn a_histogram_that_others_read_counts_as_one_that_is_owned() {
    let (shared, mut owned) = (SharedHistogram::default(), Histogram::new());
    for duration in [Duration::ZERO, Duration::from_millis(3), Duration::MAX, Duration::MAX] {
        shared.record(duration);
        owned.record(duration);
    }
    assert_eq!(shared.read(), owned);
    assert_eq!(shared.read().count(), 4);
}

#[test]
fn each_fixed_bucket_keeps_its_latest_exchange_with_a_trace() {
    let mut histogram = Histogram::new();
    let micros = Duration::from_micros;
    histogram.record_with(micros(90), Some(1), at(1));
    histogram.record_with(micros(80), Some(2), at(2));
    histogram.record_with(micros(70), None, at(3));
    histogram.record_with(Duration::from_secs(90), Some(3), at(4));
    let kept: Vec<_> = histogram
        .exemplars()
        .iter()
        .flatten()
        .map(|kept| (kept.trace, kept.micros))
        .collect();
    assert_eq!(kept, [(2, 80), (3, 90_000_000)]);
    assert_eq!(histogram.exemplars().len(), BOUNDS_US.len() + 1);
    assert_eq!(histogram.exemplars()[BOUNDS_US.len()].unwrap().trace, 3);
    assert_eq!(histogram.count(), 4);
}

#[test]
fn of_two_workers_the_newer_exemplar_stays() {
    let of = |trace, second| {
        let mut histogram = Histogram::new();
        histogram.record_with(Duration::from_micros(90), Some(trace), at(second));
        histogram
    };
    let first = |histogram: &Histogram| histogram.exemplars()[0].unwrap().trace;
    let (mut older, mut newer) = (of(1, 1), of(2, 2));
    older.add(&of(2, 2));
    newer.add(&of(1, 1));
    newer.add(&Histogram::new());
    assert_eq!((first(&older), first(&newer)), (2, 2));
}
