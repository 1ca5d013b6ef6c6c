//! How a logger is written to, and what is seen of it.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

use crate::exchange;
use crate::logger::{Logger, Name};
use crate::usage::{Written, process_ns, thread_ns};

/// Records that are written without a pause.
pub(crate) const GROUP: usize = 64;
/// From one such group to the next: 50,000 records a second.
pub(crate) const GROUP_EVERY: Duration = Duration::from_micros(1_280);

/// How it is written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Phase {
    /// 50,000 records a second; processor time and allocations
    Cost,
    /// The same; how long each call takes
    Latency,
    /// As fast as the caller can; what is lost, and who is told
    Flood,
}

/// What was seen.
#[derive(Serialize)]
pub(crate) struct Seen {
    records: usize,
    /// Processor time of the caller, for each record.
    caller_ns: f64,
    /// Of all threads, what comes after the last record included.
    all_ns: f64,
    p50_ns: u32,
    p99_ns: u32,
    p999_ns: u32,
    max_ns: u32,
    /// On the caller, for each record.
    allocations: f64,
    allocated_bytes: f64,
    /// For each record that is in the file.
    write_calls: f64,
    write_bytes: f64,
    disk_bytes: f64,
    /// Records offered in a second.
    per_second: f64,
    /// Records in the file.
    written: u64,
    /// Records that the logger says it dropped, to who asks it.
    counted: Option<u64>,
    /// Records that the log says are missing.
    told: u64,
}

/// Times or costs of calls.
#[derive(Default)]
struct Tally {
    caller_ns: u64,
    times_ns: Vec<u32>,
    allocations: u64,
    allocated_bytes: u64,
}

/// Writes so many records.
pub(crate) fn run(name: Name, phase: Phase, records: usize, folder: &Path) -> Result<Seen> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let file = folder.join("peer.log");
    fs::remove_file(&file).ok();
    let exchanges = exchange::usual();
    let mut logger = name.start(folder, &file)?;
    let mut tally = Tally::default();
    // Whoever fills a cache or a pool at its first records has done so.
    exchanges.iter().for_each(|exchange| logger.write(exchange));
    let (before, process_before) = (Written::now()?, process_ns());
    let began = Instant::now();
    match phase {
        Phase::Cost => paced(records, |at| group(logger.as_mut(), &exchanges, at, &mut tally)),
        Phase::Latency => {
            tally.times_ns.reserve(records + GROUP);
            paced(records, |at| timed(logger.as_mut(), &exchanges, at, &mut tally));
        }
        Phase::Flood => (0..records)
            .step_by(GROUP)
            .for_each(|at| group(logger.as_mut(), &exchanges, at, &mut tally)),
    }
    let seconds = began.elapsed().as_secs_f64();
    let records = records.next_multiple_of(GROUP);
    let counted = logger.end()?;
    let all_ns = process_ns() - process_before;
    let wrote = Written::now()?.since(before);
    let (written, told) = read(name, &file)?;
    let each = |sum: u64| sum as f64 / records as f64;
    let in_file = |sum: u64| sum as f64 / written.max(1) as f64;
    tally.times_ns.sort_unstable();
    Ok(Seen {
        records: records + exchanges.len(),
        caller_ns: each(tally.caller_ns),
        all_ns: each(all_ns),
        p50_ns: rank(&tally.times_ns, 0.5),
        p99_ns: rank(&tally.times_ns, 0.99),
        p999_ns: rank(&tally.times_ns, 0.999),
        max_ns: rank(&tally.times_ns, 1.0),
        allocations: each(tally.allocations),
        allocated_bytes: each(tally.allocated_bytes),
        write_calls: in_file(wrote.calls),
        write_bytes: in_file(wrote.bytes),
        disk_bytes: in_file(wrote.disk_bytes),
        per_second: records as f64 / seconds,
        written,
        counted,
        told,
    })
}

/// One group after the other, each when its time has come.
pub(crate) fn paced(records: usize, mut group: impl FnMut(usize)) {
    let began = Instant::now();
    let mut due = Duration::ZERO;
    for at in (0..records).step_by(GROUP) {
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        group(at);
        due += GROUP_EVERY;
    }
}

fn group(logger: &mut dyn Logger, exchanges: &[exchange::Exchange], at: usize, tally: &mut Tally) {
    let before = thread_ns();
    let info = allocation_counter::measure(|| {
        for exchange in exchanges.iter().cycle().skip(at % exchanges.len()).take(GROUP) {
            logger.write(black_box(exchange));
        }
    });
    tally.caller_ns += thread_ns() - before;
    tally.allocations += info.count_total;
    tally.allocated_bytes += info.bytes_total;
}

fn timed(logger: &mut dyn Logger, exchanges: &[exchange::Exchange], at: usize, tally: &mut Tally) {
    for exchange in exchanges.iter().cycle().skip(at % exchanges.len()).take(GROUP) {
        let before = Instant::now();
        logger.write(black_box(exchange));
        let nanoseconds = before.elapsed().as_nanos();
        tally.times_ns.push(u32::try_from(nanoseconds).unwrap_or(u32::MAX));
    }
}

/// The time that this part of all calls took at most; 0 where none was measured.
pub(crate) fn rank(sorted: &[u32], part: f64) -> u32 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Records in the file, and records that it says are missing.
fn read(name: Name, file: &Path) -> Result<(u64, u64)> {
    let (mut written, mut told) = (0, 0);
    for line in BufReader::new(File::open(file)?).lines() {
        match name.told(&line?) {
            Some(count) => told += count,
            None => written += 1,
        }
    }
    Ok((written, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_of_the_figures_themselves() {
        let times: Vec<u32> = (1..=1000).collect();
        assert_eq!(
            [0.5, 0.99, 0.999, 1.0].map(|part| rank(&times, part)),
            [500, 990, 999, 1000]
        );
        assert_eq!(rank(&[], 0.5), 0);
    }

    #[test]
    fn every_logger_writes_every_record_that_it_did_not_drop() {
        for name in Name::value_variants() {
            let folder = tempfile::tempdir().unwrap();
            let seen = run(*name, Phase::Cost, 2_000, folder.path()).unwrap();
            assert_eq!(seen.written, seen.records as u64, "{name:?}");
            assert!(seen.write_bytes > 200.0, "{name:?}");
            let text = fs::read_to_string(folder.path().join("peer.log")).unwrap();
            assert!(
                text.lines()
                    .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
                "{name:?}"
            );
            assert_eq!(text.contains("13812345678"), *name != Name::CofferdamMlps3, "{name:?}");
        }
    }
}
