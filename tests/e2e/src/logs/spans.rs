//! Spans of an exchange as those read them who know OpenTelemetry's conventions: names, kinds, attributes, errors.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply};
use testkit::client::Request;
use testkit::gateway::Gateway;

use super::{of_class, records, until};
use crate::setting::{ask, backend, gateway, plugin, upstream};

async fn stage(backend: &Backend) -> Result<Gateway> {
    gateway(json!({
        "workers": 1,
        "upstreams": [upstream("orders", backend)],
        "plugins": [plugin("says", "probe-021", json!({}))?],
        "routes": [{"name": "shop", "upstream": "orders", "plugins": ["says"]}],
        "tracing": {"trust": "callers"},
        "logs": {
            "mask": {"packs": ["mlps3"]},
            "sinks": [{"name": "all", "file": {"path": "all.log"}, "classes": ["span"], "batch": {"linger": "1ms"}}],
        },
    }))
    .await
}

/// The spans of the exchange that asked for a path: its own, that of its try, and that of its plugin.
async fn spans(gateway: &Gateway, path: &str) -> Result<[Value; 3]> {
    let file = gateway.folder().join("all.log");
    let what = format!("three spans of `{path}`");
    until(&what, || {
        let all = of_class(&records(&file)?, "span");
        let Some(own) = all.iter().find(|span| span["url.path"] == path) else {
            return Ok(None);
        };
        let with = |name: &str| {
            let same = |span: &&Value| span["trace_id"] == own["trace_id"] && span[name].is_string();
            all.iter().find(same).cloned()
        };
        Ok(with("cofferdam.upstream")
            .zip(with("cofferdam.plugin"))
            .map(|(of_try, of_plugin)| [own.clone(), of_try, of_plugin]))
    })
    .await
}

fn has(span: &Value, wanted: Value) -> Result<()> {
    for (name, value) in wanted.as_object().context("an object")? {
        ensure!(span[name] == *value, "{name} {value}: {span}");
    }
    Ok(())
}

#[tokio::test]
async fn spans_are_named_and_described_as_opentelemetry_has_it() -> Result<()> {
    let backend = backend()?;
    let gateway = stage(&backend).await?;
    let request = Request::get("/well").field("user-agent", "phone 13812341234");
    ask(&gateway, &request).await?;
    let [own, of_try, of_plugin] = spans(&gateway, "/well").await?;
    has(
        &own,
        json!({
            "span.name": "GET shop", "span.kind": "server", "http.request.method": "GET", "url.scheme": "http",
            "network.protocol.version": "1.1", "http.response.status_code": 200, "client.address": "127.0.0.1",
            "user_agent.original": "phone 138****1234", "error.type": null, "parent_span_id": null,
        }),
    )?;
    has(
        &of_try,
        json!({
            "span.name": "GET orders", "span.kind": "client", "http.request.method": "GET", "server.address": "127.0.0.1",
            "server.port": backend.address.port(), "http.response.status_code": 200, "cofferdam.try": 1, "error.type": null,
        }),
    )?;
    has(
        &of_plugin,
        json!({"span.name": "plugin says", "span.kind": "internal", "error.type": null}),
    )
}

#[tokio::test]
async fn a_failure_has_its_status_as_its_error_and_an_invented_method_is_no_name() -> Result<()> {
    let backend = backend()?;
    let gateway = stage(&backend).await?;
    backend.reply("/fails", Reply::new(503));
    ask(&gateway, &Request::new("BREW", "/fails")).await?;
    let [own, of_try, _] = spans(&gateway, "/fails").await?;
    let failed = json!({"http.response.status_code": 503, "error.type": "503", "span.status": "error", "http.request.method": "BREW"});
    has(&own, failed.clone())?;
    has(&of_try, failed)?;
    has(&own, json!({"span.name": "HTTP shop"}))?;
    has(&of_try, json!({"span.name": "HTTP orders"}))
}
