//! Candidates that run aside: when they do, what is counted and told of their differences.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gate_serve::worker::Workers;
use plug_host::Plugin;
use plug_rollout::{Act, Counts, Record, Shadowed};
use plug_shadow::{Kind, Skipped, Tally};
use serde_json::{Value, json};

use super::{Entry, drive};
use crate::assemble::House;
use crate::loaded::{Loaded, Runs};
use crate::voice::warn;

/// How often differences are told at most.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// A candidate as it runs aside, and what came of that since the process looks.
#[derive(Clone)]
pub(super) struct Aside {
    plugin: Arc<Plugin>,
    pub(super) total: Tally,
    /// What it had counted for itself at the last look.
    seen: Counts,
    /// When differences were told last, and how many exchanges differed then.
    told: Option<(Instant, u64)>,
}

impl Aside {
    /// None when the candidate does not run aside in this rollout.
    pub(super) fn of(record: &Record, candidate: &Runs) -> Option<Self> {
        let wanted = candidate.spec.rollout.as_ref()?.shadow.as_ref()?;
        if record.is_over() || !record.policy.shadow {
            return None;
        }
        Some(Self {
            plugin: candidate.plugin.aside(wanted.cpu_share_percent_max),
            total: Tally::default(),
            seen: Counts::default(),
            told: None,
        })
    }

    pub(super) fn plugin(&self) -> Arc<Plugin> {
        Arc::clone(&self.plugin)
    }

    /// What is to be told of differences now, if anything is.
    fn news(&mut self) -> Option<String> {
        let is_new = self.told.is_none_or(|(_, differed)| self.total.differed > differed);
        let is_due = self.told.is_none_or(|(told, _)| told.elapsed() >= TOLD_EVERY);
        if self.total.differed == 0 || !is_new || !is_due {
            return None;
        }
        self.told = Some((Instant::now(), self.total.differed));
        Some(format!(
            "{} of {} exchanges differ: {}",
            self.total.differed,
            self.total.compared,
            self.total.words()
        ))
    }

    /// For operators.
    pub(super) fn shown(&self) -> Value {
        let total = &self.total;
        let differences = total
            .names
            .iter()
            .map(|((kind, name), count)| json!({ "kind": kind.word(), "name": name, "exchanges": count }));
        let examples = total.examples.iter().map(|example| {
            json!({ "request_id": example.request_id, "route": example.route, "differences": example.differences })
        });
        let skipped = total
            .skipped
            .iter()
            .map(|(why, count)| (why.word().to_owned(), json!(count)));
        json!({
            "compared": total.compared,
            "differed": total.differed,
            "not_compared": skipped.collect::<serde_json::Map<_, _>>(),
            "differences": differences.collect::<Vec<_>>(),
            "examples": examples.collect::<Vec<_>>(),
            "faults": drive::counts(&self.plugin, &[]).faults,
        })
    }
}

impl Entry {
    /// What the candidate made aside since the last look; differences are told.
    pub(super) fn shadowed(&mut self, tallies: &mut Vec<(String, Tally)>) -> Shadowed {
        let Some(aside) = &mut self.aside else {
            return Shadowed::default();
        };
        let mut new = Tally::default();
        tallies.retain_mut(|(plugin, tally)| {
            let is_other = *plugin != self.plugin;
            if !is_other {
                new.add(std::mem::take(tally));
            }
            is_other
        });
        let now = drive::counts(&aside.plugin, &[]);
        let shadowed = Shadowed {
            compared: new.compared,
            differed: new.differed,
            counts: now.since(&aside.seen),
        };
        aside.seen = now;
        aside.total.add(new);
        if let Some(news) = aside.news() {
            let (plugin, id) = (&self.plugin, &self.rollout.record().id);
            warn(&format!("rollout plugin={plugin} id={id} shadow: {news}"));
        }
        shadowed
    }
}

/// What workers compared since they were last asked. One that does not answer in time tells it at the next look.
pub(super) fn tallies(house: &House, entries: &[Entry]) -> Vec<(String, Tally)> {
    if entries.iter().all(|entry| entry.aside.is_none()) {
        return Vec::new();
    }
    let told = drive::ask_all(house, |mailbox| {
        mailbox.ask(|flow| async move { flow.take_shadows() }).ok()
    });
    told.into_iter().flatten().collect()
}

/// Lets a candidate run aside, or no more, on every worker from its next exchange on.
pub(super) fn lead(house: &House, loaded: &mut Loaded, name: &str, act: Act) {
    let is_start = act == Act::StartShadow;
    let trials = loaded.on_trial.iter_mut();
    for trial in trials.filter(|trial| trial.runs.name() == name) {
        trial.is_shadowing = is_start && trial.shadow.is_some();
    }
    for mailbox in house.workers.lock().iter().flat_map(Workers::mailboxes) {
        let name = name.to_owned();
        // A worker that is not reached is going away.
        let _ = mailbox.tell(move |flow| match is_start {
            true => flow.start_shadow(&name),
            false => flow.stop_shadow(&name),
        });
    }
}

/// Counts by what is counted.
type Named = Vec<(&'static str, u64)>;

/// Every kind with its count, and every reason, also those without.
pub(crate) fn counts_of(tally: &Tally) -> (Named, Named) {
    let kinds = Kind::ALL.map(|kind| (kind.word(), tally.kinds.get(&kind).copied().unwrap_or_default()));
    let reasons = Skipped::ALL.map(|why| (why.word(), tally.skipped.get(&why).copied().unwrap_or_default()));
    (kinds.to_vec(), reasons.to_vec())
}
