//! What is done to a gateway stands in its log: changes, orders, steps of rollouts, and calls to the store.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::etcd::etcd;
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

use crate::setting::{complete, plugin};

const CLASSES: [&str; 3] = ["control", "audit", "call"];

/// The configuration, with everything that is done written into a file of that folder.
fn logged(mut configuration: Value, folder: &Path) -> Value {
    configuration["logs"] = json!({
        "rings": { "dir": folder.join("rings") },
        "sinks": [{
            "name": "done",
            "file": { "path": folder.join("done.log") },
            "classes": CLASSES,
            "batch": { "linger": "1ms" },
        }],
    });
    configuration
}

fn answering(body: &str, folder: &Path) -> String {
    let route = json!({ "name": "r", "respond": { "body": body } });
    logged(complete(json!({ "routes": [route] })), folder).to_string()
}

/// All records so far.
fn records(folder: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(folder.join("done.log")).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")))
        .collect()
}

/// The first record for which `is_it` holds, waited for.
async fn record(folder: &Path, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    let end = Instant::now() + DEADLINE;
    loop {
        let all = records(folder)?;
        if let Some(found) = all.iter().find(|record| is_it(record)) {
            return Ok(found.clone());
        }
        ensure!(Instant::now() < end, "it is not among {all:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn step(folder: &Path, class: &str, word: &str) -> Result<Value> {
    record(folder, |record| {
        record["event_name"] == class && record["cofferdam.step"] == word
    })
    .await
}

fn change(gateway: &Gateway, configuration: &str) -> Result<()> {
    fs::write(gateway.file(), configuration)?;
    gateway.process.signal(Signal::HUP)
}

#[tokio::test]
async fn each_change_of_a_configuration_is_written_down_for_operators_and_auditors() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let gateway = Gateway::start(&answering("one", folder)).await?;
    for class in ["control", "audit"] {
        let started = step(folder, class, "gateway.started").await?;
        assert_eq!(started["cofferdam.generation"], 1, "{started}");
    }
    let opened = step(folder, "control", "listener.opened").await?;
    assert_eq!(opened["cofferdam.listener"], "web");

    change(&gateway, "routes: [{ nam: r }]")?;
    let refused = step(folder, "audit", "configuration.refused").await?;
    assert_eq!(refused["cofferdam.state"], "failed");
    let why = refused["message"].as_str().context("why")?;
    assert!(why.contains("did you mean `name`?"), "{why}");

    change(&gateway, &answering("two", folder))?;
    let second =
        |record: &Value| record["cofferdam.step"] == "configuration.applied" && record["cofferdam.generation"] == 2;
    let applied = record(folder, second).await?;
    let file = gateway.file();
    assert_eq!(applied["cofferdam.origin"], file.to_str().context("a path")?);
    assert_ne!(applied["cofferdam.digest"], applied["cofferdam.digest_before"]);
    assert!(applied["cofferdam.duration_ms"].is_number(), "{applied}");
    let swapped = step(folder, "control", "generation.swapped").await?;
    assert_eq!(swapped["cofferdam.state"], "done");

    change(&gateway, &answering("one", folder))?;
    let back = step(folder, "audit", "configuration.rolled_back").await?;
    assert_eq!(back["cofferdam.digest"], applied["cofferdam.digest_before"]);
    Ok(())
}

#[tokio::test]
async fn an_order_on_the_admin_listener_is_written_down_with_where_it_came_from() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let gateway = Gateway::start(&answering("one", folder)).await?;
    let request = Request::new("POST", "/plugins/nobody/lift");
    assert_eq!(send(gateway.admin, Version::Http1, &request).await?.status, 404);
    let ordered = step(folder, "audit", "operator.ordered").await?;
    assert_eq!(ordered["cofferdam.by"], "order=lift");
    assert_eq!(ordered["cofferdam.plugin"], "nobody");
    assert_eq!(ordered["client.address"], "127.0.0.1");
    assert_eq!(ordered["cofferdam.state"], "failed");
    Ok(())
}

#[tokio::test]
async fn a_rollout_is_written_down_as_steps_with_keys() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let configuration = |generation: &str| -> Result<String> {
        let script = json!({"response_headers": [{"op": "add_response_header", "key": "x-arm", "value": generation}]});
        let mut plugin = plugin("p", "probe-021", script)?;
        plugin["rollout"] = json!({"steps": [{"share": "20%", "pause": "manual"}]});
        let route = json!({"name": "r", "respond": {"body": "answer"}, "plugins": ["p"]});
        let configuration = complete(json!({ "plugins": [plugin], "routes": [route] }));
        Ok(logged(configuration, folder).to_string())
    };
    let gateway = Gateway::start(&configuration("old")?).await?;
    let added = step(folder, "audit", "plugin.added").await?;
    assert_eq!(added["cofferdam.plugin"], "p");

    change(&gateway, &configuration("new")?)?;
    let of_step = |state: &'static str| {
        move |record: &Value| record["cofferdam.step"] == "rollout.step" && record["cofferdam.state"] == state
    };
    let begun = record(folder, of_step("begun")).await?;
    let done = record(folder, of_step("done")).await?;
    assert_eq!(begun["cofferdam.idempotency_key"], done["cofferdam.idempotency_key"]);
    assert_eq!(done["cofferdam.rollout.share"], "20 %");
    let shared = step(folder, "control", "rollout.effect.share").await?;
    assert_eq!(shared["cofferdam.idempotency_key"], done["cofferdam.idempotency_key"]);

    let abort = Request::new("POST", "/plugins/p/rollout/abort");
    assert_eq!(send(gateway.admin, Version::Http1, &abort).await?.status, 200);
    let undone = record(folder, of_step("undone")).await?;
    assert_eq!(undone["cofferdam.compensation_key"], done["cofferdam.compensation_key"]);
    let back = step(folder, "audit", "rollout.rolled_back").await?;
    assert_eq!(back["cofferdam.rollout"], done["cofferdam.rollout"]);
    let compensated = record(folder, |record| {
        record["cofferdam.step"] == "rollout.effect.share"
            && record["cofferdam.idempotency_key"] == done["cofferdam.compensation_key"]
    });
    assert_eq!(compensated.await?["cofferdam.state"], "done");
    Ok(())
}

#[tokio::test]
async fn calls_to_etcd_are_written_down_with_their_keys_and_no_value() -> Result<()> {
    let (etcd, folder) = (etcd().await?, tempfile::tempdir()?);
    let folder = folder.path();
    let text = |body: &str| {
        let listeners = json!([{ "name": "web", "listen": "127.0.0.1:0" }]);
        let routes = json!([{ "name": "r", "respond": { "body": body } }]);
        logged(json!({ "listeners": listeners, "routes": routes }), folder).to_string()
    };
    etcd.ctl(&["put", "/gateway.yaml", &text("one")])?;
    let store = json!({
        "etcd": { "endpoints": [etcd.address.to_string()] }, "key": "/gateway.yaml", "node": "gw", "wait": "20s",
    });
    let bootstrap = json!({ "admin": { "listen": "127.0.0.1:0" }, "store": store }).to_string();
    let _gateway = Gateway::start(&bootstrap).await?;
    etcd.ctl(&["put", "/gateway.yaml", &text("two")])?;
    let of = |verb: &'static str| {
        move |record: &Value| {
            let operation = record["cofferdam.call.operation"].as_str().unwrap_or_default();
            record["peer.service"] == "etcd" && operation.starts_with(verb)
        }
    };
    let look = record(folder, of("look /gateway.yaml")).await?;
    assert_eq!(look["cofferdam.call.result"], "ok", "{look}");
    assert_eq!(look["level"], "debug", "{look}");
    assert!(look["cofferdam.duration_ms"].is_number(), "{look}");
    record(folder, of("write /gateway.yaml.status/gw (1)")).await?;
    let applied = record(folder, |record| {
        record["cofferdam.step"] == "configuration.applied" && record["cofferdam.generation"] == 2
    });
    let origin = applied.await?["cofferdam.origin"].clone();
    let origin = origin.as_str().context("an origin")?;
    let revision = origin.rsplit('@').next().and_then(|number| number.parse::<u64>().ok());
    assert!(
        origin.contains("etcd://") && revision.is_some_and(|number| number >= 2),
        "{origin}"
    );
    Ok(())
}
