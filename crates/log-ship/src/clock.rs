//! Two clocks: one that only goes forward, for waits and ages, and the wall's, for names and dates.

use std::time::{Duration, Instant, SystemTime};

/// What time it is.
pub trait Clock: Send + Sync {
    /// Time since some moment, which never goes back.
    fn steady(&self) -> Duration;
    /// The wall's, which anybody may set to anything.
    fn wall(&self) -> SystemTime;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn steady(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}
