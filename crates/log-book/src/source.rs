//! A ring of this process, with what was taken out of it and is not yet safe elsewhere.

use std::collections::VecDeque;

use log_ring::{Batch, Consumer, Dropped, Position, Ring};

/// LIMIT: records taken at once.
pub(crate) const RECORDS_MAX: usize = 1024;
/// LIMIT: bytes taken at once.
const BYTES_MAX: u64 = 1024 * 1024;
/// LIMIT: batches of which it is known each for itself that they are not acknowledged. What is given beyond is settled together with the last of them,
/// until the oldest are settled or given up.
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
    /// Number of the last record that tells what no gap record of the ring does.
    told: u64,
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
            told: 0,
            taken: (0, 0),
        }
    }

    /// The next records, however many are not acknowledged: a sink that stands still takes nothing from another.
    pub(crate) fn batch(&mut self) -> Batch<'_> {
        self.consumer.batch(RECORDS_MAX, BYTES_MAX)
    }

    /// Notes that a batch is given to the sinks, its last record by that number.
    pub(crate) fn gave(&mut self, end: Position, last: u64) {
        let is_full = self.given.len() >= GIVEN_MAX;
        match self.given.back_mut().filter(|_| is_full) {
            Some(both) => *both = (end, last),
            None => self.given.push_back((end, last)),
        }
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

    /// What was refused and no gap record tells of, once nobody writes any more.
    pub(crate) fn untold(&self) -> Vec<Dropped> {
        self.consumer.untold()
    }

    /// Notes that the sinks were told of it, last by the record of that number.
    pub(crate) const fn told(&mut self, last: u64) {
        self.told = last;
    }

    /// Takes the file away when nothing is in it that is not safe, counts included; else it stays for the next start.
    pub(crate) fn end(mut self, acknowledged: u64) -> Result<(), log_ring::RingFault> {
        self.settle(acknowledged);
        let is_told = self.told <= acknowledged;
        if is_told && self.consumer.waiting_bytes() == 0 {
            self.ring.remove()
        } else {
            self.ring.sync()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use log_ring::{Class, Folder, Level, Mark, Producer, Settings};

    use super::*;

    const CAPACITY: u64 = 1024 * 1024;

    fn source() -> (tempfile::TempDir, Producer, Source) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temporary.path().join("rings")).unwrap();
        let settings = Settings {
            ring_bytes: CAPACITY,
            ..Settings::default()
        };
        let (ring, producer, consumer) = Ring::create(&folder, "worker-0", &settings).unwrap();
        let source = Source::new("worker-0".to_owned(), (ring, consumer), CAPACITY);
        (temporary, producer, source)
    }

    /// Writes one record that is a batch of its own; says how many records that batch had.
    fn one(producer: &mut Producer, source: &mut Source, number: u64) -> usize {
        let mark = Mark {
            level: Level::new(2).unwrap(),
            class: Class::new(0).unwrap(),
            stamp_ns: number,
        };
        producer.write(mark, b"one").unwrap();
        let batch = source.batch();
        let (end, count) = (batch.end(), batch.len());
        source.gave(end, number);
        count
    }

    #[test]
    fn records_that_come_one_by_one_are_given_however_many_are_not_acknowledged() {
        let (_temporary, mut producer, mut source) = source();
        let all = GIVEN_MAX as u64 + 1000;
        for number in 1..=all {
            assert_eq!(one(&mut producer, &mut source, number), 1, "record {number}");
            source.settle(0);
        }
        assert!(source.given.len() <= GIVEN_MAX, "{}", source.given.len());
        let each = source.used_bytes() / all;
        assert!(
            source.used_bytes() < CAPACITY / 100 * HELD_PERCENT,
            "nothing was given up"
        );
        source.settle(GIVEN_MAX as u64 - 1);
        assert_eq!(
            source.used_bytes(),
            each * 1001,
            "what is kept together is released together"
        );
        source.settle(all - 1);
        assert_eq!(source.used_bytes(), each * 1001);
        source.settle(all);
        assert_eq!(source.used_bytes(), 0);
    }
}
