//! What the thread of a watch and who listens to it share.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::layout::{Status, Verdict};
use crate::look::Untaken;
use crate::revision::Revision;
use crate::taking::Delivered;

/// LIMIT: news that wait; of more, the oldest are forgotten, but never a configuration.
const NEWS_MAX: usize = 32;
/// LIMIT: errors that are reported of one revision, and characters of each.
const ERRORS_MAX: usize = 50;
const ERROR_CHARS_MAX: usize = 1000;

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Another configuration.
    Delivered(Box<Delivered>),
    /// The store is there, or there again.
    Connected,
    /// The store is gone; it is tried again.
    Lost {
        /// Why.
        why: String,
    },
    /// What stands in the store is not taken; it is looked at again.
    Untaken {
        /// Why.
        why: String,
    },
    /// What was reported cannot be written, and is not tried again.
    Unreported {
        /// Why.
        why: String,
    },
}

/// What became of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it serves.
    pub accepted: bool,
    /// Why it does not.
    pub errors: Vec<String>,
    /// The gateway's own count of configurations, as it is now.
    pub generation: u64,
}

/// How it stands with a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether it is there.
    pub connected: bool,
    /// How long ago it last answered.
    pub silent_for: Option<Duration>,
    /// Connections that were made after the first.
    pub reconnects: u64,
    /// Revisions that were delivered and rejected, or not taken at all.
    pub rejected: u64,
    /// What stands in the store.
    pub wanted: Option<Revision>,
    /// What of it serves.
    pub serving: Option<Revision>,
    /// Why the last one was not taken; nothing when it was.
    pub errors: Vec<String>,
}

#[derive(Default)]
struct State {
    news: VecDeque<News>,
    /// What was delivered last, whether or not somebody has fetched it.
    delivered: Option<Delivered>,
    /// Whether it was reported on.
    is_reported: bool,
    untaken: Option<Untaken>,
    /// Events whose effect is not reported yet, and those whose effect is.
    waiting: Vec<String>,
    done: Vec<String>,
    status: Option<Status>,
    /// Whether a status is being written.
    is_writing: bool,
    generation: u64,
    contact: Option<Instant>,
    connections: u64,
    health: Health,
}

/// The state with its signals.
pub(super) struct Shared {
    node: String,
    clock: fn() -> String,
    ring: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
    arrived: Condvar,
    to_report: Notify,
    stop: Notify,
}

impl Shared {
    pub(super) fn new(node: String, clock: fn() -> String, ring: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            node,
            clock,
            ring,
            state: Mutex::default(),
            arrived: Condvar::new(),
            to_report: Notify::new(),
            stop: Notify::new(),
        }
    }

    pub(super) fn next(&self, within: Duration) -> Option<News> {
        let end = Instant::now() + within;
        let mut state = self.state.lock();
        loop {
            if let Some(news) = state.news.pop_front() {
                return Some(news);
            }
            if self.arrived.wait_until(&mut state, end).timed_out() {
                return state.news.pop_front();
            }
        }
    }

    fn tell(&self, state: &mut State, news: News) {
        if matches!(news, News::Delivered(_)) {
            // Only the newest counts.
            state.news.retain(|old| !matches!(old, News::Delivered(_)));
        }
        if state.news.len() >= NEWS_MAX
            && let Some(oldest) = state.news.iter().position(|old| !matches!(old, News::Delivered(_)))
        {
            state.news.remove(oldest);
        }
        state.news.push_back(news);
        self.arrived.notify_all();
        (self.ring)();
    }

    pub(super) fn connected(&self) {
        let mut state = self.state.lock();
        state.connections += 1;
        state.health.connected = true;
        state.health.reconnects = state.connections.saturating_sub(1);
        self.tell(&mut state, News::Connected);
    }

    /// A loss is told once, however often the store is tried in vain.
    pub(super) fn lost(&self, why: String, is_first: bool) {
        let mut state = self.state.lock();
        state.health.connected = false;
        if is_first {
            self.tell(&mut state, News::Lost { why });
        }
    }

    /// The store has answered.
    pub(super) fn heard(&self) {
        self.state.lock().contact = Some(Instant::now());
    }

    /// A look found a configuration, after these events.
    pub(super) fn taken(&self, delivered: Delivered, events: Vec<String>) {
        let mut state = self.state.lock();
        state.untaken = None;
        state.waiting.extend(events);
        state.health.wanted = Some(delivered.revision);
        let is_known = state.delivered.as_ref().is_some_and(|known| known.is_as(&delivered));
        if !is_known {
            state.delivered = Some(delivered.clone());
            state.is_reported = false;
            self.tell(&mut state, News::Delivered(Box::new(delivered)));
        } else if state.is_reported {
            self.acknowledge(&mut state);
        }
    }

    /// A look found what is not taken. It is told once.
    pub(super) fn untaken(&self, untaken: Untaken, events: Vec<String>) {
        let mut state = self.state.lock();
        state.waiting.extend(events);
        if state.untaken.as_ref() == Some(&untaken) {
            return;
        }
        state.health.wanted = untaken.revision;
        state.health.rejected += 1;
        state.health.errors = vec![untaken.why.clone()];
        // Should the same come back that was delivered before, it is delivered again.
        state.delivered = None;
        let (verdict, errors) = (Verdict::Untaken, vec![untaken.why.clone()]);
        self.status(&mut state, untaken.revision, (verdict, errors));
        let why = untaken.why.clone();
        state.untaken = Some(untaken);
        self.tell(&mut state, News::Untaken { why });
    }

    pub(super) fn report(&self, revision: &Revision, outcome: Outcome) {
        let mut state = self.state.lock();
        state.generation = outcome.generation;
        if outcome.accepted {
            state.health.serving = Some(*revision);
            state.health.errors = Vec::new();
        } else {
            state.health.rejected += 1;
            state.health.errors.clone_from(&outcome.errors);
        }
        let verdict = if outcome.accepted {
            Verdict::Accepted
        } else {
            Verdict::Rejected
        };
        self.status(&mut state, Some(*revision), (verdict, outcome.errors));
        // What came meanwhile has its own report to come.
        let delivered = state.delivered.as_ref().map(|delivered| delivered.revision);
        if delivered == Some(*revision) {
            state.is_reported = true;
            self.acknowledge(&mut state);
        }
    }

    fn acknowledge(&self, state: &mut State) {
        if !state.waiting.is_empty() {
            let waiting = std::mem::take(&mut state.waiting);
            state.done.extend(waiting);
            self.to_report.notify_one();
        }
    }

    fn status(&self, state: &mut State, revision: Option<Revision>, (outcome, errors): (Verdict, Vec<String>)) {
        let short = |error: String| error.chars().take(ERROR_CHARS_MAX).collect();
        let serving = state.health.serving;
        state.status = Some(Status {
            node: self.node.clone(),
            at: (self.clock)(),
            outcome,
            revision: revision.map_or(0, |revision| revision.number),
            digest: revision.map(|revision| revision.digest.to_string()).unwrap_or_default(),
            errors: errors.into_iter().take(ERRORS_MAX).map(short).collect(),
            serving: serving.map(|revision| revision.number),
            serving_digest: serving.map(|revision| revision.digest.to_string()),
            generation: state.generation,
        });
        self.to_report.notify_one();
    }

    /// What is to be written: the newest status, and events to be acknowledged. Waits for either.
    pub(super) async fn to_write(&self) -> (Option<Status>, Vec<String>) {
        loop {
            {
                let mut state = self.state.lock();
                if state.status.is_some() || !state.done.is_empty() {
                    state.is_writing = true;
                    return (state.status.take(), std::mem::take(&mut state.done));
                }
            }
            self.to_report.notified().await;
        }
    }

    pub(super) fn written(&self) {
        self.state.lock().is_writing = false;
        self.arrived.notify_all();
    }

    /// What could not be written waits for the next try, unless there is something newer.
    pub(super) fn unwritten(&self, status: Option<Status>, events: Vec<String>) {
        let mut state = self.state.lock();
        state.is_writing = false;
        if state.status.is_none() {
            state.status = status;
        }
        state.done.extend(events);
    }

    /// What could not be written never will be.
    pub(super) fn unreported(&self, why: String) {
        let mut state = self.state.lock();
        state.is_writing = false;
        self.tell(&mut state, News::Unreported { why });
    }

    pub(super) fn settled(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let mut state = self.state.lock();
        loop {
            if state.status.is_none() && !state.is_writing {
                return true;
            }
            if self.arrived.wait_until(&mut state, end).timed_out() {
                return false;
            }
        }
    }

    pub(super) fn health(&self) -> Health {
        let state = self.state.lock();
        Health {
            silent_for: state.contact.map(|contact| contact.elapsed()),
            ..state.health.clone()
        }
    }

    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }

    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }
}
