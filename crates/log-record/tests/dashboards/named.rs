//! Which metrics and labels an expression of PromQL names.

use std::collections::{BTreeMap, BTreeSet};

use log_record::metric::{self, Kind, Metric};

/// Labels that a scrape puts to every sample.
const SCRAPED: [&str; 2] = ["instance", "job"];

/// The row of the table that a name in an expression means; histograms also by the names of their parts.
pub(crate) fn row(name: &str) -> Option<&'static Metric> {
    let parts = ["_bucket", "_sum", "_count"];
    let whole = parts.iter().find_map(|part| name.strip_suffix(part));
    metric::ALL.iter().find(|metric| {
        metric.name == name || metric.kind == Kind::Histogram && whole.is_some_and(|whole| metric.name == whole)
    })
}

/// What is wrong with the names in an expression: metrics that there are not, and labels that no metric of it has.
pub(crate) fn mistakes(expression: &str) -> Vec<String> {
    let names = names(expression);
    let mut wrong: Vec<String> = Vec::new();
    let mut known: BTreeSet<&str> = SCRAPED.into();
    for name in names.keys() {
        match row(name) {
            Some(metric) => known.extend(metric.labels),
            None => wrong.push(format!("no metric `{name}`")),
        }
        if name.ends_with("_bucket") {
            known.insert("le");
        }
    }
    for (name, labels) in &names {
        let own = row(name).map_or(&[][..], |metric| metric.labels);
        let is_own = |label: &str| own.contains(&label) || SCRAPED.contains(&label) || label == "le";
        let others = labels.iter().filter(|label| !is_own(label));
        wrong.extend(others.map(|label| format!("`{name}` has no label `{label}`")));
    }
    let grouped = grouped(expression);
    let others = grouped.iter().filter(|label| !known.contains(label.as_str()));
    wrong.extend(others.map(|label| format!("no metric of it has a label `{label}`")));
    if names.is_empty() {
        wrong.push(String::from("names no metric"));
    }
    wrong
}

/// Names that look like ours, with the labels of their selectors.
pub(crate) fn names(expression: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (at, word) in words(expression) {
        if !["cofferdam_", "process_"].iter().any(|prefix| word.starts_with(prefix)) {
            continue;
        }
        let rest = &expression[at + word.len()..];
        let selector = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let pairs = selector.map_or("", |(selector, _)| selector).split("\",");
        let labels = pairs.filter_map(|pair| pair.split(['=', '!', '~']).next());
        let labels = labels
            .map(|label| label.trim().to_owned())
            .filter(|label| !label.is_empty());
        found.entry(word.to_owned()).or_default().extend(labels);
    }
    found
}

/// Labels after `by`, `on`, `ignoring`, `without` and the two words for groups.
fn grouped(expression: &str) -> BTreeSet<String> {
    let words_of_labels = ["by", "on", "ignoring", "without", "group_left", "group_right"];
    let mut found = BTreeSet::new();
    for (at, word) in words(expression) {
        if !words_of_labels.contains(&word) {
            continue;
        }
        let rest = expression[at + word.len()..].trim_start();
        let list = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let labels = list.map_or("", |(list, _)| list).split(',');
        found.extend(
            labels
                .map(|label| label.trim().to_owned())
                .filter(|label| !label.is_empty()),
        );
    }
    found
}

/// Words with their places; what stands in quotes is none.
fn words(expression: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut quoted) = (None, false);
    for (at, character) in expression.char_indices().chain([(expression.len(), ' ')]) {
        let is_part = !quoted && (character.is_ascii_alphanumeric() || character == '_' || character == ':');
        match (start, is_part) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                found.push((from, &expression[from..at]));
                start = None;
            }
            _ => {}
        }
        quoted ^= character == '"';
    }
    found
}
