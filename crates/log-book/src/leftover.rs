//! The ring of a process that is gone, on its way to the sinks: its file goes when every durable sink has its records.

use log_record::grade::{Class, Level};
use log_record::packed::{Heading, write_line};
use log_ring::{Body, Position, Recovered};

use crate::clerk::{gap_lines, heading, now_ns};

/// LIMIT: records given at once.
const RECORDS_MAX: usize = 512;

/// A line of JSON with its heading.
type Line = (Heading, Vec<u8>);

/// What is left of a process.
pub(crate) struct Leftover {
    found: Box<Recovered>,
    /// Records that were given.
    given: usize,
    /// Behind them.
    place: Position,
    /// Whether there is nothing that no gap record tells of, or it was told.
    is_told: bool,
    /// Number of the last one that was given.
    last: u64,
}

impl Leftover {
    pub(crate) fn new(found: Box<Recovered>) -> Self {
        let place = found.records().position();
        let is_told = found.untold().is_empty();
        Self {
            found,
            given: 0,
            place,
            is_told,
            last: 0,
        }
    }

    /// The next records, each with its heading and line; and behind the last, what no gap record tells of, for the process died before it could.
    pub(crate) fn next_lines(&mut self) -> Vec<Line> {
        let name = name_of(&self.found);
        let mut lines = Vec::new();
        let mut records = self.found.records_from(self.place);
        for record in records.by_ref().take(RECORDS_MAX) {
            self.given += 1;
            lines.extend(lines_of_record(&record, &name));
        }
        self.place = records.position();
        if self.given >= self.found.len() && !self.is_told {
            self.is_told = true;
            lines.extend(untold_lines(&self.found));
        }
        lines
    }

    /// Notes the number of the last record that was given.
    pub(crate) const fn gave(&mut self, last: u64) {
        self.last = last;
    }

    /// Whether all were given, and what is missing was told.
    pub(crate) fn is_given(&self) -> bool {
        self.is_told && self.given >= self.found.len()
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

/// Lines of JSON of everything that a dead process left in a ring, each with its heading, as the clerk gives them to sinks: records, and where
/// records are missing, how many.
pub fn lines_of(found: &Recovered) -> impl Iterator<Item = (Heading, Vec<u8>)> {
    let name = name_of(found);
    let records = found.records().flat_map(move |record| lines_of_record(&record, &name));
    records.chain(untold_lines(found))
}

fn lines_of_record(record: &log_ring::Record<'_>, ring: &str) -> Vec<Line> {
    let heading = heading(record, true);
    match record.body {
        Body::Payload(packed) => {
            let mut line = Vec::new();
            write_line(&heading, packed, &mut line);
            vec![(heading, line)]
        }
        Body::Gap(gap) => gap_lines(&heading, ring, gap.dropped()),
    }
}

fn untold_lines(found: &Recovered) -> Vec<Line> {
    let last = found.records().last();
    let heading = last.map(|record| heading(&record, true)).unwrap_or(Heading {
        time_ns: now_ns(),
        level: Level::Info,
        class: Class::Gateway,
        is_recovered: true,
    });
    gap_lines(&heading, &name_of(found), found.untold().iter().copied())
}

pub(crate) fn name_of(found: &Recovered) -> String {
    let path = found.path();
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
