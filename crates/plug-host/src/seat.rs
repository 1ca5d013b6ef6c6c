//! Places for instances that serve one exchange each: so many on a worker, and so many in the process.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bell::Bell;
use crate::engine::{Engine, SEATS_MAX};

/// The places of one plugin on one worker.
#[derive(Default)]
pub(crate) struct Seats {
    taken: Cell<u32>,
    /// Rung when the last one is given back.
    empty: Bell,
}

/// A place that is taken, until dropped.
pub(crate) struct Seat {
    seats: Rc<Seats>,
    engine: Arc<Engine>,
}

impl Seats {
    /// Takes a place; none when `max` are taken, or all of the process.
    pub(crate) fn take(self: &Rc<Self>, max: u32, engine: &Arc<Engine>) -> Option<Seat> {
        if self.taken.get() >= max {
            return None;
        }
        let all = &engine.seats;
        if all.fetch_add(1, Ordering::Relaxed) >= SEATS_MAX {
            all.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.taken.set(self.taken.get().saturating_add(1));
        Some(Seat {
            seats: Rc::clone(self),
            engine: Arc::clone(engine),
        })
    }

    /// Waits until all are free.
    pub(crate) async fn free(&self) {
        while self.taken.get() > 0 {
            self.empty.heard().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.engine.seats.fetch_sub(1, Ordering::Relaxed);
        let left = self.seats.taken.get().saturating_sub(1);
        self.seats.taken.set(left);
        if left == 0 {
            self.seats.empty.ring();
        }
    }
}
