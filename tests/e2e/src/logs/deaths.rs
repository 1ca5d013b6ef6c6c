//! A gateway dies under load, and what it had done is in the log nevertheless.
//!
//! `LOGS_DEATHS=1000 cargo test -p e2e --test e2e logs::deaths -- --nocapture` has it die that often in place of ten times.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::{Connection, End, Request, Version};
use testkit::gateway::Gateway;
use testkit::process::{DEADLINE, Source};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{answering, parsed, until};
use crate::setting::{gateway, get};

const DEATHS: usize = 10;
const CONNECTIONS: usize = 4;
const SIGNALS: [Signal; 3] = [Signal::KILL, Signal::ABORT, Signal::SEGV];

/// One client after another exchange on one connection, until that breaks; how many responses it has read whole.
async fn client(address: SocketAddr, name: String, read: watch::Sender<usize>) -> (String, usize) {
    let mut done = 0;
    let Ok(mut connection) = Connection::open(address, Version::Http1).await else {
        return (name, done);
    };
    while let Ok(response) = connection.send(&Request::get(&format!("/{name}/{done}"))).await {
        if response.end != End::Complete {
            break;
        }
        done += 1;
        read.send_modify(|all| *all += 1);
    }
    (name, done)
}

/// Has the gateway die once clients have read so many responses; the paths that must be in the log.
async fn die(gateway: &mut Gateway, death: usize, (signal, at): (Signal, usize)) -> Result<Vec<String>> {
    let (read, mut reads) = watch::channel(0);
    let mut clients = JoinSet::new();
    let address = gateway.listener("web")?;
    for number in 0..CONNECTIONS {
        clients.spawn(client(address, format!("{death}/{number}"), read.clone()));
    }
    tokio::time::timeout(DEADLINE, reads.wait_for(|all| *all >= at))
        .await
        .context("no load")??;
    gateway.process.end_with(signal).await?;
    let mut paths = Vec::new();
    while let Some(ended) = clients.join_next().await {
        let (name, done) = ended?;
        // The response to the next request was read, so the worker was done with the one before.
        paths.extend((1..done).map(|one| format!("/{name}/{}", one - 1)));
    }
    Ok(paths)
}

/// The records of a file that only grows, from where it was read before.
struct Tail {
    file: PathBuf,
    read: u64,
}

impl Tail {
    fn records(&mut self) -> Result<Vec<Value>> {
        let Ok(mut file) = File::open(&self.file) else {
            return Ok(Vec::new());
        };
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += u64::try_from(whole)?;
        text[..whole].lines().map(parsed).collect()
    }
}

/// What the gateway has said to its operator.
fn said(gateway: &Gateway) -> String {
    let lines = gateway
        .process
        .lines_from(0)
        .into_iter()
        .filter(|line| line.source == Source::Stderr);
    lines.map(|line| line.text + "\n").collect()
}

#[derive(Default)]
struct Counts {
    expected: usize,
    recovered: usize,
    again: usize,
}

/// Waits until all paths are in the log. Who was told once already may be told again.
async fn found(tail: &mut Tail, paths: Vec<String>, counts: &mut Counts) -> Result<()> {
    let mut missing: HashSet<String> = paths.into_iter().collect();
    counts.expected += missing.len();
    until("what clients had read", || {
        for record in tail.records()? {
            let path = record["url.path"].as_str().unwrap_or_default();
            counts.recovered += usize::from(record["cofferdam.recovered"] == true);
            counts.again += usize::from(!missing.remove(path));
        }
        Ok(missing.is_empty().then_some(()))
    })
    .await
    .with_context(|| format!("{} are missing: {missing:?}", missing.len()))
}

/// Any number, by the number of the death: a few responses or many.
fn moment(death: usize) -> usize {
    let mut mixed = (death as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from(mixed >> 40).unwrap_or(0) % 1500 + 2 * CONNECTIONS
}

#[tokio::test]
async fn what_clients_had_read_is_in_the_log_after_any_death() -> Result<()> {
    let deaths = std::env::var("LOGS_DEATHS").map_or(Ok(DEATHS), |number| number.parse())?;
    // A thousand deaths leave more than a file has before it is rotated, and it is read as it grows.
    let file = json!({"path": "all.log", "rotate": {"bytes": "100GiB"}});
    let sinks = json!([{"name": "file", "file": file, "batch": {"linger": "100ms"}}]);
    let mut gateway = gateway(answering(json!({"sinks": sinks}))).await?;
    let mut tail = Tail {
        file: gateway.folder().join("all.log"),
        read: 0,
    };
    let mut counts = Counts::default();
    for death in 0..deaths {
        let signal = SIGNALS[death % SIGNALS.len()];
        let paths = die(&mut gateway, death, (signal, moment(death))).await?;
        gateway = gateway.start_again(signal).await?;
        let found = found(&mut tail, paths, &mut counts).await;
        found.with_context(|| format!("after death {death} by {signal:?}; {}", said(&gateway)))?;
    }
    println!(
        "{deaths} deaths: {} exchanges were read, {} records recovered, {} not asked for or told again",
        counts.expected, counts.recovered, counts.again
    );
    ensure!(counts.expected > deaths * CONNECTIONS, "{}", counts.expected);
    ensure!(counts.recovered > 0, "all was written before each death");
    Ok(())
}

#[tokio::test]
async fn without_sinks_the_lines_that_stdout_did_not_get_come_at_the_next_start() -> Result<()> {
    let mut gateway = gateway(json!({"workers": 1, "routes": [{"name": "all", "respond": {"body": "ok"}}]})).await?;
    let paths = die(&mut gateway, 0, (Signal::KILL, 300)).await?;
    // The pipe is read to its end: a line that never comes waits for that.
    let _ = gateway.process.wait_for_line(0, DEADLINE, |_| false).await;
    let before = gateway.records_from(0);
    let mut missing: HashSet<String> = paths.into_iter().collect();
    before
        .iter()
        .filter_map(|record| record["url.path"].as_str())
        .for_each(|path| {
            missing.remove(path);
        });
    let gateway = gateway.start_again(Signal::KILL).await?;
    get(&gateway, "/last").await?;
    let found = gateway.process.wait_for(0, DEADLINE, |lines| {
        let out = lines.iter().filter(|line| line.source == Source::Stdout);
        let all: Vec<Value> = out.filter_map(|line| serde_json::from_str(&line.text).ok()).collect();
        let is_there = |path: &String| {
            all.iter()
                .any(|record| record["url.path"] == path.as_str() && record["cofferdam.recovered"] == true)
        };
        missing.iter().all(is_there).then_some(())
    });
    found.await.with_context(|| format!("{} were missing", missing.len()))?;
    ensure!(before.iter().all(|record| record.get("cofferdam.recovered").is_none()));
    Ok(())
}
