//! `logs.debug`: debug windows, which open when there is too much of something.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Rate;
use crate::wire::{size, span};
use crate::word::{Part, Size, Written};

/// Debug windows. Each worker looks for itself, and tells the others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Debug {
    /// What opens a window. Default: `too_many_requests`, `server_errors` and `faults`, each with its defaults.
    pub(crate) triggers: Option<Triggers>,
    /// Time over which is counted, in whole seconds.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "60s"))]
    pub(crate) sight: Written<Duration>,
    /// How long a window is open, in whole seconds. It closes by itself.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "10m"))]
    pub(crate) lasts: Written<Duration>,
    /// Windows in an hour, at most.
    #[schemars(range(min = 1, max = 60))]
    pub(crate) per_hour: u8,
    /// Records of a window, at most. Default: 1000 in `1s`. It has no `each`.
    pub(crate) rate: Option<Rate>,
    /// Bytes of the records of one window, at most.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "1GiB"))]
    pub(crate) bytes: Written<Size>,
    /// What is kept of the seconds before a window.
    pub(crate) before: Before,
    /// Whose bodies are in a window. Default: nobody's.
    pub(crate) bodies: Option<Bodies>,
    /// Whether clients are told of the window in `x-debug-trace-id`, as upstreams are.
    pub(crate) tell_clients: bool,
}

impl Default for Debug {
    fn default() -> Self {
        Self {
            triggers: None,
            sight: span("10s", Duration::from_secs(10)),
            lasts: span("1m", Duration::from_secs(60)),
            per_hour: 6,
            rate: None,
            bytes: size("16MiB", 16 << 20),
            before: Before::default(),
            bodies: None,
            tell_clients: false,
        }
    }
}

/// What there may be too much of.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Triggers {
    /// Responses 429.
    pub(crate) too_many_requests: Option<Trigger>,
    /// Responses 5xx.
    pub(crate) server_errors: Option<Trigger>,
    /// Faults, whoever made them.
    pub(crate) faults: Option<Trigger>,
    /// Exchanges that take long.
    pub(crate) slow: Option<SlowTrigger>,
}

/// When there is too much of something: from so many on, and from such a share of all exchanges on.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Trigger {
    /// Fewer within `sight` are never too much.
    #[schemars(range(min = 1, max = 1000000000))]
    pub(crate) events: u32,
    /// The share of all exchanges from which on a window opens.
    #[schemars(extend("x-minimum" = "0.0001%", "x-maximum" = "100%"))]
    pub(crate) share: Written<Part>,
    /// The share below which it may open again. Default: half of `share`.
    #[schemars(extend("x-minimum" = "0%", "x-maximum" = "100%"))]
    pub(crate) calm: Option<Written<Part>>,
}

impl Default for Trigger {
    fn default() -> Self {
        Self {
            events: events(),
            share: share(),
            calm: None,
        }
    }
}

/// When too many exchanges take long.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlowTrigger {
    /// An exchange that takes this long is meant.
    #[schemars(extend("x-minimum" = "1us", "x-maximum" = "1d"))]
    pub(crate) from: Written<Duration>,
    /// Fewer within `sight` are never too much.
    #[serde(default = "events")]
    #[schemars(range(min = 1, max = 1000000000))]
    pub(crate) events: u32,
    /// The share of all exchanges from which on a window opens.
    #[serde(default = "share")]
    #[schemars(extend("x-minimum" = "0.0001%", "x-maximum" = "100%"))]
    pub(crate) share: Written<Part>,
    /// The share below which it may open again. Default: half of `share`.
    #[schemars(extend("x-minimum" = "0%", "x-maximum" = "100%"))]
    pub(crate) calm: Option<Written<Part>>,
}

/// What is kept of the seconds before a window: debug records that nobody wants yet, in each worker's memory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Before {
    /// How long.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "60s"))]
    pub(crate) lasts: Written<Duration>,
    /// Bytes of each worker.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "64MiB"))]
    pub(crate) bytes: Written<Size>,
}

impl Default for Before {
    fn default() -> Self {
        Self {
            lasts: span("5s", Duration::from_secs(5)),
            bytes: size("4MiB", 4 << 20),
        }
    }
}

/// Whose bodies are in a window: masked, and in base64.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bodies {
    /// The routes, by their names.
    #[schemars(length(min = 1))]
    pub(crate) routes: Vec<String>,
    /// Bytes of one body; the rest of it is left out, and so is what at the end only the rest could show to be a secret.
    #[serde(default = "body_bytes")]
    #[schemars(extend("x-minimum" = "1", "x-maximum" = "8KiB"))]
    pub(crate) bytes: Written<Size>,
    /// Bytes of all bodies in one window.
    #[serde(default = "window_bytes")]
    #[schemars(extend("x-minimum" = "1", "x-maximum" = "1GiB"))]
    pub(crate) bytes_of_window: Written<Size>,
}

fn events() -> u32 {
    50
}

fn share() -> Written<Part> {
    Written::default_of("10%", Part(100_000))
}

fn body_bytes() -> Written<Size> {
    size("4KiB", 4 << 10)
}

fn window_bytes() -> Written<Size> {
    size("4MiB", 4 << 20)
}
