//! What an operator wants of a rollout: its steps, and what the candidate may be worse by.

use serde::{Deserialize, Serialize};

use crate::share::Share;

/// What ends a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// Time in which it serves, in milliseconds.
    ForMs(u64),
    /// An operator's word.
    Manual,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The candidate's part of the exchanges. With none, the candidate is a shadow only.
    pub share: Share,
    /// What ends it.
    pub pause: Pause,
}

/// What a measure of the candidate may be. It is too much when it is above both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// So much, whatever the control does.
    pub absolute: f64,
    /// So many times what the control does.
    pub relative: f64,
}

impl Bound {
    /// What is allowed beside a control of that value.
    #[must_use]
    pub fn beside(self, control: f64) -> f64 {
        self.absolute.max(control * self.relative)
    }
}

/// A bound on a quantile of what the plugin adds to an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QuantileBound {
    /// Which quantile, in thousandths: 990 for the slowest hundredth.
    pub thousandths: u16,
    /// The bound, its absolute part in microseconds.
    pub bound: Bound,
}

/// A bound on a metric that the plugin defines itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomBound {
    /// Name of the metric.
    pub name: String,
    /// Which quantile of a histogram, in thousandths; none for a counter, of which the growth for each exchange is meant.
    #[serde(default)]
    pub thousandths: Option<u16>,
    /// The bound, in the unit of the metric.
    pub bound: Bound,
}

impl Policy {
    /// Of one that wants nothing: the candidate takes over at once.
    #[must_use]
    pub const fn at_once() -> Self {
        Self {
            steps: Vec::new(),
            shadow: false,
            exchanges_min: 0,
            faults: None,
            faults_max: 0.0,
            server_errors: None,
            client_errors: None,
            latency: Vec::new(),
            cpu: None,
            memory: None,
            log_errors: None,
            custom: Vec::new(),
            differences_max: None,
            ends_within_ms: u64::MAX,
        }
    }
}

/// What an operator wants of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// In their order. Behind the last the candidate is promoted.
    pub steps: Vec<Step>,
    /// Whether the candidate also runs as a shadow of exchanges of the control.
    pub shadow: bool,
    /// Exchanges of each arm below which a step says nothing.
    pub exchanges_min: u64,
    /// Faults for each exchange.
    pub faults: Option<Bound>,
    /// Faults for each exchange at which the candidate is given up whatever the control does.
    pub faults_max: f64,
    /// Responses of 5xx for each exchange.
    pub server_errors: Option<Bound>,
    /// Responses of 4xx for each exchange.
    pub client_errors: Option<Bound>,
    /// What the plugin adds to an exchange.
    pub latency: Vec<QuantileBound>,
    /// CPU time for each exchange, in microseconds.
    pub cpu: Option<Bound>,
    /// Growth of memory for each exchange, in bytes.
    pub memory: Option<Bound>,
    /// Lines logged as errors for each exchange.
    pub log_errors: Option<Bound>,
    /// The plugin's own metrics.
    pub custom: Vec<CustomBound>,
    /// Part of the compared exchanges of which the candidate, as a shadow, may make something else.
    #[serde(default)]
    pub differences_max: Option<f64>,
    /// Time in service after which a rollout that is not over is rolled back, in milliseconds.
    pub ends_within_ms: u64,
}
