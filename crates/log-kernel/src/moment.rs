//! Moments of the clock by which the kernel stamps, and the way from it to the clock on the wall.

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// How often the two clocks are read to find a pair that lies close together.
const TRIES: usize = 3;

/// A moment of `CLOCK_MONOTONIC`, which the kernel calls ktime: nanoseconds since the machine started, without its sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self(nanoseconds(clock_gettime(ClockId::Monotonic)))
    }

    /// The moment of an [`Instant`]: the same clock, which the standard library keeps to itself. A future one becomes the present.
    #[must_use]
    pub fn of(instant: Instant) -> Self {
        Self::now().before(instant.elapsed())
    }

    /// A stamp of the kernel.
    #[must_use]
    pub fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// As the kernel writes it.
    #[must_use]
    pub fn ns(self) -> u64 {
        self.0
    }

    /// The moment so much earlier, or the machine's start.
    #[must_use]
    pub fn before(self, length: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// What lies between an earlier moment and this one; nothing when it was later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Both clocks, read at one time.
///
/// The wall clock is set and slewed, and a machine sleeps: a pair holds for stamps of about its own time. Read one for each batch.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    moment: Moment,
    wall: SystemTime,
}

impl Clock {
    /// Reads both, between two looks at the first; of a few pairs, the one with the least between.
    #[must_use]
    pub fn read() -> Self {
        let mut best: Option<(Duration, Self)> = None;
        for _ in 0..TRIES {
            let before = Moment::now();
            let wall = SystemTime::now();
            let apart = Moment::now().since(before);
            let moment = Moment(before.0.saturating_add(nanoseconds_of(apart) / 2));
            if best.as_ref().is_none_or(|(least, _)| apart < *least) {
                best = Some((apart, Self { moment, wall }));
            }
        }
        best.map_or_else(|| Self::at(Moment::now(), SystemTime::now()), |(_, clock)| clock)
    }

    /// A pair that was read elsewhere.
    #[must_use]
    pub fn at(moment: Moment, wall: SystemTime) -> Self {
        Self { moment, wall }
    }

    /// What the wall clock showed at a moment, as it goes now.
    #[must_use]
    pub fn wall(&self, moment: Moment) -> SystemTime {
        let told = if moment >= self.moment {
            self.wall.checked_add(moment.since(self.moment))
        } else {
            self.wall.checked_sub(self.moment.since(moment))
        };
        told.unwrap_or(self.wall)
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

fn nanoseconds_of(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
