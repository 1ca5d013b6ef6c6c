//! `doctor` on the host of the test, whatever that is: its exit code is what it says, and it judges for the configuration that it is given.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::place;

use crate::setting::{command, complete, finish};

fn files(configuration: Value) -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([("gateway.yaml", configuration.to_string().into_bytes())])
}

/// Of what it said, the finding about a topic.
fn about(said: &Value, topic: &str) -> Result<Value> {
    let findings = said["findings"].as_array().context("no findings")?;
    let found = findings.iter().find(|finding| finding["topic"] == topic);
    found
        .cloned()
        .with_context(|| format!("nothing about `{topic}`: {said}"))
}

#[tokio::test]
async fn doctor_looks_at_everything_and_its_exit_code_is_its_verdict() -> Result<()> {
    let mut alone = Command::new(place::cofferdam().await?);
    alone.args(["doctor", "--format", "json"]);
    let ended = finish(&mut alone, Path::new("/nowhere")).await?;
    let said: Value = serde_json::from_str(&ended.out)?;
    for topic in [
        "cores",
        "cpu_quota",
        "open_files",
        "shared_memory",
        "shared_addresses",
        "backlog",
        "clock_source",
        "clock",
        "tcp_info",
        "retransmits",
    ] {
        assert!(about(&said, topic)?["found"].is_string(), "{said}");
    }
    assert_eq!(about(&said, "retransmits")?["needed"], false);
    let findings = said["findings"].as_array().context("no findings")?;
    let is_good = !findings
        .iter()
        .any(|finding| finding["needed"] == true && finding["grade"] == "missing");
    assert_eq!(
        (said["good"].as_bool(), ended.code),
        (Some(is_good), Some(i32::from(!is_good)))
    );
    let mut alone = Command::new(place::cofferdam().await?);
    let ended = finish(alone.arg("doctor"), Path::new("/nowhere")).await?;
    assert!(ended.out.contains("tcp_info ("), "{}", ended.out);
    let verdict = if is_good {
        "a gateway can serve here\n"
    } else {
        "a gateway cannot serve here"
    };
    assert!(ended.out.contains(verdict), "{}", ended.out);
    Ok(())
}

#[tokio::test]
async fn doctor_judges_for_the_configuration_that_it_is_given() -> Result<()> {
    let many = complete(json!({"workers": 1000, "routes": [{"name": "r", "echo": true}]}));
    let ended = command("doctor", &["--format", "json"], &files(many)).await?;
    let said: Value = serde_json::from_str(&ended.out)?;
    let cores = about(&said, "cores")?;
    assert!(
        cores["found"]
            .as_str()
            .is_some_and(|found| found.contains("workers: 1000")),
        "{cores}"
    );
    let rings = about(&said, "shared_memory")?;
    assert!(
        rings["found"].as_str().is_some_and(|found| found.contains("8000 MiB")),
        "{rings}"
    );
    let wrong = command("doctor", &[], &files(json!({"listners": []}))).await?;
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("listeners"), "{}", wrong.err);
    let misused = command("doctor", &["--format", "poetry"], &files(json!({}))).await?;
    assert_eq!(misused.code, Some(2));
    Ok(())
}
