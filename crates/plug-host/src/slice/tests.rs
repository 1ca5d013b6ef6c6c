//! Time is counted while a guest computes, and only then.

use super::*;

fn slice() -> (Arc<AtomicU64>, Slice) {
    let now = Arc::new(AtomicU64::new(100));
    (Arc::clone(&now), Slice::new(now, Duration::from_millis(10)))
}

const fn ms(length: u64) -> Duration {
    Duration::from_millis(length)
}

#[test]
fn ticks_that_passed_unnoticed_in_a_host_call_count_by_its_cpu_time() {
    let (now, mut slice) = slice();
    slice.begin();
    now.fetch_add(1, Ordering::Relaxed);
    assert!(slice.tick(ms(501)));
    now.fetch_add(30, Ordering::Relaxed);
    assert!(slice.tick(ms(510)), "of thirty ticks, nine were computed");
    now.fetch_add(3, Ordering::Relaxed);
    assert!(!slice.tick(ms(513)));
    assert!(slice.is_exceeded());
}

#[test]
fn a_thread_that_waits_for_a_core_does_not_compute() {
    let (now, mut slice) = slice();
    slice.begin();
    for tick in 1..=5 {
        now.fetch_add(100, Ordering::Relaxed);
        assert!(slice.tick(ms(500 + tick)), "tick {tick}");
    }
}

#[test]
fn each_tick_counts_once_for_a_guest_that_cannot_give_way() {
    let (now, mut slice) = slice();
    slice.begin();
    for tick in 1..=10 {
        now.fetch_add(1, Ordering::Relaxed);
        assert!(slice.tick(ms(500 + tick)), "tick {tick}");
    }
    now.fetch_add(1, Ordering::Relaxed);
    assert!(!slice.tick(ms(511)));
}

#[tokio::test]
async fn time_in_which_the_guest_gave_way_does_not_count() {
    let (now, mut slice) = slice();
    slice.begin();
    for _ in 0..10 {
        now.fetch_add(1, Ordering::Relaxed);
        assert!(slice.tick(ms(1)));
        let way = slice.give_way();
        now.fetch_add(1_000, Ordering::Relaxed);
        way.await;
    }
    now.fetch_add(1, Ordering::Relaxed);
    assert!(!slice.tick(ms(1)), "its own ten ticks are used up");
}

#[test]
fn each_entry_has_a_slice_of_its_own() {
    let (now, mut slice) = slice();
    for _ in 0..3 {
        slice.begin();
        for tick in 1..=10 {
            now.fetch_add(1, Ordering::Relaxed);
            assert!(slice.tick(ms(500 + tick)));
        }
    }
}
