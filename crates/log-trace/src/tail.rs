//! What is kept because of how an exchange ended, whatever was decided when it began.

use crate::decision::Why;
use crate::meter::Rate;

/// The statuses there are, from 0 on; nobody sends one above.
const STATUSES: u16 = 640;

/// A set of statuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statuses([u64; (STATUSES / 64) as usize]);

impl Statuses {
    /// None.
    pub const NONE: Self = Self([0; (STATUSES / 64) as usize]);

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, status: u16) -> Self {
        if let Some(word) = self.0.get_mut(usize::from(status / 64)) {
            *word |= 1 << (status % 64);
        }
        self
    }

    /// The same with a class, `5` for 500 to 599.
    #[must_use]
    pub fn with_class(self, class: u16) -> Self {
        let first = class.saturating_mul(100);
        (first..first.saturating_add(100)).fold(self, Self::with)
    }

    /// Whether a status is among them.
    #[must_use]
    pub fn has(&self, status: u16) -> bool {
        let word = self.0.get(usize::from(status / 64)).copied().unwrap_or_default();
        word >> (status % 64) & 1 == 1
    }
}

/// From which duration on an exchange is slow.
#[derive(Clone, Debug, Default)]
pub struct Slow {
    /// On any route; never where it is none.
    pub from_ns: Option<u64>,
    /// On these routes instead, by the plan's number.
    pub routes: Vec<(u32, u64)>,
}

/// The rule of the tail.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// Statuses that are kept.
    pub statuses: Statuses,
    /// Exchanges with any fault are kept.
    pub faults: Faults,
    /// Slow ones are kept.
    pub slow: Slow,
    /// How much of all that at most; clients can make errors.
    pub rate: Option<Rate>,
}

/// Which faults are kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Faults {
    /// None because of a fault alone.
    #[default]
    None,
    /// These, by their codes.
    Codes(Vec<String>),
    /// Any.
    Any,
}

/// How an exchange ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome<'a> {
    /// The status that was sent; none when none was.
    pub status: Option<u16>,
    /// The code of its fault.
    pub fault: Option<&'a str>,
    /// From the request's headers to the last byte.
    pub duration_ns: u64,
}

impl Tail {
    /// Why an exchange is kept, if it is.
    pub(crate) fn keeps(&self, route: Option<u32>, outcome: &Outcome<'_>) -> Option<Why> {
        let is_kept_status = outcome.status.is_some_and(|status| self.statuses.has(status));
        if is_kept_status {
            return Some(Why::Status);
        }
        if outcome.fault.is_some_and(|code| self.faults.has(code)) {
            return Some(Why::Fault);
        }
        let slow_from = self.slow.from(route)?;
        (outcome.duration_ns >= slow_from).then_some(Why::Slow)
    }
}

impl Faults {
    fn has(&self, code: &str) -> bool {
        match self {
            Self::None => false,
            Self::Codes(codes) => codes.iter().any(|kept| kept == code),
            Self::Any => true,
        }
    }
}

impl Slow {
    fn from(&self, route: Option<u32>) -> Option<u64> {
        let own = self.routes.iter().find(|(other, _)| Some(*other) == route);
        own.map(|(_, from_ns)| *from_ns).or(self.from_ns)
    }
}
