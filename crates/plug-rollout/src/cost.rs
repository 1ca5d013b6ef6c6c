//! What an exchange costs on average: CPU time, memory, lines of errors, metrics of the plugin. Judged by how much the spans of time
//! differ among themselves, since the costs of single exchanges are not known.

use crate::policy::Bound;
use crate::verdict::{Finding, Verdict, number};

/// Standard errors beyond the bound at which a candidate is worse. One look in 30,000 goes that far by chance.
const SURE: f64 = 4.0;
/// LIMIT: spans with exchanges below which their differences say nothing.
const SPANS_MIN: f64 = 20.0;

/// Sums over spans of time of one arm, for the mean of a ratio and its standard error (Cochran, "Sampling Techniques", section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Sums {
    spans: f64,
    cost: f64,
    exchanges: f64,
    cost_squared: f64,
    product: f64,
    exchanges_squared: f64,
}

impl Sums {
    /// Takes in a span of time. One without exchanges counts with the next that has some, by the caller's sums.
    fn add(&mut self, cost: f64, exchanges: f64) {
        self.spans += 1.0;
        self.cost += cost;
        self.exchanges += exchanges;
        self.cost_squared += cost * cost;
        self.product += cost * exchanges;
        self.exchanges_squared += exchanges * exchanges;
    }

    fn mean(&self) -> f64 {
        if self.exchanges > 0.0 {
            self.cost / self.exchanges
        } else {
            0.0
        }
    }

    /// Square of the standard error of the mean; none when there are too few spans.
    fn error_squared(&self) -> Option<f64> {
        if self.spans < SPANS_MIN || self.exchanges <= 0.0 {
            return None;
        }
        let mean = self.mean();
        let squares = self.cost_squared - 2.0 * mean * self.product + mean * mean * self.exchanges_squared;
        let spread = squares.max(0.0) / (self.exchanges * self.exchanges);
        Some(spread * self.spans / (self.spans - 1.0))
    }
}

/// The judgement over one cost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cost {
    measure: String,
    unit: &'static str,
    bound: Bound,
    candidate: Sums,
    control: Sums,
}

impl Cost {
    pub(crate) fn new(measure: String, unit: &'static str, bound: Bound) -> Self {
        Self {
            measure,
            unit,
            bound,
            candidate: Sums::default(),
            control: Sums::default(),
        }
    }

    pub(crate) fn measure(&self) -> &str {
        &self.measure
    }

    /// Forgets the step before.
    pub(crate) fn clear(&mut self) {
        (self.candidate, self.control) = Default::default();
    }

    /// Takes in what both arms cost in a span of time, each with its exchanges.
    pub(crate) fn add(&mut self, candidate: (f64, u64), control: (f64, u64)) {
        let arms = [(&mut self.candidate, candidate), (&mut self.control, control)];
        for (sums, (cost, exchanges)) in arms {
            if cost > 0.0 || exchanges > 0 {
                sums.add(cost, exchanges as f64);
            }
        }
    }

    /// What is to be said; only a look may give the candidate up.
    pub(crate) fn judge(&self, is_look: bool) -> Finding {
        let (candidate, control) = (self.candidate.mean(), self.control.mean());
        let bound = self.bound.beside(control);
        let errors = self.candidate.error_squared().zip(self.control.error_squared());
        let (verdict, why) = match errors {
            _ if candidate <= bound => (Verdict::Pass, String::from("within what is allowed")),
            None => (
                Verdict::Inconclusive,
                String::from("more than allowed, but seen too seldom to be sure"),
            ),
            Some((of_candidate, of_control)) => {
                let relative = self.bound.relative;
                let error = (of_candidate + relative * relative * of_control).sqrt();
                if is_look && candidate - bound > SURE * error {
                    let allowed = format!(
                        "allowed are {}{}, or {} times the control's",
                        number(self.bound.absolute),
                        self.unit,
                        number(relative)
                    );
                    (Verdict::Fail, allowed)
                } else {
                    (
                        Verdict::Inconclusive,
                        String::from("more than allowed, by too little to be sure"),
                    )
                }
            }
        };
        Finding {
            measure: self.measure.clone(),
            candidate,
            control,
            bound,
            verdict,
            reason: format!(
                "{}{unit} for each exchange of the candidate, {}{unit} of the control; {why}",
                number(candidate),
                number(control),
                unit = self.unit
            ),
        }
    }
}
