//! The debug window: open for a time, for so many records and bytes, and for bodies on some routes.

use crate::burst::Kind;
use crate::id::TraceId;
use crate::meter::{Meter, Rate};

/// What workers tell each other about a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The id that records of the window carry, beside that of their trace: `x-debug-trace-id`.
    pub id: TraceId,
    /// What there was too much of.
    pub kind: Kind,
    /// When it opened, by the monotonic clock.
    pub opened_ns: u64,
    /// From when on it is over, whatever goes on.
    pub until_ns: u64,
}

/// Whether a record may go out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It may.
    Admitted,
    /// There are too many at once.
    Rate,
    /// The window has said all that it may.
    Spent,
}

/// Whose bodies are kept while a window is open.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    /// The plan's numbers of the routes.
    pub routes: Vec<u32>,
    /// Of one body.
    pub bytes_max: usize,
}

/// A debug window of one worker.
#[derive(Debug)]
pub struct Window {
    notice: Notice,
    rate: Rate,
    meter: Meter,
    bytes_left: u64,
    body_bytes_left: u64,
}

impl Window {
    pub(crate) fn new(notice: Notice, rate: Rate, bytes_max: u64, body_bytes_max: u64) -> Self {
        Self {
            notice,
            rate,
            meter: Meter::default(),
            bytes_left: bytes_max,
            body_bytes_left: body_bytes_max,
        }
    }

    /// What it is.
    #[must_use]
    pub const fn notice(&self) -> &Notice {
        &self.notice
    }

    /// Whether a record of so many bytes may go out, and counts it.
    pub fn admit(&mut self, bytes: usize, now_ns: u64) -> Admission {
        let Some(left) = self.left(bytes) else {
            return Admission::Spent;
        };
        if self.meter.take(self.rate, 1.0, now_ns).is_none() {
            return Admission::Rate;
        }
        self.bytes_left = left;
        Admission::Admitted
    }

    /// Whether a record of the seconds before may go out: they come all at once, so only bytes count.
    pub fn admit_before(&mut self, bytes: usize) -> Admission {
        let Some(left) = self.left(bytes) else {
            return Admission::Spent;
        };
        self.bytes_left = left;
        Admission::Admitted
    }

    /// How many of a body's next bytes may be kept, when so many are kept of it already.
    pub fn take_body(&mut self, bodies: &Bodies, route: u32, kept: usize, next: usize) -> usize {
        if !bodies.routes.contains(&route) {
            return 0;
        }
        let left = usize::try_from(self.body_bytes_left).unwrap_or(usize::MAX);
        let taken = next.min(bodies.bytes_max.saturating_sub(kept)).min(left);
        self.body_bytes_left = self
            .body_bytes_left
            .saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
        taken
    }

    pub(crate) const fn is_open(&self, now_ns: u64) -> bool {
        now_ns < self.notice.until_ns
    }

    fn left(&self, bytes: usize) -> Option<u64> {
        self.bytes_left.checked_sub(u64::try_from(bytes).ok()?)
    }
}
