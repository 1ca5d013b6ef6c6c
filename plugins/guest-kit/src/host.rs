//! What every guest asks of its host: a line in the log, and what time it is.

use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

/// Writes a line. One that the host does not take is lost, as nothing better can be done with it.
pub fn log(level: LogLevel, text: &str) {
    hostcalls::log(level, text).ok();
}

/// The time since 1970.
fn now() -> Duration {
    let now = hostcalls::get_current_time().unwrap_or(UNIX_EPOCH);
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    u64::try_from(now().as_millis()).unwrap_or(u64::MAX)
}

/// Nanoseconds since 1970.
#[must_use]
pub fn now_ns() -> u64 {
    u64::try_from(now().as_nanos()).unwrap_or(u64::MAX)
}
