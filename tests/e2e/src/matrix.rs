//! The matrix of grants out of a store: what is put there reaches traffic at once and is told, and what is wrong there changes nothing.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::etcd::etcd;
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::{DEADLINE, Line};
use testkit::redis::redis;

use crate::setting::{finish, get, plugin};

/// What is promised of a changed matrix.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(1);
const PREFIX: &str = "gateways/test";

/// A store with a client of its own.
trait Store {
    fn put(&self, key: &str, value: &str) -> Result<()>;
    fn get(&self, key: &str) -> Result<String>;
}

impl Store for testkit::etcd::Etcd {
    fn put(&self, key: &str, value: &str) -> Result<()> {
        self.ctl(&["put", key, value]).map(|_| ())
    }

    fn get(&self, key: &str) -> Result<String> {
        self.ctl(&["get", "--print-value-only", key])
    }
}

impl Store for testkit::redis::Redis {
    fn put(&self, key: &str, value: &str) -> Result<()> {
        self.cli(&["SET", key, value])?;
        self.cli(&["XADD", &format!("{PREFIX}/events"), "*", "revision", "by hand"])
            .map(|_| ())
    }

    fn get(&self, key: &str) -> Result<String> {
        self.cli(&["GET", key])
    }
}

/// A plugin that would write two headers, with a grant out of the matrix.
fn configuration() -> Result<String> {
    let steps = json!([
        {"op": "add_request_header", "key": "x-one", "value": "1"},
        {"op": "add_request_header", "key": "x-two", "value": "1"},
    ]);
    let mut probe = plugin("probe", "probe-2100", json!({ "request_headers": steps }))?;
    probe["grant"] = json!("writers");
    Ok(json!({
        "listeners": [{ "name": "web", "listen": "127.0.0.1:0" }],
        "grants": { "store": true },
        "plugins": [probe],
        "routes": [{ "name": "r", "echo": true, "plugins": ["probe"] }],
    })
    .to_string())
}

fn matrix(writes: &[&str]) -> String {
    let grant = json!({
        "calls": ["log", "map"],
        "wasi": ["random", "clock", "log"],
        "request_headers": { "write": writes },
    });
    json!({ "grants": { "writers": grant } }).to_string()
}

fn bootstrap(store: Value, wait: &str) -> String {
    let mut store = store;
    store["prefix"] = json!(PREFIX);
    store["node"] = json!("gw");
    store["wait"] = json!(wait);
    json!({ "admin": { "listen": "127.0.0.1:0" }, "workers": 1, "store": store }).to_string()
}

/// Pushes the configuration, whose grants stand in the store alone.
async fn push(place: &str, text: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("gateway.yaml"), text)?;
    for (verb, answer) in [("push", "pushed revision 1 "), ("diff", "nothing would change")] {
        let mut command = Command::new(place::cofferdam().await?);
        command.args(["config", verb, "gateway.yaml", "--store", &format!("{place}/{PREFIX}")]);
        let ended = finish(command.current_dir(folder.path()), folder.path()).await?;
        ensure!(ended.out.starts_with(answer), "{verb}: {ended:?}");
    }
    Ok(())
}

/// Which of both headers came through.
async fn written(gateway: &Gateway) -> Result<(bool, bool)> {
    let echo = get(gateway, "/").await?.text();
    Ok((echo.contains("x-one"), echo.contains("x-two")))
}

async fn said(gateway: &Gateway, from: usize, words: &str) -> Result<Line> {
    let line = gateway
        .process
        .wait_for_line(from, DEADLINE, |line| line.text.contains(words));
    line.await
}

/// Puts a narrower matrix, and waits until traffic shows it; how long that took.
async fn narrows(store: &impl Store, gateway: &Gateway, place: &str) -> Result<Duration> {
    assert_eq!(written(gateway).await?, (true, true));
    let from = gateway.process.line_count();
    store.put(&format!("{PREFIX}/grants"), &matrix(&["x-one"]))?;
    let put = Instant::now();
    while written(gateway).await? != (true, false) {
        ensure!(put.elapsed() < DEADLINE, "the narrower matrix never came into force");
    }
    let took = put.elapsed();
    assert!(took < IN_FORCE_WITHIN, "{took:?}");
    let line = said(gateway, from, "grant changed plugin=probe").await?.text;
    for part in [
        "from_generation=1 to_generation=2",
        &format!("by={place}/{PREFIX}/grants"),
        " at=20",
        "-request_headers.write: x-two",
    ] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    assert!(!line.contains("; "), "nothing else has changed: {line}");
    Ok(took)
}

/// A matrix that cannot be read is refused with a status, and what was in force stays so.
async fn refuses(store: &impl Store, gateway: &Gateway) -> Result<()> {
    let from = gateway.process.line_count();
    store.put(
        &format!("{PREFIX}/grants"),
        "grants: { writers: { calls: [proxy_lgo] } }",
    )?;
    said(gateway, from, "configuration refused").await?;
    let end = Instant::now() + DEADLINE;
    let status = loop {
        let status: Value = serde_json::from_str(&store.get(&format!("{PREFIX}/status/gw"))?)?;
        if status["outcome"] == "rejected" {
            break status;
        }
        ensure!(Instant::now() < end, "{status}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let why = status["errors"][0].as_str().context("a reason")?;
    assert!(why.contains("did you mean `proxy_log`?"), "{status}");
    assert_eq!(status["serving"], 1, "{status}");
    assert_eq!(written(gateway).await?, (true, false));
    Ok(())
}

#[tokio::test]
async fn a_narrower_matrix_that_etcdctl_puts_is_in_force_within_a_second_and_told() -> Result<()> {
    let mut etcd = etcd().await?;
    etcd.put(&format!("{PREFIX}/grants"), &matrix(&["x-one", "x-two"]))?;
    push(&format!("etcd://{}", etcd.address), &configuration()?).await?;
    let store = json!({ "etcd": { "endpoints": [etcd.address.to_string()] } });
    let gateway = Gateway::start(&bootstrap(store.clone(), "20s")).await?;
    let took = narrows(&etcd, &gateway, &format!("etcd://{}", etcd.address)).await?;
    println!("a narrower matrix was in force {took:?} after `etcdctl put`");
    refuses(&etcd, &gateway).await?;
    // A start while etcd is down has the matrix that was in force, and not the wider one before it.
    fs::write(gateway.file(), bootstrap(store, "1s"))?;
    etcd.kill().await?;
    let gateway = gateway.start_again(Signal::KILL).await?;
    said(&gateway, 0, "going on with what served last").await?;
    assert_eq!(written(&gateway).await?, (true, false));
    // It comes back with what stands there, which is still wrong; then somebody mends it.
    etcd.start_again().await?;
    said(&gateway, 0, "configuration refused").await?;
    assert_eq!(written(&gateway).await?, (true, false));
    etcd.put(&format!("{PREFIX}/grants"), &matrix(&["x-two"]))?;
    let end = Instant::now() + DEADLINE;
    while written(&gateway).await? != (false, true) {
        ensure!(Instant::now() < end, "the mended matrix never came into force");
    }
    Ok(())
}

#[tokio::test]
async fn a_narrower_matrix_in_redis_is_in_force_within_a_second_and_told() -> Result<()> {
    let redis = redis(&[]).await?;
    redis.put(&format!("{PREFIX}/grants"), &matrix(&["x-one", "x-two"]))?;
    push(&format!("redis://{}", redis.address), &configuration()?).await?;
    let store = json!({ "redis": { "endpoint": redis.address.to_string() } });
    let gateway = Gateway::start(&bootstrap(store, "20s")).await?;
    let took = narrows(&redis, &gateway, &format!("redis://{}/0", redis.address)).await?;
    println!("a narrower matrix was in force {took:?} after `SET` and `XADD`");
    refuses(&redis, &gateway).await
}
