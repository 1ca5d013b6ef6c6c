//! A burst of faults or failed exchanges: for a while more is written down of the plugin, so that whoever looks later finds something.

use std::time::Duration;

use plug_abi::LogLevel;
use tokio::time::Instant;

/// When more is written down of a plugin, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurstPolicy {
    /// Faults on one worker that are a burst; none are when 0.
    pub faults: u32,
    /// Responses 429 and 5xx of exchanges through the plugin on one worker that are a burst; none are when 0.
    pub errors: u32,
    /// Within which time.
    pub within: Duration,
    /// How long more is written down, from the last burst on.
    pub lasts: Duration,
    /// Lines of the plugin from this level on are written meanwhile.
    pub level: LogLevel,
    /// Exchanges that are recorded, for each burst.
    pub recordings: u32,
}

/// What a burst consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The plugin died.
    Fault,
    /// An exchange through it was answered with 429 or 5xx.
    Error,
}

/// One plugin on one worker.
pub(crate) struct Burst {
    policy: BurstPolicy,
    /// When the window of now began; none before the first trouble.
    began: Option<Instant>,
    faults: u32,
    errors: u32,
    until: Option<Instant>,
    recordings_left: u32,
}

impl Burst {
    pub(crate) fn new(policy: BurstPolicy) -> Self {
        Self {
            policy,
            began: None,
            faults: 0,
            errors: 0,
            until: None,
            recordings_left: 0,
        }
    }

    /// Trouble; whether a burst begins with it.
    pub(crate) fn note(&mut self, trouble: Trouble, now: Instant) -> bool {
        let is_old = |began: Instant| now.saturating_duration_since(began) >= self.policy.within;
        if self.began.is_none_or(is_old) {
            self.began = Some(now);
            self.faults = 0;
            self.errors = 0;
        }
        let (count, enough) = match trouble {
            Trouble::Fault => (&mut self.faults, self.policy.faults),
            Trouble::Error => (&mut self.errors, self.policy.errors),
        };
        *count = count.saturating_add(1);
        if enough == 0 || *count < enough {
            return false;
        }
        let begins = !self.is_on(now);
        self.until = now.checked_add(self.policy.lasts);
        if begins {
            self.recordings_left = self.policy.recordings;
        }
        begins
    }

    fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// The level from which on lines are written.
    pub(crate) fn level(&self, usual: LogLevel, now: Instant) -> LogLevel {
        match self.is_on(now) {
            true => usual.min(self.policy.level),
            false => usual,
        }
    }

    /// Whether the exchange that ends now is to be recorded.
    pub(crate) fn records(&mut self, now: Instant) -> bool {
        let records = self.is_on(now) && self.recordings_left > 0;
        if records {
            self.recordings_left = self.recordings_left.saturating_sub(1);
        }
        records
    }

    pub(crate) fn policy(&self) -> BurstPolicy {
        self.policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BurstPolicy = BurstPolicy {
        faults: 3,
        errors: 0,
        within: Duration::from_secs(10),
        lasts: Duration::from_secs(60),
        level: LogLevel::Debug,
        recordings: 2,
    };

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_so_many_in_so_much_time_and_ends() {
        let mut burst = Burst::new(POLICY);
        let note = |burst: &mut Burst, trouble| burst.note(trouble, Instant::now());
        assert!(!note(&mut burst, Trouble::Fault) && !note(&mut burst, Trouble::Fault));
        tokio::time::advance(POLICY.within).await;
        assert!(!note(&mut burst, Trouble::Fault) && !note(&mut burst, Trouble::Fault));
        assert_eq!(burst.level(LogLevel::Info, Instant::now()), LogLevel::Info);
        assert!(!burst.records(Instant::now()));
        assert!(note(&mut burst, Trouble::Fault), "the third within the time");
        assert!(!note(&mut burst, Trouble::Fault), "it has begun already");
        assert_eq!(burst.level(LogLevel::Info, Instant::now()), LogLevel::Debug);
        assert_eq!(burst.level(LogLevel::Trace, Instant::now()), LogLevel::Trace);
        let recorded = (0..5).filter(|_| burst.records(Instant::now())).count();
        assert_eq!(recorded, 2);
        tokio::time::advance(POLICY.lasts).await;
        assert_eq!(burst.level(LogLevel::Info, Instant::now()), LogLevel::Info);
        for _ in 0..100 {
            assert!(!note(&mut burst, Trouble::Error), "0 is never");
        }
    }
}
