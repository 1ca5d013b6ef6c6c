//! The end of an instance: its plugins are asked whether they are done, waited for, and deleted.

use std::rc::Rc;
use std::time::Duration;

use crate::entry::Entry;
use crate::guest::{Current, Visit};
use crate::instance::Instance;
use crate::outside::Saying;

/// LIMIT: how long plugins that asked for time may take; Envoy waits for ever.
pub(crate) const DONE_WAIT_MAX: Duration = Duration::from_secs(5);

impl Instance {
    /// Ends it when its last exchange has ended, or has stayed for as long as the plugin lets it.
    pub(crate) async fn retire(self: Rc<Self>) {
        let bound = self.plugins.first().map(|plugin| plugin.spec.retire_after);
        if tokio::time::timeout(bound.unwrap_or_default(), self.unused())
            .await
            .is_err()
        {
            self.expire().await;
        }
        self.close().await;
    }

    async fn unused(&self) {
        while self.users.get() > 0 {
            self.quiet.heard().await;
        }
    }

    /// Takes it from exchanges that stay too long, for which it is lost. No fault is counted: nothing went wrong.
    pub(crate) async fn expire(&self) {
        let mut turn = self.turn().await;
        self.end();
        let Some(store) = turn.take() else { return };
        let streams = &store.data().0.streams;
        if let Some(first) = self.plugins.first() {
            self.services.outside.say(Saying::Retired {
                plugin: &first.spec.name,
                generation: first.generation,
                exchanges: streams.len(),
                after: first.spec.retire_after,
            });
        }
        for stream in streams.values() {
            stream.dead.set(true);
            stream.exchange.ring();
        }
        drop(store);
        self.stop_tasks();
    }

    /// Waits until no exchange uses it; then `proxy_on_done` for each of its plugins, a bounded wait for the `proxy_done` of those that
    /// answered false, and `proxy_on_delete`.
    pub(crate) async fn close(self: Rc<Self>) {
        if !self.is_dead() {
            self.unused().await;
        }
        for root in &self.roots {
            let entry = Entry::RootDone { root: *root };
            // Its fault has been said; a dead guest has nobody to wait for.
            let _ = self.enter(Visit::new(Current::Root(*root), entry)).await;
        }
        // A plugin that takes longer is deleted all the same.
        let _ = tokio::time::timeout(DONE_WAIT_MAX, self.all_done()).await;
        self.stop_tasks();
        for root in &self.roots {
            let entry = Entry::RootDelete { root: *root };
            // Nothing is left to protect from its fault.
            let _ = self.enter(Visit::new(Current::Root(*root), entry)).await;
        }
        self.end();
        self.stop_tasks();
        self.turn().await.take();
    }

    async fn all_done(&self) {
        loop {
            let pending = self
                .with_guest(|guest| guest.roots.values().any(|root| root.done_pending))
                .await;
            if pending != Some(true) {
                return;
            }
            self.quiet.heard().await;
        }
    }
}
