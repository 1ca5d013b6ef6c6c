//! What is pushed to Loki, and what is done when it is busy or says no. No real Loki can be had here: a server that takes the JSON of its push
//! and answers by script stands for it, so that what Loki itself would accept is shown by its documentation alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Record, Reply};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

use super::files::{each_once, many};
use super::{answering, counted, parsed, until};
use crate::setting::{backend, gateway, get};

async fn pushing(loki: &Backend) -> Result<Gateway> {
    let settings = json!({
        "url": format!("http://{}", loki.address),
        "gzip": false,
        "headers": {"x-scope-orgid": "shop"},
        "labels": {"service_name": "gate"},
        "field_labels": {"route": "cofferdam.route"},
        "metadata": {"trace_id": "trace_id", "request_id": "request_id"},
    });
    let retry = json!({"wait": "5ms", "wait_max": "50ms"});
    let sink =
        json!({"name": "loki", "loki": settings, "batch": {"linger": "1ms"}, "retry": retry, "classes": ["access"]});
    gateway(answering(json!({"sinks": [sink]}))).await
}

fn body(record: &Record) -> Result<Value> {
    let bytes = record.pieces.concat();
    serde_json::from_slice(&bytes).with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&bytes)))
}

/// The streams of all pushes.
fn streams(pushes: &[Record]) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for push in pushes {
        all.extend(body(push)?["streams"].as_array().context("no streams")?.clone());
    }
    Ok(all)
}

fn lines(streams: &[Value]) -> Result<Vec<Value>> {
    let entries = streams
        .iter()
        .filter_map(|stream| stream["values"].as_array())
        .flatten();
    entries
        .map(|entry| parsed(entry[1].as_str().unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn a_push_has_few_labels_and_the_rest_as_metadata() -> Result<()> {
    let loki = backend()?;
    let gateway = pushing(&loki).await?;
    many(&gateway, 0..50).await?;
    let all = until("all pushes", || {
        let all = streams(&loki.records())?;
        Ok((lines(&all)?.len() >= 50).then_some(all))
    })
    .await?;
    each_once(&lines(&all)?, 0..50)?;
    let labels: BTreeSet<String> = all.iter().map(|stream| stream["stream"].to_string()).collect();
    let expected = json!({"service_name": "gate", "level": "info", "class": "access", "route": "all"});
    ensure!(labels == BTreeSet::from([expected.to_string()]), "{labels:?}");
    for entry in all.iter().filter_map(|stream| stream["values"].as_array()).flatten() {
        let line = parsed(entry[1].as_str().context("no line")?)?;
        ensure!(
            entry[2]["request_id"] == line["request_id"] && line["request_id"].is_string(),
            "{entry}"
        );
        let time = entry[0].as_str().context("no time")?;
        ensure!(
            time.len() == 19 && time.bytes().all(|digit| digit.is_ascii_digit()),
            "{entry}"
        );
    }
    let push = loki.records().swap_remove(0);
    ensure!(
        push.target == "/loki/api/v1/push" && push.field("x-scope-orgid") == Some("shop"),
        "{push:?}"
    );
    ensure!(push.field("content-type") == Some("application/json"), "{push:?}");
    Ok(())
}

#[tokio::test]
async fn a_busy_loki_is_asked_again_when_it_says_and_one_that_says_no_is_not() -> Result<()> {
    let loki = backend()?;
    loki.queue(
        Reply::new(429)
            .field("retry-after", "1")
            .body("ingestion rate limit exceeded"),
    );
    let gateway = pushing(&loki).await?;
    get(&gateway, "/1").await?;
    loki.until(DEADLINE, |pushes| (!pushes.is_empty()).then_some(()))
        .await?;
    let busy = Instant::now();
    let pushes = loki
        .until(DEADLINE, |pushes| (pushes.len() >= 2).then(|| pushes.to_vec()))
        .await?;
    let waited = busy.elapsed();
    ensure!(
        waited > Duration::from_millis(900),
        "after {waited:?}, and not when it said"
    );
    ensure!(body(&pushes[0])? == body(&pushes[1])?, "not the same once more");
    let labels = ["sink=\"loki\""];
    let refused = ["sink=\"loki\"", "reason=\"refused\""];
    let dropped = "cofferdam_log_sink_dropped_records_total";
    ensure!(counted(&gateway, dropped, &labels).await? == 0);
    loki.queue(Reply::new(400).body("entry too far behind"));
    get(&gateway, "/2").await?;
    gateway
        .process
        .wait_for_line(0, DEADLINE, |line| {
            line.text.contains("log sink=loki") && line.text.contains("entry too far behind")
        })
        .await?;
    get(&gateway, "/3").await?;
    let all = until("the next one", || {
        let all = lines(&streams(&loki.records())?)?;
        Ok(all.iter().any(|line| line["url.path"] == "/3").then_some(all))
    })
    .await?;
    let second = all.iter().filter(|line| line["url.path"] == "/2").count();
    ensure!(second == 1, "what was refused was sent {second} times");
    ensure!(counted(&gateway, dropped, &refused).await? == 1);
    Ok(())
}
