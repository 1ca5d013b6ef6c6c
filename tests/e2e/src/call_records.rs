//! Calls to a registry and to Consul stand in the log: what was asked, how long it took, what came of it; and nothing that is to be hidden.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::consul::Consul;
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;
use testkit::registry::registry;

use crate::packages::Desk;
use crate::reload::change;
use crate::setting::complete;

/// Personal data in a name, and what is written in its place.
const PHONE: &str = "13812341234";
const MASKED: &str = "138****1234";
const TOKEN: &str = "only-consul-may-know";

/// The configuration, with its calls written into a file of that folder.
fn logged(mut configuration: Value, folder: &Path) -> Value {
    configuration["logs"] = json!({
        "mask": {"packs": ["mlps3"]},
        "rings": {"dir": folder.join("rings")},
        "sinks": [{
            "name": "calls",
            "file": {"path": folder.join("calls.log")},
            "classes": ["call"],
            "batch": {"linger": "1ms"},
        }],
    });
    configuration
}

/// Waits for a call of a system with this result, whose operation begins so.
async fn call(folder: &Path, system: &str, (operation, result): (&str, &str)) -> Result<Value> {
    let end = Instant::now() + DEADLINE;
    loop {
        let text = fs::read_to_string(folder.join("calls.log")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines().map(serde_json::from_str::<Value>);
        let all = lines.collect::<Result<Vec<_>, _>>()?;
        let is_it = |record: &&Value| {
            let asked = record["cofferdam.call.operation"].as_str().unwrap_or_default();
            record["peer.service"] == system
                && asked.starts_with(operation)
                && record["cofferdam.call.result"] == result
        };
        if let Some(found) = all.iter().find(is_it) {
            let level = if result == "ok" { "debug" } else { "warn" };
            ensure!(found["event_name"] == "call" && found["level"] == level, "{found}");
            ensure!(found["cofferdam.duration_ms"].is_number(), "{found}");
            return Ok(found.clone());
        }
        ensure!(Instant::now() < end, "no `{operation}` that is {result} among {all:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// That none of these stands in the file of calls.
fn says_nothing_of(folder: &Path, words: &[&str]) -> Result<()> {
    let text = fs::read_to_string(folder.join("calls.log"))?;
    ensure!(words.iter().all(|word| !text.contains(word)), "{text}");
    Ok(())
}

#[tokio::test]
async fn what_is_pulled_from_a_registry_is_written_down_with_what_came_of_it() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    let folder = desk.folder.path();
    let image = registry.name(&format!("team/{PHONE}:1"));
    desk.told(&["push", "hello.wasm", &image]).await?;
    let of = |image: &str| {
        let configuration = complete(json!({
            "cache_dir": desk.path("cache"),
            "plugins": [{"name": "hello", "source": {"oci": image, "pull": "always", "timeout": "2s"}}],
            "routes": [{"name": "r", "echo": true, "plugins": ["hello"]}],
        }));
        logged(configuration, folder).to_string()
    };
    let quiet = |command: &mut std::process::Command| {
        command.env("DOCKER_CONFIG", folder);
        command.env_remove("REGISTRY_AUTH_FILE").env_remove("XDG_RUNTIME_DIR");
    };
    let gateway = Gateway::start_with(&of(&image), quiet).await?;
    let known = of(&image);
    change(&gateway, &known).await?;
    let shown = format!("pull {}", registry.name(&format!("team/{MASKED}:1")));
    let pulled = call(folder, "registry", (&shown, "ok")).await?;
    let bytes = fs::metadata(&desk.module)?.len();
    ensure!(
        pulled["cofferdam.digest"] == desk.sha256()? && pulled["cofferdam.bytes_in"] == bytes,
        "{pulled}"
    );
    let nothing = registry.name(&format!("team/nothing-{PHONE}:1"));
    change(&gateway, &of(&nothing)).await?;
    let shown = format!("pull {}", nothing.replace(PHONE, MASKED));
    let refused = call(folder, "registry", (&shown, "refused")).await?;
    ensure!(
        refused["message"].as_str().is_some_and(|why| why.contains("404")) && refused["cofferdam.digest"].is_null(),
        "{refused}"
    );
    let gone = registry.name(&format!("team/{PHONE}:2"));
    drop(registry);
    change(&gateway, &of(&gone)).await?;
    let shown = format!("pull {}", gone.replace(PHONE, MASKED));
    let lost = call(folder, "registry", (&shown, "timeout")).await?;
    ensure!(lost["message"].is_string(), "{lost}");
    says_nothing_of(folder, &[PHONE])
}

#[tokio::test]
async fn calls_to_consul_are_written_down_with_their_keys_and_no_value() -> Result<()> {
    let (consul, folder) = (Consul::start(Some(TOKEN))?, tempfile::tempdir()?);
    let folder = folder.path();
    let key = format!("gw/{PHONE}.yaml");
    let shown = format!("look gw/{MASKED}.yaml");
    let text = |body: &str| {
        let listeners = json!([{"name": "web", "listen": "127.0.0.1:0"}]);
        let routes = json!([{"name": "r", "respond": {"body": body}}]);
        logged(json!({"listeners": listeners, "routes": routes}), folder).to_string()
    };
    consul.put(&key, &text("a value of the store"));
    let store = json!({
        "consul": {"endpoint": consul.address.to_string(), "token_env": "CONSUL_TOKEN_OF_TEST"},
        "key": key, "node": "gw", "wait": "20s",
    });
    let bootstrap = json!({"admin": {"listen": "127.0.0.1:0"}, "store": store}).to_string();
    let gateway = Gateway::start_with(&bootstrap, |command| {
        command.env("CONSUL_TOKEN_OF_TEST", TOKEN);
    })
    .await?;
    let said = gateway.process.line_count();
    consul.put(&key, &text("another value of the store"));
    let applied = |line: &testkit::process::Line| line.text.contains("configuration applied");
    gateway.process.wait_for_line(said, DEADLINE, applied).await?;
    let looked = call(folder, "consul", (&shown, "ok")).await?;
    ensure!(looked["message"].is_null(), "{looked}");
    call(
        folder,
        "consul",
        (&format!("write gw/{MASKED}.yaml.status/gw (1)"), "ok"),
    )
    .await?;
    consul.fail(true);
    let failed = call(folder, "consul", (&shown, "unavailable")).await?;
    let why = failed["message"].as_str().context("it does not say why")?;
    ensure!(why.contains("500"), "{why}");
    says_nothing_of(folder, &[PHONE, TOKEN, "value of the store"])
}
