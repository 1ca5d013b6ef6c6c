//! Traces: contexts of callers and for upstreams, ids in records and lines, and whether what is kept is whole.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::Backend;
use testkit::client::Request;
use testkit::gateway::Gateway;
use testkit::process::{DEADLINE, Source};

use crate::setting::{ask, backend, gateway, get, plugin, upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// The records of exchanges so far, once there are this many.
async fn records(gateway: &Gateway, count: usize) -> Result<Vec<Value>> {
    gateway
        .process
        .wait_for(0, DEADLINE, |lines| {
            let lines = lines.iter().filter(|line| line.source == Source::Stdout);
            let records = lines.filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
            let records: Vec<_> = records.filter(|record| record.get("url.path").is_some()).collect();
            (records.len() >= count).then_some(records)
        })
        .await
}

async fn stage(backend: &Backend, tracing: Value) -> Result<Gateway> {
    let says = json!({"request_headers": [{"op": "log", "level": "warn", "text": "a line"}]});
    let mut configuration = json!({
        "workers": 1,
        "upstreams": [upstream("up", backend)],
        "plugins": [plugin("says", "probe-021", says)?],
        "routes": [
            {"name": "led", "match": {"path": {"prefix": "/led"}}, "upstream": "up", "plugins": ["says"]},
            {"name": "all", "upstream": "up"},
        ],
    });
    if !tracing.is_null() {
        configuration["tracing"] = tracing;
    }
    gateway(configuration).await
}

/// Trace, span and flags of the `traceparent` that the upstream saw.
fn told(backend: &Backend) -> Result<[String; 3]> {
    let seen = backend.take_records();
    let value = seen
        .first()
        .and_then(|seen| seen.field("traceparent"))
        .context("the upstream was told of no trace")?;
    let parts: Vec<_> = value.split('-').skip(1).map(str::to_owned).collect();
    parts.try_into().ok().context("not three parts")
}

#[tokio::test]
async fn a_trace_goes_through_the_gateway_and_its_ids_are_in_the_record() -> Result<()> {
    let backend = backend()?;
    let gateway = stage(&backend, json!({"trust": "callers"})).await?;
    let request = Request::get("/led").field("traceparent", &format!("00-{TRACE}-{SPAN}-01"));
    ask(&gateway, &request.field("tracestate", "a=1")).await?;
    let [trace, span, flags] = told(&backend)?;
    ensure!((trace.as_str(), flags.as_str()) == (TRACE, "01"), "{trace} {flags}");
    ensure!(span != SPAN, "the upstream hangs below the caller");
    let record = records(&gateway, 1).await?.remove(0);
    ensure!(record["trace_id"] == TRACE, "{record}");
    ensure!(record["span_id"] != SPAN && record["span_id"].is_string(), "{record}");
    Ok(())
}

#[tokio::test]
async fn a_stranger_chooses_no_trace_and_b3_is_told_where_it_is_wanted() -> Result<()> {
    let backend = backend()?;
    let gateway = stage(&backend, json!({"accept": ["w3c", "b3"], "send": ["w3c", "b3"]})).await?;
    let request = Request::get("/all").field("b3", &format!("{TRACE}-{SPAN}-0"));
    ask(&gateway, &request).await?;
    let seen = backend.records();
    let [trace, span, flags] = told(&backend)?;
    ensure!(trace != TRACE && flags == "03", "{trace} {flags}");
    ensure!(
        seen[0].field("b3") == Some(format!("{trace}-{span}-1").as_str())
            || seen[0]
                .field("b3")
                .is_some_and(|b3| b3.starts_with(&format!("{trace}-{span}-1-")))
    );
    let record = records(&gateway, 1).await?.remove(0);
    ensure!(record["trace_id"] == trace, "{record}");
    Ok(())
}

#[tokio::test]
async fn without_tracing_headers_pass_untouched_and_their_ids_are_in_the_record() -> Result<()> {
    let backend = backend()?;
    let gateway = stage(&backend, Value::Null).await?;
    let request = Request::get("/all").field("traceparent", &format!("00-{TRACE}-{SPAN}-00"));
    ask(&gateway, &request).await?;
    ensure!(told(&backend)? == [TRACE, SPAN, "00"]);
    get(&gateway, "/all").await?;
    let records = records(&gateway, 2).await?;
    ensure!(
        records[0]["trace_id"] == TRACE && records[0]["span_id"] == SPAN,
        "{records:?}"
    );
    ensure!(records[1].get("trace_id").is_none(), "{records:?}");
    Ok(())
}
