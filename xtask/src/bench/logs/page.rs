//! The page that is written: how it was measured, tables of medians, and the goals.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use super::goals::goals;
use super::loggers::{Rounds, Seen};
use super::masks::Log;
use super::outage::{Outage, RECORDS, Sample as Window};
use super::scanners::{self, Figures};
use super::servers::{Row, Sample, name};
use crate::bench::goal::{self, median};
use crate::command::output;
use crate::place;

/// The figure of the steps that others' time for a record is compared with.
const RECORD: &str = "mask_pack_line_400b_everything_ns";

/// What was measured.
#[derive(Default)]
pub(super) struct Page {
    rounds: usize,
    machine: String,
    load_before: String,
    pub(super) versions: BTreeMap<String, String>,
    pub(super) loggers: Vec<(String, Rounds)>,
    pub(super) rooms: BTreeMap<String, f64>,
    pub(super) scanners: Vec<(&'static str, Figures)>,
    pub(super) sandbox: String,
    pub(super) servers: Vec<Row>,
    pub(super) outage: Option<Outage>,
}

impl Page {
    /// Notes the machine and how busy it is before anything is measured.
    pub(super) fn begin(rounds: usize) -> Result<Self> {
        let mut page = Self {
            rounds,
            machine: machine(),
            load_before: load_average(),
            ..Self::default()
        };
        let rust = output(Command::new("rustc").arg("--version"))?;
        page.versions.insert(String::from("Rust"), rust.trim().to_owned());
        Ok(page)
    }

    /// Prints the tables and saves them.
    pub(super) fn publish(&self) -> Result<()> {
        fs::create_dir_all(place::cargo_target().join("bench"))?;
        goal::save("logs", &self.text(), &self.json()?)
    }

    fn text(&self) -> String {
        let (machine, before, after) = (&self.machine, &self.load_before, load_average());
        let mut text = format!(
            "{machine}; load average before {before}, after {after}; medians of {} rounds.\n",
            self.rounds
        );
        if !self.loggers.is_empty() {
            text += &logger_table(&self.loggers);
            text += &flood_table(&self.loggers);
        }
        if !self.rooms.is_empty() {
            text += &room_tables(&self.rooms);
        }
        if !self.scanners.is_empty() {
            text += &scanners::table(&self.scanners, self.rooms.get(RECORD).copied());
        }
        if !self.sandbox.is_empty() {
            write!(
                text,
                "\nThrough the guest `log-enrich`:\n\n```text\n{}```\n",
                self.sandbox
            )
            .ok();
        }
        if !self.servers.is_empty() {
            text += &server_table(&self.servers);
        }
        if let Some(outage) = &self.outage {
            text += &outage_table(outage);
        }
        text += "\n";
        text += &goal::table(&goals(self));
        text += "\nVersions: ";
        let versions: Vec<String> = self
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        text + &versions.join("; ") + ".\n"
    }

    fn json(&self) -> Result<Value> {
        let loggers: BTreeMap<&str, &Rounds> = self
            .loggers
            .iter()
            .map(|(name, rounds)| (name.as_str(), rounds))
            .collect();
        let servers: BTreeMap<&str, &Vec<Sample>> = self
            .servers
            .iter()
            .map(|((kind, log), samples)| (name(*kind, *log), samples))
            .collect();
        Ok(json!({
            "machine": self.machine,
            "load_before": self.load_before,
            "versions": self.versions,
            "loggers": serde_json::to_value(loggers)?,
            "rooms": self.rooms,
            "scanners": self.scanners.iter().map(|(name, figures)| (*name, figures)).collect::<BTreeMap<_, _>>(),
            "sandbox": self.sandbox,
            "servers": serde_json::to_value(servers)?,
            "outage": self.outage,
            "goals": goals(self),
        }))
    }
}

fn machine() -> String {
    let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = facts.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model
        .and_then(|rest| rest.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = facts.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} × {model}, Linux {}", kernel.trim())
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// What the enqueue takes, what it allocates, and what the disk gets.
fn logger_table(rows: &[(String, Rounds)]) -> String {
    let mut text = String::from(
        "\n50,000 records a second:\n\n\
         | logger | CPU of the caller, ns | CPU of all threads, ns | p50 ns | p99 ns | p99.9 ns | allocations | bytes allocated | writes per 1000 | bytes to disk |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, rounds) in rows {
        let cost = |figure: fn(&Seen) -> f64| Rounds::of(&rounds.cost, figure);
        let latency = |figure: fn(&Seen) -> f64| Rounds::of(&rounds.latency, figure);
        writeln!(
            text,
            "| {name} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} | {:.0} | {:.1} | {:.0} |",
            cost(|seen| seen.caller_ns),
            cost(|seen| seen.all_ns),
            latency(|seen| seen.p50_ns),
            latency(|seen| seen.p99_ns),
            latency(|seen| seen.p999_ns),
            cost(|seen| seen.allocations),
            cost(|seen| seen.allocated_bytes),
            cost(|seen| seen.write_calls * 1e3),
            cost(|seen| seen.disk_bytes),
        )
        .ok();
    }
    text
}

/// What is lost when records come faster than they are written, and who is told.
fn flood_table(rows: &[(String, Rounds)]) -> String {
    let mut text = String::from(
        "\nAs fast as the caller can:\n\n\
         | logger | records a second, offered | CPU of the caller, ns | lost % | the logger counts, of lost | the log itself says, of lost |\n|---|---|---|---|---|---|\n",
    );
    for (name, rounds) in rows {
        let flood = |figure: fn(&Seen) -> f64| Rounds::of(&rounds.flood, figure);
        let part = |figure: fn(&Seen) -> f64| {
            let lost = flood(lost);
            if lost == 0.0 {
                String::from("nothing lost")
            } else {
                format!("{:.0} %", flood(figure) * 100.0 / lost)
            }
        };
        let counts = rounds.flood.iter().any(|seen| seen.counted.is_some());
        writeln!(
            text,
            "| {name} | {:.0} | {:.0} | {:.1} | {} | {} |",
            flood(|seen| seen.per_second),
            flood(|seen| seen.caller_ns),
            flood(|seen| lost(seen) * 100.0 / seen.records as f64),
            if counts {
                part(|seen| seen.counted.unwrap_or(0) as f64)
            } else {
                String::from("–")
            },
            part(|seen| seen.told as f64),
        )
        .ok();
    }
    text
}

fn lost(seen: &Seen) -> f64 {
    seen.records.saturating_sub(seen.written) as f64
}

/// What is hidden, as the program names it and as a person does.
const KINDS: [(&str, &str); 4] = [
    ("off", "`mask: off`"),
    ("default", "as by default"),
    ("mlps3", "pack `mlps3`"),
    ("everything", "all classes"),
];

fn room_tables(rooms: &BTreeMap<String, f64>) -> String {
    let of = |name: String| rooms.get(&name).copied().unwrap_or(f64::NAN);
    let mut text = String::from(
        "\nOne thread, CPU time for a record:\n\n\
         | mask | scan, clean text, MB/s | scan, a find each 200 B, MB/s | mask and pack, ns | line of JSON, ns | all three with 400 B, ns | records a second | allocations |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (kind, shown) in KINDS {
        let whole = of(format!("mask_pack_line_400b_{kind}_ns"));
        writeln!(
            text,
            "| {shown} | {:.0} | {:.0} | {:.0} | {:.0} | {whole:.0} | {:.0} | {:.2} |",
            of(format!("scan_clean_{kind}_mb_per_s")),
            of(format!("scan_secrets_{kind}_mb_per_s")),
            of(format!("mask_and_pack_usual_{kind}_ns")),
            of(format!("line_usual_{kind}_ns")),
            1e9 / whole,
            of(format!("mask_pack_line_400b_{kind}_allocations")),
        )
        .ok();
    }
    let one = |name: &str| of(name.to_owned());
    writeln!(
        text,
        "\n512 B into the ring, clock included (p50 of the clock alone: {:.0} ns): p50 {:.0}, p99 {:.0}, p99.9 {:.0} ns. \
         Dropped: a record that no sink wants {:.1} ns; by sampling, at the beginning {:.1}, a line {:.1}, at the end {:.1} ns.",
        one("clock_p50_ns"),
        one("ring_p50_ns"),
        one("ring_p99_ns"),
        one("ring_p999_ns"),
        one("drop_unwanted_ns"),
        one("drop_begin_ns"),
        one("drop_line_ns"),
        one("drop_end_ns"),
    )
    .ok();
    text
}

fn server_table(rows: &[Row]) -> String {
    let mut text = String::from(
        "\nServers, one worker, 64 connections:\n\n\
         | server | CPU µs per request (lowest – highest) | above no log, µs | p99 µs | writes per request | bytes to disk per request | lines per request |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for ((kind, log), samples) in rows {
        let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect()).unwrap_or(f64::NAN);
        let lowest = samples.iter().map(|sample| sample.cpu_us).fold(f64::INFINITY, f64::min);
        let highest = samples.iter().map(|sample| sample.cpu_us).fold(0.0, f64::max);
        let off = rows.iter().find(|(row, _)| *row == (*kind, Log::Off));
        let above = off.filter(|_| *log != Log::Off).and_then(|(_, off)| {
            median(
                samples
                    .iter()
                    .zip(off)
                    .map(|(on, off)| on.cpu_us - off.cpu_us)
                    .collect(),
            )
        });
        writeln!(
            text,
            "| {} | {:.1} ({lowest:.1} – {highest:.1}) | {} | {:.0} | {:.2} | {:.0} | {:.3} |",
            name(*kind, *log),
            of(|sample| sample.cpu_us),
            above.map_or_else(String::new, |above| format!("{above:.1}")),
            of(|sample| sample.seen.p99_us),
            of(|sample| sample.write_calls),
            of(|sample| sample.disk_bytes),
            of(|sample| sample.lines),
        )
        .ok();
    }
    text
}

/// What a sink that is away costs the exchanges, and what became of its records.
fn outage_table(outage: &Outage) -> String {
    let mut text = String::from(
        "\nA sink that is away, one worker, 2,000 exchanges and 50,000 records a second:\n\n\
         | the sink is | windows of 10 s | records a second | CPU µs per exchange | p50 µs | p99 µs | resident MB |\n|---|---|---|---|---|---|---|\n",
    );
    for (state, samples) in &outage.windows {
        let of = |figure: fn(&Window) -> f64| outage.of(*state, figure).unwrap_or(f64::NAN);
        writeln!(
            text,
            "| {} | {} | {:.0} | {:.1} | {:.0} | {:.0} | {:.0} |",
            state.shown(),
            samples.len(),
            of(|window| window.seen.requests as f64 * RECORDS / window.seen.seconds),
            of(|window| window.cpu_us),
            of(|window| window.seen.p50_us),
            of(|window| window.seen.p99_us),
            of(|window| window.resident_mb),
        )
        .ok();
    }
    let account = &outage.account;
    writeln!(
        text,
        "\nRecords of the exchanges that were answered: {:.0}; that the sink was given {:.0}, delivered {:.0}, dropped and counted {:.0}, \
         still held {:.0}, of unknown fate {:.0}. The other side counted {:.0} lines. The log itself says of {:.0} that they were dropped. \
         The ring refused {:.0}.",
        account.answered,
        account.accepted,
        account.delivered,
        account.dropped,
        account.held,
        account.unknown(),
        account.received,
        account.told,
        account.refused,
    )
    .ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_and_told_is_shown_as_parts() {
        let seen = |written, counted, told| Seen {
            records: 1000,
            caller_ns: 100.0,
            all_ns: 200.0,
            p50_ns: 1.0,
            p99_ns: 2.0,
            p999_ns: 3.0,
            max_ns: 4.0,
            allocations: 0.0,
            allocated_bytes: 0.0,
            write_calls: 0.001,
            write_bytes: 500.0,
            disk_bytes: 500.0,
            per_second: 5e6,
            written,
            counted,
            told,
        };
        let rounds = |flood| Rounds {
            flood: vec![flood],
            ..Rounds::default()
        };
        let rows = [
            (String::from("one"), rounds(seen(600, None, 400))),
            (String::from("two"), rounds(seen(900, Some(50), 0))),
            (String::from("all"), rounds(seen(1000, Some(0), 0))),
        ];
        let table = flood_table(&rows);
        assert!(table.contains("| one | 5000000 | 100 | 40.0 | – | 100 % |"), "{table}");
        assert!(table.contains("| two | 5000000 | 100 | 10.0 | 50 % | 0 % |"), "{table}");
        assert!(
            table.contains("| all | 5000000 | 100 | 0.0 | nothing lost | nothing lost |"),
            "{table}"
        );
    }

    #[test]
    fn a_page_without_measurements_has_goals_without_figures() {
        let text = Page::begin(5).unwrap().text();
        assert!(text.contains("| not measured |") && !text.contains("MISSED"), "{text}");
    }
}
