//! What the engine asks whenever memory or a table of a guest is made or grows.

use wasmtime::ResourceLimiter;

use crate::guest::OnWorker;
use crate::limit::Limit;

/// Bounds of one instance, and what it has.
pub(crate) struct Bounds {
    pub(crate) memory_bytes_max: usize,
    pub(crate) memory_bytes: usize,
    pub(crate) table_entries_max: usize,
    /// Of all of its tables; what stands before the guest has some of its own, which do not count.
    pub(crate) table_entries: usize,
}

impl Bounds {
    fn memory_grows(&mut self, desired: usize) -> bool {
        let fits = desired <= self.memory_bytes_max;
        if fits {
            self.memory_bytes = desired;
        }
        fits
    }

    fn table_grows(&mut self, more: usize) -> bool {
        let entries = self.table_entries.saturating_add(more);
        let fits = entries <= self.table_entries_max;
        if fits {
            self.table_entries = entries;
        }
        fits
    }
}

/// Asked by the engine whenever the guest's memory or a table grows, and when they are made.
impl ResourceLimiter for OnWorker {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = self.0.limits.memory_grows(desired);
        if !fits {
            self.0.reached(Limit::Memory);
        }
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The engine asks before it looks at the table's own maximum.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let fits = self.0.limits.table_grows(desired.saturating_sub(current));
        if !fits {
            self.0.reached(Limit::Table);
        }
        Ok(fits)
    }
}
