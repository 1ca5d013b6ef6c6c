//! A sink that is away under load: what that costs the exchanges, and whether every record is accounted for.

mod receiver;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use self::receiver::Receiver;
use super::LogsOptions;
use crate::bench::contender::{Ground, Kind, build_release};
use crate::bench::goal::median;
use crate::bench::load::{self, Seen};
use crate::bench::metrics::{read, total};
use crate::bench::usage::{cpu_seconds, resident_mb};
use crate::peers::{self, Purpose};
use crate::process::{Server, free_ports};
use crate::{guests, place};

/// Lines that a plugin writes in each exchange.
const LINES: usize = 24;
/// Records of each exchange.
pub(super) const RECORDS: f64 = 25.0;
/// Each of 64 connections waits so long between two requests: 2,000 requests, 50,000 records a second.
const PAUSE: &str = "function delay() return 31 end\n";
/// One measurement.
const WINDOW: Duration = Duration::from_secs(10);
/// How long the sink is there before it goes and after it came back.
const THERE: Duration = Duration::from_secs(120);
/// How long what waits may take to be delivered at the end.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Whether somebody takes what the sink sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It is taken at once
    There,
    /// Nobody listens
    Refused,
    /// Connections are taken and never read
    Silent,
    /// Taken again
    Back,
}

impl State {
    /// The row's name.
    pub(super) const fn shown(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Refused => "away: nobody listens",
            Self::Silent => "away: connected, nothing is read",
            Self::Back => "back",
        }
    }
}

/// One window.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Sample {
    pub(super) cpu_us: f64,
    pub(super) resident_mb: f64,
    #[serde(flatten)]
    pub(super) seen: Seen,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Outage {
    pub(super) windows: Vec<(State, Vec<Sample>)>,
    pub(super) account: Account,
}

/// What became of the records of the sink.
#[derive(Debug, Serialize)]
pub(super) struct Account {
    /// Responses that the load read, by their records.
    pub(super) answered: f64,
    pub(super) accepted: f64,
    pub(super) delivered: f64,
    pub(super) dropped: f64,
    pub(super) held: f64,
    /// What rings had no room for.
    pub(super) refused: f64,
    /// Lines that the other side counted.
    pub(super) received: f64,
    /// What gap records in the file of the other sink say of this one.
    pub(super) told: f64,
}

impl Account {
    /// Records of which nobody knows what became of them.
    pub(super) fn unknown(&self) -> f64 {
        self.accepted - self.delivered - self.dropped - self.held
    }
}

impl Outage {
    /// The median of what a row saw.
    pub(super) fn of(&self, state: State, figure: fn(&Sample) -> f64) -> Option<f64> {
        let (_, samples) = self.windows.iter().find(|(row, _)| *row == state)?;
        median(samples.iter().map(figure).collect())
    }
}

/// Loads a gateway while its sink is there, for `minutes` away in both ways, and there again.
pub(super) fn measure(options: &LogsOptions) -> Result<Outage> {
    let peers = peers::run(Purpose::Benchmark)?;
    guests::run(&guests::Options::default())?;
    let mut ground = Ground::prepare()?;
    match &options.binary {
        Some(binary) => ground.gateway.clone_from(binary),
        None => build_release()?,
    }
    stay_on(ground.load_core)?;
    let script = ground.folder.join("pause.lua");
    fs::write(&script, PAUSE).context("cannot write the load's script")?;
    let [admin, sink] = free_ports()?;
    let near = ground.folder.join("near.log");
    fs::remove_file(&near).ok();
    let mut receiver = Receiver::start(sink)?;
    let server = Kind::Cofferdam.start(
        &configuration(&ground, admin, sink, &near).to_string(),
        "/",
        &ground,
        &peers,
    )?;
    let wrk = peers.need("wrk")?;
    let half = Duration::from_secs(30) * options.minutes;
    let mut windows = Vec::new();
    for (state, time) in [
        (State::There, THERE),
        (State::Refused, half),
        (State::Silent, half),
        (State::Back, THERE),
    ] {
        receiver.turn(state)?;
        let mut samples = Vec::new();
        let end = Instant::now() + time;
        while Instant::now() < end {
            samples.push(window(&server, (wrk, &script), &ground)?);
        }
        println!("{:<36} {} windows", state.shown(), samples.len());
        windows.push((state, samples));
    }
    let account = account(admin, &receiver, &near, &windows)?;
    server.stop()?;
    Ok(Outage { windows, account })
}

/// This process and what it starts stay beside the load, so that who takes records takes nothing from the server.
fn stay_on(core: usize) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--pid", "--cpu-list", &core.to_string()]);
    let done = command
        .arg(std::process::id().to_string())
        .stdout(Stdio::null())
        .status();
    ensure!(
        done.context("cannot start `taskset`")?.success(),
        "cannot stay on core {core}"
    );
    Ok(())
}

fn configuration(ground: &Ground, admin: SocketAddr, sink: SocketAddr, near: &Path) -> Value {
    let said = json!({ "op": "log", "level": "info", "text": "the customer of this exchange has a basket with three things in it" });
    json!({
        "workers": 1,
        "admin": { "listen": admin.to_string() },
        "listeners": [{ "name": "web", "listen": ground.server.to_string(), "protocol": "http" }],
        "plugins": [{
            "name": "talks",
            "source": { "file": place::guests().join("probe-021.wasm") },
            "config": { "request_headers": vec![said; LINES] },
            "limits": { "log_lines": 1_000_000 },
        }],
        "routes": [{ "name": "all", "echo": true, "plugins": ["talks"] }],
        "logs": { "sinks": [
            { "name": "far", "http": { "url": format!("http://{sink}/take"), "gzip": false, "wait": "5s" } },
            { "name": "near", "classes": ["gateway"], "file": { "path": near } },
        ] },
    })
}

fn window(server: &Server, (wrk, script): (&Path, &Path), ground: &Ground) -> Result<Sample> {
    let cpu = cpu_seconds(server.id())?;
    let seen = load::send_as(wrk, ground, ("/", Some(script)), WINDOW)?;
    ensure!(seen.requests > 0, "not one request was answered");
    Ok(Sample {
        cpu_us: (cpu_seconds(server.id())? - cpu) * 1e6 / seen.requests as f64,
        resident_mb: resident_mb(server.id())?,
        seen,
    })
}

/// Waits until nothing waits any more, and asks everybody.
fn account(admin: SocketAddr, receiver: &Receiver, near: &Path, windows: &[(State, Vec<Sample>)]) -> Result<Account> {
    let far = |said: &str, name: &str| total(said, &format!("cofferdam_log_sink_{name}{{sink=\"far\""));
    let end = Instant::now() + CATCH_UP;
    let mut said = read(admin)?;
    while far(&said, "held_records") > 0.0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
        said = read(admin)?;
    }
    let samples = windows.iter().flat_map(|(_, samples)| samples);
    let requests: u64 = samples.map(|sample| sample.seen.requests).sum();
    Ok(Account {
        answered: requests as f64 * RECORDS,
        accepted: far(&said, "accepted_records_total"),
        delivered: far(&said, "delivered_records_total"),
        dropped: far(&said, "dropped_records_total"),
        held: far(&said, "held_records"),
        refused: total(&said, "cofferdam_log_ring_refused_records_total{"),
        received: receiver.lines() as f64,
        told: told(near)?,
    })
}

/// How many records of the other sink the log itself says are missing.
fn told(near: &Path) -> Result<f64> {
    let mut told = 0.0;
    for line in BufReader::new(fs::File::open(near).context("there is no log")?).lines() {
        let line = line?;
        if !line.contains("\"cofferdam.sink\":\"far\"") {
            continue;
        }
        let record: Value = serde_json::from_str(&line).context("a line is no JSON")?;
        told += record
            .get("cofferdam.records_dropped")
            .and_then(Value::as_f64)
            .unwrap_or(0.0);
    }
    Ok(told)
}
