//! Differences that we want: each with its reason. A row that no longer differs fails the test.

use crate::compare::Difference;

/// A difference that we want.
pub(crate) struct Row {
    /// Name of the case; with `*` at its end, all that begin so.
    pub(crate) case: &'static str,
    /// What differs.
    pub(crate) field: &'static str,
    /// What Envoy does.
    pub(crate) envoy: &'static str,
    /// What Cofferdam does.
    pub(crate) ours: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
}

/// All of them.
pub(crate) static TABLE: &[Row] = &[];

impl Row {
    /// Whether this row is about that difference.
    pub(crate) fn fits(&self, difference: &Difference) -> bool {
        let named = match self.case.strip_suffix('*') {
            Some(beginning) => difference.case.starts_with(beginning),
            None => self.case == difference.case,
        };
        named && self.field == difference.field && self.envoy == difference.envoy && self.ours == difference.ours
    }
}
