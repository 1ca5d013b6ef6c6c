//! A ring of this process, with what was taken out of it and is not yet safe elsewhere.

use std::collections::VecDeque;

use log_ring::{Batch, Consumer, Dropped, Position, Ring};

/// LIMIT: records taken at once.
pub(crate) const RECORDS_MAX: usize = 1024;
/// LIMIT: bytes taken at once.
const BYTES_MAX: u64 = 1024 * 1024;
/// LIMIT: batches that are given and not acknowledged; what is beyond waits in the ring until the oldest are settled or given up.
const GIVEN_MAX: usize = 4096;
/// How full a ring may be of what sinks have and have not yet acknowledged, in percent. Below what the least grave records may fill, so that a sink that
/// stands still takes no room from them.
const HELD_PERCENT: u64 = 30;

/// A ring that is drained.
pub(crate) struct Source {
    pub(crate) name: String,
    ring: Ring,
    consumer: Consumer,
    capacity: u64,
    /// Ends of batches with the number of the last record of each.
    given: VecDeque<(Position, u64)>,
    /// Records that were taken out, and gap records among them.
    pub(crate) taken: (u64, u64),
}

impl Source {
    pub(crate) fn new(name: String, (ring, consumer): (Ring, Consumer), capacity: u64) -> Self {
        Self {
            name,
            ring,
            consumer,
            capacity,
            given: VecDeque::new(),
            taken: (0, 0),
        }
    }

    /// The next records; none are given out while too many are not acknowledged.
    pub(crate) fn batch(&mut self) -> Batch<'_> {
        let records_max = if self.given.len() < GIVEN_MAX { RECORDS_MAX } else { 0 };
        self.consumer.batch(records_max, BYTES_MAX)
    }

    /// Notes that a batch is given to the sinks, its last record by that number.
    pub(crate) fn gave(&mut self, end: Position, last: u64) {
        self.given.push_back((end, last));
    }

    /// Releases what is safe, and what would take room from records that come.
    pub(crate) fn settle(&mut self, acknowledged: u64) {
        while let Some((end, _)) = self.given.pop_front_if(|(_, last)| *last <= acknowledged) {
            self.consumer.release(end);
        }
        let held_max = self.capacity / 100 * HELD_PERCENT;
        while self.consumer.waiting_bytes() > held_max {
            let Some((end, _)) = self.given.pop_front() else { return };
            self.consumer.release(end);
        }
    }

    /// Goes on behind what cannot be read; says how many bytes that was.
    pub(crate) fn skip(&mut self) -> u64 {
        self.given.clear();
        self.consumer.skip()
    }

    pub(crate) fn used_bytes(&mut self) -> u64 {
        self.consumer.waiting_bytes()
    }

    pub(crate) const fn capacity_bytes(&self) -> u64 {
        self.capacity
    }

    pub(crate) fn dropped(&self) -> Vec<Dropped> {
        self.consumer.dropped()
    }

    /// Takes the file away when nothing is in it that is not safe; else it stays for the next start.
    pub(crate) fn end(mut self) -> Result<(), log_ring::RingFault> {
        if self.consumer.waiting_bytes() == 0 {
            self.ring.remove()
        } else {
            self.ring.sync()
        }
    }
}
