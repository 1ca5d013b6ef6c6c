//! Several log guests, one after the other: each sees what those before it wrote, none suffers for another, and none keeps a record for long.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::Request;
use testkit::gateway::Gateway;
use testkit::process::{DEADLINE, Line};

use super::guests::{POISON, SECRET, outcomes, own_guest, shipped, team};
use super::{accesses, answering, counted, file_sink};
use crate::setting::{ask, gateway, get};

/// What a record may be in a guest for, from the time it is given to when it is forgotten.
const RESIDENT_MAX: Duration = Duration::from_millis(120);

/// A gateway that leads records through these guests into a file.
fn through(guests: &[Value], slice: &str) -> Value {
    answering(json!({
        "fields": [{"name": "own", "request_header": "x-own"}],
        "sandbox": {"plugins": guests, "slice": slice},
        "sinks": [file_sink("file", Path::new("all.log"))],
    }))
}

/// The guest that is shipped, which knows programs and teams.
fn enrich() -> Result<Value> {
    let mut config = team("blue");
    config["user_agent"] = json!(true);
    shipped(config, json!({}))
}

fn own(folder: &Path, patch: &str, on_poison: &str) -> Result<Value> {
    Ok(json!({"name": "own", "module": own_guest(folder, patch, on_poison)?}))
}

/// A request with something in all that clients write, which kills a guest when it is poisoned.
fn telling(is_poisoned: bool) -> Request {
    let sign = if is_poisoned { POISON } else { "" };
    Request::get(&format!("/{SECRET}{sign}?{SECRET}"))
        .field("user-agent", &format!("{SECRET}/1.0"))
        .field("x-own", SECRET)
}

/// That what clients wrote has a marker in its place, with this reason.
fn is_marked(record: &Value, why: &str) -> Result<()> {
    for name in ["url.path", "url.query", "user_agent.original"] {
        ensure!(record[name] == "[unprocessed]", "{name}: {record}");
    }
    ensure!(
        record["cofferdam.fields"] == json!({"marker": "[unprocessed]"})
            && record["cofferdam.sandbox"] == why
            && record["http.response.status_code"] == 200
            && record["cofferdam.route"] == "all",
        "{record}"
    );
    Ok(())
}

#[tokio::test]
async fn the_second_guest_sees_what_the_first_wrote_and_runs_where_the_first_fails() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let patch = r#"{"user_agent.original":"curl/9.9","first":true}"#;
    let guests = [own(folder.path(), patch, "unreachable")?, enrich()?];
    let gateway = gateway(through(&guests, "50ms")).await?;
    let file = gateway.folder().join("all.log");
    ask(&gateway, &telling(false)).await?;
    let well = accesses(&file, 1).await?.swap_remove(0);
    for (name, value) in [
        ("user_agent.original", json!("curl/9.9")),
        ("user_agent.name", json!("curl")),
        ("user_agent.version", json!("9.9")),
        ("first", json!(true)),
        ("team.name", json!("blue")),
        ("cofferdam.sandbox", Value::Null),
    ] {
        ensure!(well[name] == value, "{name}: {well}");
    }
    let before = fs::read_to_string(&file)?.matches(SECRET).count();
    ask(&gateway, &telling(true)).await?;
    let marked = accesses(&file, 2).await?.swap_remove(1);
    is_marked(&marked, "trap")?;
    ensure!(marked["first"].is_null() && marked["team.name"] == "blue", "{marked}");
    // The second one was shown the marker in place of a program, and knows none of that name.
    ensure!(marked["user_agent.version"].is_null(), "{marked}");
    ensure!(fs::read_to_string(&file)?.matches(SECRET).count() == before, "{marked}");
    ensure!(outcomes(&gateway, "own", "marked").await? == 1);
    ensure!(outcomes(&gateway, "enrich", "marked").await? == 0);
    ensure!(outcomes(&gateway, "enrich", "changed").await? >= 2);
    Ok(())
}

#[tokio::test]
async fn what_the_first_guest_wrote_is_hidden_where_the_second_fails() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let guests = [enrich()?, own(folder.path(), r#"{"second":true}"#, "unreachable")?];
    let gateway = gateway(through(&guests, "50ms")).await?;
    let file = gateway.folder().join("all.log");
    let curl = |path: &str| Request::get(path).field("user-agent", "curl/8.1");
    ask(&gateway, &curl("/well")).await?;
    ask(
        &gateway,
        &curl(&format!("/{SECRET}{POISON}?{SECRET}")).field("x-own", SECRET),
    )
    .await?;
    let all = accesses(&file, 2).await?;
    ensure!(
        all[0]["second"] == true && all[0]["user_agent.name"] == "curl" && all[0]["team.name"] == "blue",
        "{all:#?}"
    );
    is_marked(&all[1], "trap")?;
    // What a guest made of values of clients is no more trusted than they.
    ensure!(
        all[1]["user_agent.name"] == "[unprocessed]" && all[1]["second"].is_null(),
        "{all:#?}"
    );
    ensure!(!fs::read_to_string(&file)?.contains(SECRET), "{all:#?}");
    ensure!(outcomes(&gateway, "enrich", "marked").await? == 0);
    ensure!(outcomes(&gateway, "own", "marked").await? == 1);
    Ok(())
}

/// Asks for what a guest never comes to an end with; how long that took until the guest was gone.
async fn kept_for(gateway: &Gateway, asked: &mut usize) -> Result<Duration> {
    let said = gateway.process.line_count();
    let began = Instant::now();
    ask(gateway, &telling(true)).await?;
    let died = |line: &Line| line.text.contains("log guest died guest=own");
    let line = gateway.process.wait_for_line(said, DEADLINE, died).await?;
    *asked += 1;
    let file = gateway.folder().join("all.log");
    let all = accesses(&file, *asked).await?;
    is_marked(all.last().context("no record")?, "timeout")?;
    ensure!(all.last().is_some_and(|last| last["team.name"] == "blue"), "{all:#?}");
    // It is back once a record has gone through it.
    loop {
        get(gateway, "/well").await?;
        *asked += 1;
        let all = accesses(&file, *asked).await?;
        if all.last().is_some_and(|last| last["own"] == true) {
            return Ok(line.at.duration_since(began));
        }
    }
}

#[tokio::test]
async fn a_guest_that_takes_too_long_has_a_record_for_120_ms_at_most() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let endless = own(folder.path(), r#"{"own":true}"#, "(loop $for_ever (br $for_ever))")?;
    for (slice, lower) in [
        ("30ms", Duration::from_millis(30)),
        ("100ms", Duration::from_millis(90)),
    ] {
        let gateway = gateway(through(&[endless.clone(), enrich()?], slice)).await?;
        let (mut asked, mut all) = (0, Vec::new());
        // A machine that is busy makes the way to us longer, and never shorter.
        while all.len() < 7 && all.iter().all(|kept| *kept > RESIDENT_MAX) {
            all.push(kept_for(&gateway, &mut asked).await?);
        }
        let least = all.iter().min().context("nothing was measured")?;
        ensure!(
            (lower..=RESIDENT_MAX).contains(least),
            "with {slice} it was kept for {all:?}"
        );
        let labels = ["guest=\"own\"", "reason=\"timeout\""];
        let deaths = counted(&gateway, "cofferdam_log_guest_deaths_total", &labels).await?;
        ensure!(deaths == u64::try_from(all.len())?, "{deaths} deaths of {all:?}");
        ensure!(outcomes(&gateway, "enrich", "marked").await? == 0);
        ensure!(!fs::read_to_string(gateway.folder().join("all.log"))?.contains(SECRET));
        println!("with a slice of {slice} a record was kept for {least:?}");
    }
    Ok(())
}
