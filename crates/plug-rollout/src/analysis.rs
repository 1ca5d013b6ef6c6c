//! Both arms compared, measured at the same time: what is urgent at each look, and what is said when a step ends.

use crate::cost::Cost;
use crate::policy::{Policy, QuantileBound};
use crate::quantile::{self, Kind};
use crate::rate::Rate;
use crate::sample::{Counts, Sample};
use crate::spread::Spread;
use crate::verdict::{Finding, Verdict};

/// Metrics whose values are taken out of counts by name.
const CUSTOM: &str = "metric ";

/// The comparison of one rollout, as long as the process lives. A step that is interrupted is measured anew.
#[derive(Debug, Clone)]
pub struct Analysis {
    policy: Policy,
    rates: Vec<Rate>,
    costs: Vec<Cost>,
    step: Sample,
    total: Sample,
    /// Exchanges of the candidate at the last look of this step. The next is due when there are twice as many: each look may go wrong by
    /// chance, and so there are few.
    looked_at: u64,
}

impl Analysis {
    /// The comparison that an operator wants.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let ceiling = (policy.faults_max > 0.0).then_some(policy.faults_max);
        let rate =
            |measure, bound: Option<_>, ceiling, count| bound.map(|bound| Rate::new(measure, bound, ceiling, count));
        let rates = [
            rate(
                "faults",
                policy.faults,
                ceiling,
                Counts::all_faults as fn(&Counts) -> u64,
            ),
            rate("status 5xx", policy.server_errors, None, |counts| counts.class(5)),
            rate("status 4xx", policy.client_errors, None, |counts| counts.class(4)),
        ];
        let cost =
            |measure: &str, unit, bound: Option<_>| bound.map(|bound| Cost::new(measure.to_owned(), unit, bound));
        let costs = [
            cost("cpu", " us", policy.cpu),
            cost("memory", " bytes", policy.memory),
            cost("log errors", "", policy.log_errors),
        ];
        let counters = policy.custom.iter().filter(|custom| custom.thousandths.is_none());
        let custom = counters.map(|custom| Cost::new(format!("{CUSTOM}{}", custom.name), "", custom.bound));
        Self {
            rates: rates.into_iter().flatten().collect(),
            costs: costs.into_iter().flatten().chain(custom).collect(),
            policy: policy.clone(),
            step: Sample::default(),
            total: Sample::default(),
            looked_at: 0,
        }
    }

    /// A step begins: what was measured at another share says nothing of this one. Evidence against the candidate stays.
    pub fn begin_step(&mut self) {
        self.step = Sample::default();
        self.looked_at = 0;
        self.costs.iter_mut().for_each(Cost::clear);
    }

    /// Takes in what both arms did since the last look.
    pub fn add(&mut self, sample: &Sample) {
        self.step.add(sample);
        self.total.add(sample);
        let (candidate, control) = (&sample.candidate, &sample.control);
        for rate in &mut self.rates {
            let new = rate.events(candidate, control);
            let step = rate.events(&self.step.candidate, &self.step.control);
            rate.add(new, step);
        }
        for cost in &mut self.costs {
            let of = |counts: &Counts| (cost_of(cost.measure(), counts), counts.exchanges);
            let (candidate, control) = (of(candidate), of(control));
            cost.add(candidate, control);
        }
    }

    /// Why the candidate is given up at once, if it is.
    #[must_use]
    pub fn urgent(&self) -> Option<Finding> {
        let found = self.rates.iter().find_map(|rate| {
            let total = rate.events(&self.total.candidate, &self.total.control);
            rate.urgent(total)
        })?;
        Some(self.with_codes(found))
    }

    /// What is said of each measure now; a look if one is due.
    pub fn look(&mut self) -> Vec<Finding> {
        let exchanges = self.step.candidate.exchanges;
        let is_due = self.is_enough() && exchanges >= self.looked_at.saturating_mul(2);
        if is_due {
            self.looked_at = exchanges.max(1);
        }
        self.findings(is_due)
    }

    /// What is said of each measure, without giving the candidate up.
    #[must_use]
    pub fn glance(&self) -> Vec<Finding> {
        self.findings(false)
    }

    fn findings(&self, is_look: bool) -> Vec<Finding> {
        let traffic = self.traffic();
        let rates = self.rates.iter().map(|rate| {
            let of = |sample: &Sample| rate.events(&sample.candidate, &sample.control);
            self.with_codes(rate.judge(of(&self.step), of(&self.total)))
        });
        let costs = self.costs.iter().map(|cost| cost.judge(is_look));
        let latency = self.policy.latency.iter().map(|wanted| {
            let (candidate, control) = (&self.step.candidate.latency, &self.step.control.latency);
            quantile::judge((Kind::Latency, *wanted), candidate, control, is_look)
        });
        let before = [traffic].into_iter().chain(rates).chain(latency).chain(costs);
        before.chain(self.histograms(is_look)).collect()
    }

    /// What is said of histograms that the plugin defines.
    fn histograms(&self, is_look: bool) -> impl Iterator<Item = Finding> {
        self.policy.custom.iter().filter_map(move |custom| {
            let wanted = QuantileBound {
                thousandths: custom.thousandths?,
                bound: custom.bound,
            };
            let nothing = Spread::default();
            let of = |counts: &Counts| counts.spreads.get(&custom.name).unwrap_or(&nothing).clone();
            let (candidate, control) = (of(&self.step.candidate), of(&self.step.control));
            let kind = Kind::Metric(&custom.name);
            Some(quantile::judge((kind, wanted), &candidate, &control, is_look))
        })
    }

    /// Whether both arms had enough exchanges in this step to say anything.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        let least = self.step.candidate.exchanges.min(self.step.control.exchanges);
        least >= self.policy.exchanges_min
    }

    /// What both arms did in this step.
    #[must_use]
    pub fn step(&self) -> &Sample {
        &self.step
    }

    /// What both arms did in the rollout, since this process looks.
    #[must_use]
    pub fn total(&self) -> &Sample {
        &self.total
    }

    fn traffic(&self) -> Finding {
        let (candidate, control) = (self.step.candidate.exchanges, self.step.control.exchanges);
        let least = self.policy.exchanges_min;
        let (verdict, why) = match self.is_enough() {
            true => (Verdict::Pass, "enough to compare"),
            false => (Verdict::Inconclusive, "too few to compare"),
        };
        Finding {
            measure: String::from("exchanges"),
            candidate: candidate as f64,
            control: control as f64,
            bound: least as f64,
            verdict,
            reason: format!(
                "{candidate} of the candidate, {control} of the control, {least} of each are needed; {why}"
            ),
        }
    }

    /// Says which faults the candidate had: they are most often what is behind errors, too.
    fn with_codes(&self, mut finding: Finding) -> Finding {
        let faults = self.total.candidate.faults.iter().filter(|(_, count)| **count > 0);
        let codes: Vec<String> = faults.map(|(code, count)| format!("`{code}` {count}")).collect();
        if !codes.is_empty() && finding.verdict != Verdict::Pass {
            finding.reason = format!("{}; its faults: {}", finding.reason, codes.join(", "));
        }
        finding
    }
}

/// The worst of all, with too little traffic before all else.
pub(crate) fn whole(findings: &[Finding]) -> Verdict {
    findings
        .iter()
        .map(|finding| finding.verdict)
        .max()
        .unwrap_or(Verdict::Inconclusive)
}

fn cost_of(measure: &str, counts: &Counts) -> f64 {
    match measure {
        "cpu" => counts.cpu_us as f64,
        "memory" => counts.memory_bytes as f64,
        "log errors" => counts.log_errors as f64,
        custom => custom
            .strip_prefix(CUSTOM)
            .and_then(|name| counts.custom.get(name))
            .copied()
            .unwrap_or_default(),
    }
}
