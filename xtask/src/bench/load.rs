//! Load by `wrk`, and what it tells.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::contender::{Ground, on_core};
use crate::command::output;

/// Connections at a time.
const CONNECTIONS: &str = "64";

/// What the load saw.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Seen {
    pub(super) requests: u64,
    pub(super) seconds: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

/// Sends GETs of `path` from the load's core for so long.
pub(super) fn send(wrk: &Path, ground: &Ground, path: &str, time: Duration) -> Result<Seen> {
    send_as(wrk, ground, (path, None), time)
}

/// The same, with requests as a script in Lua makes them.
pub(super) fn send_as(
    wrk: &Path,
    ground: &Ground,
    (path, script): (&str, Option<&Path>),
    time: Duration,
) -> Result<Seen> {
    let mut command = on_core(ground.load_core);
    command.arg(wrk);
    if let Some(script) = script {
        command.arg("--script").arg(script);
    }
    command.args([
        "--threads",
        "1",
        "--connections",
        CONNECTIONS,
        "--latency",
        "--duration",
    ]);
    command
        .arg(format!("{}s", time.as_secs()))
        .arg(format!("http://{}{path}", ground.server));
    read(&output(&mut command)?)
}

/// Reads wrk's report; an answer other than 2xx or a broken connection makes it worthless.
fn read(report: &str) -> Result<Seen> {
    for bad in ["Non-2xx or 3xx responses", "Socket errors"] {
        if let Some(line) = report.lines().find(|line| line.contains(bad)) {
            bail!("the load went wrong: {}", line.trim());
        }
    }
    let total = report
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .context("wrk said no total")?;
    let seconds = total
        .1
        .split(',')
        .next()
        .and_then(microseconds)
        .context("wrk said no time")?
        / 1e6;
    let percentile = |name: &str| {
        let found = report.lines().find_map(|line| line.trim().strip_prefix(name));
        found
            .and_then(|text| microseconds(text.trim()))
            .with_context(|| format!("wrk said no {name}"))
    };
    Ok(Seen {
        requests: total.0.trim().parse().context("wrk's total is no number")?,
        seconds,
        p50_us: percentile("50%")?,
        p99_us: percentile("99%")?,
    })
}

/// `870.00us`, `1.21ms`, `5.00s`, `1.00m` as microseconds.
fn microseconds(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)];
    let (unit, scale) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
Running 5s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.55ms  240.10us   9.05ms   93.21%
    Req/Sec    41.20k     1.50k   43.01k    88.00%
  Latency Distribution
     50%    1.51ms
     75%    1.60ms
     90%    1.71ms
     99%    2.31ms
  205111 requests in 5.00s, 32.40MB read
Requests/sec:  41018.10
Transfer/sec:      6.48MB
";

    #[test]
    fn a_report_is_read() {
        let seen = read(REPORT).unwrap();
        assert_eq!(
            seen,
            Seen {
                requests: 205_111,
                seconds: 5.0,
                p50_us: 1510.0,
                p99_us: 2310.0
            }
        );
    }

    #[test]
    fn a_report_with_failed_requests_is_refused() {
        let failed = format!("{REPORT}  Non-2xx or 3xx responses: 7\n");
        assert!(read(&failed).unwrap_err().to_string().contains("responses: 7"));
        assert!(read("nothing").is_err());
    }

    #[test]
    fn times_are_read_in_every_unit() {
        assert_eq!(
            ["870.00us", "1.5ms", "2.00s", "1.00m"].map(microseconds),
            [Some(870.0), Some(1500.0), Some(2e6), Some(6e7)]
        );
        assert_eq!(microseconds("fast"), None);
    }
}
