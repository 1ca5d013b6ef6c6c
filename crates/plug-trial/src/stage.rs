//! The time of a trial: it stands still while anything moves, and goes on to the next sleeper when nothing does.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plug_host::Trial;
use tokio::sync::Notify;

/// LIMIT: how far the clock goes on by itself while an exchange waits.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// LIMIT: how often it is set on for one exchange; a timer of a millisecond would set it on for ever.
const WAKES_MAX: u32 = 100_000;

/// Tells when the thread has nothing to do.
#[derive(Clone, Default)]
pub(crate) struct Idle {
    count: Arc<AtomicU64>,
    bell: Arc<Notify>,
}

impl Idle {
    /// A runtime that tells.
    pub(crate) fn runtime(&self) -> std::io::Result<tokio::runtime::Runtime> {
        let told = self.clone();
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || {
                told.count.fetch_add(1, Ordering::Relaxed);
                told.bell.notify_one();
            })
            .build()
    }

    /// Waits until nothing moves any more: every task waits for another, or for the clock.
    pub(crate) async fn settled(&self) {
        let before = self.count.load(Ordering::Relaxed);
        loop {
            self.bell.notified().await;
            // A ring from before was kept for the next who listens.
            if self.count.load(Ordering::Relaxed) > before {
                return;
            }
        }
    }
}

/// The clock of one case.
pub(crate) struct Time {
    pub(crate) trial: Rc<Trial>,
    pub(crate) idle: Idle,
}

impl Time {
    /// Lets work end that waits for the clock; none when nothing moves any more and nobody will wake it.
    pub(crate) async fn wait_for<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let patience = self.trial.now().saturating_add(PATIENCE);
        for _ in 0..WAKES_MAX {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = self.idle.settled() => {}
            }
            match self.trial.next_wake().filter(|wake| *wake <= patience) {
                Some(wake) => self.trial.set(wake),
                None => return None,
            }
        }
        None
    }

    /// Lets work go on while the clock stands; none when nothing moves any more.
    pub(crate) async fn try_now<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => Some(done),
            () = self.idle.settled() => None,
        }
    }

    /// Lets time go by; who sleeps wakes in order.
    pub(crate) async fn advance(&self, length: Duration) {
        let end = self.trial.now().saturating_add(length);
        self.idle.settled().await;
        for _ in 0..WAKES_MAX {
            let Some(wake) = self.trial.next_wake().filter(|wake| *wake <= end) else {
                break;
            };
            self.trial.set(wake);
            self.idle.settled().await;
        }
        self.trial.set(end);
        self.idle.settled().await;
    }
}
