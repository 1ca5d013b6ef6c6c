//! A candidate that runs aside over exchanges of the control: how many of them it makes something else of, and whether that is too many.

use crate::evidence::Evidence;
use crate::sample::Counts;
use crate::verdict::{Finding, Verdict, percent};

/// What became of exchanges of the control that a candidate was run over aside, in a span of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shadowed {
    /// Those that were compared.
    pub compared: u64,
    /// Those of them that differed.
    pub differed: u64,
    /// What the candidate did aside: of statuses and time in service nothing is known there.
    pub counts: Counts,
}

impl Shadowed {
    /// Adds what came later.
    pub fn add(&mut self, other: &Self) {
        self.compared = self.compared.saturating_add(other.compared);
        self.differed = self.differed.saturating_add(other.differed);
        self.counts.add(&other.counts);
    }
}

/// The judgement over differences, all through a rollout: what a candidate makes of an exchange does not depend on its share.
#[derive(Debug, Clone)]
pub(crate) struct Differences {
    /// Part of the compared exchanges that may differ.
    part_max: f64,
    compared_min: u64,
    above: Evidence,
}

impl Differences {
    pub(crate) fn new(part_max: f64, compared_min: u64) -> Self {
        Self {
            part_max,
            compared_min,
            above: Evidence::default(),
        }
    }

    pub(crate) fn add(&mut self, new: &Shadowed) {
        self.above
            .against_rate(self.part_max, new.differed as f64, new.compared as f64);
    }

    /// Why the candidate is given up now, if it is.
    pub(crate) fn urgent(&self, total: &Shadowed) -> Option<Finding> {
        // Where none may differ, the first is one too many.
        let is_too_much = match self.part_max > 0.0 {
            true => self.above.is_sure(),
            false => total.differed > 0,
        };
        is_too_much.then(|| self.finding(total, Verdict::Fail, &format!("allowed are {}", percent(self.part_max))))
    }

    /// What is to be said at the end of a step.
    pub(crate) fn judge(&self, total: &Shadowed) -> Finding {
        if let Some(finding) = self.urgent(total) {
            return finding;
        }
        if total.compared < self.compared_min {
            let why = format!("{} are needed; too few to say anything", self.compared_min);
            return self.finding(total, Verdict::Inconclusive, &why);
        }
        match part(total) > self.part_max {
            true => self.finding(total, Verdict::Inconclusive, "more than allowed, by too few to be sure"),
            false => self.finding(total, Verdict::Pass, "within what is allowed"),
        }
    }

    fn finding(&self, total: &Shadowed, verdict: Verdict, why: &str) -> Finding {
        let found = part(total);
        Finding {
            measure: String::from("differences"),
            candidate: found,
            control: 0.0,
            bound: self.part_max,
            verdict,
            reason: format!(
                "{} of {} exchanges of the control that were compared ({}); {why}",
                total.differed,
                total.compared,
                percent(found)
            ),
        }
    }
}

fn part(total: &Shadowed) -> f64 {
    total.differed as f64 / total.compared.max(1) as f64
}
