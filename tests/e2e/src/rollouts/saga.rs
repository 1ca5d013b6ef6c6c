//! Rollouts in gateways in which something goes wrong on the way: each ends as promoted or as rolled back, and what is shown is so.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::{Connection, Request, Version, send};
use testkit::gateway::{Gateway, PluginLine};
use testkit::process::{DEADLINE, Line};

use super::{change, has_said, rollout, said};
use crate::setting::{ask, backend, complete, gateway, get, page, plugin, upstream};

/// A step that waits for a person.
fn by_hand(share: &str) -> Value {
    json!({"steps": [{"share": share, "pause": "manual"}]})
}

/// A plugin that says `word` in `x-NAME`, and does what `script` says. `rollout` is none for one that changes at once.
fn tells(name: &str, word: &str, script: &Value, rollout: Option<&Value>) -> Result<Value> {
    let key = format!("x-{name}");
    let mut steps = json!({"response_headers": [{"op": "add_response_header", "key": key, "value": word}]});
    steps
        .as_object_mut()
        .unwrap()
        .extend(script.as_object().unwrap().clone());
    let mut plugin = plugin(name, "probe-021", steps)?;
    if let Some(rollout) = rollout {
        plugin["rollout"] = rollout.clone();
    }
    Ok(plugin)
}

fn with(plugins: &[Value]) -> Value {
    let names: Vec<&str> = plugins.iter().filter_map(|plugin| plugin["name"].as_str()).collect();
    complete(json!({
        "plugins": plugins,
        "routes": [{"name": "r", "respond": {"body": "answer"}, "plugins": names}],
    }))
}

/// Exchanges of the case `spoil` set something that all plugins see.
fn spoils() -> Value {
    let set = json!([{"op": "set_shared_data", "key": "k", "value": "spoilt"}]);
    json!({"cases": {"spoil": {"request_headers": set}}})
}

/// Starts as long as that is not set: never where it is tried out, which has shared data of its own.
fn delicate(step: &Value) -> Value {
    let mut step = step.clone();
    step["when"] = json!({"saved": "found", "is": "spoilt"});
    json!({"configure": [{"op": "get_shared_data", "key": "k", "save": "found"}, step]})
}

fn does_not_start() -> Value {
    delicate(&json!({"op": "return", "action": "false"}))
}

async fn spoil(gateway: &Gateway) -> Result<()> {
    let request = Request::get("/").field("x-case", "spoil");
    assert_eq!(ask(gateway, &request).await?.status, 200);
    Ok(())
}

async fn state(gateway: &Gateway, name: &str) -> Result<Value> {
    Ok(page(gateway, &format!("/plugins/{name}/rollout")).await?["state"].clone())
}

#[tokio::test]
async fn a_candidate_that_does_not_start_where_the_control_was_is_rolled_back() -> Result<()> {
    let rolled = by_hand("1%");
    let configuration = |word: &str, script: Value| {
        // In force both live in one instance; while it is tried, the candidate has one of its own.
        let mut plugins = [
            tells("p", word, &script, Some(&rolled))?,
            tells("q", "q", &spoils(), None)?,
        ];
        for plugin in &mut plugins {
            plugin["vm_id"] = json!("shared");
        }
        Ok::<_, anyhow::Error>(with(&plugins).to_string())
    };
    let gateway = Gateway::start(&configuration("old", json!({}))?).await?;
    change(&gateway, &configuration("new", does_not_start())?).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    spoil(&gateway).await?;
    assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
    let line = said(&gateway, ": rolled back: ").await?;
    for part in [
        "`retire-control` was not done",
        "answered false to `proxy_on_configure`",
    ] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    assert!(!has_said(&gateway, ": promoted"));
    assert_eq!(get(&gateway, "/").await?.field("x-p"), Some("old"));
    assert_eq!(state(&gateway, "p").await?, "rolled back");
    let gateway = gateway.start_again(Signal::KILL).await?;
    assert_eq!(get(&gateway, "/").await?.field("x-p"), Some("old"));
    assert_eq!(state(&gateway, "p").await?, "rolled back");
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_a_change_of_another_plugin_takes_away_is_rolled_back() -> Result<()> {
    let rolled = by_hand("50%");
    let configuration = |p: (&str, Value), q: &str| {
        let mut plugins = [
            tells("p", p.0, &p.1, Some(&rolled))?,
            tells("q", q, &spoils(), Some(&rolled))?,
        ];
        for plugin in &mut plugins {
            plugin["vm_id"] = json!("shared");
        }
        Ok::<_, anyhow::Error>(with(&plugins).to_string())
    };
    let gateway = Gateway::start(&configuration(("old", json!({})), "old")?).await?;
    change(&gateway, &configuration(("new", does_not_start()), "old")?).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    spoil(&gateway).await?;
    // The candidates of both share an instance, which has to be started.
    change(&gateway, &configuration(("new", does_not_start()), "new")?).await?;
    let line = said(&gateway, ": rolled back: ").await?;
    assert!(line.contains("rollout plugin=p "), "{line}");
    assert!(line.contains("answered false to `proxy_on_configure`"), "{line}");
    assert_eq!(state(&gateway, "p").await?, "rolled back");
    assert_eq!(state(&gateway, "q").await?, "step 1 of 1, paused by hand");
    assert_eq!(get(&gateway, "/").await?.field("x-p"), Some("old"));
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_does_not_start_on_a_worker_keeps_no_gateway_from_starting() -> Result<()> {
    let rolled = by_hand("50%");
    let configuration = |word: &str, script: Value| {
        Ok::<_, anyhow::Error>(with(&[tells("p", word, &script, Some(&rolled))?]).to_string())
    };
    let sets = json!({"configure": [{"op": "set_shared_data", "key": "k", "value": "spoilt"}]});
    let gateway = Gateway::start(&configuration("old", sets)?).await?;
    kept(&gateway, 1).await?;
    fs::write(gateway.file(), configuration("new", does_not_start())?)?;
    let gateway = gateway.start_again(Signal::KILL).await?;
    let line = said(&gateway, ": rolled back: ").await?;
    for part in ["`stage` was not done", "answered false to `proxy_on_configure`"] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    assert_eq!(get(&gateway, "/").await?.field("x-p"), Some("old"));
    let plugins = page(&gateway, "/plugins").await?;
    assert_eq!(plugins[0]["runs"], "former", "{plugins}");
    Ok(())
}

#[tokio::test]
async fn a_rollout_that_was_overtaken_does_not_come_back_with_a_start() -> Result<()> {
    let rolled = json!({"steps": [{"share": "10%", "pause": "manual"}, {"share": "60%", "pause": "manual"}]});
    let configuration = |word: &str, rolled: Option<&Value>| {
        Ok::<_, anyhow::Error>(with(&[tells("p", word, &json!({}), rolled)?]).to_string())
    };
    let gateway = Gateway::start(&configuration("old", Some(&rolled))?).await?;
    change(&gateway, &configuration("new", Some(&rolled))?).await?;
    said(&gateway, "step 1 of 2, paused by hand").await?;
    assert_eq!(rollout(&gateway, &["resume", "p"]).await?.code, Some(0));
    said(&gateway, "step 2 of 2, paused by hand").await?;
    // Nothing is rolled out any more.
    change(&gateway, &configuration("old", None)?).await?;
    said(&gateway, ": rolled back: another configuration").await?;
    let gateway = gateway.start_again(Signal::KILL).await?;
    change(&gateway, &configuration("new", Some(&rolled))?).await?;
    said(&gateway, "step 1 of 2, paused by hand").await?;
    assert!(!has_said(&gateway, "step 2 of 2"));
    Ok(())
}

/// The folder in which a gateway keeps what serves, once so many generations are there.
async fn kept(gateway: &Gateway, generations: usize) -> Result<PathBuf> {
    let until = tokio::time::Instant::now() + DEADLINE;
    loop {
        let folders = fs::read_dir(gateway.folder().join("cofferdam/served"));
        for folder in folders.into_iter().flatten().flatten().map(|entry| entry.path()) {
            let served = json_of(&folder.join("served.json")).unwrap_or_default();
            let count = |key: &str| served[key].as_array().map_or(0, Vec::len);
            if count("plugins") + count("spare") == generations {
                return Ok(folder);
            }
        }
        anyhow::ensure!(
            tokio::time::Instant::now() < until,
            "{generations} generations are not kept"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn json_of(file: &PathBuf) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

#[tokio::test]
async fn a_change_that_is_refused_takes_nothing_from_a_candidate() -> Result<()> {
    let rolled = by_hand("50%");
    let configuration = |word: &str, workers: u32| {
        let call = |name: &str, bytes: &str| json!({"op": "call_foreign_function", "name": name, "arguments": bytes, "as": "text"});
        let script = json!({"configure": [call("take_over", ""), call("hand_over", word)]});
        let mut configuration = with(&[tells("p", word, &script, Some(&rolled))?]);
        configuration["workers"] = json!(workers);
        Ok::<_, anyhow::Error>(configuration.to_string())
    };
    let gateway = Gateway::start(&configuration("first", 1)?).await?;
    change(&gateway, &configuration("second", 1)?).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    fs::write(gateway.file(), configuration("third", 2)?)?;
    said(&gateway, "take effect at the next start only").await?;
    fs::write(gateway.file(), configuration("second", 1)?)?;
    assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
    said(&gateway, ": promoted").await?;
    let from = gateway.process.line_count();
    change(&gateway, &configuration("fourth", 1)?).await?;
    let took = |line: &Line| line.text.contains("call_foreign_function") && line.text.contains("second");
    gateway.process.wait_for_line(from, DEADLINE, took).await?;
    Ok(())
}

#[tokio::test]
async fn nothing_is_kept_of_a_rollout_whose_plugin_is_configured_no_more() -> Result<()> {
    let rolled = by_hand("50%");
    let q = || tells("q", "q", &json!({}), None);
    let configuration =
        |word: &str| Ok::<_, anyhow::Error>(with(&[tells("p", word, &json!({}), Some(&rolled))?, q()?]).to_string());
    let gateway = Gateway::start(&configuration("old")?).await?;
    for is_over in [true, false] {
        let from = gateway.process.line_count();
        let word = format!("new {is_over}");
        change(&gateway, &configuration(&word)?).await?;
        let begun = |text: &str| text.contains("step 1 of 1, paused by hand");
        let line = gateway.process.wait_for_line(from, DEADLINE, |line| begun(&line.text));
        line.await?;
        if is_over {
            assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
        }
        let folder = kept(&gateway, if is_over { 2 } else { 3 }).await?;
        let records = || Ok::<_, anyhow::Error>(fs::read_dir(folder.join("rollouts"))?.count());
        assert_eq!(records()?, 1);
        change(&gateway, &with(&[q()?]).to_string()).await?;
        assert_eq!(records()?, 0);
        // One that comes back begins as one that is new.
        change(&gateway, &configuration("old")?).await?;
        assert_eq!(get(&gateway, "/").await?.field("x-p"), Some("old"));
    }
    Ok(())
}

#[tokio::test]
async fn killed_between_both_a_gateway_has_either_generation() -> Result<()> {
    for is_spoilt in [false, true] {
        let rolled = by_hand("50%");
        let folder = tempfile::tempdir()?;
        let module = folder.path().join("p.wasm");
        fs::copy(testkit::place::guest("probe-020")?, &module)?;
        let configuration = |word: &str| {
            let mut plugin = tells("p", word, &json!({}), Some(&rolled))?;
            plugin["source"]["file"] = json!(module);
            Ok::<_, anyhow::Error>(with(&[plugin]).to_string())
        };
        let gateway = Gateway::start(&configuration("old")?).await?;
        fs::copy(testkit::place::guest("probe-021")?, &module)?;
        change(&gateway, &configuration("new")?).await?;
        said(&gateway, "step 1 of 1, paused by hand").await?;
        let state = kept(&gateway, 2).await?;
        // As it is on disk when the candidate has been adopted, and the control not let go.
        gateway.process.signal(Signal::STOP)?;
        let mut served = json_of(&state.join("served.json"))?;
        let (control, candidate) = (served["plugins"][0].clone(), served["spare"][0].clone());
        (served["plugins"], served["spare"]) = (json!([candidate]), json!([control]));
        let record = fs::read_dir(state.join("rollouts"))?
            .next()
            .context("no record")??
            .path();
        let mut written = json_of(&record)?;
        written["standing"] = json!({"state": "promoting", "retiring": false});
        fs::write(state.join("served.json"), served.to_string())?;
        fs::write(&record, written.to_string())?;
        if is_spoilt {
            fs::write(&module, "spoilt")?;
            let name = candidate["module"].as_str().context("no module")?;
            fs::write(state.join("modules").join(format!("{name}.wasm")), "spoilt")?;
        }
        let gateway = gateway.start_again(Signal::KILL).await?;
        let expected = if is_spoilt { "old" } else { "new" };
        assert_eq!(get(&gateway, "/").await?.field("x-p"), Some(expected));
        // And the record says the same, also at the next start.
        if is_spoilt {
            said(&gateway, "does not go on").await?;
        } else {
            assert_eq!(page(&gateway, "/plugins/p/rollout").await?["state"], "promoted");
        }
        let gateway = gateway.start_again(Signal::KILL).await?;
        assert_eq!(get(&gateway, "/").await?.field("x-p"), Some(expected));
    }
    Ok(())
}

/// The numbers of control and candidate.
async fn numbers(gateway: &Gateway) -> Result<(Value, Value)> {
    let shown = page(gateway, "/plugins/p/rollout").await?["generations"].clone();
    Ok((
        shown["control"]["generation"].clone(),
        shown["candidate"]["generation"].clone(),
    ))
}

/// All that was handed over since is of the first generation.
async fn took_over_from_the_first(gateway: &Gateway, from: usize) -> Result<()> {
    gateway.wait_for_plugin_line(from, "result=\"first\"").await?;
    let mut lines = gateway.plugin_lines_from(from);
    lines.retain(|line| line.text.contains("result=\"") && !line.text.contains("result=\"\""));
    let is_of_the_first = |line: &PluginLine| line.text.contains("result=\"first\"");
    assert!(lines.iter().all(is_of_the_first), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn no_two_generations_have_one_number_and_one_that_went_back_leaves_nothing() -> Result<()> {
    let rolled = by_hand("50%");
    let configuration = |word: &str| {
        let call = |name: &str, bytes: &str| json!({"op": "call_foreign_function", "name": name, "arguments": bytes, "as": "text"});
        let script = json!({"configure": [call("take_over", ""), call("hand_over", word)]});
        Ok::<_, anyhow::Error>(with(&[tells("p", word, &script, Some(&rolled))?]).to_string())
    };
    let gateway = Gateway::start(&configuration("first")?).await?;
    for (number, word) in [(2, "second"), (3, "third")] {
        let from = gateway.process.line_count();
        change(&gateway, &configuration(word)?).await?;
        let step = |text: &str| text.contains("step 1 of 1, paused by hand");
        gateway
            .process
            .wait_for_line(from, DEADLINE, |line| step(&line.text))
            .await?;
        assert_eq!(numbers(&gateway).await?, (json!(1), json!(number)));
        took_over_from_the_first(&gateway, from).await?;
        if number == 2 {
            assert_eq!(rollout(&gateway, &["abort", "p"]).await?.code, Some(0));
            said(&gateway, ": rolled back: ").await?;
        }
    }
    let gateway = gateway.start_again(Signal::KILL).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    assert_eq!(numbers(&gateway).await?, (json!(1), json!(3)));
    // One that another takes the place of leaves nothing either.
    let from = gateway.process.line_count();
    change(&gateway, &configuration("fourth")?).await?;
    assert_eq!(numbers(&gateway).await?, (json!(1), json!(4)));
    took_over_from_the_first(&gateway, from).await?;
    Ok(())
}

#[tokio::test]
async fn generations_that_end_together_end_within_one_bound() -> Result<()> {
    let backend = backend()?;
    backend.reply("/", Reply::new(200).piece("first").wait("second").piece("second"));
    let rolled = by_hand("50%");
    let configuration = |word: &str, rolled: Option<&Value>| {
        let mut plugin = tells("p", word, &json!({"response_body": []}), rolled)?;
        plugin["retire_after"] = json!("2s");
        Ok::<_, anyhow::Error>(complete(json!({
            "upstreams": [upstream("up", &backend)],
            "workers": 1,
            "plugins": [plugin],
            "routes": [{"name": "r", "upstream": "up", "plugins": ["p"]}],
        })))
    };
    let gateway = gateway(configuration("old", Some(&rolled))?).await?;
    change(&gateway, &configuration("new", Some(&rolled))?.to_string()).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    // Streams on either generation.
    let mut connections = Vec::new();
    for _ in 0..12 {
        connections.push(Connection::open(gateway.listener("web")?, Version::Http1).await?);
    }
    let mut streams = Vec::new();
    for connection in &mut connections {
        let mut exchange = connection.begin(&Request::get("/")).await?;
        exchange.head().await?;
        streams.push(exchange);
    }
    let retired = |generation: usize| format!("plugin retired plugin=p generation={generation} ");
    change(&gateway, &configuration("third", None)?.to_string()).await?;
    said(&gateway, &retired(1)).await?;
    let one = Instant::now();
    said(&gateway, &retired(2)).await?;
    assert!(one.elapsed() < Duration::from_secs(1), "{:?}", one.elapsed());
    backend.release("second");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_was_started_for_a_change_that_failed_is_told_its_end() -> Result<()> {
    let log = json!({"root_done": [{"op": "log", "level": "info", "text": "told its end"}]});
    let gateway = gateway(with(&[
        tells("a", "old", &json!({}), None)?,
        tells("b", "old", &spoils(), None)?,
    ]))
    .await?;
    spoil(&gateway).await?;
    let next = with(&[
        tells("a", "new", &log, None)?,
        tells("b", "new", &does_not_start(), None)?,
    ]);
    change(&gateway, &next.to_string()).await?;
    let answer = get(&gateway, "/").await?;
    assert_eq!((answer.field("x-a"), answer.field("x-b")), (Some("new"), Some("old")));
    // One was started beside the one that did not start, another when that was taken out.
    said(&gateway, "told its end").await?;
    Ok(())
}

#[tokio::test]
async fn no_exchange_of_a_step_is_lost_when_something_else_is_changed() -> Result<()> {
    const ROUNDS: usize = 8;
    const EXCHANGES: usize = 40;
    let rolled = by_hand("50%");
    let configuration = |word: &str, other: &str| {
        let plugins = [
            tells("p", word, &json!({}), Some(&rolled))?,
            tells("q", other, &json!({}), None)?,
        ];
        Ok::<_, anyhow::Error>(with(&plugins).to_string())
    };
    let gateway = Gateway::start(&configuration("old", "q")?).await?;
    change(&gateway, &configuration("new", "q")?).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    for round in 0..ROUNDS {
        for _ in 0..EXCHANGES {
            connection.send(&Request::get("/")).await?;
        }
        change(&gateway, &configuration("new", &format!("q{round}"))?).await?;
    }
    let until = tokio::time::Instant::now() + DEADLINE;
    loop {
        let counts = page(&gateway, "/plugins/p/rollout").await?["exchanges"].clone();
        let all = counts["control"].as_u64().unwrap_or(0) + counts["candidate"].as_u64().unwrap_or(0);
        if all == u64::try_from(ROUNDS * EXCHANGES)? {
            return Ok(());
        }
        anyhow::ensure!(tokio::time::Instant::now() < until, "{counts}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_looks_does_not_wait_for_a_change_on_its_way() -> Result<()> {
    let rolled = by_hand("50%");
    let configuration = |word: &str, q: (&str, Value)| {
        let mut q = tells("q", q.0, &q.1, None)?;
        q["limits"] = json!({"cpu_slice": "50ms"});
        Ok::<_, anyhow::Error>(with(&[tells("p", word, &spoils(), Some(&rolled))?, q]).to_string())
    };
    let gateway = Gateway::start(&configuration("old", ("old", json!({})))?).await?;
    change(&gateway, &configuration("new", ("old", json!({})))?).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    spoil(&gateway).await?;
    let mut spins = delicate(&json!({"op": "spin"}));
    let begins = json!({"op": "log", "text": "it begins", "when": {"saved": "found", "is": "spoilt"}});
    spins["configure"].as_array_mut().unwrap().insert(1, begins);
    fs::write(gateway.file(), configuration("new", ("new", spins))?)?;
    said(&gateway, "it begins").await?;
    let began = Instant::now();
    assert_eq!(state(&gateway, "p").await?, "step 1 of 1, paused by hand");
    assert_eq!(page(&gateway, "/plugins").await?.as_array().map(Vec::len), Some(2));
    let metrics = send(gateway.admin, Version::Http1, &Request::get("/metrics")).await?;
    assert!(
        metrics.text().contains("cofferdam_rollout_share{plugin=\"p\"} 0.5"),
        "{}",
        metrics.text()
    );
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // It was on its way all the time.
    assert!(!has_said(&gateway, "refused_plugins=1"));
    said(&gateway, "refused_plugins=1").await?;
    Ok(())
}
