//! The tables of containment, and its goals.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;
use serde_json::to_value;

use super::super::goal::{self, Goal, ratio};
use super::bomb::{Blast, Bomb};
use super::neighbours::{Loops, Neighbour, Sight};
use super::recovery::Recovery;
use super::setting::{Guest, MEMORY_MIB, Party, Restart};

/// What was measured.
#[derive(Serialize)]
pub(super) struct Outcome {
    pub(super) recoveries: Vec<Recovery>,
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) bombs: Vec<Bomb>,
    pub(super) versions: BTreeMap<&'static str, String>,
}

impl Outcome {
    /// Prints the tables and writes them to `target/bench/containment.md` and `containment.json`.
    pub(super) fn publish(&self) -> Result<()> {
        let mut text = self.recovery_table() + "\n" + &self.neighbour_table() + "\n" + &self.bomb_table() + "\n";
        text += &goal::table(&self.goals());
        for (peer, version) in &self.versions {
            writeln!(text, "\n{peer}: {version}").ok();
        }
        let mut json = to_value(self)?;
        if let Some(object) = json.as_object_mut() {
            object.insert(String::from("goals"), to_value(self.goals())?);
        }
        goal::save("containment", &text, &json)
    }

    fn recovery_table(&self) -> String {
        let mut text = String::from(
            "| back in service after a trap | plugin | deaths | p50 ms | p99 ms | longest ms | a good exchange before: p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.recoveries {
            let after = |percent| {
                row.percentile_ms(percent)
                    .map_or_else(|| String::from("not within 5 s"), |time| format!("{time:.3}"))
            };
            let plugin = match row.guest {
                Guest::Probe => "Rust",
                Guest::Transformer => "Go, 6.5 MB",
            };
            writeln!(
                text,
                "| {} | {plugin} | {} | {} | {} | {} | {:.3} | {:.3} |",
                row.name,
                row.recoveries_ms.len(),
                after(50),
                after(99),
                after(100),
                row.round_trip_p50_ms,
                row.round_trip_p99_ms,
            )
            .ok();
        }
        text
    }

    /// The same server without loops.
    fn calm(&self, party: Party) -> Option<&Neighbour> {
        let is_same = |row: &&Neighbour| row.party.kind() == party.kind() && row.loops == Loops::None;
        self.neighbours.iter().find(is_same)
    }

    fn neighbour_table(&self) -> String {
        let mut text = String::from(
            "| other routes while a plugin loops | loops | ended, in all | 64 connections: p50 µs | p99 µs | × without loops | requests/s | one connection: p50 ms | p99 ms | × without loops | longest ms |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.neighbours {
            let (sent, answered) = row.rounds.iter().fold((0, 0), |(sent, answered), round| {
                (sent + round.tally.sent, answered + round.tally.answered)
            });
            write!(
                text,
                "| {} | {} | {answered} of {sent} ",
                row.party.name(),
                row.loops.name()
            )
            .ok();
            if row.hangs() {
                text += "| hangs: no answer within 5 s, killed | | | | | | | |\n";
                continue;
            }
            let calm = self.calm(row.party);
            let shown = |figure: fn(&Sight) -> f64, digits: usize| {
                row.median(figure)
                    .map_or_else(String::new, |value| format!("{value:.digits$}"))
            };
            let times =
                |figure: fn(&Sight) -> f64| ratio(row.median(figure), calm.and_then(|calm| calm.median(figure)));
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                shown(|sight| sight.load.p50_us, 0),
                shown(|sight| sight.load.p99_us, 0),
                times(|sight| sight.load.p99_us),
                shown(|sight| sight.load.requests as f64 / sight.load.seconds, 0),
                shown(|sight| sight.alone_p50_ms, 3),
                shown(|sight| sight.alone_p99_ms, 3),
                times(|sight| sight.alone_p99_ms),
                shown(|sight| sight.alone_longest_ms, 3),
            )
            .ok();
        }
        text
    }

    fn bomb_table(&self) -> String {
        let mut text = String::from(
            "| memory bomb, the worst of all rounds | resident before MB | highest above that MB | a second later MB | answered after ms | longest wait of another route ms | without a bomb ms |\n|---|---|---|---|---|---|---|\n",
        );
        for row in &self.bombs {
            writeln!(
                text,
                "| {}, bomb number {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
                row.party.name(),
                row.number,
                row.most(|blast| blast.before_mb),
                row.most(|blast| blast.above_mb),
                row.most(|blast| blast.after_mb),
                row.most(|blast| blast.answered_ms),
                row.most(|blast| blast.longest_ms),
                row.most(|blast| blast.calm_longest_ms),
            )
            .ok();
        }
        text
    }

    fn goals(&self) -> Vec<Goal> {
        let back = |guest, at_most, what| {
            let ours = Party::Cofferdam(Restart::SoonRecovered);
            let row = self
                .recoveries
                .iter()
                .find(|row| row.party == ours && row.guest == guest);
            Goal {
                what,
                unit: "ms",
                at_most: Some(at_most),
                was: row.and_then(|row| row.percentile_ms(99)),
            }
        };
        let beside = |restart, loops, figure: fn(&Sight) -> f64, what| {
            let ours = Party::Cofferdam(restart);
            let row = self
                .neighbours
                .iter()
                .find(|row| row.party == ours && row.loops == loops);
            Goal {
                what,
                unit: "µs",
                at_most: self
                    .calm(ours)
                    .and_then(|calm| calm.median(figure))
                    .map(|calm| calm * 2.0),
                was: row.and_then(|row| row.median(figure)),
            }
        };
        let load = |sight: &Sight| sight.load.p99_us;
        let bombs = || self.bombs.iter().filter(|row| row.party.is_cofferdam());
        let worst = |figure: fn(&Blast) -> f64| bombs().map(|row| row.most(figure)).reduce(f64::max);
        vec![
            back(Guest::Probe, 1.0, "back in service after a trap, Rust plugin: p99"),
            back(
                Guest::Transformer,
                50.0,
                "back in service after a trap, Go plugin of 6.5 MB: p99",
            ),
            beside(
                Restart::Tireless,
                Loops::OneAtATime,
                load,
                "another route's p99 while a plugin loops, one exchange at a time: at most 2 × without",
            ),
            beside(
                Restart::Tireless,
                Loops::HundredASecond,
                load,
                "another route's p99 with 100 loops a second: at most 2 × without",
            ),
            beside(
                Restart::Default,
                Loops::HundredASecond,
                load,
                "another route's p99 with 100 loops a second, restarts as by default: at most 2 × without",
            ),
            Goal {
                what: "memory bomb: resident above what was, at most the limit and 5 MB",
                unit: "MB",
                at_most: Some(f64::from(MEMORY_MIB << 20) / 1e6 + 5.0),
                was: worst(|blast| blast.above_mb),
            },
            Goal {
                what: "memory bomb: longest wait of another route",
                unit: "ms",
                at_most: Some(50.0),
                was: worst(|blast| blast.longest_ms),
            },
        ]
    }
}
