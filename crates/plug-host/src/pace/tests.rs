//! When a guest moves to the worker's stack, and when it goes back.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;

use super::{Pace, SLOW, Wary};
use crate::exports::Stack;
use crate::tests::house::{House, on_worker, spec};
use crate::tests::wat::Wat;
use crate::{FaultKind, PluginSpec};

fn pass(pace: &mut Pace, entries: u32) {
    for _ in 0..entries {
        pace.begin(Stack::Own);
        pace.end();
    }
}

#[test]
fn trust_is_earned_by_quick_entries_in_a_row() {
    let mut pace = Pace::new(3);
    pass(&mut pace, 2);
    assert!(!pace.is_trusted());
    pace.begin(Stack::Own);
    pace.slow = true;
    pace.end();
    pass(&mut pace, 2);
    assert!(!pace.is_trusted(), "a slow one begins the row anew");
    pass(&mut pace, 1);
    assert!(pace.is_trusted());
    let mut never = Pace::new(0);
    pass(&mut never, 10_000);
    assert!(!never.is_trusted());
}

#[test]
fn only_what_computes_is_slow_not_what_waits_for_a_processor() {
    let mut pace = Pace::new(1);
    pace.begin(Stack::Worker);
    assert!(!pace.tick(), "the first tick only looks at the clock");
    std::thread::sleep(SLOW * 2);
    assert!(!pace.tick());
    let began = super::cpu_time();
    while super::cpu_time().saturating_sub(began) <= SLOW {}
    assert!(pace.tick());
}

#[test]
fn wariness_ends_after_its_ticks() {
    let wary = Wary::default();
    assert!(wary.is_over(0));
    wary.begin(5);
    assert!(!wary.is_over(2_400_004));
    assert!(wary.is_over(2_400_005));
}

/// Loops in exchanges that end with their head, and is quick in others.
fn looping() -> Vec<u8> {
    let mut wat = Wat::new();
    wat.on(
        "proxy_on_request_headers",
        "(param i32 i32 i32) (result i32)",
        "(if (local.get 2) (then (loop $ever (br $ever)))) (i32.const 0)",
    );
    wat.build()
}

/// How often another task gets its turn while the guest computes for its whole slice.
async fn turns_beside(house: &House) -> u32 {
    while house.open().await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    house.stream().await.request_headers(false).await.unwrap();
    let stream = house.stream().await;
    let turns = Rc::new(Cell::new(0));
    let counter = Rc::clone(&turns);
    let neighbour = spawn_local(async move {
        loop {
            counter.set(counter.get() + 1);
            tokio::task::yield_now().await;
        }
    });
    let fault = stream.request_headers(true).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::SliceExceeded { .. }));
    neighbour.abort();
    turns.get()
}

#[test]
fn a_trusted_guest_holds_up_its_worker_once() {
    on_worker(async {
        let spec = PluginSpec {
            cpu_slice: Duration::from_millis(100),
            trusted_after: 1,
            ..spec("guest")
        };
        let house = House::of_spec(&looping(), spec);
        house.warm().await;
        assert_eq!(turns_beside(&house).await, 0);
        for _ in 0..3 {
            // The fresh instance is quick again, but the plugin is not forgiven.
            assert!(turns_beside(&house).await > 0);
        }
    });
}

/// Runs `then` with so much of the thread's stack left at most: the C library gives a new thread the stack of an old one, which may be larger than
/// what was asked for.
fn with_room(bytes: usize, then: &mut dyn FnMut()) {
    if stacker::remaining_stack().is_some_and(|room| room > bytes) {
        let frame = std::hint::black_box([0_u8; 16 * 1024]);
        with_room(bytes, then);
        std::hint::black_box(frame);
    } else {
        then();
    }
}

#[test]
fn without_room_on_the_workers_stack_a_guest_keeps_its_own() {
    let room = usize::try_from(crate::tests::house::STACK_BYTES + 256 * 1024).unwrap();
    let worker = std::thread::Builder::new().stack_size(room);
    let worker = worker.spawn(move || {
        with_room(room, &mut || {
            on_worker(async {
                let spec = PluginSpec {
                    trusted_after: 1,
                    ..spec("guest")
                };
                let house = House::of_spec(&looping(), spec);
                house.warm().await;
                assert!(turns_beside(&house).await > 0);
            });
        });
    });
    worker.unwrap().join().unwrap();
}
