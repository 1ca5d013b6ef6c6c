//! Collectors of OpenTelemetry behind TLS get records when their authority is the one that is trusted; those behind another one get nothing.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::process::DEADLINE;
use testkit::tls::{Authority, in_front_of};

use super::collectors::Collector;
use super::{answering, counted, file_sink};
use crate::setting::{gateway, get};

/// A collector, TLS in front of it with a certificate of one authority, and a gateway that trusts that one or another.
async fn sent_over(protocol: &str, is_trusted: bool) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (ours, others) = (folder.path().join("ours"), folder.path().join("others"));
    std::fs::create_dir(&ours)?;
    std::fs::create_dir(&others)?;
    let (ours, others) = (Authority::new(&ours)?, Authority::new(&others)?);
    let collector = Collector::start(protocol).await?;
    let words: &[&str] = if protocol == "grpc" { &["h2"] } else { &["http/1.1"] };
    let behind = SocketAddr::from(([127, 0, 0, 1], collector.port()));
    let front = in_front_of(&ours.issue("localhost", &["localhost"])?, behind, words).await?;
    let trusted = if is_trusted { &ours.file } else { &others.file };
    let otlp = json!({"url": format!("https://localhost:{}", front.port()), "protocol": protocol, "tls": {"authorities": trusted}});
    let retry = json!({"wait": "5ms", "wait_max": "50ms"});
    let gateway = gateway(answering(json!({"sinks": [
        {"name": "collector", "otlp": otlp, "batch": {"linger": "1ms"}, "retry": retry, "classes": ["access"]},
        file_sink("file", std::path::Path::new("all.log")),
    ]})))
    .await?;
    for _ in 0..5 {
        get(&gateway, "/over/tls").await?;
    }
    if is_trusted {
        collector.until(|all| all.iter().any(is_ours)).await?;
        return Ok(());
    }
    let said = gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains("log sink=collector"))
        .await?;
    ensure!(said.text.to_ascii_lowercase().contains("certificate"), "{}", said.text);
    super::accesses(&gateway.folder().join("all.log"), 5).await?;
    let labels = ["sink=\"collector\""];
    ensure!(counted(&gateway, "cofferdam_log_sink_delivered_records_total", &labels).await? == 0);
    ensure!(counted(&gateway, "cofferdam_log_sink_accepted_records_total", &labels).await? >= 5);
    ensure!(collector.so_far().is_empty(), "{:?}", collector.so_far());
    Ok(())
}

fn is_ours(record: &Value) -> bool {
    record["attributes"]["url.path"] == "/over/tls"
}

#[tokio::test]
async fn records_come_to_a_collector_behind_tls_over_http() -> Result<()> {
    sent_over("http", true).await
}

#[tokio::test]
async fn records_come_to_a_collector_behind_tls_over_grpc() -> Result<()> {
    sent_over("grpc", true).await
}

#[tokio::test]
async fn nothing_is_sent_over_http_to_a_collector_of_another_authority() -> Result<()> {
    sent_over("http", false).await
}

#[tokio::test]
async fn nothing_is_sent_over_grpc_to_a_collector_of_another_authority() -> Result<()> {
    sent_over("grpc", false).await
}
