//! The seconds before: debug records of one worker that nobody wants yet, oldest overwritten first.

use std::collections::VecDeque;

use crate::fault::Fault;

/// LIMIT: bytes of one worker.
const BYTES_MAX: usize = 64 << 20;
/// For so many bytes there is one entry: smaller records make the list of entries full before the bytes.
const BYTES_EACH: usize = 64;

/// Records that are encoded and masked already, each with its time. Room is made once.
#[derive(Debug)]
pub struct Before {
    bytes: VecDeque<u8>,
    entries: VecDeque<Entry>,
    bytes_max: usize,
    entries_max: usize,
    refused: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    time_ns: u64,
    length: usize,
}

impl Before {
    /// Room for so many bytes of records.
    ///
    /// # Errors
    /// No room, or more than 64 MiB.
    pub fn with_bytes(bytes_max: usize) -> Result<Self, Fault> {
        if !(1..=BYTES_MAX).contains(&bytes_max) {
            return Err(Fault::Before(BYTES_MAX));
        }
        let entries_max = (bytes_max / BYTES_EACH).max(1);
        Ok(Self {
            bytes: VecDeque::with_capacity(bytes_max),
            entries: VecDeque::with_capacity(entries_max),
            bytes_max,
            entries_max,
            refused: 0,
        })
    }

    /// Keeps a record until it is too old, others need its room, or a window opens. What is longer than everything is counted.
    pub fn push(&mut self, record: &[u8], now_ns: u64) {
        if record.len() > self.bytes_max {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        while self.bytes.len() + record.len() > self.bytes_max || self.entries.len() >= self.entries_max {
            self.drop_oldest();
        }
        self.bytes.extend(record);
        self.entries.push_back(Entry {
            time_ns: now_ns,
            length: record.len(),
        });
    }

    /// Hands out what is not older than `since_ns`, oldest first and each in up to two pieces, and forgets everything.
    pub fn drain(&mut self, since_ns: u64, mut take: impl FnMut(u64, &[u8], &[u8])) {
        let mut from = 0_usize;
        for entry in &self.entries {
            let (front, back) = self.bytes.as_slices();
            let end = from + entry.length;
            let in_front = front
                .get(from.min(front.len())..end.min(front.len()))
                .unwrap_or_default();
            let behind = (from.saturating_sub(front.len()), end.saturating_sub(front.len()));
            let in_back = back.get(behind.0..behind.1).unwrap_or_default();
            if entry.time_ns >= since_ns {
                take(entry.time_ns, in_front, in_back);
            }
            from = end;
        }
        self.bytes.clear();
        self.entries.clear();
    }

    /// How many records were longer than all the room.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// How many bytes and records are held.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        (self.bytes.len(), self.entries.len())
    }

    fn drop_oldest(&mut self) {
        let length = self.entries.pop_front().map_or(self.bytes.len(), |entry| entry.length);
        self.bytes.drain(..length.min(self.bytes.len()));
    }
}
