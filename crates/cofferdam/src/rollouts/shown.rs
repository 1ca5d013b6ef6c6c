//! Rollouts as an operator sees them.

use plug_rollout::{Arm, Finding};
use serde_json::{Value, json};

use super::{Entry, Rollouts, is_serving};

impl Rollouts {
    /// The rollout of a plugin, or its last one.
    pub(crate) fn shown(&self, plugin: &str) -> Option<Value> {
        let book = self.book.lock();
        let entry = book.entries.iter().find(|entry| entry.plugin == plugin)?;
        let mut value = shown(entry);
        if let Some(object) = value.as_object_mut() {
            object.insert(String::from("waves"), json!(self.waves.shown(plugin)));
        }
        Some(value)
    }

    /// Exchanges and faults of control and candidate, for each plugin with a rollout, since the process looks.
    pub(crate) fn counted(&self) -> Vec<(String, [(u64, u64); 2])> {
        let book = self.book.lock();
        let of = |entry: &Entry| {
            let total = entry.rollout.analysis().total();
            let counts = [Arm::Control, Arm::Candidate].map(|arm| total.arm(arm));
            (
                entry.plugin.clone(),
                counts.map(|counts| (counts.exchanges, counts.all_faults())),
            )
        };
        book.entries.iter().map(of).collect()
    }

    /// The candidate's part of the exchanges, for each plugin with a rollout.
    pub(crate) fn shares(&self) -> Vec<(String, f64)> {
        let book = self.book.lock();
        let share = |entry: &Entry| f64::from(entry.record().share().parts_per_million()) / 1_000_000.0;
        let shares = book.entries.iter().map(|entry| (entry.plugin.clone(), share(entry)));
        shares.collect()
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
