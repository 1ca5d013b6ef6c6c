//! The thread that fills the spool while the other side does not take records, or not fast enough.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::queue::{Hand, Queue};
use crate::spool::Spool;
use crate::talk::{Kind, Talk};

/// How long a disk that refuses is left alone while the end is near.
const AT_THE_END: Duration = Duration::from_millis(20);

pub(super) struct Spooling {
    pub(super) queue: Arc<Queue>,
    pub(super) spool: Arc<Mutex<Spool>>,
    pub(super) backoff: Backoff,
    pub(super) talk: Talk,
}

impl Spooling {
    pub(super) fn run(mut self) {
        while let Some(batch) = self.queue.next_to_spool() {
            if self.store(batch) {
                self.backoff.reset();
            } else if !self.queue.pause(self.backoff.wait()) {
                if self.queue.has_carrier_gone() {
                    // What no disk takes at the end was never acknowledged: the giver has it.
                    return;
                }
                std::thread::park_timeout(AT_THE_END);
            }
        }
    }

    /// Says whether the disk took it.
    fn store(&mut self, mut batch: Batch) -> bool {
        // The counts change before anybody reads what was stored, for the lock of the spool is held.
        let mut spool = self.spool.lock();
        let stored = spool.store(&mut batch);
        self.queue
            .spooled(&mut batch, stored.records, &stored.removed, spool.bytes());
        drop(spool);
        let Some(why) = stored.fault else { return true };
        self.queue.spool_failed();
        self.talk
            .say(Kind::Spool, &format!("the spool cannot be written: {why}"));
        self.queue.give_back(Hand::Spooler, batch);
        false
    }
}
