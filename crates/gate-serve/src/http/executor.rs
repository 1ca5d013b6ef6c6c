//! Starts tasks on the worker's own thread and counts those that panic.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use hyper::rt::Executor;
use tokio::task::JoinHandle;

/// Starts a worker's tasks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crew {
    panics: Arc<AtomicU64>,
}

impl Crew {
    pub(crate) fn new(panics: Arc<AtomicU64>) -> Self {
        Self { panics }
    }

    /// Does something at once; counts and contains its panic.
    pub(crate) fn run(&self, work: impl FnOnce()) {
        if std::panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Starts a task. A panic in it ends it alone: what it held is dropped, the panic hook has written the message to stderr.
    pub(crate) fn start<F>(&self, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + 'static,
    {
        let panics = Arc::clone(&self.panics);
        tokio::task::spawn_local(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                panics.fetch_add(1, Ordering::Relaxed);
            }
        })
    }
}

impl<F> Executor<F> for Crew
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, task: F) {
        // The task goes on without its handle.
        drop(self.start(task));
    }
}
