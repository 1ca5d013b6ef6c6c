//! New generations of plugins on a part of the exchanges: rolled back by themselves when they are worse, promoted when they are not.

mod begun;
mod measures;
mod saga;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::{Connection, Request, Response, Version};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::{complete, finish, get, page, plugin};

/// LIMIT: exchanges until something must have happened.
const EXCHANGES_MAX: usize = 20_000;

/// A gateway whose plugin `p` says which generation it is, and goes on to the next as `rollout` says. `script` is what it does more.
fn configuration(generation: &str, script: Value, rollout: &Value) -> Result<String> {
    let mut steps = json!({"response_headers": [{"op": "add_response_header", "key": "x-arm", "value": generation}]});
    steps
        .as_object_mut()
        .unwrap()
        .extend(script.as_object().unwrap().clone());
    let mut plugin = plugin("p", "probe-021", steps)?;
    plugin["rollout"] = rollout.clone();
    let configuration = complete(json!({
        "plugins": [plugin],
        "routes": [{"name": "r", "respond": {"body": "answer"}, "plugins": ["p"]}],
    }));
    Ok(configuration.to_string())
}

/// Panics in exchanges that say so.
fn dying() -> Value {
    json!({"cases": {"die": {"request_headers": [{"op": "panic"}]}}})
}

async fn started(rollout: &Value) -> Result<Gateway> {
    Gateway::start(&configuration("old", json!({}), rollout)?).await
}

/// Gives the gateway a new configuration, and waits until it is taken.
async fn change(gateway: &Gateway, configuration: &str) -> Result<()> {
    let said = gateway.process.line_count();
    fs::write(gateway.file(), configuration)?;
    gateway.process.signal(Signal::HUP)?;
    let answered = |line: &str| line.contains("configuration applied") || line.contains("configuration refused");
    let line = gateway
        .process
        .wait_for_line(said, DEADLINE, |line| answered(&line.text))
        .await?;
    ensure!(line.text.contains("applied"), "{}", line.text);
    Ok(())
}

async fn said(gateway: &Gateway, words: &str) -> Result<String> {
    let line = gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains(words));
    Ok(line.await?.text)
}

fn has_said(gateway: &Gateway, words: &str) -> bool {
    gateway
        .process
        .lines_from(0)
        .iter()
        .any(|line| line.text.contains(words))
}

/// Clients, one after the other.
struct Traffic {
    connection: Connection,
    sent: usize,
}

impl Traffic {
    async fn to(gateway: &Gateway) -> Result<Self> {
        let connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
        Ok(Self { connection, sent: 0 })
    }

    /// The next exchange; one of fifty is of the kind in which the new generation dies.
    async fn next(&mut self) -> Result<Response> {
        self.sent += 1;
        ensure!(
            self.sent < EXCHANGES_MAX,
            "nothing happened in {EXCHANGES_MAX} exchanges"
        );
        let request = Request::get("/");
        let request = if self.sent.is_multiple_of(50) {
            request.field("x-case", "die")
        } else {
            request
        };
        self.connection.send(&request).await
    }

    /// Goes on until the gateway says so; how often each generation answered, and faults under an empty name.
    async fn until(&mut self, gateway: &Gateway, words: &str) -> Result<BTreeMap<String, usize>> {
        let mut answers = BTreeMap::new();
        while !has_said(gateway, words) {
            let answer = self.next().await?;
            let arm = answer.field("x-arm").unwrap_or_default().to_owned();
            *answers.entry(arm).or_default() += 1;
        }
        Ok(answers)
    }
}

async fn rollout(gateway: &Gateway, words: &[&str]) -> Result<crate::setting::Ended> {
    let admin = gateway.admin.to_string();
    let mut command = Command::new(place::cofferdam().await?);
    command.arg("rollout").args(words).args(["--admin", &admin]);
    finish(&mut command, gateway.folder()).await
}

#[tokio::test]
async fn a_generation_that_panics_on_one_in_fifty_exchanges_goes_back_by_itself_and_says_why() -> Result<()> {
    let steps = json!({"steps": [{"share": "20%", "pause": "1h"}]});
    let gateway = started(&steps).await?;
    change(&gateway, &configuration("new", dying(), &steps)?).await?;
    said(&gateway, "step 1 of 1, running").await?;
    let mut traffic = Traffic::to(&gateway).await?;
    let mut last_fault = Instant::now();
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    while !has_said(&gateway, "rolling back") {
        let answer = traffic.next().await?;
        if answer.status == 503 && !has_said(&gateway, "rolling back") {
            last_fault = Instant::now();
        }
        *answers
            .entry(answer.field("x-arm").unwrap_or_default().to_owned())
            .or_default() += 1;
    }
    let line = said(&gateway, ": rolled back: ").await?;
    let took = last_fault.elapsed();
    println!("rolled back {took:?} after the last fault, with {answers:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(answers["old"] > answers["new"] && answers["new"] > 0, "{answers:?}");
    for part in [
        "its faults: ",
        "of the candidate",
        "0 in ",
        "of the control",
        "`plugin.trapped`",
    ] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    for _ in 0..200 {
        let answer = traffic.next().await?;
        assert_eq!((answer.status, answer.field("x-arm")), (200, Some("old")));
    }
    let shown = page(&gateway, "/plugins/p/rollout").await?;
    assert_eq!(
        (&shown["state"], &shown["over"], &shown["share"]),
        (&json!("rolled back"), &json!(true), &json!("0 %"))
    );
    assert!(line.ends_with(shown["why"].as_str().unwrap()), "{line}: {shown}");
    assert_eq!(shown["measures"][0]["verdict"], "fail");
    let status = rollout(&gateway, &["status", "p"]).await?;
    assert!(
        status.out.contains("rolled back") && status.out.contains("plugin.trapped"),
        "{status:?}"
    );
    let records = gateway.records_from(0);
    let took_part = |record: &&Value| record["cofferdam.plugins"].to_string().contains("candidate");
    assert!(records.iter().filter(took_part).count() > 0, "{:?}", records.last());
    Ok(())
}

#[tokio::test]
async fn a_generation_that_went_back_stays_back_until_an_operator_tries_it_again() -> Result<()> {
    let steps = json!({"steps": [{"share": "50%", "pause": "1h"}]});
    let gateway = started(&steps).await?;
    change(&gateway, &configuration("new", json!({}), &steps)?).await?;
    said(&gateway, "step 1 of 1, running").await?;
    assert_eq!(rollout(&gateway, &["abort", "p"]).await?.code, Some(0));
    let line = said(&gateway, ": rolled back: ").await?;
    assert!(line.ends_with("an operator gave it up"), "{line}");
    let gateway = gateway.start_again(Signal::KILL).await?;
    assert_eq!(get(&gateway, "/").await?.field("x-arm"), Some("old"));
    assert_eq!(page(&gateway, "/plugins/p/rollout").await?["state"], "rolled back");
    assert_eq!(rollout(&gateway, &["resume", "p"]).await?.code, Some(1));
    assert_eq!(rollout(&gateway, &["start", "p"]).await?.code, Some(0));
    said(&gateway, "step 1 of 1, running").await?;
    assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
    said(&gateway, ": promoted").await?;
    assert_eq!(get(&gateway, "/").await?.field("x-arm"), Some("new"));
    Ok(())
}

#[tokio::test]
async fn a_good_generation_takes_over_step_by_step_and_no_exchange_fails() -> Result<()> {
    let steps = json!({
        "steps": [{"share": "20%", "pause": "300ms"}, {"share": "50%", "pause": "300ms"}],
        "analysis": {"exchanges": 50, "latency": {"absolute": "1s"}, "cpu": {"absolute": "1s"}},
    });
    let gateway = started(&steps).await?;
    let mut traffic = Traffic::to(&gateway).await?;
    change(&gateway, &configuration("new", json!({}), &steps)?).await?;
    let answers = traffic.until(&gateway, ": promoted").await?;
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["new", "old"], "{answers:?}");
    for words in [
        "share=\"20 %\": step 1 of 2, running",
        "share=\"50 %\": step 2 of 2, running",
    ] {
        assert!(has_said(&gateway, words), "{words}");
    }
    assert_eq!(get(&gateway, "/").await?.field("x-arm"), Some("new"));
    let gateway = gateway.start_again(Signal::KILL).await?;
    assert_eq!(get(&gateway, "/").await?.field("x-arm"), Some("new"));
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_killed_in_a_step_goes_on_in_it() -> Result<()> {
    let steps = json!({
        "steps": [{"share": "10%", "pause": "manual"}, {"share": "60%", "pause": "manual"}],
        "analysis": {"exchanges": 1},
    });
    let gateway = started(&steps).await?;
    change(&gateway, &configuration("new", dying(), &steps)?).await?;
    said(&gateway, "step 1 of 2, paused by hand").await?;
    assert_eq!(rollout(&gateway, &["resume", "p"]).await?.code, Some(0));
    said(&gateway, "step 2 of 2, paused by hand").await?;
    let gateway = gateway.start_again(Signal::KILL).await?;
    said(&gateway, "step 2 of 2, paused by hand").await?;
    let shown = page(&gateway, "/plugins/p/rollout").await?;
    assert_eq!((&shown["share"], &shown["over"]), (&json!("60 %"), &json!(false)));
    let mut traffic = Traffic::to(&gateway).await?;
    let answers = traffic.until(&gateway, ": rolled back: ").await?;
    assert!(answers["new"] > 0, "{answers:?}");
    assert_eq!(get(&gateway, "/").await?.field("x-arm"), Some("old"));
    Ok(())
}

#[tokio::test]
async fn a_client_stays_with_its_generation_while_the_share_grows() -> Result<()> {
    let steps = json!({
        "steps": [{"share": "40%", "pause": "manual"}, {"share": "70%", "pause": "manual"}],
        "sticky": {"header": "x-user"},
        "match": {"headers": [{"name": "x-user", "present": true}]},
    });
    let gateway = started(&steps).await?;
    change(&gateway, &configuration("new", json!({}), &steps)?).await?;
    said(&gateway, "step 1 of 2, paused by hand").await?;
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    let mut arms = Vec::new();
    for _ in 0..2 {
        let mut round = Vec::new();
        for exchange in 0..120 {
            let request = Request::get("/").field("x-user", &format!("user-{}", exchange % 40));
            round.push(
                connection
                    .send(&request)
                    .await?
                    .field("x-arm")
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        assert!(round[..40] == round[40..80] && round[..40] == round[80..], "{round:?}");
        arms.push(round[..40].to_vec());
        assert_eq!(
            get(&gateway, "/").await?.field("x-arm"),
            Some("old"),
            "it has no user, and takes no part"
        );
        if arms.len() == 1 {
            assert_eq!(rollout(&gateway, &["resume", "p"]).await?.code, Some(0));
            said(&gateway, "step 2 of 2, paused by hand").await?;
        }
    }
    let moved = arms[0]
        .iter()
        .zip(&arms[1])
        .filter(|arms| *arms == (&"old".to_owned(), &"new".to_owned()))
        .count();
    assert!(
        moved > 0
            && !arms[0]
                .iter()
                .zip(&arms[1])
                .any(|(before, now)| before == "new" && now == "old"),
        "{arms:?}"
    );
    Ok(())
}
