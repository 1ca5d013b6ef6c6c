//! The level of a plugin that an operator gives it for a time: it holds for that plugin alone, and ends by itself.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

use super::{accesses, file_sink, records};
use crate::setting::{gateway, get, plugin};

/// A gateway whose log takes lines at `debug`, and with two plugins that say something there, below their own level.
async fn stage() -> Result<Gateway> {
    let says = |name: &str| {
        let says = json!({"request_headers": [{"op": "log", "level": "debug", "text": "something"}]});
        plugin(name, "probe-021", says)
    };
    gateway(json!({
        "workers": 2,
        "plugins": [says("loud")?, says("quiet")?],
        "routes": [{"name": "all", "respond": {"body": "ok"}, "plugins": ["loud", "quiet"]}],
        "logs": {"level": "debug", "sinks": [file_sink("file", Path::new("all.log"))]},
    }))
    .await
}

async fn order(gateway: &Gateway, seconds: u32) -> Result<()> {
    let order = format!("/plugins/loud/level?level=debug&seconds={seconds}");
    let answer = send(gateway.admin, Version::Http1, &Request::new("POST", &order)).await?;
    ensure!(answer.status == 200, "{}", answer.text());
    Ok(())
}

/// Asks once, and says whether the plugin's line of it was written. The other plugin's never is.
async fn is_heard(gateway: &Gateway, asked: &mut usize) -> Result<bool> {
    let file = gateway.folder().join("all.log");
    let said = |all: &[Value]| {
        let lines = all.iter().filter(|record| record["event_name"] == "plugin");
        lines.filter(|record| record["level"] == "debug").count()
    };
    let before = said(&records(&file)?);
    get(gateway, "/").await?;
    *asked += 1;
    // A worker writes the line before the exchange that it belongs to.
    accesses(&file, *asked).await?;
    let all = records(&file)?;
    ensure!(
        all.iter()
            .all(|record| record["event_name"] != "plugin" || record["cofferdam.plugin"] == "loud"),
        "{all:#?}"
    );
    Ok(said(&all) > before)
}

/// Asks until the plugin is heard, or is not.
async fn until_heard(gateway: &Gateway, wanted: bool, asked: &mut usize) -> Result<()> {
    let end = Instant::now() + DEADLINE;
    while is_heard(gateway, asked).await? != wanted {
        ensure!(Instant::now() < end, "it is heard: {}", !wanted);
    }
    Ok(())
}

#[tokio::test]
async fn a_level_that_an_operator_gives_ends_by_itself_and_at_once_when_told_to() -> Result<()> {
    let gateway = stage().await?;
    let mut asked = 0;
    ensure!(!is_heard(&gateway, &mut asked).await?);
    let before = Instant::now();
    order(&gateway, 1).await?;
    let ordered = Instant::now();
    until_heard(&gateway, true, &mut asked).await?;
    until_heard(&gateway, false, &mut asked).await?;
    // It was given between these two moments.
    let (longest, shortest) = (before.elapsed(), ordered.elapsed());
    ensure!(longest >= Duration::from_secs(1), "it ended after {longest:?}");
    ensure!(shortest < Duration::from_secs(3), "it ended after {shortest:?}");
    for _ in 0..20 {
        ensure!(!is_heard(&gateway, &mut asked).await?);
    }
    order(&gateway, 600).await?;
    until_heard(&gateway, true, &mut asked).await?;
    order(&gateway, 0).await?;
    until_heard(&gateway, false, &mut asked).await?;
    for _ in 0..20 {
        ensure!(!is_heard(&gateway, &mut asked).await?);
    }
    Ok(())
}
