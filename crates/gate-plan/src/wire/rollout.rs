//! `plugins[].rollout`: how a new generation of a plugin comes into force.

use std::time::Duration;

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::route::Match;
use crate::word::{Gateways, Label, Part, Pause, Percent, Size, Written};

/// How a new generation of a plugin comes into force: on a share of the exchanges first, beside the generation before, which is the control.
/// It goes on by itself while it is no worse, and back when it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollout {
    /// The steps, in their order. Behind the last one the new generation takes over.
    #[schemars(length(min = 1, max = 32))]
    pub(crate) steps: Vec<RolloutStep>,
    /// Which exchanges take part; all others stay with the generation before. Default: all.
    #[serde(rename = "match", default)]
    pub(crate) matches: Match,
    /// What keeps a client with the same generation all through a rollout. Default: each exchange is told by itself. An exchange
    /// without the key is too.
    pub(crate) sticky: Option<Sticky>,
    /// Names of the routes that take part. Default: all that have the plugin.
    #[schemars(length(min = 1))]
    pub(crate) routes: Option<Vec<Written<Label>>>,
    /// Runs the new generation aside over exchanges of the control and compares what both make of them. Nothing that it does aside is
    /// applied. `{}` takes all defaults. Default: nothing runs aside.
    pub(crate) shadow: Option<Shadow>,
    /// What the new generation may be worse by.
    #[serde(default)]
    pub(crate) analysis: Analysis,
    /// Time in service after which a rollout that is not over goes back. Default: `7d`.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "90d"))]
    pub(crate) ends_within: Option<Written<Duration>>,
    /// Which gateways go over first, where several have one store: each wave begins its rollouts when all gateways of the one before
    /// have gone over. One that goes back stops all of them, and those that went over go back, too. Default: each by itself. It
    /// has no effect without a store.
    pub(crate) waves: Option<Waves>,
}

/// In which order gateways go over.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waves {
    /// How many gateways there are in each wave and those before it: a number, or a percentage that is rounded up. Behind the last wave
    /// come all that are left.
    #[schemars(length(min = 1, max = 32))]
    pub(crate) gateways: Vec<Written<Gateways>>,
    /// Time between the last gateway of a wave and the next wave. Default: `0s`.
    #[schemars(extend("x-maximum" = "7d"))]
    pub(crate) pause: Option<Written<Duration>>,
    /// Silence after which a gateway is waited for no more. Each says four times in that span that it is there. Default: `1m`.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub(crate) gone_after: Option<Written<Duration>>,
}

/// One step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolloutStep {
    /// The part of the exchanges that go to the new generation. Without a control, as at `100%`, nothing can be compared. With `shadow` the
    /// first step may have `0%`: the new generation serves nothing and runs aside only.
    #[schemars(extend("x-minimum" = "0%", "x-maximum" = "100%"))]
    pub(crate) share: Written<Part>,
    /// How long the step serves before it is judged, or `manual`: it waits for `cofferdam rollout resume`.
    pub(crate) pause: Written<Pause>,
}

/// How the new generation runs aside.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Shadow {
    /// The part of the control's exchanges over which the new generation is run. Default: `10%`.
    #[schemars(extend("x-minimum" = "0.0001%", "x-maximum" = "100%"))]
    pub(crate) share: Option<Written<Part>>,
    /// Bytes of each body that are kept. An exchange with a longer one is not compared. Default: `64KiB`.
    #[schemars(extend("x-minimum" = "0", "x-maximum" = "16MiB"))]
    pub(crate) body: Option<Written<Size>>,
    /// Exchanges that each worker keeps at a time, until they are compared. Those beyond are not compared. Default: 32.
    #[schemars(range(min = 1, max = 4096))]
    pub(crate) waiting: Option<usize>,
    /// The part of a worker's CPU time that is spent on it at most. Exchanges beyond are not compared. Default: `10%`.
    #[schemars(extend("x-minimum" = "1%", "x-maximum" = "100%"))]
    pub(crate) cpu_share: Option<Written<Percent>>,
    /// Headers and trailers that are not compared, such as those that hold a date or a number drawn at random. Default: none.
    pub(crate) ignore_headers: Vec<Written<HeaderName>>,
    /// Shows the beginnings of values that differ to operators, and not only their names. They may be secret. Default: false.
    pub(crate) show_values: bool,
}

/// What keeps a client with the same generation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Sticky {
    /// Its address.
    Client,
    /// The value of this header.
    Header(Written<HeaderName>),
    /// The value of this cookie.
    Cookie(Written<Label>),
}

/// What the new generation may be worse by than the control, which is measured at the same time on the same routes. It is too much when it
/// is above `absolute` and above `relative` of the control's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Analysis {
    /// Exchanges of each generation below which a step says nothing and is not over. Default: 100.
    #[schemars(range(min = 1, max = 1000000000))]
    pub(crate) exchanges: Option<u64>,
    /// Faults of the plugin for each exchange. Looked at all the time. Default: `0.1%` and `150%`.
    pub(crate) faults: PartBound,
    /// Faults for each exchange at which it goes back whatever the control does. Default: `5%`.
    #[schemars(extend("x-minimum" = "0.0001%", "x-maximum" = "100%"))]
    pub(crate) faults_max: Option<Written<Part>>,
    /// Responses 5xx for each exchange. Looked at all the time. Default: `1%` and `150%`.
    pub(crate) server_errors: PartBound,
    /// Responses 4xx for each exchange. Looked at all the time. Default: `5%` and `200%`.
    pub(crate) client_errors: PartBound,
    /// Time in the plugin's callbacks for each exchange: the median, and what 1 of 100 exceeds. Default: `500us` and `150%`.
    pub(crate) latency: SpanBound,
    /// CPU time for each exchange. Default: `50us` and `200%`.
    pub(crate) cpu: SpanBound,
    /// Growth of its memory for each exchange. Default: `1KiB` and `200%`.
    pub(crate) memory: SizeBound,
    /// Lines that it logs as errors, for each exchange. Default: `1%` and `200%`.
    pub(crate) log_errors: PartBound,
    /// Metrics that the plugin defines itself. One that neither generation has defined is nought. Default: none.
    #[schemars(length(max = 32))]
    pub(crate) metrics: Vec<RolloutMetric>,
    /// Part of the compared exchanges of which the new generation may make something else when it runs aside. Looked at all the time; a
    /// step is not passed with fewer than `exchanges` of them. Needs `shadow`. Default: differences are told, and nothing follows from them.
    #[schemars(extend("x-minimum" = "0%", "x-maximum" = "100%"))]
    pub(crate) differences_max: Option<Written<Part>>,
}

/// A metric that the plugin defines, and what it may be worse by. More is worse.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum RolloutMetric {
    /// What a counter grows by for each exchange.
    Counter(CounterBound),
    /// A quantile of the values of a histogram.
    Histogram(HistogramBound),
}

/// A bound on a counter that the plugin defines.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CounterBound {
    /// Its name, as the plugin defines it.
    pub(crate) name: Written<Label>,
    /// Never too much below this: `100%` is one for each exchange. Default: `1%`.
    #[schemars(extend("x-minimum" = "0.0001%", "x-maximum" = "100000000%"))]
    pub(crate) absolute: Option<Written<Part>>,
    /// Never too much below this part of the control's. Default: `200%`.
    #[schemars(extend("x-minimum" = "100%", "x-maximum" = "100000%"))]
    pub(crate) relative: Option<Written<Part>>,
}

/// A bound on a histogram that the plugin defines.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistogramBound {
    /// Its name, as the plugin defines it.
    pub(crate) name: Written<Label>,
    /// Which quantile. Default: `99%`.
    #[schemars(extend("x-minimum" = "1%", "x-maximum" = "99.9%"))]
    pub(crate) quantile: Option<Written<Part>>,
    /// Never too much below this value, in the unit of the histogram. Its buckets end at powers of two.
    #[schemars(range(min = 1, max = 60000000))]
    pub(crate) absolute: u64,
    /// Never too much below this part of the control's. Default: `200%`.
    #[schemars(extend("x-minimum" = "100%", "x-maximum" = "100000%"))]
    pub(crate) relative: Option<Written<Part>>,
}

/// A bound on what an exchange has or has not.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PartBound {
    /// Never too much below this.
    #[schemars(extend("x-minimum" = "0.0001%", "x-maximum" = "100%"))]
    pub(crate) absolute: Option<Written<Part>>,
    /// Never too much below this part of the control's.
    #[schemars(extend("x-minimum" = "100%", "x-maximum" = "100000%"))]
    pub(crate) relative: Option<Written<Part>>,
}

/// A bound on a time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SpanBound {
    /// Never too much below this.
    #[schemars(extend("x-minimum" = "1us", "x-maximum" = "1h"))]
    pub(crate) absolute: Option<Written<Duration>>,
    /// Never too much below this part of the control's.
    #[schemars(extend("x-minimum" = "100%", "x-maximum" = "100000%"))]
    pub(crate) relative: Option<Written<Part>>,
}

/// A bound on a number of bytes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SizeBound {
    /// Never too much below this.
    #[schemars(extend("x-minimum" = "1", "x-maximum" = "1GiB"))]
    pub(crate) absolute: Option<Written<Size>>,
    /// Never too much below this part of the control's.
    #[schemars(extend("x-minimum" = "100%", "x-maximum" = "100000%"))]
    pub(crate) relative: Option<Written<Part>>,
}
