//! Turns at a guest: one callback at a time, among the tasks of one thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What is taken in turns.
///
/// Whoever comes while it is free takes it, also before those that wait: nearly every callback ends in the poll in which it began, so
/// that waiting ends with the one callback that gave way. Handing it over in the order of arrival instead lets a queue that has formed
/// once never end, with every callback of a busy worker behind a switch of tasks.
pub(crate) struct Turns<T> {
    free: RefCell<Option<T>>,
    // LIMIT: one for each exchange, callout and timer that waits.
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    last: Cell<u64>,
}

/// The right to use it, until dropped.
pub(crate) struct Turn<T: Default> {
    turns: Rc<Turns<T>>,
    held: T,
}

impl<T: Default> Turns<T> {
    pub(crate) fn new(value: T) -> Rc<Self> {
        Rc::new(Self {
            free: RefCell::new(Some(value)),
            waiting: RefCell::default(),
            last: Cell::default(),
        })
    }

    fn take_now(self: &Rc<Self>) -> Option<Turn<T>> {
        self.take_if(|_| true)
    }

    /// Takes it if it is free and as `wanted`.
    pub(crate) fn take_if(self: &Rc<Self>, wanted: impl FnOnce(&T) -> bool) -> Option<Turn<T>> {
        let held = self.free.borrow_mut().take_if(|held| wanted(held))?;
        Some(Turn {
            turns: Rc::clone(self),
            held,
        })
    }

    /// Waits until it is free.
    pub(crate) async fn take(self: &Rc<Self>) -> Turn<T> {
        if let Some(turn) = self.take_now() {
            return turn;
        }
        let mut place = Place::new(self);
        poll_fn(|task| place.poll(task)).await
    }

    fn wake_next(&self) {
        let next = self.waiting.borrow_mut().pop_front();
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

impl<T: Default> Deref for Turn<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.held
    }
}

impl<T: Default> DerefMut for Turn<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.held
    }
}

impl<T: Default> Drop for Turn<T> {
    fn drop(&mut self) {
        *self.turns.free.borrow_mut() = Some(mem::take(&mut self.held));
        self.turns.wake_next();
    }
}

/// A place among those that wait.
struct Place<'turns, T: Default> {
    turns: &'turns Rc<Turns<T>>,
    number: u64,
    /// Whether it has stood in the queue: woken in vain, it stands first again.
    stood: bool,
}

impl<'turns, T: Default> Place<'turns, T> {
    fn new(turns: &'turns Rc<Turns<T>>) -> Self {
        let number = turns.last.get().wrapping_add(1);
        turns.last.set(number);
        Self {
            turns,
            number,
            stood: false,
        }
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Turn<T>> {
        if let Some(turn) = self.turns.take_now() {
            self.leave();
            return Poll::Ready(turn);
        }
        let mut waiting = self.turns.waiting.borrow_mut();
        let waker = task.waker().clone();
        match waiting.iter_mut().find(|(number, _)| *number == self.number) {
            Some(place) => place.1 = waker,
            None if self.stood => waiting.push_front((self.number, waker)),
            None => waiting.push_back((self.number, waker)),
        }
        self.stood = true;
        Poll::Pending
    }

    fn leave(&mut self) {
        let number = self.number;
        self.turns.waiting.borrow_mut().retain(|(other, _)| *other != number);
        self.stood = false;
    }
}

impl<T: Default> Drop for Place<'_, T> {
    /// One that was woken and goes away passes the wake-up on.
    fn drop(&mut self) {
        if self.stood {
            self.leave();
            if self.turns.free.borrow().is_some() {
                self.turns.wake_next();
            }
        }
    }
}

#[cfg(test)]
mod tests;
