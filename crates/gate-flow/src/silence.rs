//! How long a body may be silent, with one timer for the whole body however often it pauses.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Watches one direction of an exchange.
pub(crate) struct Silence {
    limit: Duration,
    since: Option<Instant>,
    /// Made at the first pause: bodies that are all there never need it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            timer: None,
        }
    }

    /// Something came.
    pub(crate) fn broken(&mut self) {
        self.since = None;
    }

    /// Nothing has come yet: ready once that has lasted too long.
    pub(crate) fn poll_over(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(since + limit)));
        loop {
            if timer.as_mut().poll(task).is_pending() {
                return Poll::Pending;
            }
            // The timer still stood for an earlier pause.
            if since + limit <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(since + limit);
        }
    }
}
