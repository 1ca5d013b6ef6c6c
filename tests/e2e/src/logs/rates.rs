//! What is kept by rules: of each route, plugin and level its part, at most so many of it, and whatever failed; and exemplars of nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply};
use testkit::client::{Connection, Request, Version, send};
use testkit::gateway::Gateway;

use super::{file_sink, of_class, records, until};
use crate::reload::change;
use crate::setting::{backend, complete, get, plugin, upstream};

/// Requests of each kind.
const ASKED: usize = 60;
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";

fn says(name: &str) -> Result<Value> {
    let log = |level: &str| json!({"op": "log", "level": level, "text": level});
    let script = json!({"request_headers": [log("debug"), log("info"), log("error")]});
    plugin(name, "probe-021", script)
}

/// A gateway with a route for each rule.
fn ruled(backend: &Backend, sampling: &Value) -> Result<Value> {
    let route = |name: &str, plugins: &[&str]| {
        let path = json!({"prefix": format!("/{name}")});
        json!({"name": name, "match": {"path": path}, "upstream": "up", "plugins": plugins})
    };
    Ok(json!({
        "workers": 1,
        "upstreams": [upstream("up", backend)],
        "plugins": [says("chatty")?, says("calm")?],
        "routes": [route("none", &[]), route("all", &[]), route("few", &[]), route("lines", &["chatty", "calm"]), route("rest", &[])],
        "logs": {"level": "debug", "sampling": sampling, "sinks": [file_sink("file", Path::new("all.log"))]},
    }))
}

/// A gateway whose plugins may say everything.
async fn start(configuration: Value) -> Result<Gateway> {
    let text = complete(configuration).to_string();
    Gateway::start_with(&text, |command| {
        command.args(["--plugin-log-level", "debug"]);
    })
    .await
}

/// Asks that often below a path, on one connection.
async fn many_at(gateway: &Gateway, path: &str, count: usize) -> Result<()> {
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    for number in 0..count {
        connection.send(&Request::get(&format!("{path}/{number}"))).await?;
    }
    Ok(())
}

/// Everything that is in the file once the record of a last exchange is, which fails and so is kept.
async fn all(gateway: &Gateway, backend: &Backend) -> Result<Vec<Value>> {
    backend.reply("/rest/last", Reply::new(500));
    get(gateway, "/rest/last").await?;
    let file = gateway.folder().join("all.log");
    until("the last", || {
        Ok(Some(records(&file)?).filter(|all| below(all, "/rest/last").len() == 1))
    })
    .await
}

/// The records of exchanges below a path.
fn below<'a>(all: &'a [Value], path: &str) -> Vec<&'a Value> {
    let is_below = |record: &&Value| {
        record["event_name"] == "access" && record["url.path"].as_str().is_some_and(|found| found.starts_with(path))
    };
    all.iter().filter(is_below).collect()
}

/// How many lines a plugin has of a level.
fn lines(all: &[Value], plugin: &str, level: &str) -> usize {
    let is_one = |record: &&Value| {
        record["event_name"] == "plugin" && record["cofferdam.plugin"] == plugin && record["level"] == level
    };
    all.iter().filter(is_one).count()
}

#[tokio::test]
async fn each_route_plugin_and_level_has_the_rule_that_is_for_it_and_failures_are_kept() -> Result<()> {
    let backend = backend()?;
    backend.reply("/none/fails", Reply::new(503));
    let few = json!({"count": 5, "per": "1h"});
    let sampling = json!({"keep": "all", "rules": [
        {"route": "none", "keep": "none"},
        {"plugin": "chatty", "levels": ["info"], "rate": {"count": 3, "per": "1h"}},
        {"plugin": "chatty", "levels": ["debug"], "keep": "none"},
        {"levels": ["debug"], "rate": {"count": 7, "per": "1h"}},
        {"route": "few", "rate": few},
    ]});
    let gateway = start(ruled(&backend, &sampling)?).await?;
    for path in ["/none", "/all", "/few", "/lines"] {
        many_at(&gateway, path, ASKED).await?;
    }
    for _ in 0..ASKED {
        ensure!(get(&gateway, "/none/fails").await?.status == 503);
    }
    let all = all(&gateway, &backend).await?;
    let failed = below(&all, "/none/fails");
    ensure!(
        failed.len() == ASKED && below(&all, "/none").len() == ASKED,
        "{} failures of {ASKED}, and {} in all",
        failed.len(),
        below(&all, "/none").len()
    );
    ensure!(
        failed.iter().all(
            |record| record["cofferdam.sampling.kept"] == "status" && record["cofferdam.sampling.factor"].is_null()
        ),
        "{failed:#?}"
    );
    for (path, kept) in [("/all", ASKED), ("/few", 5), ("/lines", ASKED)] {
        let found = below(&all, path);
        ensure!(found.len() == kept, "{} of {path}, not {kept}", found.len());
        ensure!(
            found.iter().all(|record| record["cofferdam.sampling.factor"].is_null()),
            "{found:#?}"
        );
    }
    for (plugin, level, kept) in [
        ("chatty", "debug", 0),
        ("chatty", "info", 3),
        ("chatty", "error", ASKED),
        ("calm", "debug", 7),
        ("calm", "info", ASKED),
        ("calm", "error", ASKED),
    ] {
        let found = lines(&all, plugin, level);
        ensure!(found == kept, "{found} of {plugin} at {level}, not {kept}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_over_a_rate_is_in_the_factor_of_what_is_kept_next() -> Result<()> {
    let backend = backend()?;
    let rate = json!({"count": 1, "per": "100ms"});
    let gateway = start(ruled(&backend, &json!({"rules": [{"route": "few", "rate": rate}]}))?).await?;
    let file = gateway.folder().join("all.log");
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    let mut asked = 0_u32;
    let kept = loop {
        connection.send(&Request::get(&format!("/few/{asked}"))).await?;
        asked += 1;
        let all = records(&file)?;
        let kept: Vec<Value> = below(&all, "/few").into_iter().cloned().collect();
        if kept.len() >= 4 {
            break kept;
        }
    };
    let number = |record: &Value| record["url.path"].as_str()?.rsplit('/').next()?.parse::<u32>().ok();
    let mut before = 0.0;
    for record in &kept {
        let factor = record["cofferdam.sampling.factor"].as_f64().unwrap_or(1.0);
        before += factor;
        let told = f64::from(number(record).context("no number")? + 1);
        ensure!((before - told).abs() < 1e-6, "{before} of {told}: {kept:#?}");
    }
    ensure!(asked > 8, "nothing was over the rate in {asked}");
    Ok(())
}

/// How long it takes after a change of the file until what goes well is kept, or is not.
async fn takes(gateway: &Gateway, configuration: &Value, keeps: bool, asked: &mut usize) -> Result<Duration> {
    let file = gateway.folder().join("all.log");
    let began = Instant::now();
    let said = change(gateway, &complete(configuration.clone()).to_string()).await?;
    ensure!(said.contains("applied"), "{said}");
    loop {
        *asked += 1;
        get(gateway, &format!("/rest/well/{asked}")).await?;
        let took = began.elapsed();
        get(gateway, &format!("/rest/fails?{asked}")).await?;
        let number = asked.to_string();
        let all = until("the failure", || {
            let is_there = |all: &Vec<Value>| all.iter().any(|record| record["url.query"] == number.as_str());
            Ok(Some(records(&file)?).filter(is_there))
        })
        .await?;
        if below(&all, &format!("/rest/well/{asked}")).is_empty() != keeps {
            return Ok(took);
        }
    }
}

#[tokio::test]
async fn another_part_is_kept_within_a_second_of_a_reload() -> Result<()> {
    let backend = backend()?;
    backend.reply("/rest/fails", Reply::new(500));
    let with = |keep: &str| ruled(&backend, &json!({"rules": [{"route": "rest", "keep": keep}]}));
    let gateway = start(with("all")?).await?;
    let (mut asked, mut all) = (0, Vec::new());
    for (keep, keeps) in [("none", false), ("all", true), ("none", false), ("all", true)] {
        all.push(takes(&gateway, &with(keep)?, keeps, &mut asked).await?);
    }
    ensure!(all.iter().all(|took| *took < Duration::from_secs(1)), "it took {all:?}");
    println!("another part was kept after {all:?}");
    Ok(())
}

#[tokio::test]
async fn each_exemplar_is_of_a_trace_that_has_a_kept_record() -> Result<()> {
    let backend = backend()?;
    let mut configuration = ruled(&backend, &json!({"keep": "20%"}))?;
    configuration["tracing"] = json!({});
    let gateway = start(configuration).await?;
    many_at(&gateway, "/all", 10 * ASKED).await?;
    let all = all(&gateway, &backend).await?;
    let kept: BTreeSet<&str> = of_traces(&all);
    ensure!(kept.len() > 20 && kept.len() < 5 * ASKED, "{} are kept", kept.len());
    let request = Request::get("/metrics").field("accept", OPEN_METRICS);
    let page = send(gateway.admin, Version::Http1, &request).await?.text();
    let mut families = BTreeSet::new();
    for line in page.lines().filter(|line| line.contains(" # {")) {
        let (sample, exemplar) = line.split_once(" # {trace_id=\"").context(line.to_owned())?;
        let (trace, _) = exemplar.split_once('"').context(line.to_owned())?;
        ensure!(kept.contains(trace), "`{trace}` is in no record: {line}");
        families.extend(sample.split_once('{').map(|(family, _)| family.to_owned()));
    }
    ensure!(
        families.contains("cofferdam_exchange_duration_seconds_bucket"),
        "{families:?}"
    );
    Ok(())
}

fn of_traces(all: &[Value]) -> BTreeSet<&str> {
    let exchanges = all.iter().filter(|record| record["event_name"] == "access");
    exchanges.filter_map(|record| record["trace_id"].as_str()).collect()
}

#[tokio::test]
async fn lines_of_exchanges_that_are_dropped_are_dropped_with_them() -> Result<()> {
    let backend = backend()?;
    let gateway = start(ruled(&backend, &json!({"keep": "50%"}))?).await?;
    many_at(&gateway, "/lines", 2 * ASKED).await?;
    let all = all(&gateway, &backend).await?;
    let exchanges = below(&all, "/lines").len();
    ensure!(exchanges > 0 && exchanges < 2 * ASKED, "{exchanges}");
    let errors = lines(&all, "calm", "error");
    ensure!(errors == 2 * ASKED, "{errors} from `always_from` on");
    for level in ["debug", "info"] {
        let found = lines(&all, "calm", level);
        ensure!(found == exchanges, "{found} lines of {exchanges} exchanges");
    }
    ensure!(of_class(&all, "plugin").len() == 2 * (errors + 2 * exchanges));
    Ok(())
}
