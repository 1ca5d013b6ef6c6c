//! Whole servers under the same load, with their logs off and on: what writing down adds to a request.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::LogsOptions;
use super::masks::{self, Log};
use crate::bench::contender::{Ground, Kind, build_release, versions};
use crate::bench::load::{self, Seen};
use crate::bench::usage::{cpu_seconds, written};
use crate::peers::{self, Peers, Purpose};
use crate::process::free_ports;

/// Load before the measurement.
const WARM_UP: Duration = Duration::from_secs(1);
/// What is left in buffers is written within so long, and belongs to the measurement.
const SETTLE: Duration = Duration::from_millis(1_500);
/// The number that every fourth request has.
const SECRET: &str = "13812345678";
/// Four requests in turn, as a script of `wrk`.
const REQUESTS: &str = r#"
local agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36"
local id = "4f1c2a80-77aa-4e1b-9d35-0b6e9c000000"
local query = "page=3&sort=created&session=a81f0003&campaign=autumn-sale&lang=en&columns=name,price,stock,vendor"
local targets = {
  "/api/v2/customers/13812345678?" .. query,
  "/api/v2/customers/c-00001/orders?" .. query,
  "/api/v2/customers/c-00002/orders?" .. query,
  "/api/v2/customers/c-00003/orders?" .. query,
}
local requests, at = {}, 0
init = function()
  wrk.headers["user-agent"] = agent
  wrk.headers["x-request-id"] = id
  for number, target in ipairs(targets) do
    requests[number] = wrk.format("GET", target)
  end
end
request = function()
  at = at % 4 + 1
  return requests[at]
end
"#;

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Sample {
    pub(super) cpu_us: f64,
    /// For each request, those of the log and, where that is a call of its own, of the socket.
    pub(super) write_calls: f64,
    pub(super) disk_bytes: f64,
    /// Lines in the file for each request; requests of the warm-up and those that were open at the end are in both.
    pub(super) lines: f64,
    #[serde(flatten)]
    pub(super) seen: Seen,
}

/// A server with its log, and its rounds.
pub(super) type Row = ((Kind, Log), Vec<Sample>);

/// Measures all of them.
pub(super) fn measure(options: &LogsOptions, noted: &mut BTreeMap<String, String>) -> Result<Vec<Row>> {
    let peers = peers::run(Purpose::Benchmark)?;
    let wrk = peers.need("wrk")?;
    let wanted: Vec<(Kind, Log)> = contenders(&options.server, &peers);
    let mut ground = Ground::prepare()?;
    if let Some(binary) = &options.binary {
        ground.gateway.clone_from(binary);
    } else if wanted.iter().any(|(kind, _)| *kind == Kind::Cofferdam) {
        build_release()?;
    }
    noted.extend(
        versions(&peers)
            .into_iter()
            .map(|(name, version)| (name.to_owned(), version)),
    );
    let script = ground.folder.join("requests.lua");
    fs::write(&script, REQUESTS).context("cannot write the load's script")?;
    let upstream = ground.start_upstream(&peers)?;
    let mut rows: Vec<Row> = wanted.iter().map(|contender| (*contender, Vec::new())).collect();
    for round in 1..=options.rounds {
        for ((kind, log), samples) in &mut rows {
            let [server] = free_ports()?;
            ground.server = server;
            let time = Duration::from_secs(options.seconds);
            let sample = one((*kind, *log), &ground, &peers, (wrk, &script), time);
            let sample = sample.with_context(|| format!("{}, round {round}", name(*kind, *log)))?;
            println!(
                "round {round}/{}  {:<44} {:>7.1} µs CPU per request",
                options.rounds,
                name(*kind, *log),
                sample.cpu_us
            );
            samples.push(sample);
        }
    }
    upstream.stop()?;
    Ok(rows)
}

fn contenders(wanted: &[Kind], peers: &Peers) -> Vec<(Kind, Log)> {
    let logs = |kind: Kind| match kind {
        Kind::Cofferdam => vec![Log::Off, Log::Plain, Log::Names, Log::Masked],
        Kind::Nginx if peers.get("nginx_lua").is_some() => vec![Log::Off, Log::Plain, Log::Masked],
        Kind::Envoy | Kind::Nginx => vec![Log::Off, Log::Plain],
    };
    let kinds = Kind::value_variants().iter().copied();
    let kinds = kinds.filter(|kind| wanted.is_empty() || wanted.contains(kind));
    kinds
        .flat_map(|kind| logs(kind).into_iter().map(move |log| (kind, log)))
        .collect()
}

/// The row's name.
pub(super) const fn name(kind: Kind, log: Log) -> &'static str {
    match (kind, log) {
        (Kind::Cofferdam, Log::Off) => "Cofferdam, no log",
        (Kind::Cofferdam, Log::Plain) => "Cofferdam, JSON, `mask: off`",
        (Kind::Cofferdam, Log::Names) => "Cofferdam, JSON, mask as by default",
        (Kind::Cofferdam, Log::Masked) => "Cofferdam, JSON, pack `mlps3`",
        (Kind::Envoy, Log::Off) => "Envoy, no log",
        (Kind::Envoy, _) => "Envoy, JSON, no mask to be had",
        (Kind::Nginx, Log::Off) => "nginx, no log",
        (Kind::Nginx, Log::Masked) => "nginx, JSON, masked by Lua",
        (Kind::Nginx, _) => "nginx, JSON, no mask",
    }
}

fn one(
    (kind, log): (Kind, Log),
    ground: &Ground,
    peers: &Peers,
    (wrk, script): (&Path, &Path),
    time: Duration,
) -> Result<Sample> {
    let file = ground.folder.join("access.log");
    fs::remove_file(&file).ok();
    let text = masks::configuration(kind, log, &file, ground, peers.get("nginx_lua"))?;
    let server = kind.start(&text, "/", ground, peers)?;
    let warm = load::send_as(wrk, ground, ("/", Some(script)), WARM_UP)?;
    std::thread::sleep(SETTLE);
    let (cpu, before) = (cpu_seconds(server.id())?, written(server.id())?);
    let seen = load::send_as(wrk, ground, ("/", Some(script)), time)?;
    std::thread::sleep(SETTLE);
    let used = cpu_seconds(server.id())? - cpu;
    let after = written(server.id())?;
    server.stop()?;
    ensure!(seen.requests > 0, "not one request was answered");
    let requests = seen.requests as f64;
    Ok(Sample {
        cpu_us: used * 1e6 / requests,
        write_calls: (after.0 - before.0) as f64 / requests,
        disk_bytes: (after.1 - before.1) as f64 / requests,
        lines: lines(&file, log)? as f64 / (seen.requests + warm.requests) as f64,
        seen,
    })
}

/// Counts lines; a log that hides what it should show, or shows what it should hide, is no measurement.
fn lines(file: &PathBuf, log: Log) -> Result<u64> {
    if log == Log::Off {
        ensure!(!file.exists(), "there is a log");
        return Ok(0);
    }
    let (mut count, mut secrets) = (0_u64, 0_u64);
    for line in BufReader::new(fs::File::open(file).context("there is no log")?).split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(&line);
        count += 1;
        secrets += u64::from(text.contains(SECRET));
    }
    let hides = log == Log::Masked;
    ensure!(
        hides == (secrets == 0) && count > 0,
        "{secrets} of {count} lines show the number"
    );
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_shows_what_it_should_hide_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.log");
        fs::write(&file, "{\"path\":\"/13812345678\"}\n{}\n").unwrap();
        assert_eq!(lines(&file, Log::Plain).unwrap(), 2);
        assert!(lines(&file, Log::Masked).unwrap_err().to_string().contains("1 of 2"));
        fs::write(&file, "{\"path\":\"/138****5678\"}\n").unwrap();
        assert_eq!(lines(&file, Log::Masked).unwrap(), 1);
        assert!(lines(&file, Log::Names).is_err());
        assert!(lines(&file, Log::Off).is_err());
    }
}
