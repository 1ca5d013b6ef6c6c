//! Differences that we want: each with its reason. A row that no longer differs fails the test, unless it differs only sometimes.

mod message;
mod phase;
mod body;
mod callout;
mod life;
mod route;
mod property;

use crate::compare::{Difference, WHOLE};

/// A difference that we want. Each `*` stands for any text.
pub(crate) struct Row {
    /// Name of the case.
    pub(crate) case: &'static str,
    /// What differs; [`WHOLE`] for a case whose course is another one: then what came of it is compared, and no more.
    pub(crate) field: &'static str,
    /// What Envoy does.
    pub(crate) envoy: &'static str,
    /// What Cofferdam does.
    pub(crate) ours: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
    /// Whether it depends on which of two things comes first, so that it may also not differ.
    pub(crate) sometimes: bool,
}

impl Row {
    /// A difference in what a plugin logged.
    const fn log(case: &'static str, envoy: &'static str, ours: &'static str, reason: &'static str) -> Self {
        Self::new(case, "log", envoy, ours, reason)
    }

    const fn new(
        case: &'static str,
        field: &'static str,
        envoy: &'static str,
        ours: &'static str,
        reason: &'static str,
    ) -> Self {
        Self {
            case,
            field,
            envoy,
            ours,
            reason,
            sometimes: false,
        }
    }

    /// The same, when it depends on which of two things comes first.
    const fn sometimes(mut self) -> Self {
        self.sometimes = true;
        self
    }

    /// Whether this row is about that difference.
    pub(crate) fn fits(&self, difference: &Difference) -> bool {
        fits(self.case, &difference.case)
            && fits(self.field, &difference.field)
            && fits(self.envoy, &difference.envoy)
            && fits(self.ours, &difference.ours)
    }
}

/// Whether a text is that of a pattern in which each `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((beginning, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(beginning) else {
        return false;
    };
    rest.is_empty()
        || text
            .char_indices()
            .any(|(at, _)| text.get(at..).is_some_and(|text| fits(rest, text)))
}

/// The row for a case that takes another course, when there is one for these outcomes.
pub(crate) fn whole(case: &str, envoy: &str, ours: &str) -> Option<Difference> {
    let difference = Difference {
        case: case.to_owned(),
        field: WHOLE.to_owned(),
        envoy: envoy.to_owned(),
        ours: ours.to_owned(),
    };
    all().any(|row| row.fits(&difference)).then_some(difference)
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    [
        message::ROWS,
        phase::ROWS,
        body::ROWS,
        callout::ROWS,
        life::ROWS,
        route::ROWS,
        property::ROWS,
    ]
    .into_iter()
    .flatten()
    .chain(callout::OWN.iter().flatten())
}
