//! What was seen of one case at one gateway.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use testkit::backend::Record;
use testkit::client::Response;

use crate::sides::LogLine;

/// Everything that was seen of one case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// What each plugin logged before the first request, on the thread that serves.
    pub(crate) start: BTreeMap<String, Vec<LogLine>>,
    /// What the plugins logged since, in order.
    pub(crate) log: Vec<LogLine>,
    /// Responses in order; none where the client left or there was no head.
    pub(crate) answers: Vec<Answer>,
    /// Requests that each upstream got.
    pub(crate) upstreams: BTreeMap<String, Vec<Record>>,
    /// How long it took.
    pub(crate) took: Duration,
    /// Whether the gateway no longer serves.
    pub(crate) dead: bool,
    /// What was to be waited for and did not come.
    pub(crate) missing: Vec<String>,
}

/// What a client got.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A response.
    Response(Response),
    /// Nothing, and why.
    None(String),
}

impl Seen {
    /// A line for each thing, as a person reads it.
    pub(crate) fn show(&self) -> String {
        let mut out = String::new();
        for lines in self.start.values() {
            lines
                .iter()
                .for_each(|line| ignore(writeln!(out, "  start    {}", show_line(line))));
        }
        self.log
            .iter()
            .for_each(|line| ignore(writeln!(out, "  log      {}", show_line(line))));
        for answer in &self.answers {
            match answer {
                Answer::None(reason) => ignore(writeln!(out, "  answer   none: {reason}")),
                Answer::Response(response) => {
                    ignore(writeln!(
                        out,
                        "  answer   {} {:?} {:?} trailers {:?} {:?}",
                        response.status,
                        response.fields,
                        response.text(),
                        response.trailers,
                        response.end
                    ));
                }
            }
        }
        for (name, records) in &self.upstreams {
            for record in records {
                ignore(writeln!(
                    out,
                    "  {name:<8} {} {} {} {:?} {:?} trailers {:?} {:?}",
                    record.version,
                    record.method,
                    record.target,
                    record.fields,
                    record.text(),
                    record.trailers,
                    record.end
                ));
            }
        }
        self.missing
            .iter()
            .for_each(|missing| ignore(writeln!(out, "  MISSING  {missing}")));
        out
    }
}

/// A line of log as text: plugin letter, level, text.
pub(crate) fn show_line(line: &LogLine) -> String {
    let letter = line.plugin.rsplit('.').next().unwrap_or_default();
    format!("{letter} {} {}", line.level, line.text)
}

/// A text takes every line.
fn ignore(_: std::fmt::Result) {}
