//! What has become of records: each that was accepted is delivered, dropped for a reason, or held.

use crate::record::Level;

/// Why a record did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The queue in memory was full.
    QueueFull,
    /// The spool on disk was full.
    SpoolFull,
    /// It alone is larger than the queue or the spool.
    TooLarge,
    /// The server does not want it, and never will.
    Refused,
    /// It was on disk, and can no longer be read.
    Damaged,
}

/// How many reasons there are.
pub(crate) const REASONS: usize = 5;

impl Reason {
    /// All of them.
    pub const ALL: [Self; REASONS] = [
        Self::QueueFull,
        Self::SpoolFull,
        Self::TooLarge,
        Self::Refused,
        Self::Damaged,
    ];

    /// Its place among all.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::QueueFull => 0,
            Self::SpoolFull => 1,
            Self::TooLarge => 2,
            Self::Refused => 3,
            Self::Damaged => 4,
        }
    }

    /// Its word in labels and texts.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::SpoolFull => "spool_full",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
        }
    }
}

/// Counts of one sink at one moment: `accepted == delivered + dropped() + held`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that the sink was given and is for, and those that it found in its spool at its start.
    pub accepted: u64,
    /// Records that the other side has taken.
    pub delivered: u64,
    /// Records in memory, on their way, or in the spool.
    pub held: u64,
    /// Of those, the ones in the spool.
    pub spooled: u64,
    /// Bytes in the queue.
    pub queue_bytes: usize,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// Records that went out in quotes, because their line is no JSON object and another form was asked for.
    pub misread: u64,
    /// Deliveries that failed and are tried again.
    pub retries: u64,
    /// Times that the disk of the spool refused.
    pub spool_faults: u64,
    /// Torn ends of the spool that were cut at its start; what was in them was never counted as held.
    pub torn: u64,
    pub(crate) lost: [[u64; REASONS]; Level::ALL.len()],
}

impl Tally {
    /// Records of a level that were dropped for a reason.
    #[must_use]
    pub fn dropped_for(&self, level: Level, reason: Reason) -> u64 {
        self.lost
            .get(level.index())
            .and_then(|reasons| reasons.get(reason.index()))
            .copied()
            .unwrap_or(0)
    }

    /// Records that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lost.iter().flatten().sum()
    }

    pub(crate) fn lose(&mut self, level: Level, reason: Reason, count: u64) {
        let cell = self
            .lost
            .get_mut(level.index())
            .and_then(|reasons| reasons.get_mut(reason.index()));
        if let Some(cell) = cell {
            *cell += count;
        }
    }
}
