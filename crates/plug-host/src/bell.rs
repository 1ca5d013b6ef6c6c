//! A wake-up between tasks of one thread, without a lock.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// Remembers that it was rung until somebody listens.
#[derive(Default)]
pub struct Bell {
    rung: Cell<bool>,
    listener: RefCell<Option<Waker>>,
}

impl Bell {
    /// Wakes the listener, now or when it next listens.
    pub fn ring(&self) {
        self.rung.set(true);
        if let Some(waker) = self.listener.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Ready once the bell has been rung since it was last heard.
    pub fn poll_heard(&self, task: &mut Context<'_>) -> Poll<()> {
        if self.rung.replace(false) {
            return Poll::Ready(());
        }
        let mut listener = self.listener.borrow_mut();
        match listener.as_mut() {
            Some(waker) => waker.clone_from(task.waker()),
            None => *listener = Some(task.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits for a ring.
    pub async fn heard(&self) {
        poll_fn(|task| self.poll_heard(task)).await;
    }
}
