//! Where the two gateways differ: one entry for each field of a case.

use std::collections::BTreeSet;
use std::fmt;

use testkit::backend::Record;
use testkit::fields::{Fields, values};

use crate::seen::{Answer, Seen, show_line};
use crate::sides::LogLine;

/// The field of a row that is about a case as a whole.
pub(crate) const WHOLE: &str = "whole";

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
    finder.value("the gateway", life(envoy), life(ours));
    finder.value("missing", &envoy.missing.join("; "), &ours.missing.join("; "));
    finder.found
}

/// What came of a case, in a line: the answers, and how often upstreams were asked.
pub(crate) fn outcome(seen: &Seen) -> String {
    let answers = seen.answers.iter().map(brief);
    let asked = seen
        .upstreams
        .iter()
        .map(|(name, records)| format!("{name} {}", records.len()));
    let life = seen.dead.then(|| "dead".to_owned());
    answers.chain(asked).chain(life).collect::<Vec<_>>().join(", ")
}

fn life(seen: &Seen) -> &'static str {
    if seen.dead { "dies" } else { "lives" }
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

    /// One difference for each line that is not in both: lines of the same step are set beside one another.
    fn lines(&mut self, field: &str, envoy: &[LogLine], ours: &[LogLine]) {
        let show = |lines: &[LogLine]| lines.iter().map(show_line).collect::<Vec<_>>();
        for (one, other) in align(&show(envoy), &show(ours)) {
            let or_absent = |line: Option<String>| line.unwrap_or_else(|| "absent".to_owned());
            self.value(field, &or_absent(one), &or_absent(other));
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

/// What a line is about: two lines of one step differ only behind it.
fn step(line: &str) -> &str {
    let end = line.find(" -> ").or_else(|| line.find('(')).unwrap_or(line.len());
    &line[..end]
}

/// Cost of setting two lines beside one another; none when they are of different steps.
fn cost(one: &str, other: &str) -> Option<usize> {
    (one == other)
        .then_some(0)
        .or_else(|| (step(one) == step(other)).then_some(1))
}

/// Sets two logs beside one another with the fewest differing lines.
fn align(one: &[String], other: &[String]) -> Vec<(Option<String>, Option<String>)> {
    let mut costs = vec![vec![0_usize; other.len() + 1]; one.len() + 1];
    for left in (0..=one.len()).rev() {
        for right in (0..=other.len()).rev() {
            let skip_left = (left < one.len()).then(|| costs[left + 1][right] + 1);
            let skip_right = (right < other.len()).then(|| costs[left][right + 1] + 1);
            let both = (left < one.len() && right < other.len())
                .then(|| cost(&one[left], &other[right]).map(|cost| cost + costs[left + 1][right + 1]))
                .flatten();
            costs[left][right] = [both, skip_left, skip_right].into_iter().flatten().min().unwrap_or(0);
        }
    }
    let (mut left, mut right) = (0, 0);
    let mut pairs = Vec::new();
    while left < one.len() || right < other.len() {
        let here = costs[left][right];
        let beside = (left < one.len() && right < other.len())
            .then(|| cost(&one[left], &other[right]))
            .flatten()
            .is_some_and(|cost| cost + costs[left + 1][right + 1] == here);
        if beside {
            pairs.push((Some(one[left].clone()), Some(other[right].clone())));
            (left, right) = (left + 1, right + 1);
        } else if left < one.len() && costs[left + 1][right] + 1 == here {
            pairs.push((Some(one[left].clone()), None));
            left += 1;
        } else {
            pairs.push((None, Some(other[right].clone())));
            right += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests;
