//! Rollouts of what the configuration does not have: begun by an operator, ended by the configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::{DEADLINE, Line};

use super::{change, has_said, rollout, said};
use crate::setting::{Ended, complete, get, page, plugin};

/// A gateway whose plugin `p` says `configured`, and a folder from where modules may be taken.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("modules"))?;
        fs::copy(place::guest("probe-020")?, folder.path().join("modules/p.wasm"))?;
        fs::copy(place::guest("probe-020")?, folder.path().join("outside.wasm"))?;
        fs::write(folder.path().join("config.json"), says("begun").to_string())?;
        Ok(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration, with `more` keys of the plugin.
    fn configuration(&self, word: &str, more: &Value) -> Result<Value> {
        let mut plugin = plugin("p", "probe-021", says(word))?;
        plugin
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Ok(complete(json!({
            "admin": {"listen": "127.0.0.1:0", "rollouts_from": {"folders": [self.path("modules")]}},
            "plugins": [plugin],
            "routes": [{"name": "r", "respond": {"body": "answer"}, "plugins": ["p"]}],
        })))
    }

    async fn start(&self, gateway: &Gateway, module: Option<&str>, more: &[&str]) -> Result<Ended> {
        let config = self.path("config.json");
        let module = module.map(|module| self.path(module));
        let mut words = vec!["start", "p", "--config", text(&config)];
        if let Some(module) = &module {
            words.extend(["--source", text(module)]);
        }
        words.extend(more);
        rollout(gateway, &words).await
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn says(word: &str) -> Value {
    json!({"response_headers": [{"op": "add_header_map_value", "map": "response_headers", "key": "x-p", "value": word}]})
}

async fn answer(gateway: &Gateway) -> Result<String> {
    Ok(get(gateway, "/").await?.field("x-p").unwrap_or_default().to_owned())
}

async fn begun(gateway: &Gateway) -> Result<bool> {
    Ok(page(gateway, "/plugins").await?[0]["begun"].is_string())
}

#[tokio::test]
async fn another_module_is_rolled_out_and_serves_until_the_text_changes() -> Result<()> {
    let stage = Stage::new()?;
    let configuration = stage.configuration("configured", &json!({}))?;
    let gateway = Gateway::start(&configuration.to_string()).await?;
    assert!(!begun(&gateway).await?);
    let steps = ["--steps", "1%:manual,50%:manual"];
    let ended = stage.start(&gateway, Some("modules/p.wasm"), &steps).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    said(&gateway, "step 1 of 2, paused by hand").await?;
    assert!(begun(&gateway).await?);
    // A second one waits for the end of the first.
    let ended = stage.start(&gateway, Some("modules/p.wasm"), &steps).await?;
    assert!(
        ended.code == Some(1) && ended.err.contains("a rollout goes on"),
        "{ended:?}"
    );
    assert_eq!(rollout(&gateway, &["resume", "p"]).await?.code, Some(0));
    said(&gateway, "step 2 of 2, paused by hand").await?;
    // It goes on over a kill, in its step.
    let gateway = gateway.start_again(Signal::KILL).await?;
    said(&gateway, "step 2 of 2, paused by hand").await?;
    assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
    said(&gateway, ": promoted").await?;
    said(&gateway, "hint: plugin `p` serves as `rollout start` has it").await?;
    assert_eq!(answer(&gateway).await?, "begun");
    let gateway = gateway.start_again(Signal::KILL).await?;
    assert_eq!(answer(&gateway).await?, "begun");
    assert!(begun(&gateway).await?);
    // The same text again changes nothing, another one all.
    let from = gateway.process.line_count();
    gateway.process.signal(Signal::HUP)?;
    assert!(crate::reload::outcome(&gateway, from).await?.contains("applied"));
    assert_eq!(answer(&gateway).await?, "begun");
    let mut other = configuration;
    other["routes"][0]["name"] = json!("renamed");
    change(&gateway, &other.to_string()).await?;
    said(&gateway, "what `rollout start` began for plugin `p` has ended").await?;
    assert_eq!(answer(&gateway).await?, "configured");
    assert!(!begun(&gateway).await?);
    Ok(())
}

#[tokio::test]
async fn what_is_written_into_the_configuration_afterwards_changes_nothing_of_what_serves() -> Result<()> {
    let stage = Stage::new()?;
    let gateway = Gateway::start(&stage.configuration("configured", &json!({}))?.to_string()).await?;
    let ended = stage
        .start(&gateway, Some("modules/p.wasm"), &["--steps", "50%:manual"])
        .await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    said(&gateway, "step 1 of 1, paused by hand").await?;
    assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
    said(&gateway, ": promoted").await?;
    let number = page(&gateway, "/plugins").await?[0]["generation"].clone();
    let config = fs::read_to_string(stage.path("config.json"))?;
    let more = json!({"source": {"file": stage.path("modules/p.wasm")}, "config": config});
    change(&gateway, &stage.configuration("unused", &more)?.to_string()).await?;
    assert_eq!(answer(&gateway).await?, "begun");
    assert_eq!(page(&gateway, "/plugins").await?[0]["generation"], number);
    assert!(!begun(&gateway).await?);
    Ok(())
}

fn begins(line: &Line) -> bool {
    line.text.contains("step 1 of 1, paused by hand")
}

/// Waits until what was begun is there, or is not any more.
async fn until_begun(gateway: &Gateway, wanted: bool) -> Result<()> {
    let end = Instant::now() + DEADLINE;
    while begun(gateway).await? != wanted {
        ensure!(Instant::now() < end, "begun is not {wanted}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_begun_and_went_back_hides_nothing_of_what_is_configured() -> Result<()> {
    let stage = Stage::new()?;
    let served = stage.path("served.wasm");
    fs::copy(place::guest("probe-021")?, &served)?;
    let rolled = json!({"steps": [{"share": "50%", "pause": "manual"}]});
    let more = json!({"source": {"file": served}, "rollout": rolled});
    let configuration = stage.configuration("configured", &more)?;
    let gateway = Gateway::start(&configuration.to_string()).await?;
    let ended = stage.start(&gateway, Some("modules/p.wasm"), &[]).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    said(&gateway, "step 1 of 1, paused by hand").await?;
    assert_eq!(rollout(&gateway, &["abort", "p"]).await?.code, Some(0));
    until_begun(&gateway, false).await?;
    assert_eq!(answer(&gateway).await?, "configured");
    // It is known how it went, and tried again when somebody says so.
    for more in [None, Some("modules/p.wasm")] {
        let shown = page(&gateway, "/plugins/p/rollout").await?;
        assert_eq!(
            (&shown["state"], &shown["why"]),
            (&json!("rolled back"), &json!("an operator gave it up"))
        );
        let from = gateway.process.line_count();
        let again = match more {
            None => rollout(&gateway, &["start", "p"]).await?,
            Some(module) => stage.start(&gateway, Some(module), &[]).await?,
        };
        assert_eq!(again.code, Some(0), "{again:?}");
        gateway.process.wait_for_line(from, DEADLINE, begins).await?;
        assert!(begun(&gateway).await?);
        assert_eq!(rollout(&gateway, &["abort", "p"]).await?.code, Some(0));
        until_begun(&gateway, false).await?;
        assert_eq!(answer(&gateway).await?, "configured");
    }
    // A new version of what is configured is rolled out, as ever.
    let from = gateway.process.line_count();
    let mut newer = fs::read(place::guest("probe-021")?)?;
    newer.extend([0, 3, 1, b'x', 0]);
    fs::write(&served, newer)?;
    gateway.process.wait_for_line(from, DEADLINE, begins).await?;
    let gateway = gateway.start_again(Signal::KILL).await?;
    assert_eq!(answer(&gateway).await?, "configured");
    assert!(!begun(&gateway).await?);
    Ok(())
}

#[tokio::test]
async fn what_was_begun_of_a_plugin_without_rollout_is_known_when_it_went_back() -> Result<()> {
    let stage = Stage::new()?;
    let gateway = Gateway::start(&stage.configuration("configured", &json!({}))?.to_string()).await?;
    let steps = ["--steps", "50%:manual"];
    let ended = stage.start(&gateway, Some("modules/p.wasm"), &steps).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(rollout(&gateway, &["abort", "p"]).await?.code, Some(0));
    until_begun(&gateway, false).await?;
    let status = rollout(&gateway, &["status", "p"]).await?;
    assert!(
        status.code == Some(0) && status.out.contains("an operator gave it up"),
        "{status:?}"
    );
    assert_eq!(rollout(&gateway, &["start", "p"]).await?.code, Some(0));
    until_begun(&gateway, true).await?;
    assert_eq!(page(&gateway, "/plugins/p/rollout").await?["over"], false);
    Ok(())
}

#[tokio::test]
async fn what_was_promoted_serves_on_when_its_file_is_gone_or_its_next_version_goes_back() -> Result<()> {
    let stage = Stage::new()?;
    let rolled = json!({"steps": [{"share": "50%", "pause": "manual"}]});
    let configuration = stage.configuration("configured", &json!({"rollout": rolled}))?;
    let gateway = Gateway::start(&configuration.to_string()).await?;
    assert_eq!(stage.start(&gateway, Some("modules/p.wasm"), &[]).await?.code, Some(0));
    said(&gateway, "step 1 of 1, paused by hand").await?;
    assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
    said(&gateway, ": promoted").await?;
    let module = stage.path("modules/p.wasm");
    let served = fs::read(&module)?;
    let mut newer = served.clone();
    newer.extend([0, 3, 1, b'x', 0]);
    let from = gateway.process.line_count();
    fs::write(&module, newer)?;
    gateway.process.wait_for_line(from, DEADLINE, begins).await?;
    assert_eq!(rollout(&gateway, &["abort", "p"]).await?.code, Some(0));
    let from = gateway.process.line_count();
    gateway.process.signal(Signal::HUP)?;
    assert!(crate::reload::outcome(&gateway, from).await?.contains("applied"));
    assert_eq!(answer(&gateway).await?, "begun");
    let gateway = gateway.start_again(Signal::KILL).await?;
    assert_eq!(answer(&gateway).await?, "begun");
    let from = gateway.process.line_count();
    fs::remove_file(&module)?;
    gateway.process.signal(Signal::HUP)?;
    assert!(crate::reload::outcome(&gateway, from).await?.contains("applied"));
    assert_eq!(answer(&gateway).await?, "begun");
    let gateway = gateway.start_again(Signal::KILL).await?;
    assert_eq!(answer(&gateway).await?, "begun");
    fs::write(&module, served)?;
    let from = gateway.process.line_count();
    gateway.process.signal(Signal::HUP)?;
    assert!(crate::reload::outcome(&gateway, from).await?.contains("applied"));
    assert_eq!(answer(&gateway).await?, "begun");
    assert_eq!(page(&gateway, "/plugins").await?[0]["runs"], "wanted");
    assert!(!has_said(&gateway, "has ended"));
    Ok(())
}

#[tokio::test]
async fn a_configured_generation_that_went_back_is_not_tried_again_because_of_what_was_begun() -> Result<()> {
    let stage = Stage::new()?;
    let rolled = json!({"rollout": {"steps": [{"share": "50%", "pause": "manual"}]}});
    let gateway = Gateway::start(&stage.configuration("configured", &rolled)?.to_string()).await?;
    change(&gateway, &stage.configuration("wrong", &rolled)?.to_string()).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    assert_eq!(rollout(&gateway, &["abort", "p"]).await?.code, Some(0));
    let from = gateway.process.line_count();
    assert_eq!(stage.start(&gateway, Some("modules/p.wasm"), &[]).await?.code, Some(0));
    gateway.process.wait_for_line(from, DEADLINE, begins).await?;
    let from = gateway.process.line_count();
    assert_eq!(rollout(&gateway, &["abort", "p"]).await?.code, Some(0));
    until_begun(&gateway, false).await?;
    assert_eq!(page(&gateway, "/plugins/p/rollout").await?["state"], "rolled back");
    assert_eq!(page(&gateway, "/plugins").await?[0]["runs"], "former");
    assert!(!gateway.process.lines_from(from).iter().any(begins));
    assert_eq!(answer(&gateway).await?, "configured");
    // It is that of the configuration that is tried again.
    assert_eq!(rollout(&gateway, &["start", "p"]).await?.code, Some(0));
    gateway.process.wait_for_line(from, DEADLINE, begins).await?;
    assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
    said(&gateway, ": promoted").await?;
    assert_eq!(answer(&gateway).await?, "wrong");
    Ok(())
}

#[tokio::test]
async fn a_module_that_was_begun_and_became_a_link_to_elsewhere_serves_no_more() -> Result<()> {
    for is_killed in [false, true] {
        let stage = Stage::new()?;
        let gateway = Gateway::start(&stage.configuration("configured", &json!({}))?.to_string()).await?;
        let steps = ["--steps", "50%:manual"];
        let ended = stage.start(&gateway, Some("modules/p.wasm"), &steps).await?;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        said(&gateway, "step 1 of 1, paused by hand").await?;
        assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
        said(&gateway, ": promoted").await?;
        let link = stage.path("link.wasm");
        std::os::unix::fs::symlink(stage.path("outside.wasm"), &link)?;
        fs::rename(&link, stage.path("modules/p.wasm"))?;
        let gateway = if is_killed {
            gateway.start_again(Signal::KILL).await?
        } else {
            gateway
        };
        let line = said(&gateway, "what `rollout start` began for plugin `p` has ended").await?;
        assert!(line.contains("is not where `admin.rollouts_from`"), "{line}");
        until_begun(&gateway, false).await?;
        assert_eq!(answer(&gateway).await?, "configured");
    }
    Ok(())
}

#[tokio::test]
async fn nothing_is_begun_that_the_configuration_does_not_admit() -> Result<()> {
    let stage = Stage::new()?;
    let configuration = stage.configuration("configured", &json!({}))?;
    let gateway = Gateway::start(&configuration.to_string()).await?;
    fs::write(stage.path("modules/broken.wasm"), "spoilt")?;
    std::os::unix::fs::symlink(stage.path("outside.wasm"), stage.path("modules/link.wasm"))?;
    let steps = ["--steps", "50%:manual"];
    for (module, words, why) in [
        ("outside.wasm", &steps[..], "is not where `admin.rollouts_from`"),
        ("modules/link.wasm", &steps, "is not where `admin.rollouts_from`"),
        ("modules/absent.wasm", &steps, "cannot be read"),
        ("modules/broken.wasm", &steps, "the module was refused"),
        ("modules/p.wasm", &[], "has no `rollout`"),
        ("modules/p.wasm", &["--steps", "50:manual"], "has no `%`"),
    ] {
        let ended = stage.start(&gateway, Some(module), words).await?;
        assert!(
            ended.code == Some(1) && ended.err.contains(why),
            "{module} {words:?}: {ended:?}"
        );
    }
    assert_eq!(answer(&gateway).await?, "configured");
    assert!(!begun(&gateway).await? && !has_said(&gateway, "step 1"));
    // A module that is configured may have another configuration.
    assert_eq!(stage.start(&gateway, None, &steps).await?.code, Some(0));
    said(&gateway, "step 1 of 1, paused by hand").await?;
    // And where nothing is said of it, nothing may.
    let mut closed = configuration;
    closed["admin"] = json!({"listen": "127.0.0.1:0"});
    let gateway = Gateway::start(&closed.to_string()).await?;
    let ended = stage.start(&gateway, None, &steps).await?;
    assert!(
        ended.code == Some(1) && ended.err.contains("hint: `admin.rollouts_from` says from where"),
        "{ended:?}"
    );
    Ok(())
}

#[tokio::test]
async fn audit_is_asked_of_what_is_begun() -> Result<()> {
    let stage = Stage::new()?;
    let mut configuration = stage.configuration("configured", &json!({}))?;
    let served = fs::read(place::guest("probe-021")?)?;
    configuration["audit"] = json!({"size": served.len()});
    let gateway = Gateway::start(&configuration.to_string()).await?;
    let mut larger = served;
    // A custom section that says nothing, of which the module only becomes larger.
    larger.extend([0, 3, 1, b'x', 0]);
    fs::write(stage.path("modules/larger.wasm"), larger)?;
    let ended = stage
        .start(&gateway, Some("modules/larger.wasm"), &["--steps", "50%:manual"])
        .await?;
    assert!(ended.code == Some(1) && ended.err.contains("bytes"), "{ended:?}");
    assert_eq!(answer(&gateway).await?, "configured");
    Ok(())
}
