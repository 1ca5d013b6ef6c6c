//! What a gateway has in use, and what it says of its plugins.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

/// What is in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    pub(crate) resident_mb: f64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

pub(crate) fn in_use(gateway: &Gateway) -> Result<Use> {
    let process = format!("/proc/{}", gateway.process.pid());
    let status = fs::read_to_string(format!("{process}/status")).context("the gateway is gone")?;
    let of = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    Ok(Use {
        resident_mb: of("VmRSS").context("no resident memory")? / 1024.0,
        descriptors: fs::read_dir(format!("{process}/fd"))?.count(),
        threads: of("Threads").context("no threads")? as usize,
    })
}

pub(crate) async fn page(gateway: &Gateway, target: &str) -> Result<String> {
    Ok(send(gateway.admin, Version::Http1, &Request::get(target)).await?.text())
}

/// The sum of a metric's samples that begin so.
pub(crate) async fn metric(gateway: &Gateway, beginning: &str) -> Result<f64> {
    let text = page(gateway, "/metrics").await?;
    let lines = text.lines().filter(|line| line.starts_with(beginning));
    Ok(lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum())
}

/// Waits until a figure is what it should be.
pub(crate) async fn settles(gateway: &Gateway, beginning: &str, wanted: f64) -> Result<()> {
    let began = Instant::now();
    loop {
        let found = metric(gateway, beginning).await?;
        if found == wanted {
            return Ok(());
        }
        ensure!(began.elapsed() < DEADLINE, "`{beginning}` is {found}, not {wanted}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Which modules serve, and whether they are those that are wanted.
pub(crate) async fn serving(gateway: &Gateway) -> Result<Value> {
    let plugins: Value = serde_json::from_str(&page(gateway, "/plugins").await?)?;
    let all = plugins.as_array().context("no plugins")?;
    let said = |plugin: &Value| {
        json!([
            plugin["name"],
            plugin["runs"],
            plugin["why_not"],
            plugin["sha256"],
            plugin["source"]
        ])
    };
    Ok(all.iter().map(said).collect())
}
