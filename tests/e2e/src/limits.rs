//! The limits of plugins: each is refused at its number, by what the plugin survives, and the operator sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::{Gateway, plugin_lines};
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::{ask, backend, command, complete, gateway, page, plugin, upstream};

/// A plugin of the guest `die` with limits of its own; a slice that a machine with other work to do does not use up.
fn die(name: &str, config: &str, limits: Value) -> Result<Value> {
    let mut plugin = plugin(name, "die", json!(config))?;
    plugin["vm_id"] = name.into();
    plugin["limits"] = limits;
    if plugin["limits"]["cpu_slice"].is_null() {
        plugin["limits"]["cpu_slice"] = "20s".into();
    }
    Ok(plugin)
}

/// A gateway on one worker with a route to each plugin, by its name.
async fn each_alone(plugins: Vec<Value>) -> Result<Gateway> {
    let backend = backend()?;
    let routes: Vec<Value> = plugins
        .iter()
        .map(|plugin| {
            let name = plugin["name"].as_str().unwrap_or_default();
            json!({"name": name, "match": {"path": {"prefix": format!("/{name}")}}, "echo": true, "plugins": [name]})
        })
        .collect();
    gateway(json!({
        "workers": 1,
        "upstreams": [upstream("callout", &backend)],
        "plugins": plugins,
        "routes": routes,
    }))
    .await
}

/// Has a plugin do something in its request headers; the status.
async fn does(gateway: &Gateway, plugin: &str, way: &str) -> Result<u16> {
    let request = Request::get(&format!("/{plugin}")).field("x-die", &format!("request_headers {way}"));
    Ok(ask(gateway, &request).await?.status)
}

/// Waits for a line on standard error that has all of these words.
async fn said(gateway: &Gateway, words: &[&str]) -> Result<String> {
    let has_all = |text: &str| words.iter().all(|word| text.contains(word));
    let line = gateway.process.wait_for_line(0, DEADLINE, |line| has_all(&line.text));
    Ok(line.await.with_context(|| format!("nobody said {words:?}"))?.text)
}

/// What `/plugins` says of a plugin.
async fn shown(gateway: &Gateway, plugin: &str) -> Result<Value> {
    let plugins = page(gateway, "/plugins").await?;
    let all = plugins.as_array().context("a list")?;
    let found = all.iter().find(|known| known["name"] == plugin);
    found.cloned().with_context(|| format!("no `{plugin}` in {plugins}"))
}

/// The samples of one metric, by plugin and limit.
async fn samples(gateway: &Gateway, metric: &str) -> Result<BTreeMap<(String, String), f64>> {
    let page = send(gateway.admin, Version::Http1, &Request::get("/metrics"))
        .await?
        .text();
    let begin = format!("{metric}{{plugin=\"");
    let rows = page.lines().filter_map(|line| line.strip_prefix(&begin));
    rows.map(|row| {
        let (plugin, rest) = row.split_once("\",limit=\"").context("a second label")?;
        let (limit, number) = rest.split_once("\"} ").context("a number")?;
        Ok(((plugin.to_owned(), limit.to_owned()), number.parse()?))
    })
    .collect()
}

fn low() -> Value {
    json!({
        "memory": "4MiB", "stack": "64KiB", "body": "1KiB", "table": 1000, "callouts": 3, "shared_data": "1MiB", "shared_keys": 5,
        "queue_length": 7, "log_lines": 500, "timer": "1h", "cpu_share": "100%", "trusted_after": 9, "call_depth": 5000,
    })
}

#[tokio::test]
async fn each_limit_is_refused_at_its_number_and_shown() -> Result<()> {
    let mut holds = plugin(
        "holds",
        "probe-021",
        json!({"request_body": [{"op": "return", "action": "buffer"}]}),
    )?;
    holds["limits"] = json!({"body": "1KiB"});
    let gateway = each_alone(vec![
        die("low", "tick panic", low())?,
        die("bytes", "", json!({"shared_data": "20KiB"}))?,
        die("loops", "", json!({"cpu_slice": "10ms"}))?,
        die("deep", "", json!({"call_depth": 100}))?,
        holds,
    ])
    .await?;
    for (way, refusal) in [
        ("callout_storm", "die: refused at call 3 with 1"),
        ("shared_storm", "die: refused at call 5 with 1"),
        ("queue_storm", "die: refused at call 7 with 1"),
    ] {
        assert_eq!(does(&gateway, "low", way).await?, 200, "{way}");
        said(&gateway, &["plugin=low", refusal]).await?;
    }
    said(&gateway, &["plugin=low", "shared data is full", "`limits.shared_keys`"]).await?;
    // Each value takes its 4,096 bytes, 5 for the key and 96 beside them.
    assert_eq!(does(&gateway, "bytes", "shared_storm").await?, 200);
    said(&gateway, &["plugin=bytes", "die: refused at call 4 with 1"]).await?;
    said(&gateway, &["plugin=bytes", "`limits.shared_data`"]).await?;
    for way in ["memory", "recursion"] {
        assert_eq!(does(&gateway, "low", way).await?, 503, "{way}");
        while does(&gateway, "low", "nothing").await? != 200 {}
    }
    assert_eq!(does(&gateway, "loops", "loop").await?, 503);
    assert_eq!(does(&gateway, "deep", "recursion").await?, 503);
    said(
        &gateway,
        &[
            "code=plugin.call_depth_exceeded",
            "`deep`",
            "than the 100 frames that it may have",
        ],
    )
    .await?;
    while does(&gateway, "deep", "nothing").await? != 200 {}
    let long = ask(&gateway, &Request::post("/holds", &"x".repeat(1_025))).await?;
    assert_eq!(long.status, 413);

    let reached = shown(&gateway, "low").await?["reached"].clone();
    let wanted = json!({"memory": 1, "stack": 1, "callouts": 1, "shared_keys": 1, "queue_length": 1});
    for (limit, count) in wanted.as_object().context("a map")? {
        assert!(reached[limit].as_u64() >= count.as_u64(), "{limit}: {reached}");
    }
    // Once for each of the three instances.
    assert_eq!(reached["timer"], 3, "{reached}");
    assert_eq!(shown(&gateway, "bytes").await?["reached"], json!({"shared_data": 1}));
    assert_eq!(shown(&gateway, "loops").await?["reached"], json!({"cpu_slice": 1}));
    assert_eq!(shown(&gateway, "deep").await?["reached"], json!({"call_depth": 1}));
    assert_eq!(shown(&gateway, "holds").await?["reached"], json!({"body": 1}));
    // What the pages of plugins and of metrics say is one.
    let samples = samples(&gateway, "cofferdam_plugin_limit_reached_total").await?;
    for name in ["low", "bytes", "loops", "deep", "holds"] {
        let reached = shown(&gateway, name).await?["reached"].clone();
        let of_plugin = samples.iter().filter(|((plugin, _), _)| plugin == name);
        for ((_, limit), count) in of_plugin {
            assert_eq!(reached[limit].as_f64().unwrap_or(0.0), *count, "{name} {limit}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_limits_in_force_are_shown() -> Result<()> {
    let gateway = each_alone(vec![die("low", "", low())?, die("usual", "", json!({}))?]).await?;
    let mut limits = low();
    limits["cpu_slice"] = "20s".into();
    limits["instances"] = 100.into();
    limits["open_files"] = 256.into();
    limits["written"] = (1 << 30).into();
    for (size, bytes) in [
        ("memory", 4 << 20),
        ("stack", 64 << 10),
        ("body", 1 << 10),
        ("shared_data", 1 << 20),
    ] {
        limits[size] = bytes.into();
    }
    let shown_limits = shown(&gateway, "low").await?["limits"].clone();
    assert_eq!(shown_limits, limits);
    assert_eq!(shown(&gateway, "low").await?["reached"], json!({}));
    let config = page(&gateway, "/config").await?;
    assert_eq!(config["plan"]["plugins"][0]["limits"], limits);

    let samples = samples(&gateway, "cofferdam_plugin_limit").await?;
    let of = |plugin: &str, limit: &str| samples.get(&(plugin.to_owned(), limit.to_owned())).copied();
    for (limit, low, usual) in [
        ("memory", 4_194_304.0, 67_108_864.0),
        ("cpu_slice", 20.0, 20.0),
        ("stack", 65_536.0, 524_288.0),
        ("body", 1_024.0, 1_048_576.0),
        ("table", 1_000.0, 200_000.0),
        ("callouts", 3.0, 4_096.0),
        ("shared_data", 1_048_576.0, 67_108_864.0),
        ("shared_keys", 5.0, 100_000.0),
        ("queue_length", 7.0, 65_536.0),
        ("log_lines", 500.0, 1_000.0),
        ("timer", 3_600.0, 0.001),
        ("cpu_share", 1.0, 1.0),
        ("trusted_after", 9.0, 1_000.0),
        ("instances", 100.0, 100.0),
    ] {
        assert_eq!(
            (of("low", limit), of("usual", limit)),
            (Some(low), Some(usual)),
            "{limit}"
        );
    }
    assert_eq!(
        (of("low", "call_depth"), of("usual", "call_depth")),
        (Some(5_000.0), None)
    );
    assert_eq!(shown(&gateway, "usual").await?["limits"]["call_depth"], Value::Null);
    // Whatever can be reached is a limit that can be set, and stands on both pages.
    let keys: BTreeSet<String> = limits.as_object().context("a map")?.keys().cloned().collect();
    let of_metric = |samples: BTreeMap<(String, String), f64>| -> BTreeSet<String> {
        let of_one = samples.into_keys().filter(|(plugin, _)| plugin == "low");
        of_one.map(|(_, limit)| limit).collect()
    };
    assert_eq!(of_metric(samples), keys);
    let mut reachable = of_metric(self::samples(&gateway, "cofferdam_plugin_limit_reached_total").await?);
    assert!(reachable.insert("trusted_after".to_owned()), "nobody reaches it");
    assert_eq!(reachable, keys);
    Ok(())
}

#[tokio::test]
async fn lines_beyond_their_number_are_left_out_and_counted() -> Result<()> {
    let gateway = each_alone(vec![die("talks", "", json!({"log_lines": 20}))?]).await?;
    let began = Instant::now();
    assert_eq!(does(&gateway, "talks", "log_storm").await?, 200);
    said(
        &gateway,
        &["plugin log lines left out plugin=talks lines=", "`limits.log_lines`"],
    )
    .await?;
    let left_out = shown(&gateway, "talks").await?["reached"]["log_lines"]
        .as_u64()
        .unwrap_or_default();
    // A million lines of the storm and the one that says that nobody refused them.
    let written = gateway.process.wait_for(0, DEADLINE, |lines| {
        let written = plugin_lines(lines).len() as u64;
        (written + left_out == 1_000_001).then_some(written)
    });
    let written = written.await.with_context(|| format!("{left_out} left out"))?;
    let rounds = began.elapsed().as_secs() + 2;
    assert!((20..=20 * rounds).contains(&written), "{written} in {rounds} s");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_has_used_its_share_gets_what_its_policy_says() -> Result<()> {
    let mut open = die("open", "", json!({"cpu_share": "1%"}))?;
    open["on_fault"] = "open".into();
    let gateway = each_alone(vec![die("close", "", json!({"cpu_share": "1%"}))?, open]).await?;
    let used_up = async {
        while does(&gateway, "close", "slow").await? != 503 {}
        while shown(&gateway, "open").await?["reached"]["cpu_share"].is_null() {
            assert_eq!(does(&gateway, "open", "slow").await?, 200);
        }
        // The seconds that follow pay, and it serves again.
        while does(&gateway, "close", "nothing").await? != 200 {}
        anyhow::Ok(())
    };
    tokio::time::timeout(DEADLINE, used_up).await??;
    for name in ["close", "open"] {
        let shown = shown(&gateway, name).await?;
        assert!(shown["reached"]["cpu_share"].as_u64() >= Some(1), "{shown}");
        let worker = &shown["workers"][0];
        assert_eq!(
            (&worker["faults"], &worker["starts"]),
            (&json!(0), &json!(1)),
            "{shown}"
        );
    }
    let verdicts = |plugin: &str, word: &str| {
        let wanted = json!({"plugin": plugin, "verdict": word});
        move |record: &Value| {
            record["cofferdam.plugins"]
                .as_array()
                .is_some_and(|all| all.contains(&wanted))
        }
    };
    let records = gateway.records_from(0);
    for (plugin, word) in [
        ("close", "plugin.cpu_share_exceeded"),
        ("open", "plugin.cpu_share_exceeded"),
        ("open", "skipped"),
    ] {
        assert!(
            records.iter().any(verdicts(plugin, word)),
            "{plugin} {word}: {records:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_module_with_larger_tables_than_it_may_have_is_not_loaded() -> Result<()> {
    let plugin = json!({"name": "p", "source": {"file": "p.wasm"}, "limits": {"table": 3}});
    let configuration = complete(json!({
        "plugins": [plugin],
        "routes": [{"name": "r", "echo": true, "plugins": ["p"]}],
    }));
    let files = BTreeMap::from([
        ("gateway.yaml", configuration.to_string().into_bytes()),
        ("p.wasm", fs::read(place::guest("die")?)?),
    ]);
    for verb in ["run", "check"] {
        let ended = command(verb, &[], &files).await?;
        assert_eq!(ended.code, Some(1), "{verb}: {ended:?}");
        let wanted = "error: plugin `p` could not be instantiated: table minimum size of";
        assert!(
            ended.err.contains(wanted) && !ended.err.contains("listening"),
            "{}",
            ended.err
        );
    }
    Ok(())
}
