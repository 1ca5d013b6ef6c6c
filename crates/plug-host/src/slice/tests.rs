//! Time is counted while a guest computes, and only then.

use super::*;

fn slice() -> (Arc<AtomicU64>, Slice) {
    let now = Arc::new(AtomicU64::new(100));
    (Arc::clone(&now), Slice::new(now, Duration::from_millis(10)))
}

#[test]
fn ticks_that_passed_unnoticed_in_a_host_call_count() {
    let (now, mut slice) = slice();
    slice.begin();
    now.fetch_add(10, Ordering::Relaxed);
    assert!(slice.tick(), "ten ticks are ten milliseconds");
    now.fetch_add(1, Ordering::Relaxed);
    assert!(!slice.tick());
    assert!(slice.is_exceeded());
}

#[tokio::test]
async fn time_in_which_the_guest_gave_way_does_not_count() {
    let (now, mut slice) = slice();
    slice.begin();
    for _ in 0..10 {
        now.fetch_add(1, Ordering::Relaxed);
        assert!(slice.tick());
        let way = slice.give_way();
        now.fetch_add(1_000, Ordering::Relaxed);
        way.await;
    }
    now.fetch_add(1, Ordering::Relaxed);
    assert!(!slice.tick(), "its own ten ticks are used up");
}

#[test]
fn each_entry_has_a_slice_of_its_own() {
    let (now, mut slice) = slice();
    for _ in 0..3 {
        slice.begin();
        now.fetch_add(9, Ordering::Relaxed);
        assert!(slice.tick());
    }
}
