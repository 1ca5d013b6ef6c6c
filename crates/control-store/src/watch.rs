//! Follows one store on a thread of its own: connects, looks, waits, and comes back after each loss.

mod state;
mod follow;
mod report;

use std::sync::Arc;
use std::time::Duration;

pub use self::state::{Health, News, Outcome};

use self::state::Shared;
use crate::fault::{Result, StoreFault};
use crate::revision::Revision;
use crate::settings::Settings;

/// A store that is followed, until it is dropped.
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// Begins to follow. `ring` is called whenever there is news, from the thread of the watch, and must return at once.
    ///
    /// # Errors
    /// When the system gives no thread. What is wrong with the store is news.
    pub fn start(settings: Settings, ring: impl Fn() + Send + Sync + 'static) -> Result<Self> {
        let failed = |why: std::io::Error| StoreFault::Thread(why.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let shared = Arc::new(Shared::new(settings.node.clone(), settings.clock, Box::new(ring)));
        let ours = Arc::clone(&shared);
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = ours.stopped() => {}
                    () = follow::follow(&ours, &settings) => {}
                    () = report::report(&ours, &settings) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name(String::from("store")).spawn(work);
        Ok(Self {
            shared,
            thread: Some(thread.map_err(failed)?),
        })
    }

    /// The next news, waited for that long.
    #[must_use]
    pub fn next(&self, within: Duration) -> Option<News> {
        self.shared.next(within)
    }

    /// Says what became of a revision; it is written into the store as soon as that is there.
    pub fn report(&self, revision: &Revision, outcome: Outcome) {
        self.shared.report(revision, outcome);
    }

    /// Waits until what was reported is written, that long; whether it is.
    #[must_use]
    pub fn settled(&self, within: Duration) -> bool {
        self.shared.settled(within)
    }

    /// How it stands with the store.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            // It has panicked, or it has ended.
            let _ = thread.join();
        }
    }
}
