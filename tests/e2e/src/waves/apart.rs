//! What is about one gateway alone: what an operator begins there, who speaks for whom, and that it is there while it is busy.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::process::DEADLINE;

use super::{BACK, BEGUN, Fleet, KEY, PROMOTED, build, configuration, impatient, rollout};
use crate::setting::{get, plugin};

/// What a gateway says of itself.
fn report(fleet: &Fleet, gateway: &str) -> Result<Value> {
    let key = format!("{KEY}.rollouts/gateways/{gateway}");
    let text = fleet.etcd.ctl(&["get", "--print-value-only", &key])?;
    serde_json::from_str(&text).with_context(|| format!("`{key}` is not JSON: {text}"))
}

#[tokio::test]
async fn what_an_operator_begins_on_one_gateway_is_about_that_one_alone() -> Result<()> {
    let rollout = rollout("manual");
    let mut fleet = Fleet::start(&rollout).await?;
    let begun = build("begun")?;
    let words = ["start", "p", "--source", begun.to_str().context("a path")?];
    let ended = fleet.command("gw-1", &words).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // It waits for no wave, and nobody hears of it.
    fleet.until(1, BEGUN, &[]).await?;
    assert_eq!(fleet.command("gw-1", &["promote", "p"]).await?.code, Some(0));
    fleet.until(1, PROMOTED, &[]).await?;
    assert_eq!(fleet.who_said(BEGUN), ["gw-1"], "{}", fleet.story());
    let end = Instant::now() + DEADLINE;
    while fleet.keys("gateways/")?.len() != 2 {
        ensure!(Instant::now() < end, "it speaks of it: {}", report(&fleet, "gw-1")?);
    }
    assert_eq!(fleet.keys("plugins/")?, Vec::<String>::new());
    // The next generation of the configuration comes in waves again, there too.
    fleet.put("new", &rollout)?;
    let end = Instant::now() + DEADLINE;
    while fleet.keys("plugins/")?.is_empty() {
        ensure!(Instant::now() < end, "no waves: {}", fleet.story());
        fleet.exchange(&[]).await?;
    }
    fleet
        .until(1, "what `rollout start` began for plugin `p` has ended", &[])
        .await?;
    assert_eq!(
        fleet.command("gw-0", &["promote", "p", "--everywhere"]).await?.code,
        Some(0)
    );
    fleet.until(3, PROMOTED, &[]).await?;
    fleet.serves("new").await?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_is_believed_of_itself_alone_and_nonsense_harms_nobody() -> Result<()> {
    let rollout = impatient("manual");
    let mut fleet = Fleet::start(&rollout).await?;
    let put = |fleet: &Fleet, key: &str, text: &str| {
        let key = format!("{KEY}.rollouts/{key}");
        fleet.etcd.ctl(&["put", &key, "--", text]).map(|_| ())
    };
    fleet.put("new", &rollout)?;
    fleet.until(1, BEGUN, &[]).await?;
    let first = fleet.who_said(BEGUN).remove(0);
    let mut lie = report(&fleet, &first)?;
    let word = &mut lie["plugins"]["p"];
    word["progress"] = json!("rolled_back");
    word["why"] = json!("a lie");
    put(&fleet, "gateways/liar", &lie.to_string())?;
    for (key, text) in [
        ("gateways/nobody", "no json"),
        ("gateways/list", "[]"),
        ("gateways/deep", &"[".repeat(100_000)),
        ("gateways/../gw-0", "{}"),
        ("plugins/p", "no json"),
        ("plugins/q", r#"{"target": 7}"#),
        ("elsewhere/p", "{}"),
    ] {
        put(&fleet, key, text)?;
    }
    // All of that has been looked at when they have gone on.
    assert_eq!(fleet.command(&first, &["promote", "p"]).await?.code, Some(0));
    fleet.until(2, BEGUN, &[]).await?;
    assert_eq!(fleet.who_said(BACK), Vec::<String>::new(), "{}", fleet.story());
    assert_eq!(fleet.keys("plugins/")?, [format!("{KEY}.rollouts/plugins/p")]);
    // Of itself it is believed.
    lie["gateway"] = json!("liar");
    put(&fleet, "gateways/liar", &lie.to_string())?;
    fleet.until(3, BACK, &[]).await?;
    let shown = fleet.page(&first).await?;
    let why = shown["why"].as_str().context("a reason")?;
    assert!(
        why.starts_with("gateway `liar` went back at ") && why.ends_with(": a lie"),
        "{why}"
    );
    fleet.serves("old").await?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_says_that_it_is_there_while_a_change_takes_long() -> Result<()> {
    let rollout = impatient("manual");
    let fleet = Fleet::start(&rollout).await?;
    let put = |script: &Value| {
        let mut configuration: Value = serde_json::from_str(&configuration("old", &rollout)?)?;
        let mut q = plugin("q", "probe-021", script.clone())?;
        q["limits"] = json!({"cpu_slice": "50ms"});
        configuration["plugins"].as_array_mut().context("plugins")?.push(q);
        configuration["routes"][0]["plugins"] = json!(["p", "q"]);
        fleet.etcd.ctl(&["put", KEY, &configuration.to_string()])
    };
    put(&json!({"request_headers": [{"op": "set_shared_data", "key": "k", "value": "spoilt"}]}))?;
    let gateway = &fleet.gateways["gw-0"];
    let applied = gateway.process.wait_for_line(0, DEADLINE, |line| {
        line.text.contains("configuration applied") && line.text.contains("generation=2")
    });
    applied.await?;
    assert_eq!(get(gateway, "/").await?.status, 200);
    // Where it is tried out there is other shared data: there it starts.
    let when = json!({"saved": "found", "is": "spoilt"});
    put(&json!({"configure": [
        {"op": "get_shared_data", "key": "k", "save": "found"},
        {"op": "log", "text": "it begins", "when": when},
        {"op": "spin", "when": when},
    ]}))?;
    let said = |words: &'static str| {
        gateway
            .process
            .wait_for_line(0, DEADLINE, move |line| line.text.contains(words))
    };
    said("it begins").await?;
    let first = report(&fleet, "gw-0")?["beat"].as_u64().context("a beat")?;
    let mut last = first;
    while last < first + 2 {
        let lines = gateway.process.lines_from(0);
        assert!(
            !lines.iter().any(|line| line.text.contains("refused_plugins=1")),
            "it was silent: {first}, {last}"
        );
        last = report(&fleet, "gw-0")?["beat"].as_u64().context("a beat")?;
    }
    said("refused_plugins=1").await?;
    Ok(())
}
