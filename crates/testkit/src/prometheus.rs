//! A real Prometheus that asks one gateway for its metrics, and answers questions.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Request, Version, send};
use crate::place::peer;
use crate::port::free_port;
use crate::process::{DEADLINE, Process};

/// Times that another port is tried when the first was taken meanwhile.
// LIMIT: two losses of the race in a row are rare, five do not happen by chance.
const TRIES_MAX: usize = 5;
/// Pause between two questions for something that is not there yet.
const PAUSE: Duration = Duration::from_millis(100);

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    /// Where it listens.
    pub address: SocketAddr,
    /// The program.
    pub process: Process,
    _folder: TempDir,
}

/// Starts a Prometheus that asks `target` once a second, with these further command-line words.
///
/// # Errors
/// When it cannot be started.
pub async fn prometheus(target: SocketAddr, words: &[&str]) -> Result<Prometheus> {
    let mut last = None;
    for _ in 0..TRIES_MAX {
        match start(target, words).await {
            Ok(prometheus) => return Ok(prometheus),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no try was made")?)
}

async fn start(target: SocketAddr, words: &[&str]) -> Result<Prometheus> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let file = folder.path().join("prometheus.yml");
    // JSON is YAML.
    let configuration = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "cofferdam", "static_configs": [{"targets": [target.to_string()]}]}],
    });
    fs::write(&file, configuration.to_string()).context("cannot write the configuration of Prometheus")?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let mut command = Command::new(peer("prometheus")?);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .args(words);
    let process = Process::start("prometheus", &mut command)?;
    process
        .wait_for_line(0, DEADLINE, |line| {
            line.text.contains("Server is ready to receive web requests")
        })
        .await?;
    Ok(Prometheus {
        address,
        process,
        _folder: folder,
    })
}

impl Prometheus {
    /// What it answers to an expression now: the samples of a vector.
    ///
    /// # Errors
    /// When it does not understand the expression.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let request = Request::get(&format!("/api/v1/query?query={encoded}"));
        let answer = send(self.address, Version::Http1, &request).await?.text();
        let read: Value = serde_json::from_str(&answer).with_context(|| format!("no JSON: {answer}"))?;
        match read.pointer("/data/result").and_then(Value::as_array) {
            Some(samples) => Ok(samples.clone()),
            None => bail!("`{expression}` is not answered: {answer}"),
        }
    }

    /// The number of the one sample that an expression comes to, once it is `wanted`.
    ///
    /// # Errors
    /// When it does not come to one by the deadline.
    pub async fn wait_for(&self, expression: &str, wanted: impl Fn(f64) -> bool) -> Result<f64> {
        let asking = async {
            loop {
                let samples = self.query(expression).await?;
                let number = samples
                    .first()
                    .and_then(|sample| sample.pointer("/value/1")?.as_str()?.parse::<f64>().ok());
                if let Some(number) = number.filter(|number| wanted(*number)) {
                    return anyhow::Ok(number);
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, asking).await;
        let last = self.query(expression).await?;
        waited.with_context(|| format!("`{expression}` did not come to what was waited for, but to {last:?}"))?
    }
}
