//! Events of which an exchange has one or none: faults, and classes of status. Judged at each look.

use crate::evidence::Evidence;
use crate::policy::Bound;
use crate::sample::Counts;
use crate::verdict::{Finding, Verdict, number, percent};

/// Exchanges and events of both arms, candidate first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Events {
    pub(crate) events: (u64, u64),
    pub(crate) exchanges: (u64, u64),
}

/// The judgement over one kind of event.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    measure: &'static str,
    bound: Bound,
    /// A rate that is too much whatever the control does.
    ceiling: Option<f64>,
    count: fn(&Counts) -> u64,
    above_absolute: Evidence,
    above_control: Evidence,
    above_ceiling: Evidence,
}

impl Rate {
    pub(crate) fn new(measure: &'static str, bound: Bound, ceiling: Option<f64>, count: fn(&Counts) -> u64) -> Self {
        Self {
            measure,
            bound,
            ceiling,
            count,
            above_absolute: Evidence::default(),
            above_control: Evidence::default(),
            above_ceiling: Evidence::default(),
        }
    }

    pub(crate) fn measure(&self) -> &'static str {
        self.measure
    }

    pub(crate) fn events(&self, candidate: &Counts, control: &Counts) -> Events {
        Events {
            events: ((self.count)(candidate), (self.count)(control)),
            exchanges: (candidate.exchanges, control.exchanges),
        }
    }

    /// Takes in what has come; `step` is all of this step, with what has come.
    pub(crate) fn add(&mut self, new: Events, step: Events) {
        let (events, exchanges) = (new.events.0 as f64, new.exchanges.0 as f64);
        self.above_absolute.against_rate(self.bound.absolute, events, exchanges);
        if let Some(ceiling) = self.ceiling {
            self.above_ceiling.against_rate(ceiling, events, exchanges);
        }
        // One more for the candidate than there were: too large a part speaks less against it.
        let (candidate, control) = (step.exchanges.0 as f64 + 1.0, step.exchanges.1 as f64);
        let part = candidate / (candidate + control);
        let relative = self.bound.relative;
        self.above_control
            .against_ratio(relative, part, (events, new.events.1 as f64));
    }

    /// Why the candidate is given up now, if it is.
    pub(crate) fn urgent(&self, total: Events) -> Option<Finding> {
        let worse = self.above_absolute.is_sure() && self.above_control.is_sure();
        let allowed = format!(
            "allowed are {}, or {} times the control's",
            percent(self.bound.absolute),
            number(self.bound.relative)
        );
        if worse {
            return Some(self.finding(total, Verdict::Fail, &allowed));
        }
        let ceiling = self.ceiling.filter(|_| self.above_ceiling.is_sure())?;
        let allowed = format!("at most {} are allowed whatever the control does", percent(ceiling));
        Some(self.finding(total, Verdict::Fail, &allowed))
    }

    /// What is to be said at the end of a step.
    pub(crate) fn judge(&self, step: Events, total: Events) -> Finding {
        if let Some(finding) = self.urgent(total) {
            return finding;
        }
        let control = rate(step.events.1, step.exchanges.1);
        let above = rate(step.events.0, step.exchanges.0) > self.bound.beside(control);
        match above {
            true => self.finding(step, Verdict::Inconclusive, "more than allowed, by too few to be sure"),
            false => self.finding(step, Verdict::Pass, "within what is allowed"),
        }
    }

    fn finding(&self, events: Events, verdict: Verdict, why: &str) -> Finding {
        let (candidate, control) = (
            rate(events.events.0, events.exchanges.0),
            rate(events.events.1, events.exchanges.1),
        );
        Finding {
            measure: self.measure.to_owned(),
            candidate,
            control,
            bound: self.bound.beside(control),
            verdict,
            reason: format!(
                "{} in {} exchanges of the candidate ({}), {} in {} of the control ({}); {why}",
                events.events.0,
                events.exchanges.0,
                percent(candidate),
                events.events.1,
                events.exchanges.1,
                percent(control)
            ),
        }
    }
}

fn rate(events: u64, exchanges: u64) -> f64 {
    events as f64 / exchanges.max(1) as f64
}
