//! The tables of changes under load, and their goals.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::driver::Metrics;
use super::loads::Seen;
use crate::bench::goal::{self, Goal, percentile};

/// Changes one after the other, and the load meanwhile.
pub(super) struct Row {
    name: &'static str,
    times_ms: Vec<f64>,
    seconds: f64,
    seen: Seen,
}

/// Reloads across open streams.
pub(super) struct Reloads {
    pub(super) streams: usize,
    pub(super) broken: usize,
    pub(super) events: u64,
    pub(super) row: Row,
    pub(super) resident_before_mb: f64,
    pub(super) resident_after_mb: f64,
}

/// What was measured.
pub(super) struct Outcome {
    pub(super) rows: Vec<Row>,
    pub(super) reloads: Reloads,
    pub(super) metrics: Metrics,
}

impl Row {
    pub(super) fn new(name: &'static str, times: Vec<Duration>, took: Duration, seen: Seen) -> Self {
        Self {
            name,
            times_ms: times.iter().map(|time| time.as_secs_f64() * 1e3).collect(),
            seconds: took.as_secs_f64(),
            seen,
        }
    }

    fn per_second(&self) -> f64 {
        self.times_ms.len() as f64 / self.seconds.max(f64::EPSILON)
    }

    fn at(&self, percent: usize) -> f64 {
        percentile(percent, self.times_ms.clone()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "changes": self.times_ms.len(), "seconds": self.seconds, "times_ms": self.times_ms,
            "requests": self.seen.requests, "failed": self.seen.failed,
        })
    }
}

impl Outcome {
    /// Prints the tables, writes them to `target/bench/change.md` and `change.json`, and fails when anybody noticed a change.
    pub(super) fn publish(&self) -> Result<()> {
        let Reloads {
            streams,
            broken,
            events,
            row,
            resident_before_mb,
            resident_after_mb,
        } = &self.reloads;
        let mut text = String::from(
            "| under | changes | a second | p50 ms | p99 ms | longest ms | requests | failed |\n|---|---|---|---|---|---|---|---|\n",
        );
        for row in self.rows.iter().chain([row]) {
            writeln!(
                text,
                "| {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {} | {} |",
                row.name,
                row.times_ms.len(),
                row.per_second(),
                row.at(50),
                row.at(99),
                row.at(100),
                row.seen.requests,
                row.seen.failed
            )
            .ok();
        }
        let Metrics {
            applied,
            refused,
            instances,
        } = &self.metrics;
        writeln!(
            text,
            "\n{streams} streams of events across the reloads: {broken} broken, {events} events; resident {resident_before_mb:.1} MB before, {resident_after_mb:.1} MB after\n\
             applied {applied}, refused {refused}, instances at the end {instances}\n"
        )
        .ok();
        text += &goal::table(&self.goals());
        let rows: Vec<Value> = self.rows.iter().chain([row]).map(Row::json).collect();
        goal::save(
            "change",
            &text,
            &json!({ "rows": rows, "goals": self.goals(), "broken": broken }),
        )?;
        let failed: u64 = self.rows.iter().map(|row| row.seen.failed).sum();
        ensure!(failed == 0, "{failed} requests failed");
        ensure!(*broken == 0, "{broken} streams broke");
        ensure!(*refused == 0.0, "{refused} changes were refused");
        Ok(())
    }

    /// Swaps while requests come over HTTP/1.1, as they were measured elsewhere.
    fn goals(&self) -> Vec<Goal> {
        let first = self.rows.first();
        let failed = self.rows.iter().map(|row| row.seen.failed).sum::<u64>();
        let goal = |what, unit, at_most, was| Goal {
            what,
            unit,
            at_most: Some(at_most),
            was,
        };
        vec![
            goal(
                "time between two swaps",
                "ms",
                10.0,
                first.map(|row| 1e3 / row.per_second()),
            ),
            goal("a swap, p50", "ms", 5.0, first.map(|row| row.at(50))),
            goal("failed requests", "", 0.0, Some(failed as f64)),
            goal("broken streams", "", 0.0, Some(self.reloads.broken as f64)),
        ]
    }
}
