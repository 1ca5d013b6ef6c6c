//! What a route matches.

use http::HeaderName;

use super::Lowering;
use crate::findings::Draft;
use crate::nearest::enumerated;
use crate::route::{Condition, Conditions, HostPattern, PathPattern, Pattern, Test};
use crate::tree::Node;
use crate::wire;
use crate::word::Written;

/// The keys of a condition of which one is given.
const TESTS: [&str; 6] = ["exact", "prefix", "suffix", "contains", "regex", "present"];

/// The tests of a condition as written.
struct Tests {
    exact: Option<String>,
    prefix: Option<String>,
    suffix: Option<String>,
    contains: Option<String>,
    regex: Option<Written<Pattern>>,
    present: Option<bool>,
}

impl Lowering<'_> {
    pub(super) fn hosts(&mut self, written: Option<Vec<Written<HostPattern>>>, node: &Node) -> Vec<HostPattern> {
        let Some(written) = written else {
            return vec![HostPattern::Any];
        };
        let mut hosts: Vec<HostPattern> = Vec::with_capacity(written.len());
        for (host, item) in written.into_iter().zip(node.list("hosts")) {
            if hosts.contains(&host.word) {
                let draft = Draft::warning(item.span, format!("the host `{}` is given twice", host.text()));
                self.report.add(draft.help("remove one of the two"));
            } else {
                hosts.push(host.word);
            }
        }
        hosts
    }

    pub(super) fn conditions(&mut self, written: wire::Match, node: &Node) -> (PathPattern, Conditions) {
        let path = match written.path {
            None => PathPattern::prefix("/"),
            Some(wire::PathMatch::Exact(path)) => PathPattern::Exact(path.word.0),
            Some(wire::PathMatch::Prefix(path)) => PathPattern::prefix(&path.word.0),
            Some(wire::PathMatch::Regex(pattern)) => PathPattern::Regex(pattern.word),
        };
        let headers = written.headers.into_iter().zip(node.list("headers"));
        let headers = headers
            .filter_map(|(written, node)| self.header_condition(written, node))
            .collect();
        let query = written.query.into_iter().zip(node.list("query"));
        let query = query
            .filter_map(|(written, node)| self.query_condition(written, node))
            .collect();
        let methods = written
            .methods
            .unwrap_or_default()
            .into_iter()
            .map(|method| method.word)
            .collect();
        (
            path,
            Conditions {
                methods,
                headers,
                query,
            },
        )
    }

    fn header_condition(&mut self, written: wire::HeaderCondition, node: &Node) -> Option<Condition<HeaderName>> {
        let wire::HeaderCondition {
            name,
            exact,
            prefix,
            suffix,
            contains,
            regex,
            present,
            invert,
        } = written;
        self.one_test(node)?;
        let (test, absent) = Tests {
            exact,
            prefix,
            suffix,
            contains,
            regex,
            present,
        }
        .only()?;
        Some(Condition {
            name: name.word,
            test,
            invert: invert != absent,
        })
    }

    fn query_condition(&mut self, written: wire::QueryCondition, node: &Node) -> Option<Condition<String>> {
        let wire::QueryCondition {
            name,
            exact,
            prefix,
            suffix,
            contains,
            regex,
            present,
            invert,
        } = written;
        self.one_test(node)?;
        let (test, absent) = Tests {
            exact,
            prefix,
            suffix,
            contains,
            regex,
            present,
        }
        .only()?;
        Some(Condition {
            name,
            test,
            invert: invert != absent,
        })
    }

    /// Reports a condition that has no test, or several.
    fn one_test(&mut self, node: &Node) -> Option<()> {
        let mut given = TESTS.into_iter().filter(|key| node.get(key).is_some());
        let help = format!("give exactly one of {}", enumerated(TESTS.into_iter(), "and"));
        let Some(first) = given.next() else {
            self.absent(
                node,
                Draft::error(node.span, "the condition does not say what the value is").help(help),
            );
            return None;
        };
        let Some(second) = given.next() else { return Some(()) };
        let draft = Draft::error(
            node.key_span(second),
            format!("the condition has two tests: `{first}` and `{second}`"),
        );
        self.error(
            draft
                .related("the other is here", node.key_span(first))
                .help("make two conditions of it"),
        );
        None
    }
}

impl Tests {
    /// The test that is given, and whether it asks for absence.
    fn only(self) -> Option<(Test, bool)> {
        let text = [
            self.exact.map(Test::Exact),
            self.prefix.map(Test::Prefix),
            self.suffix.map(Test::Suffix),
            self.contains.map(Test::Contains),
            self.regex.map(|pattern| Test::Regex(pattern.word)),
        ];
        let test = text.into_iter().flatten().next().map(|test| (test, false));
        test.or_else(|| self.present.map(|present| (Test::Present, !present)))
    }
}
