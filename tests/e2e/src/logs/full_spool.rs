//! A spool that is full: traffic goes on, what has no room is counted and told, and the rest arrives when the other side is back.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::gateway::Gateway;
use testkit::port::free_port;

use super::files::{each_once, many};
use super::receiver::Receiver;
use super::sinks::dropped;
use super::{accesses, answering, counted, file_sink, of_class, parsed, records, until};
use crate::setting::{gateway, get};

const EXCHANGES: usize = 4000;
/// Far less than so many records have.
const SPOOL: &str = "1MiB";

/// A metric of the sink that is away.
async fn of_sink(gateway: &Gateway, what: &str) -> Result<u64> {
    counted(gateway, &format!("cofferdam_log_sink_{what}"), &["sink=\"far\""]).await
}

/// Waits until the sink has nothing under way in memory: all is in the spool, delivered or dropped.
async fn settles(gateway: &Gateway, spooled: &str) -> Result<()> {
    let end = std::time::Instant::now() + testkit::process::DEADLINE;
    loop {
        let held = of_sink(gateway, "held_records").await?;
        let on_disk = of_sink(gateway, "spooled_records").await?;
        if held == on_disk && (spooled == "full" || held == 0) {
            return Ok(());
        }
        ensure!(
            std::time::Instant::now() < end,
            "{held} are held, {on_disk} of them on disk"
        );
        tokio::time::sleep(super::LOOK).await;
    }
}

/// How many records of exchanges gap records say that the sink has lost, and that all of them were for want of room.
fn told(all: &[Value]) -> Result<u64> {
    let gaps = all.iter().filter(|record| record["cofferdam.sink"] == "far");
    let gaps = gaps.filter(|record| record["cofferdam.records_dropped"].is_u64());
    let mut sum = 0;
    for gap in gaps {
        ensure!(
            gap["cofferdam.records_dropped_by"].to_string().contains("spool_full"),
            "{gap}"
        );
        sum += gap["cofferdam.records_dropped"].as_u64().unwrap_or_default();
    }
    Ok(sum)
}

/// The paths of all exchanges that have come over the network, each once.
fn arrived(receiver: &Receiver) -> Result<BTreeSet<String>> {
    let all = receiver.text().lines().map(parsed).collect::<Result<Vec<_>>>()?;
    let of_exchanges = of_class(&all, "access");
    let paths = of_exchanges
        .iter()
        .filter_map(|record| record["url.path"].as_str().map(str::to_owned));
    Ok(paths.collect())
}

#[tokio::test]
async fn a_full_spool_loses_what_it_says_and_delivers_the_rest_when_the_other_side_is_back() -> Result<()> {
    let port = free_port()?;
    let gateway = gateway(answering(json!({"sinks": [
        {
            "name": "far",
            "http": {"url": format!("http://127.0.0.1:{port}/take"), "gzip": false},
            "classes": ["access"],
            "batch": {"linger": "1ms", "records": 64},
            "retry": {"wait": "5ms", "wait_max": "50ms"},
            "spool": {"dir": "spool", "bytes": SPOOL, "segment": "64KiB"},
        },
        file_sink("file", Path::new("all.log")),
    ]})))
    .await?;
    let file = gateway.folder().join("all.log");
    many(&gateway, 0..EXCHANGES).await?;
    ensure!(get(&gateway, &format!("/{EXCHANGES}")).await?.status == 200);
    // Whoever has room has all of them.
    let all = accesses(&file, EXCHANGES + 1).await?;
    let exchanges: Vec<Value> = all
        .into_iter()
        .filter(|record| record["url.path"].is_string())
        .collect();
    each_once(&exchanges, 0..EXCHANGES + 1)?;
    settles(&gateway, "full").await?;
    let lost = dropped(&gateway, "far").await?;
    let full = ["sink=\"far\"", "reason=\"spool_full\""];
    let for_want_of_room = counted(&gateway, "cofferdam_log_sink_dropped_records_total", &full).await?;
    ensure!(lost > 0 && lost == for_want_of_room, "{for_want_of_room} of {lost}");
    let capacity = of_sink(&gateway, "spool_capacity_bytes").await?;
    let bytes = of_sink(&gateway, "spool_bytes").await?;
    ensure!(bytes > 0 && bytes <= capacity, "{bytes} of {capacity}");
    let kept = of_sink(&gateway, "spooled_records").await?;
    until("gap records for all that is lost", || {
        let sum = told(&records(&file)?)?;
        Ok((sum >= lost).then_some(()))
    })
    .await?;
    let receiver = Receiver::at(port)?;
    settles(&gateway, "empty").await?;
    // Gaps are told to the sink itself, too, and are no exchanges.
    let lost = dropped(&gateway, "far").await?;
    let [accepted, delivered] = [
        of_sink(&gateway, "accepted_records_total").await?,
        of_sink(&gateway, "delivered_records_total").await?,
    ];
    ensure!(accepted == delivered + lost, "{accepted}, {delivered} and {lost}");
    ensure!(delivered >= kept, "{delivered} of {kept} that were in the spool");
    let paths = arrived(&receiver)?;
    let arrived = u64::try_from(paths.len())?;
    let gaps = delivered - arrived;
    println!("of {accepted} records {lost} had no room, and {arrived} came with {gaps} gaps");
    ensure!(
        arrived >= u64::try_from(EXCHANGES)? + 1 - lost,
        "{arrived} came, and {lost} were lost"
    );
    Ok(())
}
