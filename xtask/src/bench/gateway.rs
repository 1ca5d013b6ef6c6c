//! Proxies small GETs through each contender in turn, several rounds, and keeps what each used.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::GatewayOptions;
use super::configuration::{GREETING, SIGNATURE};
use super::contender::{Contender, Ground, Kind};
use super::load::{self, Seen};
use super::report::Report;
use super::usage::{cpu_seconds, resident_mb};
use crate::command::{cargo, last_lines, output, run as run_command};
use crate::peers::{self, Peers, Purpose};
use crate::process::free_ports;
use crate::{guests, http, place};

/// How long a server may take to answer its first request.
const READY_WAIT: Duration = Duration::from_secs(30);

/// Load before the measurement, so that pools are full and code is hot.
const WARM_UP: Duration = Duration::from_secs(1);

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Sample {
    pub(super) cpu_us: f64,
    pub(super) resident_mb: f64,
    #[serde(flatten)]
    pub(super) seen: Seen,
}

/// Measures, prints the table and saves it.
pub(super) fn run(options: &GatewayOptions) -> Result<()> {
    let peers = peers::run(Purpose::Benchmark)?;
    guests::run(&guests::Options::default())?;
    let wrk = peers.need("wrk")?;
    let contenders = Contender::all(&options.server, &peers);
    if contenders.iter().any(|contender| contender.kind == Kind::Cofferdam) {
        run_command(cargo().args(["build", "--release", "--package", "cofferdam"]))?;
    }
    let mut ground = prepare()?;
    let mut upstream = ground.start_upstream(&peers)?;
    upstream.wait_until(READY_WAIT, || http::get(ground.upstream, "/").is_some())?;
    let mut samples: BTreeMap<Contender, Vec<Sample>> = BTreeMap::new();
    // Rounds outside, contenders inside: what disturbs the machine for a while then disturbs all of them.
    for round in 1..=options.rounds {
        for contender in &contenders {
            let [server] = free_ports()?;
            ground.server = server;
            let sample = measure(*contender, &ground, &peers, wrk, Duration::from_secs(options.seconds));
            let sample = sample.with_context(|| format!("{}, round {round}", contender.name()))?;
            println!(
                "round {round}/{}  {:<24} {:>7.1} µs CPU per request",
                options.rounds,
                contender.name(),
                sample.cpu_us
            );
            samples.entry(*contender).or_default().push(sample);
        }
    }
    upstream.stop()?;
    Report::new(samples, versions(&peers)).publish()
}

pub(super) fn prepare() -> Result<Ground> {
    let cores = output(&mut Command::new("nproc"))?
        .trim()
        .parse::<usize>()
        .context("`nproc` said no number")?;
    ensure!(
        cores >= 2,
        "two cores are needed: one for the server, one for the load and the upstream"
    );
    let folder = place::cargo_target().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let [server, upstream] = free_ports()?;
    Ok(Ground {
        folder,
        server,
        upstream,
        server_core: 0,
        load_core: 1,
    })
}

fn measure(contender: Contender, ground: &Ground, peers: &Peers, wrk: &Path, time: Duration) -> Result<Sample> {
    let mut server = contender.start(ground, peers)?;
    let ready = server.wait_until(READY_WAIT, || {
        http::get(ground.server, "/").is_some_and(|answer| answer.status == 200)
    });
    if let Err(error) = ready {
        let log = fs::read_to_string(ground.folder.join("server.log")).unwrap_or_default();
        bail!("{error:#}\n{}", last_lines(&log, 12));
    }
    does_its_work(contender, ground)?;
    load::send(wrk, ground, WARM_UP)?;
    let before = cpu_seconds(server.id())?;
    let seen = load::send(wrk, ground, time)?;
    let used = cpu_seconds(server.id())? - before;
    let resident_mb = resident_mb(server.id())?;
    server.stop()?;
    ensure!(seen.requests > 0, "not one request was answered");
    Ok(Sample {
        cpu_us: used * 1e6 / seen.requests as f64,
        resident_mb,
        seen,
    })
}

/// A contender that leaves its work undone would win.
fn does_its_work(contender: Contender, ground: &Ground) -> Result<()> {
    let answer = http::get(ground.server, "/").context("no answer")?;
    let saw = answer.header("x-saw") == Some(GREETING);
    let signed = answer.header("x-served-by") == Some(SIGNATURE);
    let works = contender.copies > 0;
    ensure!(
        saw == works && signed == works,
        "the plugin should{} have set its headers; the answer was:\n{}",
        if works { "" } else { " not" },
        answer.head
    );
    Ok(())
}

fn versions(peers: &Peers) -> BTreeMap<&'static str, String> {
    let said = |key: &str, flag: &str| {
        let output = Command::new(peers.get(key)?)
            .arg(flag)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).trim().lines().last()?.to_owned();
        Some(text.rsplit("version:").next()?.trim().to_owned())
    };
    [("envoy", "--version"), ("nginx", "-v")]
        .into_iter()
        .filter_map(|(key, flag)| Some((key, said(key, flag)?)))
        .collect()
}
