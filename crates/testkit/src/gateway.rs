//! Cofferdam itself, started with a configuration text: `cofferdam run FILE` in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::{self, Request, Version};
use crate::place;
use crate::process::{DEADLINE, Line, Process, Source};

/// For all modules to be compiled without a cache.
const START: Duration = Duration::from_secs(120);

/// Between two looks at readiness.
const LOOK: Duration = Duration::from_millis(5);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// The program.
    pub process: Process,
    /// Address of each listener, by name.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// Address of the admin listener.
    pub admin: SocketAddr,
    folder: TempDir,
}

/// A line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLine {
    /// Name of the plugin.
    pub plugin: String,
    /// Level, for example `info`.
    pub level: String,
    /// What it said.
    pub text: String,
}

impl Gateway {
    /// Starts the gateway with a configuration, which must name an admin listener, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready; the error shows what it said.
    pub async fn start(configuration: &str) -> Result<Self> {
        Self::start_with(configuration, |_| {}).await
    }

    /// As [`Gateway::start`], with the command prepared further: environment, arguments.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub async fn start_with(configuration: &str, prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let file = folder.path().join("gateway.yaml");
        fs::write(&file, configuration).context("cannot write the configuration")?;
        Self::start_in(folder, prepare).await
    }

    /// Ends the process with `signal`, if it has not ended yet, and starts it anew with the same file, as it is then.
    ///
    /// # Errors
    /// When it does not end, or as [`Gateway::start`].
    pub async fn start_again(mut self, signal: Signal) -> Result<Self> {
        self.process.end_with(signal).await?;
        Self::start_in(self.folder, |_| {}).await
    }

    async fn start_in(folder: TempDir, prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let file = folder.path().join("gateway.yaml");
        let mut command = Command::new(place::cofferdam().await?);
        command.arg("run").arg(&file);
        // Crash reports of a test go away with it.
        command.env("XDG_STATE_HOME", folder.path());
        command.env("COFFERDAM_RING_DIR", folder.path().join("rings"));
        prepare(&mut command);
        let process = Process::start("cofferdam", &mut command)?;
        let admin = process
            .wait_for(0, START, |lines| lines.iter().find_map(admin_address))
            .await?;
        wait_until_ready(&process, admin).await?;
        let listeners = process.lines_from(0).iter().filter_map(listener).collect();
        Ok(Self {
            process,
            listeners,
            admin,
            folder,
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

    /// The folder that holds the configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file, for a test that changes it.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.yaml")
    }

    /// What plugins logged from line `start` on.
    #[must_use]
    pub fn plugin_lines_from(&self, start: usize) -> Vec<PluginLine> {
        plugin_lines(&self.process.lines_from(start))
    }

    /// Waits until a plugin has logged a text with `words`, from line `start` on: who logs does not wait for the writing.
    ///
    /// # Errors
    /// As [`Process::wait_for_line`].
    pub async fn wait_for_plugin_line(&self, start: usize, words: &str) -> Result<PluginLine> {
        let first = |lines: &[Line]| {
            let mut said = plugin_lines(lines).into_iter();
            said.find(|line| line.text.contains(words))
        };
        let line = self.process.wait_for(start, DEADLINE, first).await;
        line.with_context(|| format!("no plugin logged `{words}`"))
    }

    /// Access records from line `start` on, one JSON text each.
    #[must_use]
    pub fn records_from(&self, start: usize) -> Vec<serde_json::Value> {
        let lines = self.process.lines_from(start);
        let stdout = lines.iter().filter(|line| line.source == Source::Stdout);
        stdout
            .filter_map(|line| serde_json::from_str(&line.text).ok())
            .collect()
    }
}

async fn wait_until_ready(process: &Process, admin: SocketAddr) -> Result<()> {
    let ready = async {
        loop {
            let answer = client::send(admin, Version::Http1, &Request::get("/readyz")).await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(START, ready).await.with_context(|| {
        let lines = process.lines_from(0);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        format!("the gateway did not become ready\n{}", texts.join("\n"))
    })
}

fn admin_address(line: &Line) -> Option<SocketAddr> {
    let words = line.text.split_once("admin listening ")?.1;
    value(words, "address")?.parse().ok()
}

fn listener(line: &Line) -> Option<(String, SocketAddr)> {
    let (before, words) = line.text.split_once("listening name=")?;
    if before.ends_with("admin ") {
        return None;
    }
    let name = words.split(' ').next()?;
    Some((name.to_owned(), value(words, "address")?.parse().ok()?))
}

/// Plugin lines among the gateway's lines.
#[must_use]
pub fn plugin_lines(lines: &[Line]) -> Vec<PluginLine> {
    lines.iter().filter_map(plugin_line).collect()
}

/// The value of `key=value` among words.
fn value<'line>(words: &'line str, key: &str) -> Option<&'line str> {
    words
        .split(' ')
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// A plugin's line: `plugin log plugin=NAME level=LEVEL context=ID text="..."`, the text escaped as Rust does it.
fn plugin_line(line: &Line) -> Option<PluginLine> {
    let words = line.text.split_once("plugin log ")?.1;
    let (keys, text) = words.split_once(" text=")?;
    Some(PluginLine {
        plugin: value(keys, "plugin")?.to_owned(),
        level: value(keys, "level")?.to_owned(),
        text: unescape(text.strip_prefix('"')?.strip_suffix('"')?),
    })
}

/// Undoes `{:?}` on a text.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('0') => out.push('\0'),
            Some('u') => {
                let digits: String = rest.by_ref().skip(1).take_while(|letter| *letter != '}').collect();
                out.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests;
