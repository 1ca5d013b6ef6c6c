//! Debug windows, which open when there is too much of something.

use std::time::Duration;

use super::{Named, Rate};

/// Debug windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugWindows {
    /// Responses 429.
    pub too_many_requests: Option<Trigger>,
    /// Responses 5xx.
    pub server_errors: Option<Trigger>,
    /// Faults.
    pub faults: Option<Trigger>,
    /// Exchanges that take long.
    pub slow: Option<SlowTrigger>,
    /// Time over which is counted, 1 to 60 whole seconds. Default 10 s.
    pub sight: Duration,
    /// How long a window is open, 1 to 600 whole seconds. Default 1 min.
    pub lasts: Duration,
    /// Windows in an hour, 1 to 60. Default 6.
    pub per_hour: u8,
    /// Records of a window; it has no `each`. Default 1000 in a second.
    pub rate: Rate,
    /// Bytes of the records of one window. Default 16 MiB.
    pub bytes_max: u64,
    /// What is kept of the seconds before.
    pub before: Before,
    /// Whose bodies are in a window; nobody's when absent.
    pub bodies: Option<Bodies>,
    /// Whether clients are told of the window, as upstreams are. Default: they are not.
    pub tells_clients: bool,
}

/// When there is too much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// Fewer are never too much. Default 50.
    pub events_min: u32,
    /// The share from which on a window opens, in parts per million. Default a tenth.
    pub share_ppm: u32,
    /// The share below which it may open again, in parts per million: below the other.
    pub calm_ppm: u32,
}

/// When too many exchanges take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowTrigger {
    /// How long.
    pub from: Duration,
    /// How many of them.
    pub trigger: Trigger,
}

/// What is kept of the seconds before, by each worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// How long. Default 5 s.
    pub lasts: Duration,
    /// Bytes, 64 MiB at most. Default 4 MiB.
    pub bytes_max: u64,
}

/// Whose bodies are in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bodies {
    /// The routes.
    pub routes: Vec<Named>,
    /// Bytes of one body. Default 4 KiB.
    pub bytes_max: u64,
    /// Bytes of all bodies in one window. Default 4 MiB.
    pub bytes_of_window_max: u64,
}
