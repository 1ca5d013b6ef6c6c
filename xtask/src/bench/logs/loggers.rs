//! Loggers in Rust and Go, each in a process of its own: built, run round by round, condensed to medians.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::LogsOptions;
use crate::bench::goal::median;
use crate::command::{cargo, output, run};
use crate::{peers, place};

/// A flood has so many times the records.
const FLOOD_TIMES: usize = 10;

/// The loggers of Go, as the program knows them.
const GO: [&str; 4] = ["zerolog", "zap", "slog-go", "logrus"];

/// What a run printed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Seen {
    pub(super) records: u64,
    pub(super) caller_ns: f64,
    pub(super) all_ns: f64,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    pub(super) p999_ns: f64,
    pub(super) max_ns: f64,
    pub(super) allocations: f64,
    pub(super) allocated_bytes: f64,
    pub(super) write_calls: f64,
    pub(super) write_bytes: f64,
    pub(super) disk_bytes: f64,
    pub(super) per_second: f64,
    pub(super) written: u64,
    pub(super) counted: Option<u64>,
    pub(super) told: u64,
}

/// The rounds of one logger.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Rounds {
    pub(super) cost: Vec<Seen>,
    pub(super) latency: Vec<Seen>,
    pub(super) flood: Vec<Seen>,
}

impl Rounds {
    /// The median of a figure over the rounds of a phase.
    pub(super) fn of(rounds: &[Seen], figure: impl Fn(&Seen) -> f64) -> f64 {
        median(rounds.iter().map(figure).collect()).unwrap_or(f64::NAN)
    }
}

/// Runs all of them.
pub(super) fn measure(options: &LogsOptions, versions: &mut BTreeMap<String, String>) -> Result<Vec<(String, Rounds)>> {
    let rust = build_rust()?;
    let go = build_go(versions)?;
    let crates = [
        "tracing-subscriber",
        "tracing-appender",
        "spdlog-rs",
        "slog-async",
        "slog-json",
    ];
    note_crates("logs", &crates, versions);
    let folder = place::cargo_target().join("bench/logs");
    let ours = output(Command::new(&rust).args(["--list", "--folder"]).arg(&folder))?;
    let names = ours.lines().map(|name| (name.to_owned(), &rust, "--"));
    let names: Vec<_> = names.chain(GO.map(|name| (name.to_owned(), &go, "-"))).collect();
    let mut rows: Vec<(String, Rounds)> = names
        .iter()
        .map(|(name, _, _)| (name.clone(), Rounds::default()))
        .collect();
    // Rounds outside: what disturbs the machine for a while then disturbs all of them.
    for round in 1..=options.rounds {
        for ((name, program, dashes), (_, rounds)) in names.iter().zip(&mut rows) {
            let measure = |phase: &str, records: usize| -> Result<Seen> {
                let mut command = Command::new(program);
                command.args([format!("{dashes}logger"), name.clone()]);
                command.args([format!("{dashes}phase"), phase.to_owned()]);
                command.args([format!("{dashes}records"), records.to_string()]);
                command.arg(format!("{dashes}folder")).arg(&folder);
                let text = output(&mut command)?;
                serde_json::from_str(&text).with_context(|| format!("{name}, {phase}, printed `{}`", text.trim()))
            };
            rounds.cost.push(measure("cost", options.records)?);
            rounds.latency.push(measure("latency", options.records)?);
            rounds.flood.push(measure("flood", options.records * FLOOD_TIMES)?);
            let last = rounds.cost.last().map_or(f64::NAN, |seen| seen.caller_ns);
            println!(
                "round {round}/{}  {name:<18} {last:>8.0} ns on the caller",
                options.rounds
            );
        }
    }
    Ok(rows)
}

/// The program in Rust, in its own workspace and target folder.
pub(super) fn build_rust() -> Result<PathBuf> {
    build("logs")
}

/// A program of a folder of `bench`, in its own workspace and target folder.
pub(super) fn build(folder: &str) -> Result<PathBuf> {
    let program = format!("bench-{folder}");
    let target = place::cargo_target().join(&program);
    let mut command = cargo();
    command
        .args(["build", "--release", "--locked", "--target-dir"])
        .arg(&target);
    run(command.current_dir(place::root().join("bench").join(folder)))?;
    Ok(target.join("release").join(program))
}

fn build_go(versions: &mut BTreeMap<String, String>) -> Result<PathBuf> {
    let go = peers::go()?;
    let libraries = peers::go_loggers()?;
    let folder = place::cargo_target().join("bench-logs-go");
    let program = folder.join("bench-logs");
    let mut command = Command::new(&go);
    command
        .args(["build", "-trimpath", "-buildvcs=false", "-o"])
        .arg(&program)
        .arg(".");
    command.current_dir(place::root().join("bench/logs/go"));
    for settings in ["GOROOT", "GOFLAGS", "GODEBUG", "GOEXPERIMENT"] {
        command.env_remove(settings);
    }
    command.envs([
        ("GO111MODULE", "off"),
        ("GOENV", "off"),
        ("GOTOOLCHAIN", "local"),
        ("CGO_ENABLED", "0"),
    ]);
    command
        .env("GOPATH", &libraries.path)
        .env("GOCACHE", folder.join("cache"));
    output(&mut command)?;
    let said = output(Command::new(&go).arg("version"))?;
    versions.insert(
        String::from("Go"),
        said.trim().trim_start_matches("go version ").to_owned(),
    );
    for line in libraries.versions.lines() {
        if let Some((name, version)) = line.split_once(' ')
            && ["zap", "zerolog", "logrus"].iter().any(|logger| name.contains(logger))
        {
            versions.insert(name.to_owned(), version.to_owned());
        }
    }
    Ok(program)
}

/// Crates of others, as the lock file of a program of `bench` has them.
pub(super) fn note_crates(folder: &str, names: &[&str], versions: &mut BTreeMap<String, String>) {
    let file: &Path = &place::root().join("bench").join(folder).join("Cargo.lock");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    for name in names {
        if let Some(version) = locked(&text, name) {
            versions.insert((*name).to_owned(), version.to_owned());
        }
    }
}

fn locked<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_a_lock_file() {
        let text = "[[package]]\nname = \"slog\"\nversion = \"2.8.2\"\n\n[[package]]\nname = \"slog-async\"\nversion = \"2.8.0\"\n";
        assert_eq!(locked(text, "slog-async"), Some("2.8.0"));
        assert_eq!(locked(text, "log"), None);
    }

    #[test]
    fn what_both_programs_print_is_read() {
        let text = r#"{"records":64,"caller_ns":1.5,"all_ns":2,"p50_ns":0,"p99_ns":0,"p999_ns":0,"max_ns":0,"allocations":3,
            "allocated_bytes":4,"write_calls":1,"write_bytes":500,"disk_bytes":512,"per_second":50000,"written":64,"counted":null,"told":0}"#;
        let seen: Seen = serde_json::from_str(text).unwrap();
        assert_eq!((seen.caller_ns, seen.counted), (1.5, None));
    }
}
