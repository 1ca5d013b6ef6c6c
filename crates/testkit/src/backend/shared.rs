//! What a backend's connections share: replies to give, records to keep, gates to wait at.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::{Record, Reply};

/// Replies to give.
#[derive(Debug, Default)]
pub(super) struct Replies {
    pub(super) queue: VecDeque<Reply>,
    pub(super) by_path: HashMap<String, Reply>,
}

/// Records, and how often they were cleared: a request from before must not write into one from after.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) all: Vec<Record>,
    era: usize,
}

/// A record's place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    era: usize,
    index: usize,
}

#[derive(Debug)]
pub(super) struct Shared {
    default: Reply,
    pub(super) replies: Mutex<Replies>,
    pub(super) records: Mutex<Records>,
    pub(super) changes: watch::Sender<()>,
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Shared {
    pub(super) fn new(name: &str) -> Self {
        Self {
            default: Reply::new(200).body(&format!("hello from {name}")),
            replies: Mutex::default(),
            records: Mutex::default(),
            changes: watch::channel(()).0,
            gates: Mutex::default(),
        }
    }

    pub(super) fn choose(&self, target: &str) -> Reply {
        let mut replies = self.replies.lock();
        if let Some(reply) = replies.queue.pop_front() {
            return reply;
        }
        let path = target.split('?').next().unwrap_or_default();
        replies.by_path.get(path).unwrap_or(&self.default).clone()
    }

    pub(super) fn gate(&self, name: &str) -> Arc<Semaphore> {
        Arc::clone(
            self.gates
                .lock()
                .entry(name.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(0))),
        )
    }

    /// Waits until the gate lets one pass.
    pub(super) async fn pass(&self, name: &str) {
        if let Ok(permit) = self.gate(name).acquire_owned().await {
            permit.forget();
        }
    }

    pub(super) fn clear(&self) {
        *self.replies.lock() = Replies::default();
        self.gates.lock().clear();
        drop(self.take_records());
    }

    pub(super) fn take_records(&self) -> Vec<Record> {
        let mut records = self.records.lock();
        records.era += 1;
        std::mem::take(&mut records.all)
    }

    pub(super) fn begin(&self, record: Record) -> Place {
        let mut records = self.records.lock();
        records.all.push(record);
        let place = Place {
            era: records.era,
            index: records.all.len() - 1,
        };
        self.changes.send_replace(());
        place
    }

    pub(super) fn change(&self, place: Place, change: impl FnOnce(&mut Record)) {
        let mut records = self.records.lock();
        if records.era == place.era
            && let Some(record) = records.all.get_mut(place.index)
        {
            change(record);
        }
        self.changes.send_replace(());
    }
}
