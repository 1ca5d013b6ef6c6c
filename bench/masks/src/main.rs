//! Measures how fast others look through texts for secrets, and ours beside them. One process measures one of them and prints one object.

mod scanner;
mod cofferdam;
mod regular;
mod sds;
mod remap;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};

use self::scanner::{Name, Rules, Scanner};

/// Bytes that are looked through at least before a rate is told.
const BYTES: usize = 50_000_000;
/// Records that are written at least before a time is told.
const RECORDS: usize = 50_000;

#[derive(Parser)]
struct Arguments {
    /// Whom to measure
    #[arg(long, value_enum)]
    scanner: Name,
    /// The rules as regular expressions, by their names
    #[arg(long)]
    rules: PathBuf,
    /// Where `clean.txt`, `secrets.txt` and `records.jsonl` lie, a text or a record in each line
    #[arg(long)]
    folder: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()));
    let rules: Rules = serde_json::from_str(&read(&arguments.rules)?).context("the rules are no JSON")?;
    let mut scanner = arguments.scanner.scanner(&rules)?;
    let mut figures = BTreeMap::new();
    for name in ["clean", "secrets"] {
        let whole = read(&arguments.folder.join(format!("{name}.txt")))?;
        let lines: Vec<&str> = whole.lines().collect();
        for (kind, pieces) in [("lines", lines), ("whole", vec![whole.as_str()])] {
            figures.insert(format!("{name}_{kind}_mb_per_s"), rate(scanner.as_mut(), &pieces)?);
        }
        figures.insert(format!("{name}_found"), found(scanner.as_mut(), &whole)? as f64);
    }
    let records = read(&arguments.folder.join("records.jsonl"))?;
    if let Some(ns) = each_record(scanner.as_mut(), &records)? {
        figures.insert(String::from("record_ns"), ns);
    }
    println!("{}", serde_json::to_value(figures)?);
    Ok(())
}

/// Megabytes in a second of processor time.
fn rate(scanner: &mut dyn Scanner, pieces: &[&str]) -> Result<f64> {
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    ensure!(bytes > 0, "there is no text");
    let times = (BYTES / bytes).max(1);
    let mut all = |times: usize| -> Result<()> {
        for _ in 0..times {
            for piece in pieces {
                scanner.look(piece)?;
            }
        }
        Ok(())
    };
    // Caches and lazy automata are warm afterwards.
    all(times.div_ceil(10))?;
    let before = thread_ns();
    all(times)?;
    Ok((bytes * times) as f64 / (thread_ns() - before) as f64 * 1e3)
}

/// How much is found, line by line.
fn found(scanner: &mut dyn Scanner, whole: &str) -> Result<usize> {
    whole.lines().try_fold(0, |sum, line| Ok(sum + scanner.look(line)?))
}

/// Nanoseconds for a record, looked through and written as JSON; none where it cannot do that.
fn each_record(scanner: &mut dyn Scanner, records: &str) -> Result<Option<f64>> {
    let records: Vec<serde_json::Value> = records.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    if !scanner.prepare(&records) {
        return Ok(None);
    }
    for number in 0..RECORDS / 10 {
        scanner.write(number)?;
    }
    let before = thread_ns();
    for number in 0..RECORDS {
        scanner.write(number)?;
    }
    Ok(Some((thread_ns() - before) as f64 / RECORDS as f64))
}

fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
