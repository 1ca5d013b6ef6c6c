//! `cofferdam logs verify` reads the chain that a gateway itself wrote of what was done to it, and finds what somebody changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;

use super::answering;
use crate::reload::change;
use crate::setting::{Ended, complete, finish, gateway, plugin};

/// A gateway whose audit records go where they go by default.
fn audited(text: &str) -> Result<Value> {
    let audit = json!({"name": "audit", "audit": {"dir": "chain", "segment": "4KiB"}, "batch": {"linger": "1ms"}});
    let mut configuration = answering(json!({"sinks": [audit]}));
    let says = json!({"request_headers": [{"op": "log", "level": "info", "text": text}]});
    configuration["plugins"] = json!([plugin("says", "probe-021", says)?]);
    configuration["routes"] = json!([{"name": "all", "echo": true, "plugins": ["says"]}]);
    Ok(configuration)
}

/// What `cofferdam logs verify` says of a chain.
pub(super) async fn verify(folder: &Path, words: &[&str]) -> Result<Ended> {
    let mut command = Command::new(place::cofferdam().await?);
    command.args(["logs", "verify"]).args(words).arg(folder);
    finish(&mut command, folder).await
}

async fn order(gateway: &Gateway, target: &str) -> Result<u16> {
    let request = Request::new("POST", target);
    Ok(send(gateway.admin, Version::Http1, &request).await?.status)
}

/// The segments of a chain, the oldest first.
pub(super) fn segments(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut all: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    all.retain(|path| path.extension().is_some_and(|end| end == "log"));
    all.sort();
    Ok(all)
}

/// A gateway that was started, changed, refused something, ordered about and stopped, twice.
async fn lived() -> Result<Gateway> {
    let mut gateway = gateway(audited("one")?).await?;
    for _ in 0..2 {
        let said = change(&gateway, &complete(audited("two")?).to_string()).await?;
        ensure!(said.contains("applied"), "{said}");
        let said = change(&gateway, "listners: []").await?;
        ensure!(said.contains("refused"), "{said}");
        for _ in 0..10 {
            ensure!(order(&gateway, "/plugins/says/level?level=debug&seconds=60").await? == 200);
            ensure!(order(&gateway, "/plugins/says/level?level=loud").await? == 400);
            ensure!(order(&gateway, "/plugins/nobody/lift").await? == 404);
        }
        fs::write(gateway.file(), complete(audited("one")?).to_string())?;
        gateway = gateway.start_again(Signal::TERM).await?;
    }
    gateway.process.stop().await?;
    Ok(gateway)
}

fn has(all: &[Value], step: &str, state: &str, words: &str) -> Result<()> {
    let is_it = |record: &&Value| {
        record["cofferdam.step"] == step && record["cofferdam.state"] == state && record.to_string().contains(words)
    };
    ensure!(
        all.iter().any(|record| is_it(&record)),
        "no {step} {state} {words}: {all:#?}"
    );
    Ok(())
}

fn everything_is_in(folder: &Path) -> Result<()> {
    let mut all: Vec<Value> = Vec::new();
    for segment in segments(folder)? {
        for line in fs::read_to_string(segment)?.lines() {
            all.push(super::parsed(line)?);
        }
    }
    all.retain(|record| record["chain.segment"].is_null());
    ensure!(all.iter().all(|record| record["event_name"] == "audit"), "{all:#?}");
    has(&all, "gateway.started", "done", "")?;
    has(&all, "configuration.applied", "done", "\"cofferdam.digest\"")?;
    has(&all, "configuration.refused", "failed", "listners")?;
    has(&all, "plugin.changed", "done", "says")?;
    has(
        &all,
        "operator.ordered",
        "done",
        "lines of plugin says from debug on are written for 60 s; but what is below info becomes no record while `logs.level` is that",
    )?;
    has(&all, "operator.ordered", "failed", "order=level")?;
    has(&all, "operator.ordered", "failed", "order=lift")?;
    has(&all, "gateway.stopped", "done", "")
}

/// Changes a copy of a chain, and gives the first thing that is found in it.
async fn found(folder: &Path, change: impl FnOnce(&[PathBuf]) -> Result<()>) -> Result<Value> {
    let copy = tempfile::tempdir()?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
    }
    change(&segments(copy.path())?)?;
    let ended = verify(copy.path(), &["--format", "json"]).await?;
    let said: Value = serde_json::from_str(&ended.out)?;
    ensure!(ended.code == Some(1) && said["whole"] == false, "{said}");
    let text = verify(copy.path(), &[]).await?;
    ensure!(
        text.code == Some(1) && text.out.contains("is not whole: "),
        "{}",
        text.out
    );
    Ok(said["findings"][0].clone())
}

fn is_at(finding: &Value, (file, line, kind): (&Path, Option<u64>, &str)) -> Result<()> {
    let name = file.file_name().context("no name")?.to_string_lossy();
    let at = finding["file"].as_str().unwrap_or_default();
    ensure!(
        at.ends_with(&*name) && finding["line"].as_u64() == line && finding["kind"] == kind,
        "not {kind} in {name}:{line:?}: {finding}"
    );
    Ok(())
}

/// A segment with some lines that is neither the first nor the last.
fn inner(all: &[PathBuf]) -> Result<usize> {
    for (at, segment) in all.iter().enumerate().skip(1) {
        if at + 1 < all.len() && fs::read_to_string(segment)?.lines().count() > 4 {
            return Ok(at);
        }
    }
    anyhow::bail!("no segment is between others: {all:?}")
}

#[tokio::test]
async fn the_chain_of_a_gateway_is_whole_and_each_change_of_it_is_found_where_it_is() -> Result<()> {
    let gateway = lived().await?;
    let folder = gateway.folder().join("chain");
    let whole = verify(&folder, &[]).await?;
    ensure!(
        whole.code == Some(0) && whole.out.contains("is whole"),
        "{}{}",
        whole.out,
        whole.err
    );
    everything_is_in(&folder)?;
    let all = segments(&folder)?;
    let at = inner(&all)?;
    let byte = found(&folder, |all| {
        let text = fs::read_to_string(&all[at])?;
        let line = text.lines().nth(2).context("no line")?;
        // One byte of a record, in the middle of a time.
        let other = line.replacen("\"timestamp\":\"2", "\"timestamp\":\"3", 1);
        ensure!(other != line, "{line}");
        Ok(fs::write(&all[at], text.replacen(line, &other, 1))?)
    })
    .await?;
    is_at(&byte, (&all[at], Some(3), "changed"))?;
    let line = found(&folder, |all| {
        let text = fs::read_to_string(&all[at])?;
        let line = text.lines().nth(2).context("no line")?;
        Ok(fs::write(&all[at], text.replacen(&format!("{line}\n"), "", 1))?)
    })
    .await?;
    is_at(&line, (&all[at], Some(3), "removed"))?;
    let segment = found(&folder, |all| Ok(fs::remove_file(&all[at])?)).await?;
    is_at(&segment, (&all[at + 1], None, "segment_removed"))?;
    Ok(())
}
