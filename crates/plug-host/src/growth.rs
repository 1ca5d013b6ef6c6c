//! Memory that grows: said while there is room left, and an instance that is full replaced between two exchanges, before a leak kills it.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// How long an instance lives at least before it is replaced for its memory: one that fills at once would be made anew for each exchange.
pub(crate) const REPLACED_EVERY: Duration = Duration::from_secs(10);

/// What is known of an instance's memory.
pub(crate) struct Growth {
    at_start: u64,
    born: Instant,
    is_said: Cell<bool>,
    is_full: Cell<bool>,
}

impl Growth {
    /// An instance that has just started, with so many bytes.
    pub(crate) fn new(at_start: u64) -> Self {
        Self {
            at_start,
            born: Instant::now(),
            is_said: Cell::default(),
            is_full: Cell::default(),
        }
    }

    /// Its memory has so many bytes now, of `bytes_max`; whether that is to be said: half of the room that it had is gone.
    pub(crate) fn grew(&self, bytes: u64, bytes_max: u64, full_at_percent: u8) -> bool {
        let full_at = bytes_max.saturating_mul(u64::from(full_at_percent)) / 100;
        if full_at_percent < 100 && bytes >= full_at && self.at_start < full_at {
            self.is_full.set(true);
        }
        let grown = bytes.saturating_sub(self.at_start);
        let room = bytes_max.saturating_sub(self.at_start);
        grown > 0 && grown.saturating_mul(2) >= room && !self.is_said.replace(true)
    }

    /// Whether a fresh instance is to take its place.
    pub(crate) fn wants_a_successor(&self) -> bool {
        self.is_full.get() && self.born.elapsed() >= REPLACED_EVERY
    }

    /// Bytes that it had when it started.
    pub(crate) fn at_start(&self) -> u64 {
        self.at_start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn it_is_said_once_and_replaced_when_it_is_full_and_old_enough() {
        let growth = Growth::new(4 * MIB);
        assert!(!growth.grew(33 * MIB, 64 * MIB, 75));
        assert!(growth.grew(34 * MIB, 64 * MIB, 75));
        assert!(!growth.grew(48 * MIB, 64 * MIB, 75));
        assert!(!growth.wants_a_successor());
        tokio::time::advance(REPLACED_EVERY).await;
        assert!(growth.wants_a_successor());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_starts_full_or_may_fill_stays() {
        let starts_full = Growth::new(50 * MIB);
        let may_fill = Growth::new(MIB);
        starts_full.grew(60 * MIB, 64 * MIB, 75);
        may_fill.grew(64 * MIB, 64 * MIB, 100);
        tokio::time::advance(REPLACED_EVERY * 2).await;
        assert!(!starts_full.wants_a_successor() && !may_fill.wants_a_successor());
    }
}
