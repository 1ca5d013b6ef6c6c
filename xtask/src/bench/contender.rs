//! Who is measured: a server with so many copies of the sample plugin, and how it is started.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

use super::configuration;
use crate::peers::Peers;
use crate::place;
use crate::process::Server;

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

    /// Starts it on the server's core.
    pub(super) fn start(self, ground: &Ground, peers: &Peers) -> Result<Server> {
        let mut command = on_core(ground.server_core);
        let log = fs::File::create(ground.folder.join("server.log")).context("cannot make the server's log")?;
        command.stdout(Stdio::null()).stderr(log);
        match self.kind {
            Kind::Cofferdam => {
                let file = ground.write("gateway.yaml", &configuration::cofferdam(self.copies, ground))?;
                command
                    .arg(place::cargo_target().join("release/cofferdam"))
                    .arg("run")
                    .arg(file);
            }
            Kind::Envoy => {
                let file = ground.write("envoy.json", &configuration::envoy(self.copies, ground).to_string())?;
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
            Kind::Nginx => {
                let lua = peers.get("nginx_lua").filter(|_| self.copies > 0);
                let file = ground.write("nginx.conf", &configuration::nginx(lua, ground))?;
                nginx(&mut command, peers, &ground.folder, &file)?;
            }
        }
        Server::start(&mut command)
    }
}

/// Where a measurement takes place.
pub(super) struct Ground {
    pub(super) folder: std::path::PathBuf,
    pub(super) server: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) server_core: usize,
    pub(super) load_core: usize,
}

impl Ground {
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
        Server::start(&mut command)
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
