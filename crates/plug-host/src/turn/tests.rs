//! Who gets a turn, and that nobody waits for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::Turns;

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn whoever_comes_while_it_is_free_takes_it_before_those_that_wait() {
    let turns = Turns::new(7);
    let (count, other) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let (waker, other_waker) = (Waker::from(Arc::clone(&count)), Waker::from(Arc::clone(&other)));
    let (mut task, mut other_task) = (Context::from_waker(&waker), Context::from_waker(&other_waker));
    let first = turns.take_now().unwrap();
    let mut second = pin!(turns.take());
    let mut third = pin!(turns.take());
    assert!(second.as_mut().poll(&mut task).is_pending());
    assert!(third.as_mut().poll(&mut other_task).is_pending());
    drop(first);
    assert_eq!((count.woken(), other.woken()), (1, 0));
    let barged = turns.take_now().unwrap();
    assert!(second.as_mut().poll(&mut task).is_pending(), "woken in vain");
    drop(barged);
    assert_eq!((count.woken(), other.woken()), (2, 0), "it stands first again");
    let Poll::Ready(turn) = second.as_mut().poll(&mut task) else {
        panic!("it is free")
    };
    assert_eq!(*turn, 7);
    drop(turn);
    assert_eq!(other.woken(), 1);
    assert!(third.as_mut().poll(&mut other_task).is_ready());
}

#[test]
fn one_that_was_woken_and_goes_away_wakes_the_next() {
    let turns = Turns::new(());
    let (count, other) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let (waker, other_waker) = (Waker::from(Arc::clone(&count)), Waker::from(Arc::clone(&other)));
    let first = turns.take_now().unwrap();
    let mut second = Box::pin(turns.take());
    let mut third = pin!(turns.take());
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(third.as_mut().poll(&mut Context::from_waker(&other_waker)).is_pending());
    drop(first);
    drop(second);
    assert_eq!((count.woken(), other.woken()), (1, 1));
    assert!(third.as_mut().poll(&mut Context::from_waker(&other_waker)).is_ready());
}

#[test]
fn everybody_gets_a_turn_when_turns_last_longer_than_a_poll() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let turns = Turns::new(0);
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let (turns, seen) = (Rc::clone(&turns), Rc::clone(&seen));
                tokio::task::spawn_local(async move {
                    let mut turn = turns.take().await;
                    let before = *turn;
                    tokio::task::yield_now().await;
                    assert_eq!(*turn, before, "nobody else had it meanwhile");
                    *turn += 1;
                    seen.borrow_mut().push(number);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*turns.take().await, 20);
    });
    let mut seen = seen.take();
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
}
