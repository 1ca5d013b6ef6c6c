//! The real Envoy as a peer: one worker, everything on ports that the system chooses, its plugins' log lines told apart.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{self, Request, Version};
use crate::place::peer;
use crate::process::{Line, Process};

/// For V8 to compile every module several times.
const START: Duration = Duration::from_secs(120);

/// Between two looks at what Envoy does not announce.
const LOOK: Duration = Duration::from_millis(20);

/// `THREAD|LEVEL|LOGGER|TEXT`, so that the main thread's plugin instances can be told from the worker's.
const LOG_FORMAT: &str = "%t|%l|%n|%v";

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    /// The program.
    pub process: Process,
    /// Address of each listener, by name.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// Address of the admin listener.
    pub admin: SocketAddr,
    _folder: TempDir,
}

/// A line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLine {
    /// Thread, as Envoy numbers it: each has plugin instances of its own.
    pub thread: String,
    /// Name of the plugin, as configured, and behind it its root id and VM id when it has them.
    pub plugin: String,
    /// Level, for example `info`.
    pub level: String,
    /// What it said.
    pub text: String,
}

impl Envoy {
    /// Starts Envoy with `static_resources` and waits until it serves. The admin listener is added here.
    ///
    /// # Errors
    /// When it does not come to serve; the error shows what it said.
    pub async fn start(static_resources: Value) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let (file, admin_file) = (folder.path().join("envoy.json"), folder.path().join("admin"));
        let admin = json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}});
        let configuration = json!({"admin": admin, "static_resources": static_resources});
        fs::write(&file, configuration.to_string()).context("cannot write the configuration")?;
        let mut command = Command::new(peer("envoy")?);
        // Hot restart would make two Envoys on one machine share memory; the log is only readable at its real speed
        // when V8's own steps (trace) are left out.
        command.args([
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "warn",
            "--skip-deprecated-logs",
        ]);
        command.args([
            "--component-log-level",
            "wasm:debug,main:info",
            "--log-format",
            LOG_FORMAT,
        ]);
        command
            .arg("--config-path")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(&admin_file);
        let process = Process::start("envoy", &mut command)?;
        process
            .wait_for_line(0, START, |line| line.text.contains("starting main dispatch loop"))
            .await?;
        let admin = wait_for_admin(&admin_file).await?;
        let listeners = listeners(admin).await?;
        Ok(Self {
            process,
            listeners,
            admin,
            _folder: folder,
        })
    }

    /// Address of a listener.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn listener(&self, name: &str) -> Result<SocketAddr> {
        self.listeners
            .get(name)
            .copied()
            .with_context(|| format!("no listener is called `{name}`"))
    }
}

/// Where Envoy's admin listener is, once it has written that down and is live.
async fn wait_for_admin(file: &Path) -> Result<SocketAddr> {
    let live = async {
        loop {
            let address = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
            if let Some(address) = address {
                let ready = client::send(address, Version::Http1, &Request::get("/ready")).await;
                if ready.is_ok_and(|ready| ready.status == 200) {
                    return address;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(START, live)
        .await
        .context("envoy did not become ready")
}

async fn listeners(admin: SocketAddr) -> Result<BTreeMap<String, SocketAddr>> {
    let answer = client::send(admin, Version::Http1, &Request::get("/listeners?format=json")).await?;
    let list: Value = serde_json::from_slice(&answer.body()).context("the list of listeners is not JSON")?;
    let rows = list
        .get("listener_statuses")
        .and_then(Value::as_array)
        .context("no list of listeners")?;
    rows.iter()
        .map(|row| listener(row).with_context(|| format!("no listener: {row}")))
        .collect()
}

fn listener(row: &Value) -> Option<(String, SocketAddr)> {
    let socket = row.pointer("/local_address/socket_address")?;
    let address = format!("{}:{}", socket.get("address")?.as_str()?, socket.get("port_value")?);
    Some((row.get("name")?.as_str()?.to_owned(), address.parse().ok()?))
}

/// Plugin lines among Envoy's lines. A text of several lines is put together again.
#[must_use]
pub fn plugin_lines(lines: &[Line]) -> Vec<PluginLine> {
    let mut found: Vec<PluginLine> = Vec::new();
    let mut open = false;
    for line in lines {
        let parts: Vec<&str> = line.text.splitn(4, '|').collect();
        if let [thread, level, _, said] = parts.as_slice()
            && thread.bytes().all(|byte| byte.is_ascii_digit())
        {
            let plugin_line = plugin_line(thread, level, said);
            open = plugin_line.is_some();
            found.extend(plugin_line);
        } else if open && let Some(last) = found.last_mut() {
            last.text.push('\n');
            last.text.push_str(&line.text);
        }
    }
    found
}

/// `wasm log NAME ROOT_ID VM_ID: TEXT`; the ids only when they are not empty.
fn plugin_line(thread: &str, level: &str, said: &str) -> Option<PluginLine> {
    let (name, text) = said.strip_prefix("wasm log ")?.split_once(": ")?;
    Some(PluginLine {
        thread: thread.to_owned(),
        plugin: name.to_owned(),
        level: level.to_owned(),
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests;
