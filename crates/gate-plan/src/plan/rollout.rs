//! How a new generation of a plugin comes into force.

use std::time::Duration;

use http::HeaderName;

use crate::route::ExchangeMatch;

/// How a new generation of a plugin comes into force.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// The steps, in their order.
    pub steps: Vec<RolloutStep>,
    /// Which exchanges take part.
    pub matches: ExchangeMatch,
    /// What keeps a client with the same generation.
    pub sticky: Sticky,
    /// Names of the routes that take part; all when absent.
    pub routes: Option<Vec<String>>,
    /// How the new generation runs aside; not at all when absent.
    pub shadow: Option<RolloutShadow>,
    /// What the new generation may be worse by.
    pub analysis: RolloutAnalysis,
    /// Time in service after which a rollout that is not over goes back.
    pub ends_within: Duration,
    /// In which order several gateways go over; each by itself when absent.
    pub waves: Option<RolloutWaves>,
}

/// In which order gateways of one store go over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutWaves {
    /// How many are in each wave and those before it.
    pub gateways: Vec<WaveGateways>,
    /// Time between two waves.
    pub pause: Duration,
    /// Silence after which a gateway is waited for no more.
    pub gone_after: Duration,
}

/// How many gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaveGateways {
    /// So many.
    Count(u32),
    /// So many of a million, rounded up.
    Part(u32),
}

/// One step of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolloutStep {
    /// Parts per million of the exchanges.
    pub share: u32,
    /// How long it serves; until an operator's word when absent.
    pub pause: Option<Duration>,
}

/// How a new generation runs aside over exchanges of the control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutShadow {
    /// Parts per million of the control's exchanges.
    pub share: u32,
    /// Bytes of each body that are kept.
    pub body_bytes_max: u64,
    /// Exchanges that each worker keeps at a time.
    pub waiting_max: usize,
    /// Percent of a worker's CPU time.
    pub cpu_share_percent_max: u8,
    /// Headers and trailers that are not compared.
    pub ignored_headers: Vec<HeaderName>,
    /// Whether values that differ are shown.
    pub shows_values: bool,
}

/// What keeps a client with the same generation of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sticky {
    /// Nothing.
    Nothing,
    /// Its address.
    Client,
    /// The value of a header.
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(String),
}

/// What a new generation may be worse by.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutAnalysis {
    /// Exchanges of each generation below which a step says nothing.
    pub exchanges_min: u64,
    /// Faults for each exchange.
    pub faults: RolloutBound,
    /// Faults for each exchange that are too many whatever the control does.
    pub faults_max: f64,
    /// Responses 5xx for each exchange.
    pub server_errors: RolloutBound,
    /// Responses 4xx for each exchange.
    pub client_errors: RolloutBound,
    /// Time in the plugin, in microseconds.
    pub latency: RolloutBound,
    /// CPU time for each exchange, in microseconds.
    pub cpu: RolloutBound,
    /// Growth of memory for each exchange, in bytes.
    pub memory: RolloutBound,
    /// Lines logged as errors for each exchange.
    pub log_errors: RolloutBound,
    /// Metrics that the plugin defines.
    pub metrics: Vec<RolloutMetric>,
    /// Part of the compared exchanges that may differ; any when absent.
    pub differences_max: Option<f64>,
}

/// What a metric may be that the plugin defines.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutMetric {
    /// Its name.
    pub name: String,
    /// Which quantile of a histogram, in thousandths; none for a counter, of which the growth for each exchange is meant.
    pub thousandths: Option<u16>,
    /// The bound, in its unit.
    pub bound: RolloutBound,
}

/// What a measure may be. It is too much when it is above both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RolloutBound {
    /// So much, whatever the control does.
    pub absolute: f64,
    /// So many times what the control does.
    pub relative: f64,
}
