//! When a plugin that faults comes back: at once, then later and later, and when that does not help, after a quarantine.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// How a plugin that faults is brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// How long it waits after its second fault in a row, give or take a quarter; doubled with each further one. The first costs no
    /// wait, so that a plugin that trips over one request is back at once.
    pub backoff: Duration,
    /// Longest such wait.
    pub backoff_max: Duration,
    /// An instance that lived this long has recovered: its next fault is a first one.
    pub recovered_after: Duration,
    /// Faults in a row after which it is set aside; never when 0.
    pub quarantine_after: u32,
    /// How long it is set aside. Then it is tried once: a fault before it has recovered sets it aside again.
    pub quarantine: Duration,
    /// Part of its memory, in percent, at which an instance that has grown to it is replaced; never when 100.
    pub full_at_percent: u8,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            backoff: Duration::from_millis(10),
            backoff_max: Duration::from_secs(10),
            recovered_after: Duration::from_secs(1),
            quarantine_after: 10,
            quarantine: Duration::from_secs(60),
            full_at_percent: 75,
        }
    }
}

/// Why a plugin is not started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It may be.
    Over,
    /// It comes back by itself, soon.
    Backoff(Duration),
    /// It is set aside.
    Quarantine(Duration),
}

impl Wait {
    /// How long it takes.
    pub(crate) fn length(self) -> Duration {
        match self {
            Self::Over => Duration::ZERO,
            Self::Backoff(length) | Self::Quarantine(length) => length,
        }
    }
}

/// The faults of one plugin on one worker, and what follows from them.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Restarts {
    in_a_row: u32,
    until: Option<Instant>,
    quarantined: bool,
}

impl Restarts {
    /// The instance died after it had lived for some time, or did not come to life; true when the plugin is set aside with that.
    pub(crate) fn fault(&mut self, policy: &RestartPolicy, lived: Duration, now: Instant) -> bool {
        if lived >= policy.recovered_after {
            self.in_a_row = 0;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.quarantined = policy.quarantine_after > 0 && self.in_a_row >= policy.quarantine_after;
        let wait = if self.quarantined {
            policy.quarantine
        } else {
            self.backoff(policy)
        };
        self.until = now.checked_add(wait);
        self.quarantined
    }

    fn backoff(&self, policy: &RestartPolicy) -> Duration {
        let Some(doublings) = self.in_a_row.checked_sub(2) else {
            return Duration::ZERO;
        };
        let wait = policy.backoff.saturating_mul(1 << doublings.min(16));
        spread(wait.min(policy.backoff_max))
    }

    /// What is left to wait.
    pub(crate) fn wait(&self, now: Instant) -> Wait {
        let left = self
            .until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        match (left.is_zero(), self.quarantined) {
            (true, _) => Wait::Over,
            (false, true) => Wait::Quarantine(left),
            (false, false) => Wait::Backoff(left),
        }
    }

    /// Faults since it last recovered.
    pub(crate) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

/// Three to five quarters of a wait: plugins that died together, on all workers and machines, do not come back together.
fn spread(wait: Duration) -> Duration {
    const QUARTER: u64 = 256;
    let chance = RandomState::new().hash_one(()) % (2 * QUARTER + 1);
    let parts = u32::try_from(3 * QUARTER + chance).unwrap_or(1_024);
    wait.saturating_mul(parts) / 1_024
}

#[cfg(test)]
mod tests;
