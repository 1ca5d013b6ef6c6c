//! Load by `wrk` and `h2load` until so many requests have been answered; a request that failed counts.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::bench::contender::{Ground, on_core};
use crate::command::output;
use crate::peers::Peers;

/// Seconds of one run of `wrk`.
const TURN_S: &str = "5s";
/// Requests of one run of `h2load`.
const TURN_REQUESTS: u64 = 100_000;

/// What a load saw.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) requests: u64,
    pub(super) failed: u64,
}

/// Requests over HTTP/1.1, 64 at a time.
pub(super) fn wrk(peers: &Peers, ground: &Ground, requests: u64, stop: &AtomicBool) -> Result<Seen> {
    turns(requests, stop, || {
        let mut command = on_core(ground.load_core);
        command.arg(peers.need("wrk")?);
        command.args(["--threads", "1", "--connections", "64", "--duration", TURN_S]);
        command.arg(format!("http://{}/a", ground.server));
        read_wrk(&output(&mut command)?)
    })
}

/// Requests over HTTP/2: 8 connections with 8 streams each.
pub(super) fn h2load(peers: &Peers, ground: &Ground, requests: u64, stop: &AtomicBool) -> Result<Seen> {
    turns(requests, stop, || {
        let mut command: Command = on_core(ground.load_core);
        command.arg(peers.need("h2load")?);
        command.args(["-c", "8", "-m", "8", "-n", &TURN_REQUESTS.to_string()]);
        command.arg(format!("http://{}/a", ground.server));
        read_h2load(&output(&mut command)?)
    })
}

fn turns(requests: u64, stop: &AtomicBool, turn: impl Fn() -> Result<Seen>) -> Result<Seen> {
    let mut seen = Seen::default();
    while seen.requests < requests && !stop.load(Ordering::Relaxed) {
        let more = turn()?;
        seen.requests += more.requests;
        seen.failed += more.failed;
    }
    Ok(seen)
}

fn read_wrk(report: &str) -> Result<Seen> {
    let total = report.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests = total.context("wrk said no total")?.0.trim().parse()?;
    let bad = |beginning: &str| {
        let line = report.lines().find_map(|line| line.trim().strip_prefix(beginning));
        let numbers = line.into_iter().flat_map(|line| line.split([' ', ',']));
        numbers.filter_map(|word| word.parse::<u64>().ok()).sum::<u64>()
    };
    Ok(Seen {
        requests,
        failed: bad("Non-2xx or 3xx responses:") + bad("Socket errors:"),
    })
}

fn read_h2load(report: &str) -> Result<Seen> {
    let line = report.lines().find_map(|line| line.strip_prefix("requests: "));
    let line = line.context("h2load said no requests")?;
    let count = |word: &str| {
        let parts = line.split(", ");
        let found = parts
            .filter_map(|part| part.strip_suffix(word)?.trim().parse::<u64>().ok())
            .next();
        found.with_context(|| format!("h2load said no `{word}`"))
    };
    let others = report.lines().find_map(|line| line.strip_prefix("status codes: "));
    let others = others.context("h2load said no status codes")?;
    let wrong = others.split(", ").filter(|part| !part.ends_with("2xx"));
    let wrong = wrong.filter_map(|part| part.split(' ').next()?.parse::<u64>().ok());
    Ok(Seen {
        requests: count("done")?,
        failed: count("failed")?.max(count("errored")? + count("timeout")?) + wrong.sum::<u64>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_with_what_failed() {
        let wrk = "  205111 requests in 5.00s, 32.40MB read\n  Socket errors: connect 0, read 2, write 0, timeout 1\n  Non-2xx or 3xx responses: 7\n";
        let seen = |requests, failed| Seen { requests, failed };
        assert_eq!(read_wrk(wrk).unwrap(), seen(205_111, 10));
        assert_eq!(read_wrk("  9 requests in 1s").unwrap(), seen(9, 0));
        let h2load = "requests: 100 total, 100 started, 100 done, 99 succeeded, 1 failed, 1 errored, 0 timeout\nstatus codes: 98 2xx, 0 3xx, 0 4xx, 2 5xx\n";
        assert_eq!(read_h2load(h2load).unwrap(), seen(100, 3));
        assert!(read_wrk("nothing").is_err() && read_h2load("nothing").is_err());
    }
}
