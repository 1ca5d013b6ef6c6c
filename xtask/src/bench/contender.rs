//! Who is measured: a server with so many copies of the sample plugin, and how it is started.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::configuration;
use crate::command::{cargo, last_lines, output, run};
use crate::peers::Peers;
use crate::process::{Server, free_ports};
use crate::{http, place};

/// How long a server may take to answer its first request.
const READY_WAIT: Duration = Duration::from_secs(30);

/// What the server says, in the ground's folder.
const LOG: &str = "server.log";

/// Copies of the plugin in the longest chain.
pub(super) const COPIES_MANY: usize = 20;

/// A server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// This project
    Cofferdam,
    /// Envoy with V8
    Envoy,
    /// nginx; where it has Lua, the same two headers set by Lua stand for the plugin
    Nginx,
}

/// A server with so many copies of the plugin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub(super) struct Contender {
    pub(super) kind: Kind,
    pub(super) copies: usize,
}

impl Contender {
    /// Everyone there is to measure on this machine.
    pub(super) fn all(wanted: &[Kind], peers: &Peers) -> Vec<Self> {
        let chains = |kind: Kind| match kind {
            Kind::Cofferdam | Kind::Envoy => vec![0, 1, COPIES_MANY],
            Kind::Nginx if peers.get("nginx_lua").is_some() => vec![0, 1],
            Kind::Nginx => vec![0],
        };
        let kinds = Kind::value_variants()
            .iter()
            .copied()
            .filter(|kind| wanted.is_empty() || wanted.contains(kind));
        kinds
            .flat_map(|kind| chains(kind).into_iter().map(move |copies| Self { kind, copies }))
            .collect()
    }

    /// The row's name.
    pub(super) fn name(self) -> String {
        match (self.kind, self.copies) {
            (Kind::Cofferdam, 0) => String::from("Cofferdam"),
            (Kind::Cofferdam, 1) => String::from("Cofferdam, 1 plugin"),
            (Kind::Cofferdam, many) => format!("Cofferdam, {many} plugins"),
            (Kind::Envoy, 0) => String::from("Envoy"),
            (Kind::Envoy, 1) => String::from("Envoy, 1 plugin"),
            (Kind::Envoy, many) => format!("Envoy, {many} plugins"),
            (Kind::Nginx, 0) => String::from("nginx"),
            (Kind::Nginx, _) => String::from("nginx, the same in Lua"),
        }
    }

    /// Starts it on the server's core and waits until it answers.
    pub(super) fn start(self, ground: &Ground, peers: &Peers) -> Result<Server> {
        let lua = peers.get("nginx_lua").filter(|_| self.copies > 0);
        let configuration = match self.kind {
            Kind::Cofferdam => configuration::cofferdam(self.copies, ground),
            Kind::Envoy => configuration::envoy(self.copies, ground).to_string(),
            Kind::Nginx => configuration::nginx(lua, ground),
        };
        self.kind.start(&configuration, "/", ground, peers)
    }
}

impl Kind {
    /// Starts it with this configuration on the server's core and waits until it answers a GET of `path` with 200.
    pub(super) fn start(self, configuration: &str, path: &str, ground: &Ground, peers: &Peers) -> Result<Server> {
        let mut server = Server::start(&mut self.command(configuration, ground, peers)?)?;
        let ready = server.wait_until(READY_WAIT, || {
            http::get(ground.server, path).is_some_and(|answer| answer.status == 200)
        });
        if let Err(error) = ready {
            let log = fs::read_to_string(ground.folder.join(LOG)).unwrap_or_default();
            bail!("{error:#}\n{}", last_lines(&log, 12));
        }
        Ok(server)
    }

    fn command(self, configuration: &str, ground: &Ground, peers: &Peers) -> Result<Command> {
        let mut command = on_core(ground.server_core);
        let log = fs::File::create(ground.folder.join(LOG)).context("cannot make the server's log")?;
        command.stdout(Stdio::null()).stderr(log);
        match self {
            Self::Cofferdam => {
                let file = ground.write("gateway.yaml", configuration)?;
                command
                    // Reports of plugins that die here are nobody's business.
                    .env("XDG_STATE_HOME", ground.folder.join("state"))
                    .arg(&ground.gateway)
                    .arg("run")
                    .arg(file);
            }
            Self::Envoy => {
                let file = ground.write("envoy.json", configuration)?;
                command
                    .arg(peers.need("envoy")?)
                    .args([
                        "--concurrency",
                        "1",
                        "--disable-hot-restart",
                        "--log-level",
                        "error",
                        "--config-path",
                    ])
                    .arg(file);
            }
            Self::Nginx => {
                let file = ground.write("nginx.conf", configuration)?;
                nginx(&mut command, peers, &ground.folder, &file)?;
            }
        }
        Ok(command)
    }
}

/// Where a measurement takes place.
pub(super) struct Ground {
    pub(super) folder: std::path::PathBuf,
    /// The gateway's program.
    pub(super) gateway: std::path::PathBuf,
    pub(super) server: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) server_core: usize,
    pub(super) load_core: usize,
}

impl Ground {
    /// A folder for the files, two cores, free ports.
    pub(super) fn prepare() -> Result<Self> {
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
        Ok(Self {
            folder,
            gateway: place::cargo_target().join("release/cofferdam"),
            server,
            upstream,
            server_core: 0,
            load_core: 1,
        })
    }

    fn write(&self, name: &str, text: &str) -> Result<std::path::PathBuf> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write `{}`", file.display()))?;
        Ok(file)
    }

    /// Starts the upstream on the load's core: an nginx that answers at once and shows what the plugin added.
    pub(super) fn start_upstream(&self, peers: &Peers) -> Result<Server> {
        let file = self.write("upstream.conf", &configuration::upstream(self))?;
        let mut command = on_core(self.load_core);
        nginx(&mut command, peers, &self.folder, &file)?;
        let mut upstream = Server::start(&mut command)?;
        upstream.wait_until(READY_WAIT, || http::get(self.upstream, "/").is_some())?;
        Ok(upstream)
    }
}

/// A command that will stay on one core.
pub(super) fn on_core(core: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string()]);
    command
}

fn nginx(command: &mut Command, peers: &Peers, folder: &Path, file: &Path) -> Result<()> {
    // Before the file is read, nginx opens a log in a folder of the system; `-e` puts it elsewhere.
    command
        .arg(peers.need("nginx")?)
        .args(["-e", "stderr", "-p"])
        .arg(folder)
        .arg("-c")
        .arg(file);
    Ok(())
}

/// Builds what is measured.
pub(super) fn build_release() -> Result<()> {
    run(cargo().args(["build", "--release", "--package", "cofferdam"]))
}

/// What the peers say of themselves.
pub(super) fn versions(peers: &Peers) -> BTreeMap<&'static str, String> {
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
