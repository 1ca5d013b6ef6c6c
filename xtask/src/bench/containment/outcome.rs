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
        let back = |guest, at_most, what| Goal {
            what,
            unit: "ms",
            at_most: Some(at_most),
            was: self.back_p99_ms(guest),
        };
        let mut goals = vec![
            back(Guest::Probe, 1.0, "back in service after a trap, Rust plugin: p99"),
            back(
                Guest::Transformer,
                50.0,
                "back in service after a trap, Go plugin of 6.5 MB: p99",
            ),
        ];
        goals.extend(self.neighbour_goals());
        let bombs = || self.bombs.iter().filter(|row| row.party.is_cofferdam());
        let worst = |figure: fn(&Blast) -> f64| bombs().map(|row| row.most(figure)).reduce(f64::max);
        goals.push(Goal {
            what: "memory bomb: resident above what was, at most the limit and 5 MB",
            unit: "MB",
            at_most: Some(f64::from(MEMORY_MIB << 20) / 1e6 + 5.0),
            was: worst(|blast| blast.above_mb),
        });
        goals.push(Goal {
            what: "memory bomb: longest wait of another route",
            unit: "ms",
            at_most: Some(50.0),
            was: worst(|blast| blast.longest_ms),
        });
        goals
    }

    fn back_p99_ms(&self, guest: Guest) -> Option<f64> {
        let ours = Party::Cofferdam(Restart::SoonRecovered);
        let mut rows = self.recoveries.iter();
        rows.find(|row| row.party == ours && row.guest == guest)?
            .percentile_ms(99)
    }

    /// Each at most twice of what it is without loops.
    fn neighbour_goals(&self) -> Vec<Goal> {
        let goal = |restart, loops, figure: fn(&Sight) -> f64, what| {
            let ours = Party::Cofferdam(restart);
            let mut rows = self.neighbours.iter();
            let row = rows.find(|row| row.party == ours && row.loops == loops);
            let calm = self.calm(ours).and_then(|calm| calm.median(figure));
            Goal {
                what,
                unit: "ms",
                at_most: calm.map(|calm| calm * 2.0),
                was: row.and_then(|row| row.median(figure)),
            }
        };
        let load = |sight: &Sight| sight.load.p99_us / 1e3;
        vec![
            goal(
                Restart::Tireless,
                Loops::OneAtATime,
                load,
                "another route's p99 while a plugin loops, one exchange at a time: at most 2 × without",
            ),
            goal(
                Restart::Tireless,
                Loops::HundredASecond,
                load,
                "another route's p99 with 100 loops a second: at most 2 × without",
            ),
            goal(
                Restart::Default,
                Loops::HundredASecond,
                load,
                "another route's p99 with 100 loops a second, restarts as by default: at most 2 × without",
            ),
            goal(
                Restart::Tireless,
                Loops::OneAtATime,
                |sight| sight.alone_p99_ms,
                "the same over one connection, while a plugin loops: at most 2 × without",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::load::Seen;
    use super::super::neighbours::{Round, Tally};
    use super::*;

    fn neighbour(party: Party, loops: Loops, p99_us: Option<f64>) -> Neighbour {
        let sight = |p99_us| Sight {
            load: Seen {
                requests: 1000,
                seconds: 1.0,
                p50_us: 100.0,
                p99_us,
            },
            alone_p50_ms: 0.1,
            alone_p99_ms: p99_us / 1e3,
            alone_longest_ms: 0.3,
        };
        Neighbour {
            party,
            loops,
            rounds: vec![Round {
                tally: Tally { sent: 9, answered: 8 },
                seen: p99_us.map(sight),
            }],
        }
    }

    fn outcome(recovery_ms: f64, p99_us: f64, above_mb: f64) -> Outcome {
        let recovery = |guest| Recovery {
            name: String::from("Cofferdam"),
            party: Party::Cofferdam(Restart::SoonRecovered),
            guest,
            round_trip_p50_ms: 0.1,
            round_trip_p99_ms: 0.2,
            recoveries_ms: vec![Some(recovery_ms); 100],
        };
        let (tireless, default) = (Party::Cofferdam(Restart::Tireless), Party::Cofferdam(Restart::Default));
        let blast = Blast {
            before_mb: 20.0,
            above_mb,
            after_mb: 21.0,
            answered_ms: 30.0,
            calm_longest_ms: 0.5,
            longest_ms: 31.0,
        };
        Outcome {
            recoveries: vec![recovery(Guest::Probe), recovery(Guest::Transformer)],
            neighbours: vec![
                neighbour(tireless, Loops::None, Some(1000.0)),
                neighbour(tireless, Loops::OneAtATime, Some(p99_us)),
                neighbour(tireless, Loops::HundredASecond, Some(p99_us)),
                neighbour(default, Loops::HundredASecond, Some(p99_us)),
                neighbour(Party::EnvoyReload, Loops::None, Some(3000.0)),
                neighbour(Party::EnvoyReload, Loops::OneAtATime, None),
            ],
            bombs: vec![Bomb {
                party: default,
                number: 1,
                rounds: vec![blast, Blast { above_mb: 1.0, ..blast }],
            }],
            versions: BTreeMap::new(),
        }
    }

    #[test]
    fn goals_are_reached_or_missed() {
        let reached = goal::table(&outcome(0.9, 2000.0, 72.0).goals());
        assert_eq!(reached.matches("reached").count(), 8, "{reached}");
        // The Go plugin has time until 50 ms, and the bomb's wait is as it was.
        let missed = goal::table(&outcome(1.1, 2001.0, 73.0).goals());
        assert_eq!(missed.matches("MISSED").count(), 6, "{missed}");
    }

    #[test]
    fn a_server_that_hangs_has_no_figures_and_a_plugin_that_stays_away_no_percentile() {
        let mut outcome = outcome(0.9, 2000.0, 72.0);
        let table = outcome.neighbour_table();
        assert!(
            table.contains("| 8 of 9 | hangs: no answer within 5 s, killed |"),
            "{table}"
        );
        assert!(table.contains("| 2000 | 2.00 | 1000 |"), "{table}");
        outcome
            .recoveries
            .iter_mut()
            .for_each(|row| row.recoveries_ms.push(None));
        assert!(outcome.recovery_table().contains("| not within 5 s | not within 5 s |"));
        let goals = goal::table(&outcome.goals());
        assert_eq!(goals.matches("not measured").count(), 2, "{goals}");
    }
}
