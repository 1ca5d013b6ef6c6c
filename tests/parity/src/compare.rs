//! Where the two gateways differ: one entry for each field of a case.

use std::collections::BTreeSet;
use std::fmt;

use testkit::backend::Record;
use testkit::fields::{Fields, values};

use crate::seen::{Answer, Seen, show_line};
use crate::sides::LogLine;

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Name of the case.
    pub(crate) case: String,
    /// What differs.
    pub(crate) field: String,
    /// What Envoy did.
    pub(crate) envoy: String,
    /// What Cofferdam did.
    pub(crate) ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} · {}", self.case, self.field)?;
        writeln!(out, "    envoy: {:?}", self.envoy)?;
        write!(out, "    ours:  {:?}", self.ours)
    }
}

/// Collects differences of one case.
struct Finder<'case> {
    case: &'case str,
    found: Vec<Difference>,
}

/// Compares what was seen of a case.
pub(crate) fn compare(case: &str, envoy: &Seen, ours: &Seen) -> Vec<Difference> {
    let mut finder = Finder {
        case,
        found: Vec::new(),
    };
    let plugins: BTreeSet<_> = envoy.start.keys().chain(ours.start.keys()).collect();
    let none = Vec::new();
    for plugin in plugins {
        let lines = |seen: &Seen| seen.start.get(plugin).unwrap_or(&none).clone();
        finder.lines("start", &lines(envoy), &lines(ours));
    }
    finder.lines("log", &envoy.log, &ours.log);
    finder.value(
        "answers",
        &envoy.answers.len().to_string(),
        &ours.answers.len().to_string(),
    );
    for (index, (one, other)) in envoy.answers.iter().zip(&ours.answers).enumerate() {
        finder.answer(&format!("answer {index}"), one, other);
    }
    let names: BTreeSet<_> = envoy.upstreams.keys().chain(ours.upstreams.keys()).collect();
    let none = Vec::new();
    for name in names {
        let records = |seen: &'_ Seen| seen.upstreams.get(name).unwrap_or(&none).clone();
        finder.records(name, &records(envoy), &records(ours));
    }
    finder.value("missing", &envoy.missing.join("; "), &ours.missing.join("; "));
    finder.found
}

impl Finder<'_> {
    fn value(&mut self, field: &str, envoy: &str, ours: &str) {
        if envoy != ours {
            self.found.push(Difference {
                case: self.case.to_owned(),
                field: field.to_owned(),
                envoy: envoy.to_owned(),
                ours: ours.to_owned(),
            });
        }
    }

    fn answer(&mut self, field: &str, envoy: &Answer, ours: &Answer) {
        match (envoy, ours) {
            (Answer::Response(one), Answer::Response(other)) => {
                self.value(
                    &format!("{field} status"),
                    &one.status.to_string(),
                    &other.status.to_string(),
                );
                self.fields(&format!("{field} header"), &one.fields, &other.fields);
                self.value(&format!("{field} body"), &one.text(), &other.text());
                self.fields(&format!("{field} trailer"), &one.trailers, &other.trailers);
                self.value(&format!("{field} end"), end(&one.end), end(&other.end));
            }
            _ => self.value(field, &brief(envoy), &brief(ours)),
        }
    }

    fn records(&mut self, name: &str, envoy: &[Record], ours: &[Record]) {
        self.value(
            &format!("{name} requests"),
            &envoy.len().to_string(),
            &ours.len().to_string(),
        );
        for (index, (one, other)) in envoy.iter().zip(ours).enumerate() {
            let field = format!("{name} {index}");
            self.value(&format!("{field} version"), &one.version, &other.version);
            self.value(&format!("{field} method"), &one.method, &other.method);
            self.value(&format!("{field} target"), &one.target, &other.target);
            self.fields(&format!("{field} header"), &one.fields, &other.fields);
            self.value(&format!("{field} body"), &one.text(), &other.text());
            self.fields(&format!("{field} trailer"), &one.trailers, &other.trailers);
            self.value(
                &format!("{field} end"),
                &format!("{:?}", one.end),
                &format!("{:?}", other.end),
            );
        }
    }

    fn fields(&mut self, field: &str, envoy: &Fields, ours: &Fields) {
        let names: BTreeSet<&String> = envoy.iter().chain(ours).map(|pair| &pair.0).collect();
        for name in names {
            let all = |fields: &Fields| {
                let exact: Fields = fields.iter().filter(|pair| pair.0 == *name).cloned().collect();
                if exact.is_empty() {
                    "absent".to_owned()
                } else {
                    format!("{:?}", values(&exact, name))
                }
            };
            self.value(&format!("{field} {name}"), &all(envoy), &all(ours));
        }
    }

    /// One difference for each run of lines that are not in both.
    fn lines(&mut self, field: &str, envoy: &[LogLine], ours: &[LogLine]) {
        let show = |lines: &[LogLine]| lines.iter().map(show_line).collect::<Vec<_>>();
        for (one, other) in unlike(&show(envoy), &show(ours)) {
            self.value(field, &one.join("\n"), &other.join("\n"));
        }
    }
}

fn end(end: &testkit::client::End) -> &'static str {
    match end {
        testkit::client::End::Complete => "complete",
        testkit::client::End::Broken(_) => "broken off",
    }
}

fn brief(answer: &Answer) -> String {
    match answer {
        Answer::None(reason) => reason.clone(),
        Answer::Response(response) => format!("{} {:?}", response.status, response.text()),
    }
}

/// Runs of lines that the longest common subsequence does not hold.
fn unlike(one: &[String], other: &[String]) -> Vec<(Vec<String>, Vec<String>)> {
    let mut lengths = vec![vec![0_usize; other.len() + 1]; one.len() + 1];
    for left in (0..one.len()).rev() {
        for right in (0..other.len()).rev() {
            lengths[left][right] = if one[left] == other[right] {
                lengths[left + 1][right + 1] + 1
            } else {
                lengths[left + 1][right].max(lengths[left][right + 1])
            };
        }
    }
    let (mut left, mut right) = (0, 0);
    let mut runs = Vec::new();
    let mut run = (Vec::new(), Vec::new());
    while left < one.len() || right < other.len() {
        let both = left < one.len() && right < other.len();
        if both && one[left] == other[right] {
            if !run.0.is_empty() || !run.1.is_empty() {
                runs.push(std::mem::take(&mut run));
            }
            (left, right) = (left + 1, right + 1);
        } else if right == other.len() || (left < one.len() && lengths[left + 1][right] >= lengths[left][right + 1]) {
            run.0.push(one[left].clone());
            left += 1;
        } else {
            run.1.push(other[right].clone());
            right += 1;
        }
    }
    if !run.0.is_empty() || !run.1.is_empty() {
        runs.push(run);
    }
    runs
}
