//! A gateway whose configuration stands in a store: what is put there reaches traffic, what is wrong is reported, and a store that is down
//! stops nobody.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply};
use testkit::client::{Request, Version, send};
use testkit::consul::Consul;
use testkit::etcd::{Etcd, etcd};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::{DEADLINE, Process};
use testkit::redis::redis;

use crate::setting::{Ended, backend, finish, get, page, upstream};

const KEY: &str = "/gateway.yaml";

/// A file that names a store.
fn bootstrap(store: Value) -> String {
    json!({ "admin": { "listen": "127.0.0.1:0" }, "store": store }).to_string()
}

fn in_etcd(etcd: &Etcd) -> Value {
    json!({ "etcd": { "endpoints": [etcd.address.to_string()] }, "key": KEY, "node": "gw", "wait": "20s" })
}

/// A configuration as it stands in a store.
fn answering(body: &str) -> String {
    json!({
        "listeners": [{ "name": "web", "listen": "127.0.0.1:0" }],
        "routes": [{ "name": "r", "respond": { "body": body } }],
    })
    .to_string()
}

/// A module that says which version it is.
fn module(folder: &Path, version: &str) -> Result<PathBuf> {
    let text = format!(
        r#"(module
            (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "x-version")
            (data (i32.const 32) "{version}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
                (drop (call $add (i32.const 2) (i32.const 16) (i32.const 9) (i32.const 32) (i32.const {})))
                i32.const 0))"#,
        version.len()
    );
    let file = folder.join(format!("{version}.wasm"));
    fs::write(&file, wat::parse_str(text)?)?;
    Ok(file)
}

fn with_plugin(backend: &Backend, module: &Path) -> String {
    json!({
        "listeners": [{ "name": "web", "listen": "127.0.0.1:0" }],
        "upstreams": [upstream("up", backend)],
        "plugins": [{ "name": "versioned", "source": { "file": module } }],
        "routes": [{ "name": "r", "upstream": "up", "plugins": ["versioned"] }],
    })
    .to_string()
}

#[tokio::test]
async fn a_new_version_of_a_plugin_that_etcdctl_puts_reaches_traffic_at_once() -> Result<()> {
    let (etcd, backend, folder) = (etcd().await?, backend()?, tempfile::tempdir()?);
    backend.reply("/", Reply::new(200));
    etcd.ctl(&["put", KEY, &with_plugin(&backend, &module(folder.path(), "v0")?)])?;
    let gateway = Gateway::start(&bootstrap(in_etcd(&etcd))).await?;
    assert_eq!(get(&gateway, "/").await?.field("x-version"), Some("v0"));
    for number in 1..=10 {
        let version = format!("v{number}");
        let text = with_plugin(&backend, &module(folder.path(), &version)?);
        etcd.ctl(&["put", KEY, &text])?;
        let put = Instant::now();
        while get(&gateway, "/").await?.field("x-version") != Some(version.as_str()) {
            ensure!(put.elapsed() < DEADLINE, "{version} never reached traffic");
        }
        println!("{version} reached traffic {:?} after etcdctl ended", put.elapsed());
    }
    Ok(())
}

async fn status(etcd: &Etcd, wanted: &str) -> Result<Value> {
    let end = Instant::now() + DEADLINE;
    loop {
        let said = etcd.ctl(&["get", "--print-value-only", "/gateway.yaml.status/gw"])?;
        if said.contains(wanted) {
            return Ok(serde_json::from_str(&said)?);
        }
        ensure!(Instant::now() < end, "no status with `{wanted}`: {said}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_wrong_configuration_changes_nothing_and_is_reported_with_its_errors() -> Result<()> {
    let etcd = etcd().await?;
    etcd.ctl(&["put", KEY, &answering("one")])?;
    let gateway = Gateway::start(&bootstrap(in_etcd(&etcd))).await?;
    let good = status(&etcd, "accepted").await?;
    assert_eq!((&good["node"], &good["generation"]), (&json!("gw"), &json!(1)));
    etcd.ctl(&["put", KEY, "routes: [{ nam: r }]"])?;
    let wrong = status(&etcd, "rejected").await?;
    assert!(
        wrong["errors"][0]
            .as_str()
            .context("a text")?
            .contains("did you mean `name`?"),
        "{wrong}"
    );
    assert_eq!(wrong["serving_digest"], good["digest"]);
    assert_eq!(get(&gateway, "/").await?.text(), "one");
    let shown = page(&gateway, "/config").await?;
    assert_eq!(
        (&shown["store"]["connected"], &shown["store"]["rejected"]),
        (&json!(true), &json!(1))
    );
    let metrics = send(gateway.admin, Version::Http1, &Request::get("/metrics"))
        .await?
        .text();
    for sample in [
        "cofferdam_store_connected 1",
        "cofferdam_store_silent_seconds ",
        "cofferdam_store_revision{which=\"wanted\"} 4",
        "cofferdam_store_revision{which=\"serving\"} 2",
        "cofferdam_store_reconnects_total 0",
        "cofferdam_store_rejected_total 1",
    ] {
        assert!(
            metrics.lines().any(|line| line.starts_with(sample)),
            "{sample}: {metrics}"
        );
    }
    // What belongs to the machine stands in no store.
    etcd.ctl(&["put", KEY, &format!("workers: 1\n{}", "routes: []\n")])?;
    let wrong = status(&etcd, "belongs to the machine").await?;
    assert_eq!(wrong["outcome"], "rejected");
    assert_eq!(get(&gateway, "/").await?.text(), "one");
    Ok(())
}

async fn run(file: &Path, state: &Path) -> Result<Process> {
    let mut command = Command::new(place::cofferdam().await?);
    command.arg("run").arg(file).env("XDG_STATE_HOME", state);
    command.env("COFFERDAM_RING_DIR", state.join("rings"));
    Process::start("cofferdam", &mut command)
}

#[tokio::test]
async fn a_gateway_that_starts_while_its_store_is_down_serves_what_served_last() -> Result<()> {
    let (mut etcd, folder) = (etcd().await?, tempfile::tempdir()?);
    etcd.ctl(&["put", KEY, &answering("kept")])?;
    let mut store = in_etcd(&etcd);
    store["wait"] = json!("2s");
    let file = folder.path().join("store.yaml");
    fs::write(&file, bootstrap(store))?;
    let ready = |line: &testkit::process::Line| line.text == "ready";
    let mut first = run(&file, folder.path()).await?;
    first.wait_for_line(0, DEADLINE, ready).await?;
    first.stop().await?;
    etcd.kill().await?;
    let second = run(&file, folder.path()).await?;
    second
        .wait_for_line(0, DEADLINE, |line| line.text.contains("going on with what served last"))
        .await?;
    second.wait_for_line(0, DEADLINE, ready).await?;
    let said = second.line_count();
    etcd.start_again().await?;
    etcd.ctl(&["put", KEY, &answering("new")])?;
    second
        .wait_for_line(said, DEADLINE, |line| line.text.contains("configuration applied"))
        .await?;
    // Where nothing is kept, there is nothing to go on with.
    etcd.kill().await?;
    let elsewhere = tempfile::tempdir()?;
    let mut third = run(&file, elsewhere.path()).await?;
    let ended = third.wait_for_exit(DEADLINE).await?;
    assert_eq!(ended.code(), Some(1));
    Ok(())
}

async fn config(words: &[&str], folder: &Path) -> Result<Ended> {
    let mut command = Command::new(place::cofferdam().await?);
    command
        .arg("config")
        .args(words)
        .env("USER", "tester")
        .current_dir(folder);
    finish(&mut command, folder).await
}

#[tokio::test]
async fn an_operator_pushes_compares_lists_and_goes_back_in_redis() -> Result<()> {
    let redis = redis(&[]).await?;
    operates(&format!("redis://{}/gw", redis.address)).await
}

#[tokio::test]
async fn an_operator_pushes_compares_lists_and_goes_back_in_etcd() -> Result<()> {
    let etcd = etcd().await?;
    operates(&format!("etcd://{}/gw", etcd.address)).await
}

#[tokio::test]
async fn an_operator_pushes_compares_lists_and_goes_back_in_consul() -> Result<()> {
    let consul = Consul::start(None)?;
    operates(&format!("consul://{}/gw", consul.address)).await
}

/// Does all that an operator does with configurations at a place.
async fn operates(at: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    let store = ["--store", at];
    fs::write(
        here.join("one.yaml"),
        "routes: [{ name: r, respond: { status: 200 } }]\n".to_owned() + LISTENER,
    )?;
    fs::write(
        here.join("two.yaml"),
        "routes: [{ name: s, respond: { status: 200 } }]\n".to_owned() + LISTENER,
    )?;
    fs::write(here.join("wrong.yaml"), "routes: [{ nam: r }]\n")?;
    let wrong = config(&[&["push", "wrong.yaml"], &store[..]].concat(), here).await?;
    assert!(wrong.code == Some(1) && wrong.err.contains("did you mean"), "{wrong:?}");
    let first = config(
        &[&["push", "one.yaml", "--message", "begin"], &store[..]].concat(),
        here,
    )
    .await?;
    assert!(
        first.code == Some(0) && first.out.starts_with("pushed revision 1 "),
        "{first:?}"
    );
    let diff = config(&[&["diff", "two.yaml"], &store[..]].concat(), here).await?;
    assert!(
        diff.out.contains("-routes: [{ name: r,") && diff.out.contains("+routes: [{ name: s,"),
        "{diff:?}"
    );
    assert!(
        diff.out.contains("route `s` is added") && diff.out.contains("route `r` is removed"),
        "{diff:?}"
    );
    let raced = config(
        &[&["push", "two.yaml", "--if-revision", "7"], &store[..]].concat(),
        here,
    )
    .await?;
    assert!(
        raced.code == Some(1) && raced.err.contains("not revision 7; nothing was written"),
        "{raced:?}"
    );
    let second = config(
        &[&["push", "two.yaml", "--if-revision", "1"], &store[..]].concat(),
        here,
    )
    .await?;
    assert_eq!(second.code, Some(0), "{second:?}");
    let back = config(&[&["rollback", "--format", "json"], &store[..]].concat(), here).await?;
    let back: Value = serde_json::from_str(&back.out)?;
    assert_eq!((&back["revision"], &back["before"]), (&json!(3), &json!(2)));
    let history = config(&[&["history"], &store[..]].concat(), here).await?;
    assert!(
        history.out.contains("(back to 1)") && history.out.contains("tester@") && history.out.contains("begin"),
        "{history:?}"
    );
    let same = config(&[&["diff", "one.yaml"], &store[..]].concat(), here).await?;
    assert_eq!(same.out, "nothing would change\n");
    let status = config(&[&["status", "--format", "json"], &store[..]].concat(), here).await?;
    assert_eq!(status.out, "[]\n");
    let nowhere = config(&["history", "--store", "one.yaml"], here).await?;
    assert!(
        nowhere.code == Some(1) && nowhere.err.contains("names no store"),
        "{nowhere:?}"
    );
    assert_eq!(config(&["history"], here).await?.code, Some(2));
    Ok(())
}

const LISTENER: &str = "listeners: [{ name: web, listen: 127.0.0.1:0 }]\n";

#[tokio::test]
async fn every_example_of_a_store_is_good_when_its_store_is_there() -> Result<()> {
    let (etcd, redis, consul) = (etcd().await?, redis(&[]).await?, Consul::start(None)?);
    let folder = tempfile::tempdir()?;
    let live = folder.path().join("live");
    fs::create_dir(&live)?;
    fs::write(folder.path().join("gateway.yaml"), answering("here"))?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for (name, written, real) in [
        ("store-etcd.yaml", "127.0.0.1:2379", etcd.address.to_string()),
        ("store-redis.yaml", "127.0.0.1:6379", redis.address.to_string()),
        ("store-consul.yaml", "127.0.0.1:8500", consul.address.to_string()),
        ("store-folder.yaml", "/etc/cofferdam/live", live.display().to_string()),
    ] {
        let text = fs::read_to_string(examples.join(name))?;
        ensure!(text.contains(written), "{name} does not name `{written}`");
        fs::write(folder.path().join(name), text.replace(written, &real))?;
        let empty = check(name, folder.path()).await?;
        assert!(
            empty.code == Some(1) && empty.err.contains("nothing stands in the store"),
            "{name}: {empty:?}"
        );
        let pushed = config(&["push", "gateway.yaml", "--store", name], folder.path()).await?;
        assert_eq!(pushed.code, Some(0), "{name}: {pushed:?}");
        let good = check(name, folder.path()).await?;
        assert_eq!(good.code, Some(0), "{name}: {good:?}");
    }
    Ok(())
}

async fn check(file: &str, folder: &Path) -> Result<Ended> {
    let mut command = Command::new(place::cofferdam().await?);
    finish(command.arg("check").arg(file).current_dir(folder), folder).await
}
