//! The ring of a process that is gone, on its way to the sinks: its file goes when every durable sink has its records.

use log_record::grade::{Class, Level};
use log_record::packed::{Heading, write_line};
use log_ring::{Body, Recovered};

use crate::clerk::{gap_lines, heading, now_ns};

/// LIMIT: records given at once.
const RECORDS_MAX: usize = 512;

/// What is left of a process.
pub(crate) struct Leftover {
    found: Box<Recovered>,
    /// Records that were given.
    at: usize,
    /// Number of the last one.
    last: u64,
}

impl Leftover {
    pub(crate) const fn new(found: Box<Recovered>) -> Self {
        Self { found, at: 0, last: 0 }
    }

    /// The next records, each with its heading and line.
    pub(crate) fn next_lines(&mut self) -> Vec<(Heading, Vec<u8>)> {
        let name = self.name();
        let mut lines = Vec::new();
        for record in self.found.records().skip(self.at).take(RECORDS_MAX) {
            self.at += 1;
            let heading = heading(&record, true);
            match record.body {
                Body::Payload(packed) => {
                    let mut line = Vec::new();
                    write_line(&heading, packed, &mut line);
                    lines.push((heading, line));
                }
                Body::Gap(gap) => lines.extend(gap_lines(&heading, &name, gap.dropped())),
            }
        }
        lines
    }

    /// What no gap record tells of, for the process died before it could.
    pub(crate) fn last_lines(&self) -> Vec<(Heading, Vec<u8>)> {
        let last = self.found.records().last();
        let heading = last.map(|record| heading(&record, true)).unwrap_or(Heading {
            time_ns: now_ns(),
            level: Level::Info,
            class: Class::Gateway,
            is_recovered: true,
        });
        gap_lines(&heading, &self.name(), self.found.untold().iter().copied())
    }

    fn name(&self) -> String {
        let path = self.found.path();
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Notes the number of the last record that was given.
    pub(crate) const fn gave(&mut self, last: u64) {
        self.last = last;
    }

    /// Whether all were given.
    pub(crate) fn is_given(&self) -> bool {
        self.at >= self.found.len()
    }

    /// Whether all are safe.
    pub(crate) fn is_safe(&self, acknowledged: u64) -> bool {
        self.is_given() && self.last <= acknowledged
    }

    pub(crate) fn found(&self) -> &Recovered {
        &self.found
    }

    /// Takes the file away.
    pub(crate) fn remove(self) -> Result<(), log_ring::RingFault> {
        self.found.remove()
    }
}
