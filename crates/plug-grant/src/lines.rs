//! A grant as lines, one for each thing that it lists, by which two grants are compared.

use std::collections::BTreeSet;
use std::fmt;

use crate::grant::{Access, Body};
use crate::{Grant, Names};

/// A line that one of two grants has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The second has it.
    Given(String),
    /// The first had it.
    Taken(String),
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(line) => write!(formatter, "+{line}"),
            Self::Taken(line) => write!(formatter, "-{line}"),
        }
    }
}

/// What changes from one grant to another; none is everything.
#[must_use]
pub fn changes(from: Option<&Grant>, to: Option<&Grant>) -> Vec<Change> {
    let (from, to) = (lines_of(from), lines_of(to));
    let taken = from.difference(&to).cloned().map(Change::Taken);
    taken.chain(to.difference(&from).cloned().map(Change::Given)).collect()
}

fn lines_of(grant: Option<&Grant>) -> BTreeSet<String> {
    match grant {
        Some(grant) => grant.lines().into_iter().collect(),
        None => BTreeSet::from(["everything".to_owned()]),
    }
}

impl Grant {
    /// Each thing that it lists, as `key: word`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("mode: {}", self.mode.word())];
        lines.extend(self.calls.names().map(|name| format!("calls: {name}")));
        lines.extend(self.unneeded.names().map(|name| format!("unneeded: {name}")));
        let accesses = [
            ("request_headers", &self.request_headers),
            ("response_headers", &self.response_headers),
            ("trailers", &self.trailers),
            ("properties", &self.properties),
            ("shared_data", &self.shared_data),
        ];
        accesses
            .into_iter()
            .for_each(|(key, access)| of_access(key, access, &mut lines));
        of_body("bodies.request", self.bodies.request, &mut lines);
        of_body("bodies.response", self.bodies.response, &mut lines);
        let lists = [
            ("upstreams", &self.upstreams),
            ("metrics", &self.metrics),
            ("queues", &self.queues),
            ("redis.commands", &self.redis.commands),
            ("redis.keys", &self.redis.keys),
            ("redis.databases", &self.redis.databases),
            ("foreign_functions", &self.foreign_functions),
            ("environment", &self.environment),
        ];
        lists
            .into_iter()
            .for_each(|(key, names)| of_names(key, names, &mut lines));
        for (vm_id, names) in &self.queues_of {
            of_names(&format!("queues_of.{vm_id}"), names, &mut lines);
        }
        for folder in &self.folders {
            let how = if folder.write { "read and write" } else { "read" };
            lines.push(format!("folders: {} as {} ({how})", folder.path.display(), folder.name));
        }
        self.of_bounds(&mut lines);
        lines
    }

    fn of_bounds(&self, lines: &mut Vec<String>) {
        let bounds = &self.bounds;
        lines.extend(bounds.memory_bytes_max.map(|bytes| format!("limits.memory: {bytes}")));
        lines.extend(bounds.stack_bytes_max.map(|bytes| format!("limits.stack: {bytes}")));
        lines.extend(bounds.cpu_slice_max.map(|slice| format!("limits.cpu_slice: {slice:?}")));
        lines.extend(
            bounds
                .cpu_share_percent_max
                .map(|share| format!("limits.cpu_share: {share}%")),
        );
    }
}

fn of_names(key: &str, names: &Names, lines: &mut Vec<String>) {
    lines.extend(names.iter().map(|name| format!("{key}: {name}")));
}

fn of_access(key: &str, access: &Access, lines: &mut Vec<String>) {
    of_names(&format!("{key}.read"), &access.read, lines);
    of_names(&format!("{key}.write"), &access.write, lines);
}

fn of_body(key: &str, body: Body, lines: &mut Vec<String>) {
    let ways = [("read", body.read), ("write", body.write)];
    lines.extend(
        ways.into_iter()
            .filter(|(_, may)| *may)
            .map(|(way, _)| format!("{key}: {way}")),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;

    #[test]
    fn a_change_is_what_one_has_and_the_other_has_not() {
        let before = Profile::Observer.grant();
        let mut after = before.clone();
        assert_eq!(changes(Some(&before), Some(&after)), []);
        after.metrics = ["team_*"].into_iter().collect();
        let said: Vec<String> = changes(Some(&before), Some(&after))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said, ["-metrics: *", "+metrics: team_*"]);
        let said = changes(None, Some(&Grant::default()));
        assert_eq!(
            said,
            [
                Change::Taken("everything".to_owned()),
                Change::Given("mode: enforce".to_owned())
            ]
        );
    }
}
