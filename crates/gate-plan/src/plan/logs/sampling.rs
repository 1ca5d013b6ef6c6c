//! What part of the records is kept.

use std::time::Duration;

use log_record::grade::Level;

/// What part of the records is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampling {
    /// Of what no rule is for. Default everything, as a part.
    pub keep: Keep,
    /// Lines from this level on are kept whatever a part says. Default `error`.
    pub always_from: Level,
    /// Rules, in order; 64 at most.
    pub rules: Vec<SamplingRule>,
    /// What is kept because of how an exchange ended.
    pub tail: Tail,
}

/// What part of something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Everything, lines of exchanges that are not kept included.
    All,
    /// Nothing.
    Nothing,
    /// So many of a million traces, 1 at least and 1,000,000 at most.
    Part(u32),
}

impl Keep {
    /// As a ratio of 1; none where it is none.
    #[must_use]
    pub fn ratio(self) -> Option<f64> {
        match self {
            Self::All | Self::Nothing => None,
            Self::Part(part) => Some(f64::from(part) / 1_000_000.0),
        }
    }
}

/// Something of the plan, by its name and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The number: of a route, its place in [`crate::RouteTable::iter`]; of a plugin, its place in [`crate::Plan::plugins`].
    pub number: u32,
}

/// A rule. What it does not name may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplingRule {
    /// The levels that it is for, in order, each once; never empty.
    pub levels: Vec<Level>,
    /// The route.
    pub route: Option<Named>,
    /// The tenant's name.
    pub tenant: Option<String>,
    /// The plugin whose lines it is for.
    pub plugin: Option<Named>,
    /// The part that is kept.
    pub keep: Keep,
    /// How much of that at most.
    pub rate: Option<Rate>,
}

/// How much at most, on each worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// So many
    pub count: u32,
    /// in each of these, at least a nanosecond for each.
    pub per: Duration,
    /// How many may come at once; 1 at least.
    pub burst: u32,
    /// What each has a rate of its own.
    pub each: Vec<RateEach>,
}

/// What each has a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateEach {
    /// Each level.
    Level,
    /// Each route.
    Route,
    /// Each tenant.
    Tenant,
    /// Each plugin.
    Plugin,
}

/// What is kept because of how an exchange ended. Default: 5xx and any fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Statuses.
    pub statuses: Vec<Statuses>,
    /// Faults.
    pub faults: Faults,
    /// Exchanges that take this long.
    pub slow: Option<Duration>,
    /// The same for some routes.
    pub slow_routes: Vec<(Named, Duration)>,
    /// How much of all that at most; it has no `each`.
    pub rate: Option<Rate>,
}

/// Statuses of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statuses {
    /// One, 100 to 599.
    One(u16),
    /// A class, 1 to 5.
    Class(u16),
}

/// Which faults are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Faults {
    /// None because of a fault alone.
    None,
    /// These, by their codes.
    Codes(Vec<String>),
    /// Any.
    Any,
}
