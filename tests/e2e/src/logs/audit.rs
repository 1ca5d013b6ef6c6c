//! The chain of audit records: each line has the hash of the one before, over restarts and segments.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::files::many;
use super::{answering, of_class, parsed, until};
use crate::setting::gateway;

/// The segments of a chain, the oldest first.
fn segments(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        if text.starts_with('{') {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The records of a chain whose every line holds; the hash is over all that stands before the comma of its own member.
fn checked(folder: &Path) -> Result<Vec<Value>> {
    let (mut sequence, mut previous) = (0, "0".repeat(64));
    let mut all = Vec::new();
    for (number, segment) in segments(folder)?.iter().enumerate() {
        for (place, line) in fs::read_to_string(segment)?.lines().enumerate() {
            let record = parsed(line)?;
            let (hashed, _) = line.rsplit_once(",\"chain.hash\":").context("no hash")?;
            sequence += 1;
            ensure!(record["chain.sequence"] == sequence, "{sequence}: {line}");
            ensure!(record["chain.previous"] == previous.as_str(), "{sequence}: {line}");
            previous = hex(&Sha256::digest(hashed));
            ensure!(record["chain.hash"] == previous.as_str(), "{sequence}: {line}");
            if place == 0 {
                ensure!(
                    record["chain.segment"] == number + 1 && record["chain.digest"] == "sha256",
                    "{line}"
                );
            } else {
                all.push(record);
            }
        }
    }
    Ok(all)
}

fn chained(classes: &[&str]) -> Value {
    let sink = json!({"name": "audit", "audit": {"dir": "chain", "segment": "64KiB"}, "classes": classes, "batch": {"linger": "1ms", "records": 16}});
    answering(json!({"sinks": [sink]}))
}

#[tokio::test]
async fn a_chain_holds_over_segments_and_restarts() -> Result<()> {
    let mut gateway = gateway(chained(&["access"])).await?;
    let folder = gateway.folder().join("chain");
    many(&gateway, 0..200).await?;
    gateway = gateway.start_again(Signal::TERM).await?;
    many(&gateway, 200..400).await?;
    has_all(&folder, 400).await?;
    gateway.process.stop().await?;
    ensure!(segments(&folder)?.len() > 2, "{:?}", segments(&folder)?);
    changed_lines_are_found(&folder)
}

/// A disk that is slow at an end has records written again at the next start, and none is missing.
async fn has_all(folder: &Path, count: usize) -> Result<()> {
    until("all exchanges", || {
        let all = of_class(&checked(folder).unwrap_or_default(), "access");
        let mut paths: Vec<&str> = all.iter().filter_map(|record| record["url.path"].as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        Ok((paths.len() == count).then_some(()))
    })
    .await
}

/// The check itself can fail.
fn changed_lines_are_found(folder: &Path) -> Result<()> {
    checked(folder)?;
    let file = segments(folder)?.into_iter().next().context("no segment")?;
    let text = fs::read_to_string(&file)?;
    fs::write(&file, text.replacen("\"GET\"", "\"PUT\"", 1))?;
    ensure!(checked(folder).is_err(), "a changed line is not noticed");
    let line = text.lines().nth(1).context("no line")?;
    fs::write(&file, text.replacen(&format!("{line}\n"), "", 1))?;
    ensure!(checked(folder).is_err(), "a missing line is not noticed");
    Ok(())
}

#[tokio::test]
async fn a_chain_goes_on_after_a_death() -> Result<()> {
    let gateway = gateway(chained(&["access"])).await?;
    let folder = gateway.folder().join("chain");
    many(&gateway, 0..100).await?;
    let mut gateway = gateway.start_again(Signal::KILL).await?;
    many(&gateway, 100..120).await?;
    has_all(&folder, 120).await?;
    gateway.process.stop().await?;
    checked(&folder).map(|_| ())
}
