//! The door: pieces of a text go in, and what may be shown of them comes out.

use std::sync::Arc;

use crate::class::Counts;
use crate::events::Events;
use crate::json::Json;
use crate::loose::Loose;
use crate::query::Query;
use crate::replacement::Scratch;
use crate::report::{Report, Trail};
use crate::rules::Rules;
use crate::scan::{Form, Scan, Work};

/// How a text is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// As it is
    Text,
    /// JSON (RFC 8259): values are looked at, names stay
    Json,
    /// A value of JSON in each line
    JsonLines,
    /// Server-sent events, whose data is JSON or text
    Events,
    /// Keys and values of a query, or of the body of a form
    Query,
    /// An address, or a path with or without a query
    Target,
    /// A text in which parts of addresses or of JSON may stand, as in a line of a log
    Loose,
}

/// One text that goes by. However it is cut into pieces, the same comes out.
pub struct Masker {
    rules: Arc<Rules>,
    reader: Reader,
    counts: Counts,
    trail: Trail,
    scratch: Scratch,
}

enum Reader {
    Text(Scan),
    Json(Json),
    JsonLines(Json),
    Events(Events),
    Query(Query),
    Loose(Loose),
}

impl Masker {
    /// For one text.
    #[must_use]
    pub fn new(rules: Arc<Rules>, syntax: Syntax) -> Self {
        let reader = match syntax {
            Syntax::Text => Reader::Text(Scan::new(Form::Plain)),
            Syntax::Json => Reader::Json(Json::new()),
            Syntax::JsonLines => Reader::JsonLines(Json::new()),
            Syntax::Events => Reader::Events(Events::new()),
            Syntax::Query => Reader::Query(Query::new(true)),
            Syntax::Target => Reader::Query(Query::new(false)),
            Syntax::Loose => Reader::Loose(Loose::new()),
        };
        Self {
            rules,
            reader,
            counts: Counts::default(),
            trail: Trail::default(),
            scratch: Scratch::default(),
        }
    }

    /// For one text of which it is to be told where something was found.
    #[must_use]
    pub fn reporting(rules: Arc<Rules>, syntax: Syntax) -> Self {
        Self {
            trail: Trail::remembering(),
            ..Self::new(rules, syntax)
        }
    }

    /// Takes a piece, and writes what is certain by now.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.trail.enter(out.len());
        let mut work = Work {
            rules: &self.rules,
            counts: &mut self.counts,
            trail: &mut self.trail,
            scratch: &mut self.scratch,
            out,
        };
        match &mut self.reader {
            Reader::Text(scan) => scan.feed(piece, false, &mut work),
            Reader::Json(json) => json.push(piece, &mut work),
            Reader::JsonLines(json) => lines(json, piece, &mut work),
            Reader::Events(events) => events.push(piece, &mut work),
            Reader::Query(query) => query.push(piece, &mut work),
            Reader::Loose(loose) => loose.push(piece, false, &mut work),
        }
        self.trail.leave(out.len());
    }

    /// Writes the rest.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.trail.enter(out.len());
        let mut work = Work {
            rules: &self.rules,
            counts: &mut self.counts,
            trail: &mut self.trail,
            scratch: &mut self.scratch,
            out,
        };
        match &mut self.reader {
            Reader::Text(scan) => scan.settle(true, &mut work),
            Reader::Json(json) | Reader::JsonLines(json) => json.finish(&mut work),
            Reader::Events(events) => events.finish(&mut work),
            Reader::Query(query) => query.finish(false, &mut work),
            Reader::Loose(loose) => loose.push(b"", true, &mut work),
        }
        self.trail.leave(out.len());
    }

    /// What was found so far and where; places are told by what [`Masker::reporting`] made.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            counts: self.counts.clone(),
            findings: self.trail.findings().to_vec(),
        }
    }

    /// What was masked so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }
}

fn lines(json: &mut Json, piece: &[u8], work: &mut Work<'_>) {
    for line in piece.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            None => json.push(line, work),
            Some(line) => {
                json.push(line, work);
                json.end_line(work);
                work.out.push(b'\n');
            }
        }
    }
}
