//! What every test begins with: configurations, pages of the admin listener, commands that end.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::{Request, Response, Version, send};
use testkit::gateway::Gateway;
use testkit::golden::Golden;
use testkit::place;
use testkit::process::{DEADLINE, Process};

/// Restarts at once, and for ever.
pub(crate) fn tireless() -> Value {
    json!({"backoff": "1ms", "backoff_max": "1ms", "recovered_after": "1ms", "quarantine_after": 0})
}

/// A plugin of the guest that dies.
pub(crate) fn dying(name: &str, config: &str, on_fault: &str) -> Result<Value> {
    Ok(json!({
        "name": name,
        "source": {"file": place::guest("die")?},
        "config": config,
        "on_fault": on_fault,
        // What a storm says at its end must not be among the lines that are too many.
        "limits": {"cpu_slice": "20ms", "memory": "4MiB", "trusted_after": 0, "log_lines": 1_000_000},
        "restart": tireless(),
    }))
}

/// A page of the admin listener as JSON.
pub(crate) async fn page(gateway: &Gateway, target: &str) -> Result<Value> {
    let answer = send(gateway.admin, Version::Http1, &Request::get(target)).await?;
    serde_json::from_slice(&answer.body()).with_context(|| format!("`{target}` is not JSON: {}", answer.text()))
}

/// A GET of the listener `web`.
pub(crate) async fn get(gateway: &Gateway, target: &str) -> Result<Response> {
    send(gateway.listener("web")?, Version::Http1, &Request::get(target)).await
}

/// The only worker's counts of a plugin, from the page `/plugins`.
pub(crate) fn counts<'page>(plugins: &'page Value, name: &str) -> &'page Value {
    let mut all = plugins.as_array().into_iter().flatten();
    all.find(|plugin| plugin["name"] == name)
        .map_or(&Value::Null, |plugin| &plugin["workers"][0])
}

/// Looks at the page `/plugins` until `judge` holds.
pub(crate) async fn plugins_until(gateway: &Gateway, judge: impl Fn(&Value) -> bool) -> Result<Value> {
    let began = Instant::now();
    loop {
        let plugins = page(gateway, "/plugins").await?;
        if judge(&plugins) {
            return Ok(plugins);
        }
        if began.elapsed() > DEADLINE {
            bail!("not in time: {plugins:#}");
        }
        tokio::task::yield_now().await;
    }
}

/// Writes the file whole, at one stroke, and tells the gateway; gives the line that says what became of it.
pub(crate) async fn change(gateway: &Gateway, configuration: &Value) -> Result<String> {
    let aside = gateway.folder().join("next.yaml");
    std::fs::write(&aside, configuration.to_string())?;
    let said = gateway.process.line_count();
    std::fs::rename(&aside, gateway.file())?;
    gateway.process.signal(Signal::HUP)?;
    let outcome = ["configuration applied", "configuration refused"];
    let line = gateway
        .process
        .wait_for_line(said, DEADLINE, |line| {
            outcome.iter().any(|outcome| line.text.contains(outcome))
        })
        .await?;
    Ok(line.text)
}

/// No thread of the gateway itself panicked, and it answers.
pub(crate) async fn lives(gateway: &Gateway, said: usize) -> Result<()> {
    let health = send(gateway.admin, Version::Http1, &Request::get("/healthz")).await?;
    anyhow::ensure!(health.status == 200, "/healthz says {}", health.status);
    no_panic(gateway, said)
}

/// What a guest says of its panic stands behind the words of the line that brings it, or has no name of a thread.
fn no_panic(gateway: &Gateway, said: usize) -> Result<()> {
    let lines = gateway.process.lines_from(said);
    let panicked = lines.iter().find(|line| {
        line.text.starts_with("thread '")
            && line.text.contains("panicked at")
            && !line.text.starts_with("thread '<unnamed>'")
    });
    match panicked {
        Some(line) => bail!("the gateway panicked: {}", line.text),
        None => Ok(()),
    }
}

/// Runs `cofferdam VERB` over a configuration to its end; gives its code and what it said on standard error.
pub(crate) async fn command(verb: &str, configuration: &Value) -> Result<(Option<i32>, String)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, configuration.to_string())?;
    let mut command = Command::new(place::cofferdam().await?);
    command.arg(verb).arg(&file).env("XDG_STATE_HOME", folder.path());
    command.env("COFFERDAM_RING_DIR", folder.path().join("rings"));
    let mut process = Process::start("cofferdam", &mut command)?;
    let status = process.wait_for_exit(DEADLINE * 3).await?;
    // The pipes are read to their end by threads of their own; a line that never comes waits for exactly that.
    let _ = process.wait_for_line(0, DEADLINE, |_| false).await;
    let lines = process.lines_from(0);
    let text = lines.iter().map(|line| line.text.clone() + "\n").collect();
    Ok((status.code(), text))
}

/// The texts of this suite that a person reads.
pub(crate) fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}
