//! Keeps the gateway under load for long while one of its plugins dies on and on: who else fails, and does anything climb.

mod sample;
mod traffic;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::json;

use self::sample::{Samples, take};
use self::traffic::{Seen, Traffic};
use super::configuration::GREETING;
use super::contender::Ground;
use super::metrics::{self, total};
use crate::command::{cargo, last_lines, run as run_command};
use crate::peers::{self, Purpose};
use crate::process::{Server, free_ports};
use crate::{guests, http, place};

/// How long the gateway may take to answer its first request.
const READY_WAIT: Duration = Duration::from_secs(30);

/// Between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Part of the time in which pools fill and code becomes hot; nothing of it is compared.
const WARM_UP_PART: u32 = 10;

/// Part of the good requests of the deadly route that may fail, in percent: those that come while the plugin waits after two deaths within
/// 5 ms, which is some 10 ms.
const FAILED_PERCENT_MAX: f64 = 3.0;

/// How far the median of the last fifth may be above that of the first, in percent.
const CLIMB_PERCENT_MAX: f64 = 3.0;

/// The routes, as `/NAME`: with the plugin that dies, without any plugin, and with another.
const ROUTES: [&str; 3] = ["a", "b", "c"];

/// How long, and which gateway.
#[derive(Args)]
pub(crate) struct SoakOptions {
    /// Minutes of load
    #[arg(long, default_value_t = 30)]
    minutes: u32,
    /// Take this gateway instead of building one
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Loads, watches, prints the table.
///
/// # Errors
/// When a goal is missed.
pub(crate) fn run(options: &SoakOptions) -> Result<()> {
    let peers = peers::run(Purpose::Benchmark)?;
    guests::run(&guests::Options::default())?;
    let binary = gateway(options)?;
    let ground = Ground::prepare()?;
    let mut upstream = ground.start_upstream(&peers)?;
    upstream.wait_until(READY_WAIT, || http::get(ground.upstream, "/").is_some())?;
    let [admin] = free_ports()?;
    let mut server = start(binary, &ground, admin)?;
    let time = Duration::from_secs(60) * options.minutes;
    let traffic = Traffic::start(ground.server);
    let samples = watch(&mut server, time);
    let seen = traffic.stop();
    let said = metrics::read(admin)?;
    server.stop()?;
    upstream.stop()?;
    Outcome {
        samples: samples?,
        seen,
        faults: total(&said, "cofferdam_plugin_faults_total{plugin=\"mortal\""),
        quarantines: total(&said, "cofferdam_plugin_quarantines_total{plugin=\"mortal\""),
    }
    .judge()
}

fn gateway(options: &SoakOptions) -> Result<PathBuf> {
    if let Some(binary) = &options.binary {
        return Ok(binary.clone());
    }
    run_command(cargo().args(["build", "--release", "--package", "cofferdam"]))?;
    Ok(place::cargo_target().join("release/cofferdam"))
}

fn start(binary: PathBuf, ground: &Ground, admin: SocketAddr) -> Result<Server> {
    let file = ground.folder.join("soak.json");
    fs::write(&file, configuration(ground, admin)).with_context(|| format!("cannot write `{}`", file.display()))?;
    let log_file = ground.folder.join("soak.log");
    let log = fs::File::create(&log_file).context("cannot make the gateway's log")?;
    let mut command = Command::new(binary);
    command.arg("run").arg(file).stdout(Stdio::null()).stderr(log);
    let mut server = Server::start(&mut command)?;
    let works = |route| http::get(ground.server, &format!("/{route}")).is_some_and(|answer| answer.status == 200);
    let ready = server.wait_until(READY_WAIT, || ROUTES.into_iter().all(works));
    if let Err(error) = ready {
        let log = fs::read_to_string(log_file).unwrap_or_default();
        bail!("{error:#}\n{}", last_lines(&log, 12));
    }
    Ok(server)
}

/// An instance has recovered after 5 ms: deaths that come one by one, however many, are then no reason to set the plugin aside.
fn configuration(ground: &Ground, admin: SocketAddr) -> String {
    let module = |name: &str| json!({ "file": place::guests().join(name) });
    let trap = json!({ "cases": { "trap": { "request_headers": [{ "op": "panic", "text": "told to" }] } } });
    let route = |name: &str, plugins: &[&str]| json!({ "name": name, "match": { "path": { "prefix": format!("/{name}") } }, "upstream": "up", "plugins": plugins });
    let [a, b, c] = ROUTES;
    json!({
        "workers": 1,
        "access_log": "off",
        "admin": { "listen": admin.to_string() },
        "listeners": [{ "name": "web", "listen": ground.server.to_string(), "protocol": "http" }],
        "upstreams": [{ "name": "up", "endpoints": [ground.upstream.to_string()] }],
        "plugins": [
            { "name": "mortal", "source": module("probe-021.wasm"), "config": trap, "restart": { "recovered_after": "5ms" } },
            { "name": "hello", "source": module("hello.wasm"), "config": { "greeting": GREETING } },
        ],
        "routes": [route(a, &["mortal"]), route(b, &[]), route(c, &["hello"])],
    })
    .to_string()
}

/// Samples for so long.
fn watch(server: &mut Server, time: Duration) -> Result<Samples> {
    let mut samples = Samples::default();
    let began = Instant::now();
    let warm = time / WARM_UP_PART;
    let mut next = warm;
    while next < time {
        std::thread::sleep((began + next).saturating_duration_since(Instant::now()));
        if let Some(status) = server.ended()? {
            bail!("the gateway ended ({status})");
        }
        samples.add(began.elapsed(), take(server.id())?);
        next += SAMPLE_EVERY;
    }
    Ok(samples)
}

/// What was seen in the end.
struct Outcome {
    samples: Samples,
    seen: [Seen; 3],
    faults: f64,
    quarantines: f64,
}

impl Outcome {
    /// Prints every row, and fails when one of them misses its goal.
    fn judge(&self) -> Result<()> {
        let [a, b, c] = &self.seen;
        let (memory, descriptors) = (self.samples.memory_mb(), self.samples.descriptors());
        let spared = |name: &str, seen: &Seen| {
            let text = format!("{} of {} failed", seen.failed, seen.good);
            (
                format!("/{name}: good requests"),
                text,
                seen.failed == 0 && seen.good > 0,
            )
        };
        let failed_percent = a.failed as f64 * 100.0 / a.good.max(1) as f64;
        let rows = [
            (
                "/a: deadly requests".to_owned(),
                format!("{} were answered with 5xx, {} were not", a.killed, a.spared),
                a.killed > 0 && a.spared == 0,
            ),
            (
                "/a: good requests".to_owned(),
                format!("{} of {} failed ({failed_percent:.3} %)", a.failed, a.good),
                a.good > 0 && failed_percent <= FAILED_PERCENT_MAX,
            ),
            spared("b", b),
            spared("c", c),
            (
                "longest answer of /b and /c".to_owned(),
                format!("{:.1} ms and {:.1} ms", b.longest_ms, c.longest_ms),
                true,
            ),
            (
                "resident memory, MB".to_owned(),
                memory.to_string(),
                memory.climb_percent() <= CLIMB_PERCENT_MAX,
            ),
            (
                "open descriptors".to_owned(),
                descriptors.to_string(),
                descriptors.climb_percent() <= CLIMB_PERCENT_MAX,
            ),
            ("faults".to_owned(), self.faults.to_string(), self.faults > 0.0),
            (
                "quarantines".to_owned(),
                self.quarantines.to_string(),
                self.quarantines == 0.0,
            ),
        ];
        for (name, text, is_met) in &rows {
            println!("{name:<28} {text:<80} {}", if *is_met { "ok" } else { "MISSED" });
        }
        let missed = rows.iter().filter(|(_, _, is_met)| !is_met).count();
        ensure!(missed == 0, "{missed} goals were missed");
        Ok(())
    }
}
