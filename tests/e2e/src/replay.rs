//! A recorded death runs again: as it was, by another build, without what is sensitive, and not at all where that is forbidden.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::client::Request;
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::{Ended, ask, finish, gateway, plugin};

const SECRET: &str = "Bearer hunter2";

/// A gateway with a guest that dies, with more keys for the plugin and for the whole.
async fn dying(of_plugin: Value, of_gateway: Value) -> Result<Gateway> {
    let mut configuration = json!({
        "workers": 1,
        "crash_reports": {"dir": "crashes"},
        "plugins": [plugin("die", "die", json!({}))?],
        "routes": [{"name": "r", "echo": true, "plugins": ["die"]}],
    });
    for (key, value) in of_gateway.as_object().context("keys")? {
        configuration[key] = value.clone();
    }
    for (key, value) in of_plugin.as_object().context("keys")? {
        configuration["plugins"][0][key] = value.clone();
    }
    gateway(configuration).await
}

/// Serves once, dies once; the id of the report.
async fn dead(gateway: &Gateway) -> Result<String> {
    let start = gateway.process.line_count();
    let harmless = Request::get("/").field("authorization", SECRET);
    assert_eq!(ask(gateway, &harmless).await?.status, 200);
    let deadly = harmless.field("x-die", "request_headers panic");
    assert_eq!(ask(gateway, &deadly).await?.status, 503);
    let more = "more: cofferdam crash show ";
    let told = gateway
        .process
        .wait_for_line(start, DEADLINE, |line| line.text.contains(more))
        .await?;
    Ok(told.text.split(more).nth(1).context("no id")?.to_owned())
}

fn recording(gateway: &Gateway, id: &str) -> PathBuf {
    gateway.folder().join("crashes").join(format!("{id}.recording"))
}

async fn replay(gateway: &Gateway, words: &[&str]) -> Result<Ended> {
    let mut command = Command::new(place::cofferdam().await?);
    command.args(["plugin", "replay"]).args(words);
    command.arg("--dir").arg(gateway.folder().join("crashes"));
    finish(&mut command, gateway.folder()).await
}

#[tokio::test]
async fn a_death_runs_again_to_the_last_byte_of_memory() -> Result<()> {
    let gateway = dying(json!({}), json!({})).await?;
    let id = dead(&gateway).await?;
    let again = replay(&gateway, &[&id]).await?;
    assert_eq!(again.code, Some(0), "{}{}", again.out, again.err);
    for part in [
        "host calls, all as recorded\n",
        "fault      the same: plugin `die` trapped in `proxy_on_request_headers`",
        "memory     the same, byte for byte (",
        "panicked at die/src/ways.rs:",
        "/plugins/die/src/ways.rs:",
    ] {
        assert!(again.out.contains(part), "no {part} in {}", again.out);
    }
    assert!(
        again.err.contains("panicked at"),
        "its own lines are said: {}",
        again.err
    );
    // The stripped twin has the same code, and the file is found by itself too.
    let (file, twin) = (recording(&gateway, &id), place::guest("die-stripped")?);
    let words = ["--format", "json", "--module", &twin.display().to_string()];
    let again = replay(&gateway, &[&[&*file.display().to_string()], &words[..]].concat()).await?;
    let outcome: Value = serde_json::from_str(&again.out)?;
    assert_eq!(
        (&outcome["reproduced"], &outcome["same_module"], &outcome["same_memory"]),
        (&json!(true), &json!(true), &json!(true))
    );
    Ok(())
}

#[tokio::test]
async fn another_build_says_where_it_does_something_else() -> Result<()> {
    let gateway = dying(json!({}), json!({})).await?;
    let id = dead(&gateway).await?;
    let other = place::guest("hello")?.display().to_string();
    let again = replay(&gateway, &[&id, "--module", &other]).await?;
    assert_eq!(again.code, Some(1), "{}", again.err);
    for part in [
        "module     another build than the recorded one",
        "diverged   in callback ",
        "recorded: proxy_get_header_map_value(\"x-die\")\n             now:      proxy_get_header_map_value(\"x-name\")",
        "fault      none any more; recorded: plugin `die` trapped in `proxy_on_request_headers`",
    ] {
        assert!(again.out.contains(part), "no {part} in {}", again.out);
    }
    Ok(())
}

#[tokio::test]
async fn sensitive_values_are_in_no_file() -> Result<()> {
    let script = json!({"request_headers": [
        {"op": "get_header_map_value", "map": "request_headers", "key": "authorization"},
        {"op": "get_header_map_pairs", "map": "request_headers"},
        {"op": "panic"},
    ]});
    let probe = json!({"source": {"file": place::guest("probe-021")?}, "config": script});
    let gateway = dying(probe, json!({})).await?;
    let start = gateway.process.line_count();
    let request = Request::get("/")
        .field("authorization", SECRET)
        .field("x-open", "harmless");
    assert_eq!(ask(&gateway, &request).await?.status, 503);
    let told = gateway
        .process
        .wait_for_line(start, DEADLINE, |line| line.text.contains("run it again:"))
        .await?;
    let id = told.text.rsplit(' ').next().context("no id")?.to_owned();
    let kept = std::fs::read(recording(&gateway, &id))?;
    let kept = String::from_utf8_lossy(&kept);
    assert!(kept.contains("harmless"), "the map was not recorded");
    assert!(!kept.contains("hunter2"), "{kept}");
    let again = replay(&gateway, &[&id]).await?;
    assert_eq!(again.code, Some(0), "{}{}", again.out, again.err);
    assert!(
        again.out.contains("note       2 values of sensitive headers"),
        "{}",
        again.out
    );
    assert!(
        !again.out.contains("memory "),
        "memory with stars in it is not compared: {}",
        again.out
    );
    Ok(())
}

#[tokio::test]
async fn a_replay_that_lacks_what_was_left_out_says_so() -> Result<()> {
    let gateway = dying(json!({}), json!({"recordings": {"sensitive_headers": ["x-die"]}})).await?;
    let id = dead(&gateway).await?;
    let again = replay(&gateway, &[&id]).await?;
    assert_eq!(again.code, Some(1), "{}{}", again.out, again.err);
    for part in [
        "are stars; a plugin that reads them may act otherwise",
        "fault      none any more; recorded: ",
    ] {
        assert!(again.out.contains(part), "no {part} in {}", again.out);
    }
    Ok(())
}

#[tokio::test]
async fn what_may_not_be_recorded_is_not() -> Result<()> {
    for (of_plugin, of_gateway) in [
        (json!({"record": false}), json!({})),
        (json!({}), json!({"recordings": {"size": 0}})),
    ] {
        let gateway = dying(of_plugin, of_gateway).await?;
        let id = dead(&gateway).await?;
        assert!(!recording(&gateway, &id).exists());
        let again = replay(&gateway, &[&id]).await?;
        assert_eq!(again.code, Some(2));
        assert!(again.err.contains("has no recording: `record: false`"), "{}", again.err);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_recording_or_no_module_is_said() -> Result<()> {
    let gateway = dying(json!({}), json!({})).await?;
    let id = dead(&gateway).await?;
    let file = recording(&gateway, &id);
    let whole = std::fs::read(&file)?;
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("text", b"nothing\n".to_vec(), "it is no recording"),
        (
            "later",
            b"cofferdam recording 9\n{}\n".to_vec(),
            "in a form that this version does not know",
        ),
        (
            "cut",
            whole[..whole.len() - 3].to_vec(),
            "its steps are damaged at byte",
        ),
        (
            "headless",
            whole
                .split_inclusive(|byte| *byte == b'\n')
                .take(2)
                .flatten()
                .copied()
                .collect(),
            "does not begin with the start",
        ),
    ];
    for (name, bytes, wanted) in cases {
        let path = gateway.folder().join(name);
        std::fs::write(&path, bytes)?;
        let again = replay(&gateway, &[&path.display().to_string()]).await?;
        assert_eq!(again.code, Some(2), "{name}: {}", again.out);
        assert!(again.err.contains(wanted), "{name}: {}", again.err);
    }
    let nobody = replay(&gateway, &["xyz"]).await?;
    assert!(
        nobody.err.contains("no crash report in `FOLDER/crashes` begins so"),
        "{}",
        nobody.err
    );
    let text = gateway.folder().join("text").display().to_string();
    let no_module = replay(&gateway, &[&id, "--module", &text]).await?;
    assert_eq!(no_module.code, Some(2));
    assert!(no_module.err.contains("error: the module: "), "{}", no_module.err);
    Ok(())
}

/// Asks until the answer has this status: a plugin that died twice in a row waits a moment.
async fn until(gateway: &Gateway, request: &Request, status: u16) -> Result<()> {
    let answered = async {
        while ask(gateway, request).await?.status != status {}
        anyhow::Ok(())
    };
    tokio::time::timeout(DEADLINE, answered).await?
}

#[tokio::test]
async fn in_a_burst_more_is_written_down_for_a_while() -> Result<()> {
    let quiet = json!([{"op": "log", "level": "debug", "text": "quiet words"}]);
    let script = json!({"request_headers": quiet, "cases": {
        "die": {"request_headers": [{"op": "panic"}]},
        "busy": {"request_headers": [{"op": "send_local_response", "status": 429}]},
    }});
    let source = json!({"file": place::guest("probe-021")?});
    for (case, status, of) in [("die", 503, "faults"), ("busy", 429, "errors")] {
        let burst = json!({"faults": 2, "errors": 2, "within": "1h", "recordings": 2});
        let of_plugin = json!({"source": source, "config": script, "burst": burst, "restart": {"backoff": "1ms"}});
        let gateway = dying(of_plugin, json!({})).await?;
        let harmless = Request::get("/");
        let count = |text: &str| {
            let lines = gateway.process.lines_from(0);
            lines.iter().filter(|line| line.text.contains(text)).count()
        };
        assert_eq!(ask(&gateway, &harmless).await?.status, 200);
        for _ in 0..2 {
            assert_eq!(count("plugin burst"), 0);
            let trouble = Request::get("/").field("x-case", case);
            until(&gateway, &trouble, status).await?;
        }
        let begins = format!("plugin burst plugin=die of={of} within=3600s");
        gateway
            .process
            .wait_for_line(0, DEADLINE, |line| line.text.starts_with(&begins))
            .await?;
        assert_eq!(count("quiet words"), 0);
        for _ in 0..3 {
            until(&gateway, &harmless, 200).await?;
        }
        gateway
            .process
            .wait_for(0, DEADLINE, |lines| {
                let quiet = |line: &&testkit::process::Line| line.text.contains("quiet words");
                (lines.iter().filter(quiet).count() >= 3).then_some(())
            })
            .await
            .with_context(|| case.to_owned())?;
        let kept = "plugin exchange recorded plugin=die";
        let told: Vec<String> = gateway
            .process
            .wait_for(0, DEADLINE, |lines| {
                let lines = lines.iter().filter(|line| line.text.starts_with(kept));
                let told: Vec<String> = lines.map(|line| line.text.clone()).collect();
                (told.len() >= 2).then_some(told)
            })
            .await?;
        assert_eq!(told.len(), 2, "{told:?}");
        let file = told[1].rsplit(' ').next().context("no file")?;
        let again = replay(&gateway, &[file]).await?;
        assert_eq!(again.code, Some(0), "{case}: {}{}", again.out, again.err);
        for part in [
            "all as recorded",
            "fault      none, as recorded",
            "the same, byte for byte",
        ] {
            assert!(again.out.contains(part), "{case}: no {part} in {}", again.out);
        }
    }
    Ok(())
}
