//! What is shipped: one encoded, masked line with the little that sinks must know without reading it.

pub use log_record::grade::{Class, Level};

/// In which order records are given up when there is no room: by level, and what is for an auditor last.
pub(crate) const RANKS: usize = Level::ALL.len() + 1;

/// LIMIT: what one record costs beside its line, as it is counted against a queue's bytes.
const OVERHEAD_BYTES: usize = 96;

/// One record, shared by all sinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 1: each record that the giver gives has a greater one than the record before it, whichever ring it came from.
    pub sequence: u64,
    /// When it was, in nanoseconds since 1970, UTC.
    pub time_ns: u64,
    /// How grave.
    pub level: Level,
    /// About what.
    pub class: Class,
    /// One JSON object without a line end, masked.
    pub line: Box<[u8]>,
}

impl Record {
    pub(crate) fn rank(&self) -> usize {
        match self.class {
            Class::Audit => Level::ALL.len(),
            _ => self.level.index(),
        }
    }

    /// Bytes that it counts for in a queue.
    pub(crate) fn cost(&self) -> usize {
        self.line.len().saturating_add(OVERHEAD_BYTES)
    }
}

/// Which records something is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The lowest level.
    pub level_min: Level,
    /// The highest level.
    pub level_max: Level,
    /// The classes; all when empty.
    pub classes: Vec<Class>,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            level_min: Level::Trace,
            level_max: Level::Critical,
            classes: Vec::new(),
        }
    }
}

impl Selection {
    /// Whether this one belongs to it.
    #[must_use]
    pub fn takes(&self, level: Level, class: Class) -> bool {
        (self.level_min..=self.level_max).contains(&level) && (self.classes.is_empty() || self.classes.contains(&class))
    }
}
