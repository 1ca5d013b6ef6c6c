//! The CPU time that one entry into a guest computes, on either stack, without the time in which it gave way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A stop watch for entries. All times are CPU time of the worker's thread.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// When it last began to compute; the future by which it gives way sets it.
    resumed: Resumed,
    /// Computed before it last gave way; none between entries, and in those that are not measured.
    used: Option<Duration>,
}

/// Where the end of giving way is noted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Resumed(Arc<AtomicU64>);

impl Resumed {
    /// It computes from now on.
    pub(crate) fn set(&self, now: Duration) {
        let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanoseconds, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl Meter {
    /// An entry begins.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.used = Some(Duration::ZERO);
        self.resumed.set(now);
    }

    /// Whether the entry in progress is measured.
    pub(crate) fn runs(&self) -> bool {
        self.used.is_some()
    }

    /// It gives way; whoever lets it go on says so.
    pub(crate) fn pause(&mut self, now: Duration) -> Resumed {
        if let Some(used) = &mut self.used {
            *used = used.saturating_add(now.saturating_sub(self.resumed.get()));
        }
        self.resumed.clone()
    }

    /// The entry has ended: what it computed.
    pub(crate) fn end(&mut self, now: Duration) -> Duration {
        let used = self.used.take().unwrap_or_default();
        used.saturating_add(now.saturating_sub(self.resumed.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(length: u64) -> Duration {
        Duration::from_millis(length)
    }

    #[test]
    fn what_others_compute_while_it_gives_way_is_not_counted() {
        let mut meter = Meter::default();
        assert!(!meter.runs());
        meter.begin(ms(100));
        assert!(meter.runs());
        let resumed = meter.pause(ms(103));
        resumed.set(ms(500));
        let resumed = meter.pause(ms(502));
        resumed.set(ms(900));
        assert_eq!(meter.end(ms(901)), ms(3 + 2 + 1));
        assert!(!meter.runs());
    }

    #[test]
    fn each_entry_begins_at_nothing() {
        let mut meter = Meter::default();
        meter.begin(ms(10));
        assert_eq!(meter.end(ms(30)), ms(20));
        meter.begin(ms(40));
        assert_eq!(meter.end(ms(41)), ms(1));
    }
}
