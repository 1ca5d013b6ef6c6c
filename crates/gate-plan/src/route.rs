//! The route table: which route an exchange takes, most specific first, without an allocation.
//!
//! The order, from the strongest ground to the weakest:
//!
//! 1. host: exact, then `*.suffix` (longest first), then `prefix.*` (longest first), then `*`;
//! 2. path: exact, then regex, then prefix (longest first);
//! 3. number of further conditions: methods and listeners count one each, every header and query condition counts one;
//! 4. place in the file.
//!
//! A host whose routes all decline hands on to the next weaker host pattern (Envoy would answer 404 there).

mod condition;
mod host;
mod path;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, Method};

pub(crate) use self::condition::{Condition, Conditions, Pattern, Test};
pub(crate) use self::host::HostPattern;
pub(crate) use self::path::PathPattern;
use crate::plan::{Action, Route};

/// What a route is looked up by.
#[derive(Debug, Clone, Copy)]
pub struct RouteKey<'a> {
    /// Listener on which the request came.
    pub listener: &'a str,
    /// Method.
    pub method: &'a Method,
    /// Host without port, as received; empty when the request had none.
    pub host: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// Query without `?`.
    pub query: Option<&'a str>,
    /// Headers.
    pub headers: &'a HeaderMap,
}

/// All routes of a plan, most specific first.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    /// Exact hosts, sorted by name, so that many of them cost a binary search.
    exact: Vec<HostRules>,
    /// Host patterns with a wildcard, most specific first.
    wild: Vec<HostRules>,
    /// Every rule once, in the order of the file.
    rules: Vec<Arc<Rule>>,
}

/// The rules of one host pattern, most specific first.
#[derive(Debug, Clone)]
struct HostRules {
    host: HostPattern,
    rules: Vec<Arc<Rule>>,
}

/// What one route matches.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) path: PathPattern,
    pub(crate) conditions: Conditions,
    pub(crate) route: Arc<Route>,
}

/// What is asked of an exchange where no route is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeMatch {
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) path: PathPattern,
    pub(crate) conditions: Conditions,
}

impl ExchangeMatch {
    /// Whether an exchange is one of those that are meant, on whatever listener it came.
    #[must_use]
    pub fn admits(&self, key: &RouteKey<'_>) -> bool {
        let host = key.host.strip_suffix('.').unwrap_or(key.host);
        self.hosts.iter().any(|pattern| pattern.matches(host))
            && self.path.matched_bytes(key.path).is_some()
            && self.conditions.hold(key.method, key.headers, key.query)
    }
}

/// A route that was found, and how much of the path its match took.
#[derive(Debug, Clone, Copy)]
pub struct Matched<'t> {
    /// The route.
    pub route: &'t Arc<Route>,
    /// Bytes of the path that a prefix rewrite replaces: those of the prefix, or the whole of an exact path; 0 for a regex.
    pub prefix_bytes: usize,
}

impl RouteTable {
    /// The most specific route for `key`.
    #[must_use]
    pub fn find(&self, key: &RouteKey<'_>) -> Option<&Arc<Route>> {
        self.find_match(key).map(|matched| matched.route)
    }

    /// The most specific route for `key`, with what its match took of the path.
    #[must_use]
    pub fn find_match(&self, key: &RouteKey<'_>) -> Option<Matched<'_>> {
        // The root dot of a fully qualified name is not part of the name that was configured.
        let host = key.host.strip_suffix('.').unwrap_or(key.host);
        let exact = self.exact.binary_search_by(|rules| rules.host.compare(host)).ok();
        let exact = exact.and_then(|index| self.exact.get(index));
        let wild = self.wild.iter().filter(|rules| rules.host.matches(host));
        exact.into_iter().chain(wild).find_map(|rules| rules.find(key))
    }

    /// Every route once, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.rules.iter().map(|rule| &rule.route)
    }

    /// Number of routes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no route at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Orders the rules, which come in the order of the file.
    pub(crate) fn build(rules: Vec<Rule>) -> Self {
        let rules: Vec<Arc<Rule>> = rules.into_iter().map(Arc::new).collect();
        let mut hosts: BTreeMap<&HostPattern, Vec<Arc<Rule>>> = BTreeMap::new();
        for rule in &rules {
            for host in &rule.hosts {
                hosts.entry(host).or_default().push(Arc::clone(rule));
            }
        }
        let (exact, wild) = hosts
            .into_iter()
            .map(|(host, rules)| HostRules::sorted(host.clone(), rules))
            .partition(|rules| matches!(rules.host, HostPattern::Exact(_)));
        Self { exact, wild, rules }
    }

    /// The same routes, but those whose names are `held` as they are in `before`.
    #[must_use]
    pub fn holding(&self, before: &Self, held: &[String]) -> Self {
        let rules = self.rules.iter().map(|rule| {
            let name = &rule.route.name;
            let old = before.rules.iter().find(|old| old.route.name == *name);
            let stays = old.filter(|_| held.contains(name));
            Rule::clone(stays.unwrap_or(rule))
        });
        Self::build(rules.collect())
    }

    pub(crate) fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }
}

impl HostRules {
    /// The sort is stable, so the place in the file decides what nothing else does.
    fn sorted(host: HostPattern, mut rules: Vec<Arc<Rule>>) -> Self {
        rules.sort_by_key(|rule| (rule.path.rank(), Reverse(rule.weight())));
        Self { host, rules }
    }

    fn find(&self, key: &RouteKey<'_>) -> Option<Matched<'_>> {
        self.rules.iter().find_map(|rule| {
            let prefix_bytes = rule.path.matched_bytes(key.path)?;
            rule.admits(key).then_some(Matched {
                route: &rule.route,
                prefix_bytes,
            })
        })
    }
}

impl Rule {
    fn admits(&self, key: &RouteKey<'_>) -> bool {
        let listeners = &self.route.listeners;
        (listeners.is_empty() || listeners.iter().any(|name| name == key.listener))
            && self.conditions.hold(key.method, key.headers, key.query)
    }

    fn weight(&self) -> usize {
        self.conditions.count() + usize::from(!self.route.listeners.is_empty())
    }
}

impl Matched<'_> {
    /// `path` (without query) as the upstream gets it.
    #[must_use]
    pub fn rewritten_path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let Action::Forward {
            prefix_rewrite: Some(new),
            ..
        } = &self.route.action
        else {
            return Cow::Borrowed(path);
        };
        // `OPTIONS *` and CONNECT have no path that a prefix could be taken from.
        let rest = path.get(self.prefix_bytes..).filter(|_| path.starts_with('/'));
        match rest {
            None => Cow::Borrowed(path),
            Some("") => Cow::Owned(new.clone()),
            Some(rest) => Cow::Owned(format!("{}{rest}", new.trim_end_matches('/'))),
        }
    }
}
