//! What plugins call stands in the log: by which plugin, for which exchange, and what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks, Step};
use testkit::client::Request;
use testkit::process::DEADLINE;

use crate::setting::{ask, backend, gateway, plugin, upstream};

/// The page of all fields.
const FIELDS: &str = include_str!("../../../docs/log-fields.md");

/// Each field of a record is on the page, and the page says that records of its class have it.
fn is_on_the_page(record: &Value) -> Result<()> {
    let class = format!("`{}`", record["event_name"].as_str().context("a class")?);
    for name in record.as_object().context("an object")?.keys() {
        let row = FIELDS.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.with_context(|| format!("`{name}` is not on the page: {record}"))?;
        let classes = row.split(" | ").nth(2).context("classes")?;
        ensure!(
            classes == "all" || classes.contains(&class),
            "`{name}` of {class}: {row}"
        );
    }
    Ok(())
}

/// What a plugin does once it has been told.
fn go_on() -> Value {
    json!([{"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}])
}

/// A plugin that calls a method of its own name, and waits for what comes of it.
fn calling(name: &str, system: &str) -> Result<Value> {
    let call = json!({
        "op": "grpc_call", "upstream": system, "service": "test.Service", "method": name, "metadata": "",
        "message": "13812341234", "timeout": 300, "then": go_on(), "close": go_on(),
    });
    plugin(
        name,
        "probe-021",
        json!({"request_headers": [call, {"op": "return", "action": "pause"}]}),
    )
}

/// A plugin that calls, and has no wish for the answer by the time its upstream has answered.
fn cancelling() -> Result<Value> {
    let call = json!({
        "op": "grpc_call", "upstream": "grpc", "service": "test.Service", "method": "cancels", "metadata": "",
        "message": "question", "timeout": 60000, "save": "token",
    });
    let cancel = json!({"op": "grpc_cancel", "token": "${token}"});
    plugin(
        "cancels",
        "probe-021",
        json!({"request_headers": [call], "response_headers": [cancel]}),
    )
}

/// A plugin that asks over HTTP.
fn asking() -> Result<Value> {
    let call = json!({
        "op": "http_call", "upstream": "http", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"]],
        "timeout": 5000, "then": go_on(),
    });
    plugin(
        "asks",
        "probe-021",
        json!({"request_headers": [call, {"op": "return", "action": "pause"}]}),
    )
}

/// Waits until the log has so many records of calls; each by its plugin.
async fn calls(file: &Path, count: usize) -> Result<BTreeMap<String, Value>> {
    let end = Instant::now() + DEADLINE;
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines().map(serde_json::from_str::<Value>);
        let records = lines.collect::<Result<Vec<_>, _>>()?;
        if records.iter().filter(|record| record["event_name"] == "call").count() >= count {
            let of = |record: &Value| Some((record["cofferdam.plugin"].as_str()?.to_owned(), record.clone()));
            let calls = records.iter().filter(|record| record["event_name"] == "call");
            return calls
                .map(|call| of(call).with_context(|| format!("no plugin: {call}")))
                .collect();
        }
        ensure!(Instant::now() < end, "there are not {count}: {records:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn each_callout_has_a_record_with_its_plugin_and_exchange_however_it_ends() -> Result<()> {
    however_it_ends(json!({"trust": "callers"})).await
}

/// The gateway is no part of the trace then, and its records have the ids that came.
#[tokio::test]
async fn callouts_have_the_ids_of_their_exchange_where_no_trace_is_led_on() -> Result<()> {
    however_it_ends(Value::Null).await
}

/// A backend that answers each method in a way of its own.
fn answering() -> Result<Backend> {
    let grpc = Backend::start("grpc", Speaks::Http2)?;
    let reply = |name: &str, reply| grpc.reply(&format!("/test.Service/{name}"), reply);
    reply("fine", Reply::grpc(0, &[b"answer"]));
    reply("denied", Reply::grpc(7, &[]));
    reply("reset", Reply::of(vec![Step::Reset]));
    let begun = || Step::Head(200, vec![("content-type".into(), "application/grpc".into())]);
    reply(
        "broken",
        Reply::of(vec![begun(), Step::Data("\0\0".into()), Step::Close]),
    );
    reply("late", Reply::silence());
    reply("cancels", Reply::silence());
    Ok(grpc)
}

async fn however_it_ends(tracing: Value) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("done.log");
    let (up, grpc, http) = (backend()?, answering()?, backend()?);
    let mut over_http2 = upstream("grpc", &grpc);
    over_http2["protocol"] = "http2".into();
    let expected = [
        ("fine", "ok", "debug"),
        ("denied", "refused", "warn"),
        ("reset", "unavailable", "warn"),
        ("broken", "unavailable", "warn"),
        ("late", "timeout", "warn"),
        ("nobody", "unavailable", "warn"),
        ("asks", "ok", "debug"),
        ("cancels", "given_up", "debug"),
    ];
    let mut plugins = vec![calling("nobody", "dead")?, cancelling()?, asking()?];
    for name in ["fine", "denied", "reset", "broken", "late"] {
        plugins.push(calling(name, "grpc")?);
    }
    let routes = expected.map(|(name, ..)| {
        json!({"name": name, "match": {"path": {"exact": format!("/{name}")}}, "upstream": "up", "plugins": [name]})
    });
    let mut configuration = json!({
        "workers": 1, "plugins": plugins, "routes": routes,
        "upstreams": [upstream("up", &up), over_http2, upstream("http", &http),
            {"name": "dead", "endpoints": ["127.0.0.1:1"], "protocol": "http2"}],
        "logs": {
            "rings": {"dir": folder.path().join("rings")},
            "sinks": [{"name": "done", "file": {"path": file}, "classes": ["access", "call", "control", "plugin", "fault", "gateway", "audit", "span"], "batch": {"linger": "1ms"}}],
        },
    });
    if !tracing.is_null() {
        configuration["tracing"] = tracing;
    }
    let gateway = gateway(configuration).await?;
    for (at, (name, ..)) in expected.iter().enumerate() {
        let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e473{at}-00f067aa0ba902b7-01");
        let request = Request::get(&format!("/{name}")).field("traceparent", &parent);
        assert_eq!(ask(&gateway, &request).await?.status, 200, "{name}");
    }
    let calls = calls(&file, expected.len()).await?;
    let text = fs::read_to_string(&file)?;
    text.lines()
        .try_for_each(|line| is_on_the_page(&serde_json::from_str(line)?))?;
    for (name, result, level) in expected {
        let call = calls
            .get(name)
            .with_context(|| format!("no call of `{name}`: {calls:#?}"))?;
        assert_eq!(call["cofferdam.call.result"], result, "{call}");
        assert_eq!(call["level"], level, "{call}");
        let exchange = text
            .lines()
            .find(|line| line.contains(&format!(r#""url.path":"/{name}""#)) && line.contains("access"));
        let exchange: Value = serde_json::from_str(exchange.context("its exchange")?)?;
        let trace = call["trace_id"].as_str().with_context(|| format!("no trace: {call}"))?;
        assert!(trace.starts_with("4bf92f"), "{call}");
        assert_eq!(call["trace_id"], exchange["trace_id"], "{call}");
    }
    assert_eq!(calls["late"]["url.path"], "/test.Service/late");
    assert!(!text.contains("13812341234"), "{text}");
    Ok(())
}
