//! Rollouts as an operator sees them.

use std::time::Duration;

use plug_rollout::{Arm, Finding};
use plug_shadow::Tally;
use serde_json::{Value, json};

use super::{Aside, Book, Entry, Rollouts, is_serving};

/// LIMIT: how long somebody who looks waits for the book. While a change comes into force, the last view is shown.
pub(super) const LOOK_MAX: Duration = Duration::from_millis(50);

/// A rollout as it was when somebody looked last, or before the change began that comes into force now.
#[derive(Clone)]
pub(super) struct View {
    plugin: String,
    page: Value,
    /// Exchanges and faults of control and candidate.
    counted: [(u64, u64); 2],
    share: f64,
    /// What came of running the candidate aside, if it does.
    aside: Option<Tally>,
    why_begun_went_back: Option<String>,
}

/// All rollouts of a book.
pub(super) fn view(book: &Book) -> Vec<View> {
    let of = |entry: &Entry| {
        let total = entry.rollout.analysis().total();
        let counts = [Arm::Control, Arm::Candidate].map(|arm| total.arm(arm));
        View {
            plugin: entry.plugin.clone(),
            page: shown(entry),
            counted: counts.map(|counts| (counts.exchanges, counts.all_faults())),
            share: f64::from(entry.record().share().parts_per_million()) / 1_000_000.0,
            aside: entry.aside.as_ref().map(|aside| aside.total.clone()),
            why_begun_went_back: entry.why_begun_went_back(),
        }
    };
    book.entries.iter().map(of).collect()
}

impl Rollouts {
    /// The rollout of a plugin, or its last one.
    pub(crate) fn shown(&self, plugin: &str) -> Option<Value> {
        let mut page = self.looked().into_iter().find(|view| view.plugin == plugin)?.page;
        if let Some(page) = page.as_object_mut() {
            page.insert(String::from("waves"), json!(self.waves.shown(plugin)));
        }
        Some(page)
    }

    /// Exchanges and faults of control and candidate, for each plugin with a rollout, since the process looks.
    pub(crate) fn counted(&self) -> Vec<(String, [(u64, u64); 2])> {
        let all = self.looked().into_iter();
        all.map(|view| (view.plugin, view.counted)).collect()
    }

    /// The candidate's part of the exchanges, for each plugin with a rollout.
    pub(crate) fn shares(&self) -> Vec<(String, f64)> {
        let all = self.looked().into_iter();
        all.map(|view| (view.plugin, view.share)).collect()
    }

    /// What came of running candidates aside, for each plugin whose rollout does.
    pub(crate) fn aside(&self) -> Vec<(String, Tally)> {
        let all = self.looked().into_iter();
        all.filter_map(|view| Some((view.plugin, view.aside?))).collect()
    }

    /// Why something went back that an operator began beside the configuration, which has its way again.
    pub(crate) fn why_begun_went_back(&self, plugin: &str) -> Option<String> {
        let mut all = self.looked().into_iter();
        all.find(|view| view.plugin == plugin)?.why_begun_went_back
    }

    fn looked(&self) -> Vec<View> {
        if let Some(book) = self.book.try_lock_for(LOOK_MAX) {
            *self.view.lock() = view(&book);
        }
        self.view.lock().clone()
    }
}

fn shown(entry: &Entry) -> Value {
    let (record, analysis) = (entry.record(), entry.rollout.analysis());
    let step = analysis.step();
    let findings = match is_serving(record) {
        true => analysis.glance(),
        false => record.findings.clone(),
    };
    let steps = record
        .steps
        .iter()
        .map(|step| json!({ "share": step.share.to_string(), "state": step.state }));
    json!({
        "plugin": entry.plugin,
        "id": record.id,
        "state": if entry.waits { String::from("waiting for its wave") } else { record.words() },
        "over": record.is_over(),
        "share": record.share().to_string(),
        "why": record.why().map(plug_rollout::Why::text),
        "steps": steps.collect::<Vec<_>>(),
        "step_seconds": entry.rollout.step_ms() / 1_000,
        "exchanges": { "control": step.control.exchanges, "candidate": step.candidate.exchanges },
        "generations": { "control": generation(&entry.control), "candidate": generation(&entry.candidate) },
        "measures": findings.iter().map(measure).collect::<Vec<_>>(),
        "given_up": record.given_up,
        "shadow": entry.aside.as_ref().map(Aside::shown),
    })
}

fn generation(runs: &crate::loaded::Runs) -> Value {
    json!({ "generation": runs.plugin.generation, "sha256": runs.plugin.module.digest })
}

fn measure(finding: &Finding) -> Value {
    json!({
        "measure": finding.measure,
        "verdict": finding.verdict.word(),
        "control": finding.control,
        "candidate": finding.candidate,
        "bound": finding.bound,
        "reason": finding.reason,
    })
}
