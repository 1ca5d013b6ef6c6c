//! Time is counted while a guest computes, and only then.

use std::io::Write;

use super::*;

fn slice() -> (Arc<AtomicU64>, Slice) {
    let now = Arc::new(AtomicU64::new(100));
    (Arc::clone(&now), Slice::new(now, Duration::from_millis(10)))
}

const fn ms(length: u64) -> Duration {
    Duration::from_millis(length)
}

/// As many milliseconds of ticks pass.
fn pass(now: &AtomicU64, length: u64) {
    now.fetch_add(ticks(ms(length)), Ordering::Relaxed);
}

#[test]
fn ticks_that_passed_unnoticed_in_a_host_call_count_by_its_cpu_time() {
    let (now, mut slice) = slice();
    slice.begin();
    pass(&now, 1);
    assert!(slice.tick(ms(501)));
    pass(&now, 30);
    assert!(slice.tick(ms(510)), "of thirty ticks, nine were computed");
    pass(&now, 3);
    assert!(!slice.tick(ms(513)));
    assert!(slice.is_exceeded());
}

#[test]
fn a_thread_that_waits_for_a_core_does_not_compute() {
    let (now, mut slice) = slice();
    slice.begin();
    for tick in 1..=5 {
        pass(&now, 100);
        assert!(slice.tick(ms(500 + tick)), "tick {tick}");
    }
}

#[test]
fn each_tick_counts_once_for_a_guest_that_cannot_give_way() {
    let (now, mut slice) = slice();
    slice.begin();
    for tick in 1..=10 {
        pass(&now, 1);
        assert!(slice.tick(ms(500 + tick)), "tick {tick}");
    }
    pass(&now, 1);
    assert!(!slice.tick(ms(511)));
}

#[tokio::test]
async fn time_in_which_the_guest_gave_way_does_not_count() {
    let (now, mut slice) = slice();
    slice.begin();
    for _ in 0..ticks(ms(10)) {
        now.fetch_add(1, Ordering::Relaxed);
        assert!(slice.tick(ms(1)));
        let way = slice.give_way();
        pass(&now, 1_000);
        way.await;
    }
    now.fetch_add(1, Ordering::Relaxed);
    assert!(!slice.tick(ms(1)), "its own ticks are used up");
}

#[test]
fn each_entry_has_a_slice_of_its_own() {
    let (now, mut slice) = slice();
    for _ in 0..3 {
        slice.begin();
        for tick in 1..=10 {
            pass(&now, 1);
            assert!(slice.tick(ms(500 + tick)));
        }
    }
}

#[tokio::test]
async fn whom_the_network_wakes_and_whom_that_wakes_come_before_a_guest_that_gives_way() {
    let (network, client) = std::os::unix::net::UnixStream::pair().unwrap();
    network.set_nonblocking(true).unwrap();
    let network = tokio::net::UnixStream::from_std(network).unwrap();
    let (wake, woken) = tokio::sync::oneshot::channel();
    let answered = Arc::new(AtomicU64::new(0));
    let connection = tokio::spawn(async move {
        network.readable().await.unwrap();
        wake.send(()).unwrap();
    });
    let told = Arc::clone(&answered);
    let exchange = tokio::spawn(async move {
        woken.await.unwrap();
        told.store(1, Ordering::Relaxed);
    });
    let guest = tokio::spawn(async move {
        // Both wait by now.
        tokio::task::yield_now().await;
        (&client).write_all(b"x").unwrap();
        slice().1.give_way().await;
        answered.load(Ordering::Relaxed)
    });
    assert_eq!(guest.await.unwrap(), 1);
    connection.await.unwrap();
    exchange.await.unwrap();
}

#[test]
fn short_waits_for_a_core_do_not_add_up_to_a_slice() {
    let (now, mut slice) = slice();
    slice.begin();
    for tick in 1..=30 {
        // Of each millisecond that passes, a quarter was computed.
        pass(&now, 1);
        assert!(slice.tick(ms(500) + TICK * tick), "tick {tick}");
    }
}
