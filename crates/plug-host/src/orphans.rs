//! Work whose owner went away: adopted, and brought to its end by a task of its instance.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::task::{JoinHandle, spawn_local};

use crate::bell::Bell;
use crate::outside::LocalFuture;

/// Work that nobody waits for any more. A destructor can hand work over here: unlike spawning a task that never panics, wherever the
/// destructor runs.
#[derive(Default)]
pub(crate) struct Orphans {
    // LIMIT: at most one callback in progress and one end for each open context.
    waiting: RefCell<Vec<LocalFuture<()>>>,
    bell: Bell,
}

impl Orphans {
    /// Takes work over.
    pub(crate) fn adopt(&self, work: LocalFuture<()>) {
        self.waiting.borrow_mut().push(work);
        self.bell.ring();
    }

    /// Starts the task that brings the work to its end.
    pub(crate) fn keep(self: &Rc<Self>) -> JoinHandle<()> {
        let orphans = Rc::clone(self);
        spawn_local(async move {
            loop {
                orphans.bell.heard().await;
                for work in orphans.waiting.take() {
                    spawn_local(work);
                }
            }
        })
    }
}
