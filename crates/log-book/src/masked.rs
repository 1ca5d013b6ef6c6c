//! How often something of each class was masked by one pen: written by its thread alone, read by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};

use log_mask::class::{Class, Counts};

/// A count for each class.
#[derive(Debug, Default)]
pub(crate) struct Masked([AtomicU64; Class::ALL.len()]);

impl Masked {
    pub(crate) fn add(&self, counts: &Counts) {
        for (class, count) in counts.found() {
            if let Some(sum) = self.0.get(class as usize) {
                sum.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn count(&self, class: Class) -> u64 {
        self.0.get(class as usize).map_or(0, |sum| sum.load(Ordering::Relaxed))
    }
}
