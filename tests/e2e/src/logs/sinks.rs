//! Sinks over the network: JSON, one that is down at first, and one that never answers.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::gateway::Gateway;
use testkit::port::free_port;

use super::files::{each_once, many};
use super::receiver::Receiver;
use super::{accesses, answering, counted, file_sink, parsed, records, until};
use crate::setting::{gateway, get};

/// Waits until a receiver has so many access records as lines.
async fn received(receiver: &Receiver, count: usize) -> Result<Vec<Value>> {
    until(&format!("{count} records over the network"), || {
        let all = receiver.text().lines().map(parsed).collect::<Result<Vec<_>>>()?;
        let those = super::of_class(&all, "access");
        Ok((those.len() >= count).then_some(those))
    })
    .await
}

/// How many records a sink has dropped, as the metrics say.
pub(super) async fn dropped(gateway: &Gateway, sink: &str) -> Result<u64> {
    let of_sink = format!("sink=\"{sink}\"");
    counted(gateway, "cofferdam_log_sink_dropped_records_total", &[&of_sink]).await
}

#[tokio::test]
async fn records_are_posted_as_lines_and_as_arrays() -> Result<()> {
    let (lines, arrays) = (Receiver::start()?, Receiver::start()?);
    let gateway = gateway(answering(json!({"sinks": [
        {"name": "lines", "http": {"url": lines.url(), "gzip": false}, "batch": {"linger": "1ms"}},
        {"name": "arrays", "http": {"url": arrays.url(), "gzip": false, "shape": "array"}, "batch": {"linger": "1ms"}},
    ]})))
    .await?;
    many(&gateway, 0..50).await?;
    each_once(&received(&lines, 50).await?, 0..50)?;
    let all = until("arrays", || {
        let mut all = Vec::new();
        for body in arrays.bodies() {
            let array: Vec<Value> = serde_json::from_slice(&body)?;
            all.extend(super::of_class(&array, "access"));
        }
        Ok((all.len() >= 50).then_some(all))
    })
    .await?;
    each_once(&all, 0..50)
}

#[tokio::test]
async fn a_sink_that_comes_back_gets_what_its_spool_has() -> Result<()> {
    let port = free_port()?;
    let http = json!({"url": format!("http://127.0.0.1:{port}/take"), "gzip": false});
    let retry = json!({"wait": "5ms", "wait_max": "50ms"});
    let logs = json!({"sinks": [
        {"name": "far", "http": http, "batch": {"linger": "1ms"}, "retry": retry, "classes": ["access"], "spool": {"dir": "spool"}},
    ]});
    let mut gateway = gateway(answering(logs)).await?;
    many(&gateway, 0..200).await?;
    until("a spool", || {
        Ok(std::fs::read_dir(gateway.folder().join("spool"))?.next().map(|_| ()))
    })
    .await?;
    // What waits in the spool outlives a death, too.
    gateway = gateway.start_again(rustix::process::Signal::KILL).await?;
    many(&gateway, 200..250).await?;
    let receiver = Receiver::at(port)?;
    until("each of them", || {
        let mut paths: Vec<String> = Vec::new();
        for line in receiver.text().lines() {
            paths.push(parsed(line)?["url.path"].to_string());
        }
        paths.sort();
        paths.dedup();
        Ok((paths.len() >= 250).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_sink_that_never_answers_harms_neither_traffic_nor_other_sinks() -> Result<()> {
    // Connections wait in its backlog for ever.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let http = json!({"url": format!("http://{}/take", silent.local_addr()?)});
    let queue = json!({"records": 64, "bytes": "64KiB"});
    let logs = json!({"rings": {"bytes": "1MiB"}, "sinks": [
        {"name": "silent", "http": http, "batch": {"linger": "1ms"}, "queue": queue},
        file_sink("file", Path::new("all.log")),
    ]});
    let gateway = gateway(answering(logs)).await?;
    many(&gateway, 0..3000).await?;
    each_once(&accesses(&gateway.folder().join("all.log"), 3000).await?, 0..3000)?;
    ensure!(get(&gateway, "/after").await?.status == 200);
    // What it could not take is counted, and the log says so itself.
    until("a gap", || {
        let all = records(&gateway.folder().join("all.log"))?;
        let gap = all.iter().find(|record| record["cofferdam.sink"] == "silent");
        Ok(gap
            .and_then(|gap| gap["cofferdam.records_dropped"].as_u64())
            .filter(|count| *count > 0))
    })
    .await?;
    ensure!(dropped(&gateway, "silent").await? > 0);
    drop(silent);
    Ok(())
}
