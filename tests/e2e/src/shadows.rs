//! New generations of plugins that run aside: the client has what the control made, and what the new one makes otherwise is told.

mod compared;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply};
use testkit::client::{Connection, Request, Response, Version};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::{VERSIONS, ask, backend, complete, finish, page, plugin, upstream};

/// A gateway whose plugin `p` has these steps and goes on to the next as `rollout` says.
struct House {
    backend: Backend,
    aux: Backend,
    rollout: Value,
    /// What else is configured of the plugin.
    more: Value,
}

impl House {
    fn new(shadow: &Value) -> Result<Self> {
        Ok(Self {
            backend: backend()?,
            aux: backend()?,
            rollout: json!({"steps": [{"share": "0%", "pause": "manual"}], "shadow": shadow}),
            more: json!({}),
        })
    }

    fn configuration(&self, steps: &Value) -> Result<String> {
        let mut plugin = plugin("p", "probe-021", steps.clone())?;
        plugin["rollout"] = self.rollout.clone();
        let keys = plugin.as_object_mut().unwrap();
        keys.extend(self.more.as_object().unwrap().clone());
        let configuration = complete(json!({
            "workers": 1,
            "upstreams": [upstream("up", &self.backend), upstream("aux", &self.aux)],
            "plugins": [plugin],
            "routes": [{"name": "r", "upstream": "up", "plugins": ["p"]}],
        }));
        Ok(configuration.to_string())
    }

    /// A gateway in which `new` runs aside of `old`.
    async fn started(&self, old: &Value, new: &Value) -> Result<Gateway> {
        let gateway = Gateway::start(&self.configuration(old)?).await?;
        fs::write(gateway.file(), self.configuration(new)?)?;
        gateway.process.signal(Signal::HUP)?;
        let begun = |text: &str| text.contains(", running") || text.contains(", paused by hand");
        let line = gateway.process.wait_for_line(0, DEADLINE, |line| begun(&line.text));
        line.await?;
        // Workers answer what they are asked in the order in which they are told things.
        metrics(&gateway).await?;
        Ok(gateway)
    }
}

/// Everything runs aside, and nothing waits in vain.
fn all() -> Value {
    json!({"share": "100%", "waiting": 1000, "cpu_share": "100%"})
}

fn header(name: &str, value: &str) -> Value {
    json!({"op": "add_response_header", "key": name, "value": value})
}

async fn said(gateway: &Gateway, words: &str) -> Result<String> {
    let line = gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains(words));
    Ok(line.await?.text)
}

async fn metrics(gateway: &Gateway) -> Result<String> {
    let page = testkit::client::send(gateway.admin, Version::Http1, &Request::get("/metrics")).await?;
    Ok(page.text())
}

/// What came of running aside, once `is_it` holds of it.
async fn aside(gateway: &Gateway, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    let end = Instant::now() + DEADLINE;
    loop {
        let shown = page(gateway, "/plugins/p/rollout").await?;
        if is_it(&shown["shadow"]) {
            return Ok(shown["shadow"].clone());
        }
        ensure!(Instant::now() < end, "{shown:#}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same once so many exchanges are accounted for.
async fn after(gateway: &Gateway, exchanges: u64) -> Result<Value> {
    aside(gateway, |shadow| compared(shadow) + skipped(shadow) >= exchanges).await
}

fn compared(shadow: &Value) -> u64 {
    shadow["compared"].as_u64().unwrap_or_default()
}

fn skipped(shadow: &Value) -> u64 {
    let reasons = shadow["not_compared"].as_object().into_iter().flatten();
    reasons.filter_map(|(_, count)| count.as_u64()).sum()
}

/// Kinds and names of differences, with how many exchanges had them.
fn differences(shadow: &Value) -> Vec<(String, u64)> {
    let told = shadow["differences"].as_array().into_iter().flatten();
    told.map(|difference| {
        let of = |key: &str| difference[key].as_str().unwrap_or_default();
        (
            format!("{} {}", of("kind"), of("name")),
            difference["exchanges"].as_u64().unwrap_or_default(),
        )
    })
    .collect()
}

#[tokio::test]
async fn the_client_has_what_the_control_made_and_a_header_that_differs_is_told_by_its_name() -> Result<()> {
    let house = House::new(&all())?;
    let old = json!({"response_headers": [header("x-arm", "old-secret"), header("x-same", "1")]});
    let new = json!({"response_headers": [header("x-arm", "new-secret"), header("x-same", "1"), header("x-new", "1")]});
    let gateway = house.started(&old, &new).await?;
    for number in 0..60 {
        let version = VERSIONS[number % 2];
        let answer = testkit::client::send(gateway.listener("web")?, version, &Request::get("/")).await?;
        assert_eq!((answer.status, answer.field("x-arm")), (200, Some("old-secret")));
        assert_eq!((answer.field("x-new"), answer.text().as_str()), (None, "hello from up"));
    }
    let shadow = after(&gateway, 60).await?;
    assert_eq!(
        (compared(&shadow), shadow["differed"].as_u64()),
        (60, Some(60)),
        "{shadow:#}"
    );
    let found = differences(&shadow);
    let expected = [
        ("response_header `x-arm` changed", 60),
        ("response_header `x-new` added", 60),
    ];
    assert_eq!(
        found,
        expected.map(|(name, count)| (name.to_owned(), count)),
        "{shadow:#}"
    );
    assert_eq!(house.backend.records().len(), 60, "the candidate reaches no upstream");
    let line = said(&gateway, " shadow: ").await?;
    assert!(
        line.contains("exchanges differ: response header `x-arm` changed"),
        "{line}"
    );
    let example = &shadow["examples"][0];
    let id = example["request_id"].as_str().unwrap();
    said(&gateway, id).await?;
    let admin = gateway.admin.to_string();
    let mut command = Command::new(place::cofferdam().await?);
    command.args(["rollout", "status", "p", "--admin", &admin]);
    let status = finish(&mut command, gateway.folder()).await?.out;
    for part in [
        "60 exchanges of the control compared, 60 differ",
        "60  response header `x-new` added",
        "route=r",
    ] {
        assert!(status.contains(part), "{part} is not in: {status}");
    }
    assert!(
        !status.contains("-secret") && !shadow.to_string().contains("-secret"),
        "{status}"
    );
    let metrics = metrics(&gateway).await?;
    for line in [
        r#"cofferdam_rollout_shadowed_total{plugin="p",outcome="different"} 60"#,
        r#"cofferdam_rollout_differences_total{plugin="p",kind="response_header"} 60"#,
        r#"cofferdam_rollout_not_compared_total{plugin="p",reason="busy"} 0"#,
        r#"cofferdam_rollout_exchanges_total{plugin="p",arm="candidate"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in: {metrics}");
    }
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_panics_aside_fails_no_exchange_and_its_rollout_goes_back() -> Result<()> {
    let house = House::new(&all())?;
    let new = json!({"cases": {"die": {"response_headers": [{"op": "panic"}]}}});
    let gateway = house.started(&json!({}), &new).await?;
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    let end = Instant::now() + DEADLINE;
    let has_gone_back = |gateway: &Gateway| {
        let lines = gateway.process.lines_from(0);
        lines.iter().any(|line| line.text.contains(": rolled back: "))
    };
    while !has_gone_back(&gateway) {
        ensure!(Instant::now() < end, "it did not go back");
        let answer = connection.send(&Request::get("/").field("x-case", "die")).await?;
        assert_eq!(answer.status, 200);
    }
    let line = said(&gateway, ": rolled back: ").await?;
    assert!(line.contains("`plugin.trapped`") && line.contains("0 in "), "{line}");
    let report = said(&gateway, "p (shadow)").await?;
    assert!(
        report.contains("plugin.trapped") || report.contains("trapped"),
        "{report}"
    );
    let shown = page(&gateway, "/plugins/p/rollout").await?;
    assert!(
        shown["shadow"]["faults"]["plugin.trapped"].as_u64() > Some(0),
        "{shown:#}"
    );
    for line in metrics(&gateway).await?.lines() {
        let is_of_faults = line.starts_with("cofferdam_plugin_faults_total{plugin=\"p\"");
        assert!(
            !is_of_faults || line.ends_with(" 0"),
            "the control has no fault: {line}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_never_returns_holds_nobody_up_and_leaves_the_worker_after_its_share() -> Result<()> {
    let mut shadow = all();
    shadow["cpu_share"] = json!("10%");
    let mut house = House::new(&shadow)?;
    house.rollout["analysis"] = json!({"faults_max": "100%", "faults": {"absolute": "100%"}});
    house.more = json!({"limits": {"cpu_slice": "50ms"}});
    let gateway = house
        .started(&json!({}), &json!({"request_headers": [{"op": "spin"}]}))
        .await?;
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    let (mut exchanges, mut slowest) = (0, Duration::ZERO);
    let is_looping = |shadow: &Value| shadow["faults"]["plugin.slice_exceeded"].as_u64() > Some(0);
    let end = Instant::now() + DEADLINE;
    loop {
        let began = Instant::now();
        assert_eq!(connection.send(&Request::get("/")).await?.status, 200);
        slowest = slowest.max(began.elapsed());
        exchanges += 1;
        let shown = page(&gateway, "/plugins/p/rollout").await?["shadow"].clone();
        let reasons = &shown["not_compared"];
        let is_held_back = reasons["cpu_share"].is_u64() || reasons["not_running"].is_u64();
        if is_looping(&shown) && is_held_back && exchanges > 200 {
            break;
        }
        ensure!(Instant::now() < end, "{shown:#}");
    }
    println!("the slowest of {exchanges} exchanges took {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let shadow = after(&gateway, exchanges).await?;
    assert!(compared(&shadow) < exchanges / 2, "{shadow:#}");
    Ok(())
}

#[tokio::test]
async fn bodies_that_are_too_long_streams_and_clients_that_leave_are_not_compared_and_pass_whole() -> Result<()> {
    let mut shadow = all();
    shadow["body"] = json!("10KiB");
    let house = House::new(&shadow)?;
    let long = "x".repeat(300_000);
    house.backend.reply("/long", Reply::new(200).body(&long));
    let events = (0..5).fold(
        Reply::new(200).field("content-type", "text/event-stream"),
        |reply, number| reply.wait("event").piece(&format!("data: {number}\n\n")),
    );
    house.backend.reply("/events", events);
    let steps = |value: &str| json!({"response_headers": [header("x-arm", value)]});
    let gateway = house.started(&steps("old"), &steps("new")).await?;
    let answer = ask(&gateway, &Request::get("/long")).await?;
    assert_eq!((answer.status, answer.body().len()), (200, 300_000));
    let answer = ask(&gateway, &Request::post("/", &long)).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(house.backend.records().last().unwrap().text().len(), 300_000);
    let shadow = after(&gateway, 2).await?;
    assert_eq!(shadow["not_compared"], json!({"body_too_long": 2}));
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    let mut exchange = connection.begin(&Request::get("/events")).await?;
    assert_eq!(exchange.head().await?.0, 200);
    house.backend.release("event");
    let first: Option<Vec<u8>> = exchange.data_received().await?.map(|bytes| bytes.to_vec());
    assert_eq!(first.as_deref(), Some(&b"data: 0\n\n"[..]), "a stream is not held up");
    drop(exchange);
    drop(connection);
    let shadow = after(&gateway, 3).await?;
    assert_eq!(shadow["not_compared"], json!({"body_too_long": 2, "unfinished": 1}));
    assert_eq!(compared(&shadow), 0);
    Ok(())
}

#[tokio::test]
async fn an_own_answer_that_is_too_long_is_not_compared() -> Result<()> {
    let mut shadow = all();
    shadow["body"] = json!("10KiB");
    let house = House::new(&shadow)?;
    let answers = |length: usize| {
        json!({"request_headers": [
            {"op": "send_local_response", "status": 200, "body": "x".repeat(length)},
            {"op": "return", "action": "pause"},
        ]})
    };
    let gateway = house.started(&answers(20_000), &answers(100)).await?;
    let answer = ask(&gateway, &Request::get("/")).await?;
    assert_eq!((answer.status, answer.body().len()), (200, 20_000));
    let shadow = after(&gateway, 1).await?;
    assert_eq!(shadow["not_compared"], json!({"body_too_long": 1}));
    Ok(())
}

#[tokio::test]
async fn no_more_exchanges_wait_than_may_and_the_others_are_counted() -> Result<()> {
    let mut shadow = all();
    shadow["waiting"] = json!(2);
    let house = House::new(&shadow)?;
    let new = json!({"request_headers": [{"op": "return", "action": "pause"}]});
    let gateway = house.started(&json!({}), &new).await?;
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    for _ in 0..50 {
        assert_eq!(connection.send(&Request::get("/")).await?.status, 200);
    }
    let shadow = after(&gateway, 50).await?;
    assert!(compared(&shadow) >= 2 && compared(&shadow) < 25, "{shadow:#}");
    assert!(shadow["not_compared"]["busy"].as_u64() > Some(25), "{shadow:#}");
    assert_eq!(differences(&shadow)[0].0, "verdict `holds it` instead of `goes on`");
    Ok(())
}

async fn exchanges(gateway: &Gateway, count: usize) -> Result<Vec<Response>> {
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(connection.send(&Request::get("/")).await?);
    }
    Ok(all)
}

#[tokio::test]
async fn more_differences_than_allowed_end_a_rollout_and_too_few_exchanges_decide_nothing() -> Result<()> {
    let mut house = House::new(&all())?;
    house.rollout["steps"] = json!([{"share": "0%", "pause": "1ms"}]);
    house.rollout["analysis"] =
        json!({"exchanges": 40, "differences_max": "5%", "cpu": {"absolute": "1s"}, "memory": {"absolute": "1GiB"}});
    let steps = |value: &str| json!({"cases": {"differ": {"response_headers": [header("x-arm", value)]}}});
    let gateway = house.started(&steps("old"), &steps("new")).await?;
    exchanges(&gateway, 20).await?;
    said(&gateway, "step 1 of 1, inconclusive").await?;
    after(&gateway, 20).await?;
    let shown = page(&gateway, "/plugins/p/rollout").await?;
    assert_eq!(
        (&shown["over"], &shown["share"]),
        (&json!(false), &json!("0 %")),
        "{shown:#}"
    );
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    for _ in 0..15 {
        let answer = connection.send(&Request::get("/").field("x-case", "differ")).await?;
        assert_eq!(answer.field("x-arm"), Some("old"));
    }
    let line = said(&gateway, ": rolled back: ").await?;
    assert!(
        line.contains("differences: ") && line.contains("allowed are 5 %"),
        "{line}"
    );
    for answer in exchanges(&gateway, 5).await? {
        assert_eq!(answer.status, 200);
    }
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_differs_in_nothing_goes_on_from_aside_to_its_share_and_takes_over() -> Result<()> {
    let mut house = House::new(&all())?;
    house.rollout["steps"] = json!([{"share": "0%", "pause": "1ms"}, {"share": "50%", "pause": "1ms"}]);
    let wide = json!({"absolute": "1s"});
    house.rollout["analysis"] =
        json!({"exchanges": 20, "differences_max": "0%", "cpu": wide, "latency": wide, "memory": {"absolute": "1GiB"}});
    let old = json!({"response_headers": [header("x-arm", "same")]});
    let mut new = old.clone();
    new["tick"] = json!([]);
    let gateway = house.started(&old, &new).await?;
    let end = Instant::now() + DEADLINE;
    let words = |words: &str| {
        gateway
            .process
            .lines_from(0)
            .iter()
            .any(|line| line.text.contains(words))
    };
    while !words(": promoted") {
        ensure!(
            Instant::now() < end,
            "{:#}",
            page(&gateway, "/plugins/p/rollout").await?
        );
        exchanges(&gateway, 10).await?;
    }
    assert!(words("share=\"0 %\": step 1 of 2") && words("share=\"50 %\": step 2 of 2"));
    for answer in exchanges(&gateway, 5).await? {
        assert_eq!((answer.status, answer.field("x-arm")), (200, Some("same")));
    }
    Ok(())
}

#[tokio::test]
async fn a_shadow_goes_on_over_a_change_elsewhere_and_over_a_kill() -> Result<()> {
    let house = House::new(&all())?;
    let steps = |value: &str| json!({"response_headers": [header("x-arm", value)]});
    let gateway = house.started(&steps("old"), &steps("new")).await?;
    exchanges(&gateway, 10).await?;
    after(&gateway, 10).await?;
    let mut changed: Value = serde_json::from_str(&house.configuration(&steps("new"))?)?;
    let routes = changed["routes"].as_array_mut().unwrap();
    routes.insert(
        0,
        json!({"name": "other", "match": {"path": {"exact": "/other"}}, "respond": {"status": 204}}),
    );
    fs::write(gateway.file(), changed.to_string())?;
    gateway.process.signal(Signal::HUP)?;
    let end = Instant::now() + DEADLINE;
    while ask(&gateway, &Request::get("/other")).await?.status != 204 {
        ensure!(Instant::now() < end, "the change did not come into force");
    }
    let before = page(&gateway, "/plugins/p/rollout").await?["shadow"].clone();
    assert!(compared(&before) >= 10, "{before:#}");
    exchanges(&gateway, 10).await?;
    let shadow = after(&gateway, compared(&before) + skipped(&before) + 10).await?;
    assert_eq!(
        (shadow["differed"].as_u64(), skipped(&shadow)),
        (Some(compared(&shadow)), 0),
        "{shadow:#}"
    );
    let gateway = gateway.start_again(Signal::KILL).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    metrics(&gateway).await?;
    for answer in exchanges(&gateway, 10).await? {
        assert_eq!(answer.field("x-arm"), Some("old"));
    }
    let shadow = after(&gateway, 10).await?;
    assert_eq!(compared(&shadow), 10, "{shadow:#}");
    Ok(())
}
