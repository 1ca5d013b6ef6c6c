//! What is said of a ring that was found: whose it was, what is in it, and what is wrong with it.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log_record::grade::{Class, Level};
use log_ring::{Body, Damage, Dropped, Recovered, Refusal};

/// Ticks in a second, as Linux counts them for programs (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// One line about a ring.
pub(super) fn told(ring: &Recovered, started: Option<SystemTime>) -> String {
    let gaps = ring.records().filter(|record| matches!(record.body, Body::Gap(_)));
    let gaps = gaps.count();
    let started = started.map(|at| format!(", started {}", log_record::timestamp::text(at)));
    let dropped = list(ring.dropped());
    let dropped = if dropped.is_empty() {
        String::new()
    } else {
        format!("; dropped while it lived: {dropped}")
    };
    let untold = list(ring.untold());
    let untold = if untold.is_empty() {
        String::new()
    } else {
        format!("; of these no record told: {untold}")
    };
    format!(
        "ring {}: process {}{}: {} records{}{dropped}{untold}",
        ring.path().display(),
        ring.process(),
        started.unwrap_or_default(),
        ring.len() - gaps.min(ring.len()),
        match gaps {
            0 => String::new(),
            1 => String::from(" and 1 gap"),
            several => format!(" and {several} gaps"),
        },
    )
}

/// What is wrong with a ring, where, and what follows.
pub(super) fn damaged(ring: &Recovered, damage: Damage, bytes: u64) -> String {
    format!(
        "warning: ring {} is damaged behind record {}, at byte {} of its file: {damage}; {bytes} bytes cannot be read\n\
         hint: what stands before is written; the file stays for whoever wants to look, remove it then",
        ring.path().display(),
        ring.len(),
        ring.damaged_at(),
    )
}

fn list(dropped: &[Dropped]) -> String {
    let words: Vec<String> = dropped.iter().map(word).collect();
    words.join(", ")
}

fn word(dropped: &Dropped) -> String {
    let level = Level::from_number(dropped.level.number()).map_or("other", Level::word);
    let class = Class::from_number(dropped.class.number()).map_or("other", Class::word);
    let why = match dropped.why {
        Refusal::Policy => "the ring was too full for them",
        Refusal::Full => "the ring was full",
        Refusal::TooLong => "too long",
    };
    format!("{} {level} {class} ({why})", dropped.count)
}

/// When a process started, from the ticks that it noted. They count from the start of a system, so they say nothing when that is not this one: when
/// the file is older than it.
pub(super) fn started(path: &Path, ticks: u64) -> Option<SystemTime> {
    let booted = booted(&fs::read_to_string("/proc/stat").ok()?)?;
    let written = fs::metadata(path).ok()?.modified().ok()?;
    since(booted, ticks).filter(|started| *started <= SystemTime::now() && booted <= written)
}

fn since(booted: SystemTime, ticks: u64) -> Option<SystemTime> {
    let since = Duration::from_millis(ticks.checked_mul(1000 / TICKS_PER_SECOND)?);
    booted.checked_add(since).filter(|_| ticks > 0)
}

/// When the system started, out of `/proc/stat`.
fn booted(stat: &str) -> Option<SystemTime> {
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.trim().parse().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn when_a_process_started_follows_from_its_ticks() {
        let booted = booted("cpu 1 2\nbtime 1700000000\nprocesses 7\n").unwrap();
        let started = since(booted, 150).unwrap();
        assert_eq!(log_record::timestamp::text(started), "2023-11-14T22:13:21.500000Z");
        assert_eq!(since(booted, 0), None);
        assert_eq!(since(booted, u64::MAX), None);
    }

    #[test]
    fn the_start_of_a_process_of_another_system_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let open = fs::File::create(&file).unwrap();
        assert!(started(&file, 1).is_some());
        open.set_modified(UNIX_EPOCH + Duration::from_secs(1000)).unwrap();
        assert_eq!(started(&file, 1), None);
    }
}
