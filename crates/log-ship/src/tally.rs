//! What has become of records: each that was accepted is delivered, dropped for a reason, or held.

use log_record::histogram::Histogram;

use crate::kinds::Kinds;
use crate::record::{Class, Level, Record};

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
    /// Its sink was ended before it arrived, and there was neither a spool nor another sink for it.
    Ended,
}

/// How many reasons there are.
pub(crate) const REASONS: usize = 6;

impl Reason {
    /// All of them.
    pub const ALL: [Self; REASONS] = [
        Self::QueueFull,
        Self::SpoolFull,
        Self::TooLarge,
        Self::Refused,
        Self::Damaged,
        Self::Ended,
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
            Self::Ended => 5,
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
            Self::Ended => "ended",
        }
    }
}

/// Counts of one sink at one moment: `accepted == delivered + dropped() + held + left`.
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
    /// Records that sinks of this name which are no more left in their spools, and no sink of this name has found there since.
    pub left: u64,
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
    /// Files of the spool that cannot be read and were set aside, at once or when the rest of them is sent; what is in them that was never read is in no other count.
    pub aside: u64,
    /// How long each try to deliver a batch took, those that failed included.
    pub tries: Histogram,
    pub(crate) lost: [Kinds; REASONS],
}

impl Tally {
    /// Records of a level that were dropped for a reason, of whatever class.
    #[must_use]
    pub fn dropped_for(&self, level: Level, reason: Reason) -> u64 {
        Class::ALL
            .iter()
            .map(|class| self.dropped_of(level, *class, reason))
            .sum()
    }

    /// Records of a level and class that were dropped for a reason.
    #[must_use]
    pub fn dropped_of(&self, level: Level, class: Class, reason: Reason) -> u64 {
        self.lost.get(reason.index()).map_or(0, |lost| lost.of(level, class))
    }

    /// Everything that was dropped: by level, class and reason, those numbers that are not 0.
    pub fn losses(&self) -> impl Iterator<Item = (Level, Class, Reason, u64)> + '_ {
        let reasons = Reason::ALL.into_iter().zip(&self.lost);
        reasons.flat_map(|(reason, lost)| {
            lost.each()
                .map(move |(level, class, number)| (level, class, reason, number))
        })
    }

    /// Records that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lost.iter().map(Kinds::sum).sum()
    }

    /// Adds the counts of another sink, or of one that was here before.
    pub(crate) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.held += other.held;
        self.spooled += other.spooled;
        self.left += other.left;
        self.queue_bytes += other.queue_bytes;
        self.spool_bytes += other.spool_bytes;
        self.misread += other.misread;
        self.retries += other.retries;
        self.spool_faults += other.spool_faults;
        self.torn += other.torn;
        self.aside += other.aside;
        self.tries.add(&other.tries);
        for (sum, lost) in self.lost.iter_mut().zip(&other.lost) {
            sum.add_all(lost);
        }
    }

    /// What was left has been found by a sink that has accepted it anew.
    pub(crate) fn found_again(&mut self, records: u64) {
        let found = records.min(self.left);
        self.left -= found;
        self.accepted -= found;
    }

    pub(crate) fn lose(&mut self, record: &Record, reason: Reason) {
        if let Some(lost) = self.lost.get_mut(reason.index()) {
            lost.add(record.level, record.class, 1);
        }
    }

    pub(crate) fn lose_all(&mut self, kinds: &Kinds, reason: Reason) {
        if let Some(lost) = self.lost.get_mut(reason.index()) {
            lost.add_all(kinds);
        }
    }
}
