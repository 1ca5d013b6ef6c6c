//! What is said of a measure, and of all of them together.

use serde::{Deserialize, Serialize};

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No worse than allowed, as far as can be seen.
    Pass,
    /// Nothing can be said yet.
    Inconclusive,
    /// Worse than allowed, and not by chance.
    Fail,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

/// What is said of one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was measured.
    pub measure: String,
    /// The candidate's value.
    pub candidate: f64,
    /// The control's value.
    pub control: f64,
    /// What the candidate's may be, beside that of the control.
    pub bound: f64,
    /// What follows.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub reason: String,
}

impl Finding {
    /// The measure with its sentence.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}: {}", self.measure, self.reason)
    }
}

/// A number with three digits that matter, without zeros that do not.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

pub(crate) fn percent(part: f64) -> String {
    format!("{} %", number(part * 100.0))
}

pub(crate) fn micros(micros: f64) -> String {
    match micros {
        micros if micros >= 1_000_000.0 => format!("{} s", number(micros / 1_000_000.0)),
        micros if micros >= 1_000.0 => format!("{} ms", number(micros / 1_000.0)),
        micros => format!("{} us", number(micros)),
    }
}
