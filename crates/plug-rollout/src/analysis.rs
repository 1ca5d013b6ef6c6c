//! Both arms compared, measured at the same time: what is urgent at each look, and what is said when a step ends.

use crate::cost::Cost;
use crate::policy::{Policy, QuantileBound};
use crate::quantile::{self, Kind};
use crate::rate::Rate;
use crate::sample::{Counts, Sample};
use crate::shadowed::Differences;
use crate::spread::Spread;
use crate::verdict::{Finding, Verdict};

/// Metrics whose values are taken out of counts by name.
const CUSTOM: &str = "metric ";
/// The rate that is known of a shadow, too.
const FAULTS: &str = "faults";

/// The comparison of one rollout, as long as the process lives. A step that is interrupted is measured anew.
#[derive(Debug, Clone)]
pub struct Analysis {
    policy: Policy,
    rates: Vec<Rate>,
    costs: Vec<Cost>,
    differences: Option<Differences>,
    step: Sample,
    total: Sample,
    /// Exchanges of the candidate at the last look of this step. The next is due when there are twice as many: each look may go wrong by
    /// chance, and so there are few.
    looked_at: u64,
    /// The candidate serves no exchange in this step: it is measured by what it does aside.
    is_shadow_only: bool,
}

impl Analysis {
    /// The comparison that an operator wants.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let ceiling = (policy.faults_max > 0.0).then_some(policy.faults_max);
        let rate =
            |measure, bound: Option<_>, ceiling, count| bound.map(|bound| Rate::new(measure, bound, ceiling, count));
        let rates = [
            rate(FAULTS, policy.faults, ceiling, Counts::all_faults as fn(&Counts) -> u64),
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
        let differences = policy.differences_max.filter(|_| policy.shadow);
        Self {
            differences: differences.map(|part_max| Differences::new(part_max, policy.exchanges_min)),
            rates: rates.into_iter().flatten().collect(),
            costs: costs.into_iter().flatten().chain(custom).collect(),
            policy: policy.clone(),
            step: Sample::default(),
            total: Sample::default(),
            looked_at: 0,
            is_shadow_only: false,
        }
    }

    /// A step begins: what was measured at another share says nothing of this one. Evidence against the candidate stays; but what it did
    /// aside speaks neither for nor against what it does in service.
    pub fn begin_step(&mut self) {
        self.begin(false);
    }

    /// The same for a step in which the candidate serves no exchange and runs aside.
    pub fn begin_shadow_step(&mut self) {
        self.begin(true);
    }

    fn begin(&mut self, is_shadow_only: bool) {
        if self.is_shadow_only != is_shadow_only {
            let anew = Self::new(&self.policy);
            self.rates = anew.rates;
            self.is_shadow_only = is_shadow_only;
        }
        self.step = Sample::default();
        self.looked_at = 0;
        self.costs.iter_mut().for_each(Cost::clear);
    }

    /// Takes in what both arms did since the last look.
    pub fn add(&mut self, sample: &Sample) {
        self.step.add(sample);
        self.total.add(sample);
        let (candidate, control) = arms(sample, self.is_shadow_only);
        let step = arms(&self.step, self.is_shadow_only);
        for rate in &mut self.rates {
            rate.add(rate.events(candidate, control), rate.events(step.0, step.1));
        }
        if let Some(differences) = &mut self.differences {
            differences.add(&sample.shadow);
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
        let (candidate, control) = arms(&self.total, self.is_shadow_only);
        let mut rates = self.known_rates();
        let found = rates.find_map(|rate| rate.urgent(rate.events(candidate, control)));
        let differences = self.differences.as_ref();
        let found = found.or_else(|| differences?.urgent(&self.total.shadow))?;
        Some(self.with_codes(found))
    }

    /// What is said of each measure now; a look if one is due.
    pub fn look(&mut self) -> Vec<Finding> {
        let exchanges = arms(&self.step, self.is_shadow_only).0.exchanges;
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
        let rates = self.known_rates().map(|rate| {
            let of = |sample| {
                let (candidate, control) = arms(sample, self.is_shadow_only);
                rate.events(candidate, control)
            };
            self.with_codes(rate.judge(of(&self.step), of(&self.total)))
        });
        let costs = self.costs.iter().map(|cost| cost.judge(is_look));
        let latency = self.policy.latency.iter().filter(|_| !self.is_shadow_only);
        let latency = latency.map(|wanted| {
            let (candidate, control) = (&self.step.candidate.latency, &self.step.control.latency);
            quantile::judge((Kind::Latency, *wanted), candidate, control, is_look)
        });
        let differences = self.differences.iter();
        let differences = differences.map(|differences| differences.judge(&self.total.shadow));
        let before = [traffic].into_iter().chain(rates).chain(differences);
        let before = before.chain(latency).chain(costs);
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
        let (candidate, control) = arms(&self.step, self.is_shadow_only);
        let least = candidate.exchanges.min(control.exchanges);
        least >= self.policy.exchanges_min
    }

    /// Rates of which both arms tell. What a client would have got of a shadow is unknown.
    fn known_rates(&self) -> impl Iterator<Item = &Rate> {
        let is_known = |rate: &&Rate| !self.is_shadow_only || rate.measure() == FAULTS;
        self.rates.iter().filter(is_known)
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
        let (candidate, control) = arms(&self.step, self.is_shadow_only);
        let (candidate, control) = (candidate.exchanges, control.exchanges);
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
        let candidate = arms(&self.total, self.is_shadow_only).0;
        let faults = candidate.faults.iter().filter(|(_, count)| **count > 0);
        let codes: Vec<String> = faults.map(|(code, count)| format!("`{code}` {count}")).collect();
        if !codes.is_empty() && finding.verdict != Verdict::Pass {
            finding.reason = format!("{}; its faults: {}", finding.reason, codes.join(", "));
        }
        finding
    }
}

/// What is compared with what: candidate, control.
fn arms(sample: &Sample, is_shadow_only: bool) -> (&Counts, &Counts) {
    match is_shadow_only {
        true => (&sample.shadow.counts, &sample.control),
        false => (&sample.candidate, &sample.control),
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
