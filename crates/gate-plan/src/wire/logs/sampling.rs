//! `logs.sampling`: what part of the records is kept.

use std::time::Duration;

use log_record::grade::Level;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::wire::Pairs;
use crate::word::{FaultWord, Kept, Label, StatusWord, Written};

/// What part of the records is kept. An exchange is decided about when it begins, by its trace, so that its lines and spans, and other services
/// with the same part, decide alike; what is said of it, and how it ends, may keep it after all. Each record says how many it stands for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sampling {
    /// The part that is kept of what no rule is for: a percentage, `all`, or `none`. With `all`, also lines of exchanges that are not kept are.
    pub(crate) keep: Written<Kept>,
    /// Lines from this level on are kept whatever a percentage says.
    pub(crate) always_from: Written<Level>,
    /// Rules, in order: the first that is for a record counts.
    #[schemars(length(max = 64))]
    pub(crate) rules: Vec<SamplingRule>,
    /// What is kept because of how an exchange ended. Default: responses 5xx and faults.
    pub(crate) tail: Option<Tail>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            keep: Written::default_of("100%", Kept::Part(1_000_000)),
            always_from: Written::default_of("error", Level::Error),
            rules: Vec::new(),
            tail: None,
        }
    }
}

/// A rule. What it does not name may be anything.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SamplingRule {
    /// The levels that it is for. An exchange's record has a level, too.
    #[schemars(length(min = 1))]
    pub(crate) levels: Option<Vec<Written<Level>>>,
    /// It is for this level and those above. Instead of `levels`.
    pub(crate) level: Option<Written<Level>>,
    /// The route that it is for.
    pub(crate) route: Option<Written<Label>>,
    /// The tenant that it is for, as `logs.tenant` finds it.
    pub(crate) tenant: Option<String>,
    /// The plugin whose lines it is for.
    pub(crate) plugin: Option<Written<Label>>,
    /// The part that is kept: a percentage, `all`, or `none`.
    pub(crate) keep: Option<Written<Kept>>,
    /// How much of that at most.
    pub(crate) rate: Option<Rate>,
}

/// How much at most. What is over it is dropped, and counted into what is kept next.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    /// So many, on each worker,
    #[schemars(range(min = 1, max = 1000000000))]
    pub(crate) count: u32,
    /// in each of these time spans.
    #[serde(default = "second")]
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1d"))]
    pub(crate) per: Written<Duration>,
    /// How many may come at once. Default: `count`.
    #[schemars(range(min = 1, max = 1000000000))]
    pub(crate) burst: Option<u32>,
    /// A rate of its own for each of these. Default: one for all.
    #[serde(default)]
    pub(crate) each: Vec<RateEach>,
}

/// What each has a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RateEach {
    /// Each level.
    Level,
    /// Each route.
    Route,
    /// Each tenant.
    Tenant,
    /// Each plugin.
    Plugin,
}

/// What is kept because of how an exchange ended, whatever was decided when it began.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tail {
    /// Statuses: `429`, or a class such as `5xx`.
    pub(crate) statuses: Vec<Written<StatusWord>>,
    /// Faults, by their codes, such as `plugin.slice_exceeded`, or `[any]`.
    pub(crate) faults: Vec<Written<FaultWord>>,
    /// Exchanges that take this long. Default: time alone keeps none.
    #[schemars(extend("x-minimum" = "1us", "x-maximum" = "1d"))]
    pub(crate) slow: Option<Written<Duration>>,
    /// The same for some routes, by their names.
    pub(crate) slow_routes: Pairs<Label, Written<Duration>>,
    /// How much of all that at most: clients can make errors. Default: without a bound.
    pub(crate) rate: Option<Rate>,
}

fn second() -> Written<Duration> {
    crate::wire::span("1s", Duration::from_secs(1))
}
