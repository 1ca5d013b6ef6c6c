//! The gateway that is changed, and who changes it: a file is replaced, and the gateway says when everything of it serves.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::builds::{Chain, LENGTH};
use crate::bench::configuration::GREETING;
use crate::bench::contender::Ground;
use crate::bench::metrics::{self, total};
use crate::process::{Server, free_ports};
use crate::{http, place};

/// How long the gateway may take to compile all builds and answer.
const READY_WAIT: Duration = Duration::from_secs(120);

/// How long one change may take.
const CHANGE_MAX: Duration = Duration::from_secs(60);

/// LIMIT: lines of the gateway that nobody has read yet; beyond it the gateway waits.
const LINES_MAX: usize = 65_536;

/// What the gateway says when a change serves.
const APPLIED: &str = "configuration applied";

/// A gateway whose plugins are swapped.
pub(super) struct Driver {
    server: Server,
    file: PathBuf,
    admin: SocketAddr,
    configuration: serde_json::Value,
    said: Receiver<String>,
    /// Which build is in each place.
    builds: [usize; LENGTH],
    next: usize,
}

/// What the gateway said of itself at the end.
pub(super) struct Metrics {
    pub(super) applied: f64,
    pub(super) refused: f64,
    pub(super) instances: f64,
}

impl Driver {
    /// Starts the gateway, its worker on the core for it.
    pub(super) fn start(ground: &Ground, chain: &Chain, events: SocketAddr) -> Result<Self> {
        let [admin] = free_ports()?;
        let configuration = configuration(ground, chain, events, admin);
        let file = ground.folder.join("change.json");
        fs::write(&file, configuration.to_string())?;
        let mut command = Command::new(place::cargo_target().join("release/cofferdam"));
        command
            .arg("run")
            .arg(&file)
            .env("XDG_STATE_HOME", ground.folder.join("state"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut server = Server::start(&mut command)?;
        let words = server.stderr().context("the gateway has no stderr")?;
        let (tell, said) = sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in BufReader::new(words).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let is_ready = || http::get(ground.server, "/a").is_some_and(|answer| answer.status == 200);
        let ready = server.wait_until(READY_WAIT, is_ready);
        let driver = Self {
            server,
            file,
            admin,
            configuration,
            said,
            builds: [0; LENGTH],
            next: 0,
        };
        if let Err(why) = ready {
            let lines: Vec<String> = driver.said.try_iter().collect();
            bail!("{why:#}\n{}", lines.join("\n"));
        }
        pin_workers(driver.id(), ground.server_core)?;
        Ok(driver)
    }

    /// Process number.
    pub(super) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Swaps each plugin there and back.
    pub(super) fn swap_all(&mut self, chain: &Chain) -> Result<()> {
        for _ in 0..2 * LENGTH {
            self.swap(chain)?;
        }
        Ok(())
    }

    /// Puts the other build of the next plugin in its place; from there until it serves on every worker.
    pub(super) fn swap(&mut self, chain: &Chain) -> Result<Duration> {
        let place = self.next;
        self.next = (place + 1) % LENGTH;
        let build = self.builds.get_mut(place).context("no such place")?;
        *build = 1 - *build;
        let build = *build;
        self.change(|| chain.put(place, build))
    }

    /// Writes the configuration anew, with another configuration of one plugin.
    pub(super) fn reload(&mut self, number: usize) -> Result<Duration> {
        let place = number % LENGTH;
        // The sample has another greeting each time; the probe takes any key.
        let config = if place.is_multiple_of(2) {
            json!({ "greeting": format!("{GREETING} {number}") })
        } else {
            json!({ "number": number })
        };
        let plugins = self.configuration.get_mut("plugins");
        if let Some(plugin) = plugins.and_then(|plugins| plugins.get_mut(place)?.as_object_mut()) {
            plugin.insert(String::from("config"), config);
        }
        let (file, text) = (self.file.clone(), self.configuration.to_string());
        self.change(|| {
            let part = file.with_extension("part");
            fs::write(&part, text)?;
            Ok(fs::rename(part, &file)?)
        })
    }

    fn change(&mut self, write: impl FnOnce() -> Result<()>) -> Result<Duration> {
        self.said.try_iter().for_each(drop);
        write()?;
        let began = Instant::now();
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("no such process")?, Signal::HUP)?;
        loop {
            let left = CHANGE_MAX.saturating_sub(began.elapsed());
            let line = self
                .said
                .recv_timeout(left)
                .context("the change was not applied in time")?;
            if line.contains(APPLIED) {
                return Ok(began.elapsed());
            }
            ensure!(!line.contains("error:"), "a change went wrong: {line}");
        }
    }

    /// What it counted; then it is stopped.
    pub(super) fn end(self) -> Result<Metrics> {
        let said = metrics::read(self.admin)?;
        let metrics = Metrics {
            applied: total(&said, "cofferdam_config_changes_total{result=\"applied\""),
            refused: total(&said, "cofferdam_config_changes_total{result=\"refused\""),
            instances: total(&said, "cofferdam_plugin_instances{"),
        };
        self.server.stop()?;
        Ok(metrics)
    }
}

/// Puts the threads of workers on a core; what else a gateway does goes where the system puts it.
fn pin_workers(process: u32, core: usize) -> Result<()> {
    let mut pinned = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?.path();
        let name = task.file_name().context("no thread id")?;
        if !fs::read_to_string(task.join("comm"))?.starts_with("worker-") {
            continue;
        }
        let mut command = Command::new("taskset");
        command.args(["--pid", "--cpu-list", &core.to_string()]).arg(name);
        let done = command
            .stdout(Stdio::null())
            .status()
            .context("cannot start `taskset`")?;
        ensure!(done.success(), "a worker cannot be put on core {core}");
        pinned += 1;
    }
    ensure!(pinned > 0, "the gateway has no worker");
    Ok(())
}

fn configuration(ground: &Ground, chain: &Chain, events: SocketAddr, admin: SocketAddr) -> serde_json::Value {
    let names: Vec<String> = (0..LENGTH).map(|place| format!("plugin-{place}")).collect();
    let plugins = names.iter().enumerate().map(|(place, name)| {
        // The sample, and a probe that does nothing, take turns.
        let config = if place % 2 == 0 {
            json!({ "greeting": GREETING })
        } else {
            json!({})
        };
        json!({ "name": name, "source": { "file": chain.file(place) }, "config": config })
    });
    let route = |name: &str, upstream: &str| json!({ "name": name, "match": { "path": { "prefix": format!("/{name}") } }, "upstream": upstream, "plugins": names });
    json!({
        "workers": 1,
        "access_log": "off",
        "admin": { "listen": admin.to_string() },
        "listeners": [{ "name": "web", "listen": ground.server.to_string(), "protocol": "http" }],
        "upstreams": [
            { "name": "up", "endpoints": [ground.upstream.to_string()] },
            { "name": "events", "endpoints": [events.to_string()] },
        ],
        "plugins": plugins.collect::<Vec<_>>(),
        "routes": [route("a", "up"), route("events", "events")],
    })
}
