//! The table: medians of the rounds, ratios to the peers, and the goals.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use super::contender::{COPIES_MANY, Contender, Kind};
use super::gateway::Sample;
use super::goal::{self, Goal, median, ratio};

/// What was measured.
pub(super) struct Report {
    samples: BTreeMap<Contender, Vec<Sample>>,
    versions: BTreeMap<&'static str, String>,
}

impl Report {
    pub(super) fn new(samples: BTreeMap<Contender, Vec<Sample>>, versions: BTreeMap<&'static str, String>) -> Self {
        Self { samples, versions }
    }

    /// Prints the table and writes it to `target/bench/gateway.md` and `gateway.json`.
    pub(super) fn publish(&self) -> Result<()> {
        let text = self.table() + "\n" + &goal::table(&self.goals());
        goal::save("gateway", &text, &self.json()?)
    }

    /// The median of a figure over the rounds.
    fn median(&self, kind: Kind, copies: usize, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
        let samples = self.samples.get(&Contender { kind, copies })?;
        median(samples.iter().map(figure).collect())
    }

    fn cpu(&self, kind: Kind, copies: usize) -> Option<f64> {
        self.median(kind, copies, |sample| sample.cpu_us)
    }

    fn table(&self) -> String {
        let mut text = String::from(
            "| server | CPU µs per request (lowest – highest) | p50 µs | p99 µs | requests/s | resident MB | CPU: × nginx | CPU: × Envoy, same chain |\n|---|---|---|---|---|---|---|---|\n",
        );
        let nginx = self.cpu(Kind::Nginx, 0);
        for (contender, samples) in &self.samples {
            let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect()).unwrap_or(f64::NAN);
            let cpu = of(|sample| sample.cpu_us);
            let lowest = samples.iter().map(|sample| sample.cpu_us).fold(f64::INFINITY, f64::min);
            let highest = samples.iter().map(|sample| sample.cpu_us).fold(0.0, f64::max);
            let envoy = self.cpu(Kind::Envoy, contender.copies);
            writeln!(
                text,
                "| {} | {cpu:.1} ({lowest:.1} – {highest:.1}) | {:.0} | {:.0} | {:.0} | {:.1} | {} | {} |",
                contender.name(),
                of(|sample| sample.seen.p50_us),
                of(|sample| sample.seen.p99_us),
                of(|sample| sample.seen.requests as f64 / sample.seen.seconds),
                of(|sample| sample.resident_mb),
                ratio(Some(cpu), nginx),
                ratio(Some(cpu), envoy),
            )
            .ok();
        }
        for (peer, version) in &self.versions {
            writeln!(text, "\n{peer}: {version}").ok();
        }
        text
    }

    /// CPU time of each further copy of the plugin.
    fn further_copy(&self, kind: Kind) -> Option<f64> {
        Some((self.cpu(kind, COPIES_MANY)? - self.cpu(kind, 1)?) / (COPIES_MANY - 1) as f64)
    }

    fn goals(&self) -> Vec<Goal> {
        let (plain, one) = (self.cpu(Kind::Cofferdam, 0), self.cpu(Kind::Cofferdam, 1));
        let (nginx, envoy) = (self.cpu(Kind::Nginx, 0), self.cpu(Kind::Envoy, 0));
        let copy = self.further_copy(Kind::Cofferdam);
        let resident = self.median(Kind::Cofferdam, 1, |sample| sample.resident_mb);
        let goal = |what, unit, at_most, was| Goal {
            what,
            unit,
            at_most,
            was,
        };
        vec![
            goal("no plugin: CPU per request, at most 1.0 × nginx", "µs", nginx, plain),
            goal(
                "no plugin: CPU per request, at most 0.45 × Envoy",
                "µs",
                envoy.map(|envoy| envoy * 0.45),
                plain,
            ),
            goal(
                "one plugin: CPU per request, at most 1.0 × nginx without",
                "µs",
                nginx,
                one,
            ),
            goal("each further copy: at most 1.1 µs", "µs", Some(1.1), copy),
            goal(
                "each further copy: at most 1/6 of Envoy's",
                "µs",
                self.further_copy(Kind::Envoy).map(|envoy| envoy / 6.0),
                copy,
            ),
            goal(
                "one worker, one plugin: resident, at most 25 MB",
                "MB",
                Some(25.0),
                resident,
            ),
        ]
    }

    fn json(&self) -> Result<Value> {
        let rows: Result<Vec<Value>> = self
            .samples
            .iter()
            .map(|(contender, samples)| {
                Ok(json!({ "server": contender, "name": contender.name(), "rounds": serde_json::to_value(samples)? }))
            })
            .collect();
        Ok(json!({ "rows": rows?, "goals": self.goals(), "versions": self.versions }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::Seen;
    use super::*;

    fn samples(cpu: &[f64]) -> Vec<Sample> {
        let seen = Seen {
            requests: 1000,
            seconds: 1.0,
            p50_us: 900.0,
            p99_us: 2000.0,
        };
        cpu.iter()
            .map(|cpu_us| Sample {
                cpu_us: *cpu_us,
                resident_mb: 20.0,
                seen,
            })
            .collect()
    }

    fn report(rows: &[(Kind, usize, &[f64])]) -> Report {
        let rows = rows.iter().map(|(kind, copies, cpu)| {
            (
                Contender {
                    kind: *kind,
                    copies: *copies,
                },
                samples(cpu),
            )
        });
        Report::new(rows.collect(), BTreeMap::new())
    }

    #[test]
    fn goals_are_reached_or_missed_by_the_medians() {
        let reached = report(&[
            (Kind::Cofferdam, 0, &[20.0, 90.0, 19.0]),
            (Kind::Cofferdam, 1, &[22.0]),
            (Kind::Cofferdam, 20, &[41.0]),
            (Kind::Envoy, 0, &[50.0]),
            (Kind::Envoy, 1, &[55.0]),
            (Kind::Envoy, 20, &[169.0]),
            (Kind::Nginx, 0, &[23.0]),
        ]);
        let table = goal::table(&reached.goals());
        assert_eq!(table.matches("reached").count(), 6, "{table}");
        let missed = report(&[(Kind::Cofferdam, 0, &[30.0]), (Kind::Nginx, 0, &[23.0])]);
        let table = goal::table(&missed.goals());
        assert_eq!(table.matches("MISSED").count(), 1, "{table}");
        assert!(
            missed
                .table()
                .contains("| Cofferdam | 30.0 (30.0 – 30.0) | 900 | 2000 | 1000 | 20.0 | 1.30 |  |"),
            "{}",
            missed.table()
        );
    }
}
