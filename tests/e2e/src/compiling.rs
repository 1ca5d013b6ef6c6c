//! Modules made to be slow or large to compile: refused within their bounds, while the gateway goes on with its work.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::process::DEADLINE;

use crate::setting::{command, complete, gateway, get, golden, page, plugin};

/// A module of 17 KB that takes a compiler a minute and more than a gigabyte: in its one function a thousand loops lie in each other, and
/// the innermost changes a thousand variables, each of which every loop hands on.
fn hostile() -> Result<Vec<u8>> {
    const MANY: usize = 1_000;
    let mut text = format!(
        r#"(module (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (param i32) (local {})"#,
        "i32 ".repeat(MANY)
    );
    text.push_str(&"loop ".repeat(MANY));
    for variable in 1..=MANY {
        let other = variable % MANY + 1;
        writeln!(
            text,
            "local.get {variable} local.get {other} i32.add local.set {variable}"
        )?;
    }
    text.push_str(&"local.get 0 br_if 0 end ".repeat(MANY));
    text.push_str("))");
    Ok(wat::parse_str(text)?)
}

fn naming_it(compile: Value) -> Value {
    complete(json!({
        "compile": compile,
        "plugins": [{"name": "p", "source": {"file": "p.wasm"}}],
        "routes": [{"name": "r", "respond": {"body": "new"}, "plugins": ["p"]}],
    }))
}

#[tokio::test]
async fn a_module_that_takes_too_much_to_compile_ends_run_with_1_and_says_why() -> Result<()> {
    let table = [
        ("cpu", json!({"cpu": "1s"})),
        ("time", json!({"time": "1s"})),
        ("memory", json!({"memory": "512MiB"})),
    ];
    let module = hostile()?;
    let mut differences = Vec::new();
    for (name, compile) in table {
        let files = BTreeMap::from([
            ("gateway.yaml", naming_it(compile).to_string().into_bytes()),
            ("p.wasm", module.clone()),
        ]);
        let (run, check) = tokio::try_join!(command("run", &[], &files), command("check", &[], &files))?;
        if run.code != Some(1) || run.err.contains("listening") || check.code != Some(1) || run.err != check.err {
            differences.push(format!("{name}: {run:?} {check:?}"));
        }
        differences.extend(
            golden()
                .expect(&format!("compiling_{name}.txt"), &run.err)
                .err()
                .map(|error| error.to_string()),
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    Ok(())
}

#[tokio::test]
async fn requests_are_answered_while_a_hostile_module_is_compiled_and_refused() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "r", "respond": {"body": "old"}}]})).await?;
    fs::write(gateway.folder().join("p.wasm"), hostile()?)?;
    let said = gateway.process.line_count();
    let aside = gateway.folder().join("next.yaml");
    fs::write(&aside, naming_it(json!({"cpu": "3s"})).to_string())?;
    fs::rename(&aside, gateway.file())?;
    gateway.process.signal(Signal::HUP)?;
    let began = Instant::now();
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    let outcome = loop {
        let lines = gateway.process.lines_from(said);
        let outcome = lines.iter().find(|line| line.text.starts_with("configuration "));
        if let Some(outcome) = outcome {
            break outcome.text.clone();
        }
        ensure!(began.elapsed() < DEADLINE, "nothing became of the change: {lines:?}");
        let asked = Instant::now();
        assert_eq!(get(&gateway, "/").await?.text(), "old");
        slowest = slowest.max(asked.elapsed());
        answered += 1;
    };
    assert!(outcome.contains("refused_plugins=1"), "{outcome}");
    gateway
        .process
        .wait_for_line(said, DEADLINE, |line| {
            line.text.contains("compiling it took more than 3s of processor time")
        })
        .await?;
    assert!(began.elapsed() > Duration::from_secs(1) && answered > 100, "{answered}");
    assert!(
        slowest < Duration::from_secs(1),
        "a request waited {slowest:?} for the compiler"
    );
    // The route waits for the plugin as it was.
    assert_eq!(get(&gateway, "/").await?.text(), "old");
    Ok(())
}

#[tokio::test]
async fn the_gateway_stops_at_once_while_a_module_is_compiled() -> Result<()> {
    let mut gateway = gateway(json!({"routes": [{"name": "r", "respond": {"body": "old"}}]})).await?;
    fs::write(gateway.folder().join("p.wasm"), hostile()?)?;
    let aside = gateway.folder().join("next.yaml");
    let patient = json!({"cpu": "10m", "time": "10m", "memory": "64GiB"});
    fs::write(&aside, naming_it(patient).to_string())?;
    fs::rename(&aside, gateway.file())?;
    gateway.process.signal(Signal::HUP)?;
    let began = Instant::now();
    while !has_children(gateway.process.pid())? {
        ensure!(
            began.elapsed() < DEADLINE,
            "nothing is compiled: {:?}",
            gateway.process.lines_from(0)
        );
        tokio::task::yield_now().await;
    }
    gateway.process.signal(Signal::TERM)?;
    assert_eq!(gateway.process.wait_for_exit(DEADLINE).await?.code(), Some(0));
    let lines = gateway.process.lines_from(0);
    let said = |text: &str| lines.iter().any(|line| line.text.starts_with(text));
    assert!(
        said("draining") && said("stopped") && !said("configuration"),
        "{lines:?}"
    );
    Ok(())
}

/// Whether a process has started another one that runs.
fn has_children(pid: u32) -> Result<bool> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // A thread may be gone by now.
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        if !children.trim().is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[tokio::test]
async fn the_verb_that_compiles_is_not_shown() -> Result<()> {
    let help = command("--help", &[], &BTreeMap::new()).await?;
    assert!(help.out.contains("schema") && !help.out.contains("compile"), "{help:?}");
    Ok(())
}

#[tokio::test]
async fn a_plugin_with_an_instance_for_each_exchange_serves_dies_and_is_shown() -> Result<()> {
    let mut die = plugin("die", "die", json!(""))?;
    die["isolation"] = json!("exchange");
    die["limits"] = json!({"instances": 5});
    let gateway = gateway(json!({
        "workers": 1,
        "plugins": [die],
        "routes": [{"name": "r", "echo": true, "plugins": ["die"]}],
    }))
    .await?;
    for _ in 0..3 {
        assert_eq!(get(&gateway, "/").await?.status, 200);
    }
    let request = testkit::client::Request::get("/").field("x-die", "request_headers unreachable");
    assert_eq!(crate::setting::ask(&gateway, &request).await?.status, 503);
    assert_eq!(get(&gateway, "/").await?.status, 200);
    let began = Instant::now();
    loop {
        let shown = page(&gateway, "/plugins").await?;
        let (plugin, worker) = (&shown[0], &shown[0]["workers"][0]);
        assert_eq!(
            (&plugin["isolation"], &plugin["limits"]["instances"], &worker["faults"]),
            (&json!("exchange"), &json!(5), &json!(1))
        );
        // One is tried out at the start and one after the fault; the rest is one for each exchange.
        let starts = worker["starts"].as_u64().context("no number of starts")?;
        if (&worker["instances"], &worker["memory_bytes"], starts) == (&json!(0), &json!(0), 7)
            && worker["state"] == "running"
        {
            return Ok(());
        }
        ensure!(began.elapsed() < DEADLINE, "{shown}");
        tokio::task::yield_now().await;
    }
}
