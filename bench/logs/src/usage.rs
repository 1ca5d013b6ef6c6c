//! What this process and this thread have used, as the system counts it.

use std::fs;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// Processor time of this thread, in nanoseconds.
pub(crate) fn thread_ns() -> u64 {
    nanoseconds(ClockId::ThreadCPUTime)
}

/// Processor time of all threads, in nanoseconds.
pub(crate) fn process_ns() -> u64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// What was written.
#[derive(Clone, Copy)]
pub(crate) struct Written {
    /// Calls of `write` and its like.
    pub(crate) calls: u64,
    /// Bytes given to them.
    pub(crate) bytes: u64,
    /// Bytes of pages that the disk gets.
    pub(crate) disk_bytes: u64,
}

impl Written {
    pub(crate) fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/self/io").context("the system does not count writes")?;
        let number = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            found
                .and_then(|rest| rest.trim().parse().ok())
                .with_context(|| format!("/proc/self/io has no {name}"))
        };
        Ok(Self {
            calls: number("syscw:")?,
            bytes: number("wchar:")?,
            disk_bytes: number("write_bytes:")?,
        })
    }

    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            bytes: self.bytes - before.bytes,
            disk_bytes: self.disk_bytes - before.disk_bytes,
        }
    }
}
