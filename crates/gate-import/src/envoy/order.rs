//! Envoy takes the first route that matches, we the most specific: where that makes a difference, a note says so.

use crate::gateway::{Path, Route};
use crate::ledger::{At, Ledger};

/// LIMIT: routes of one virtual host that are compared, each with each.
const COMPARED_MAX: usize = 1_000;

/// What decides when a route is asked.
pub(super) struct Asked {
    at: At,
    name: String,
    path: Path,
    conditions: usize,
}

impl Asked {
    pub(super) fn of(route: &Route) -> Self {
        Self {
            at: route.at,
            name: route.name.clone(),
            path: route.path.clone(),
            conditions: route
                .headers
                .len()
                .saturating_add(route.query.len())
                .saturating_add(usize::from(!route.methods.is_empty())),
        }
    }

    /// Smaller is asked first.
    fn rank(&self) -> (u8, usize, usize) {
        let conditions = usize::MAX.saturating_sub(self.conditions);
        match &self.path {
            Path::Exact(_) => (0, 0, conditions),
            Path::Regex(_) => (1, 0, conditions),
            Path::Prefix(path) => (
                2,
                usize::MAX.saturating_sub(path.trim_end_matches('/').len()),
                conditions,
            ),
            Path::Any => (2, usize::MAX, conditions),
        }
    }

    /// Whether a request could match both.
    fn meets(&self, other: &Self) -> bool {
        match (&self.path, &other.path) {
            (Path::Exact(one), Path::Exact(two)) => one == two,
            (Path::Prefix(prefix), Path::Exact(path)) | (Path::Exact(path), Path::Prefix(prefix)) => {
                path.starts_with(prefix.as_str())
            }
            (Path::Prefix(one), Path::Prefix(two)) => one.starts_with(two.as_str()) || two.starts_with(one.as_str()),
            _ => true,
        }
    }
}

/// Says of each route that it is asked before one that Envoy asks first.
pub(super) fn compare(asked: &[Asked], ledger: &Ledger<'_>) {
    for (index, route) in asked.iter().take(COMPARED_MAX).enumerate() {
        let mut before = asked.iter().take(index);
        let overtaken = before.find(|other| route.rank() < other.rank() && route.meets(other));
        if let Some(other) = overtaken {
            let message = format!(
                "Envoy asks `{}` before `{}`; here the more specific one comes first",
                other.name, route.name
            );
            ledger.note(route.at, message, "look whether some request now takes another route");
        }
    }
    if let Some(first) = asked.get(COMPARED_MAX) {
        ledger.note(
            first.at,
            "the order of so many routes was not compared",
            "the most specific route comes first, Envoy takes the first that matches",
        );
    }
}
