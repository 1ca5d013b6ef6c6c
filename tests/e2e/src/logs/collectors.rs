//! Collectors of OpenTelemetry get records and spans whose ids are those of the exchange.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::Backend;
use testkit::client::Request;
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::{DEADLINE, Process, Source};

use super::{accesses, file_sink, of_class, records, until};
use crate::setting::{ask, backend, gateway, plugin, upstream};

const SPAN: &str = "00f067aa0ba902b7";

/// A collector that reads with the messages of OpenTelemetry. It is busy once, and then refuses one of what it is sent.
pub(super) struct Collector {
    process: Process,
    port: u16,
}

impl Collector {
    pub(super) async fn start(protocol: &str) -> Result<Self> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../crates/log-ship/tests/collector.py");
        let mut command = Command::new(place::peer("guests_python")?);
        command.arg(script).arg(protocol);
        let process = Process::start("collector", &mut command)?;
        let said = process
            .wait_for_line(0, DEADLINE, |line| line.source == Source::Stdout)
            .await?;
        let port = said.text.parse().context("no port")?;
        Ok(Self { process, port })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// What it printed so far, the line with the port left out.
    pub(super) fn so_far(&self) -> Vec<String> {
        let lines = self.process.lines_from(1);
        lines.into_iter().map(|line| line.text).collect()
    }

    fn settings(&self, protocol: &str) -> Value {
        json!({"url": format!("http://127.0.0.1:{}", self.port), "protocol": protocol, "resource": {"service.name": "shop"}})
    }

    /// What it read, once that satisfies.
    pub(super) async fn until(&self, satisfies: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        self.process
            .wait_for(1, DEADLINE, |lines| {
                let groups = lines
                    .iter()
                    .filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
                let all: Vec<Value> = groups
                    .flat_map(|group| group["records"].as_array().cloned().unwrap_or_default())
                    .collect();
                satisfies(&all).then_some(all)
            })
            .await
    }
}

fn trace(number: usize) -> String {
    format!("4bf92f3577b34da6a3ce929d0e0e{number:04x}")
}

async fn stage(backend: &Backend, (logs, spans): (&Collector, &Collector), protocol: &str) -> Result<Gateway> {
    let says = json!({"request_headers": [{"op": "log", "level": "warn", "text": "a line"}]});
    let quick = json!({"linger": "1ms"});
    let retry = json!({"wait": "5ms", "wait_max": "50ms"});
    gateway(json!({
        "workers": 1,
        "upstreams": [upstream("up", backend)],
        "plugins": [plugin("says", "probe-021", says)?],
        "routes": [{"name": "all", "upstream": "up", "plugins": ["says"]}],
        "tracing": {"trust": "callers", "spans": {"otlp": spans.settings(protocol), "batch": quick, "retry": retry}},
        "logs": {"sinks": [
            {"name": "collector", "otlp": logs.settings(protocol), "batch": quick, "retry": retry},
            file_sink("file", std::path::Path::new("all.log")),
        ]},
    }))
    .await
}

/// The ids of everything of a kind, by trace.
fn by_trace<'a>(all: impl Iterator<Item = &'a Value>) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<_, Vec<String>>::new();
    for one in all {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        found.entry(text("trace_id")).or_default().push(text("span_id"));
    }
    found
}

async fn one_exchange_has_the_same_ids_everywhere(protocol: &str) -> Result<()> {
    let backend = backend()?;
    let (logs, spans) = (Collector::start(protocol).await?, Collector::start(protocol).await?);
    let gateway = stage(&backend, (&logs, &spans), protocol).await?;
    for number in 0..20 {
        let parent = format!("00-{}-{SPAN}-01", trace(number));
        ask(&gateway, &Request::get("/a").field("traceparent", &parent)).await?;
    }
    let last = trace(19);
    let of_last = |all: &[Value], name: &str, value: &str| {
        all.iter()
            .any(|one| one["trace_id"] == last.as_str() && one["attributes"][name] == value)
    };
    let sent = logs
        .until(|all| of_last(all, "event_name", "access") && of_last(all, "event_name", "plugin"))
        .await?;
    let staged = spans
        .until(|all| {
            all.iter()
                .any(|one| one["trace_id"] == last.as_str() && one["kind"] == 2)
        })
        .await?;
    let file = accesses(&gateway.folder().join("all.log"), 20).await?;
    let lines = until("lines", || {
        Ok(Some(of_class(&records(&gateway.folder().join("all.log"))?, "plugin")).filter(|all| all.len() >= 20))
    })
    .await?;
    let (accesses, lines) = (by_trace(file.iter()), by_trace(lines.iter()));
    ensure!(accesses.len() == 20 && accesses == lines, "{accesses:?} {lines:?}");
    let own = &accesses[&last][0];
    ensure!(own != SPAN && own.len() == 16, "{own}");
    for one in &sent {
        let of_exchange = one["attributes"]["event_name"] == "access" || one["attributes"]["event_name"] == "plugin";
        let trace = one["trace_id"].as_str().unwrap_or_default();
        ensure!(
            !of_exchange || accesses.get(trace).is_some_and(|ids| one["span_id"] == ids[0].as_str()),
            "{one}"
        );
    }
    let server = staged
        .iter()
        .find(|one| one["trace_id"] == last.as_str() && one["kind"] == 2)
        .context("no span")?;
    ensure!(
        server["span_id"] == own.as_str() && server["parent_span_id"] == SPAN,
        "{server}"
    );
    let told = backend
        .records()
        .last()
        .and_then(|seen| Some(seen.field("traceparent")?.to_owned()))
        .context("no traceparent")?;
    let below = told.split('-').nth(2).unwrap_or_default();
    ensure!(
        staged.iter().any(|one| one["span_id"] == below && one["kind"] == 3),
        "the upstream hangs below no span: {told}"
    );
    let reaches = |one: &Value| {
        one["trace_id"] != last.as_str()
            || one["kind"] == 2
            || staged.iter().any(|above| above["span_id"] == one["parent_span_id"])
    };
    ensure!(staged.iter().all(reaches), "{staged:?}");
    Ok(())
}

#[tokio::test]
async fn one_exchange_has_the_same_ids_everywhere_over_http() -> Result<()> {
    one_exchange_has_the_same_ids_everywhere("http").await
}

#[tokio::test]
async fn one_exchange_has_the_same_ids_everywhere_over_grpc() -> Result<()> {
    one_exchange_has_the_same_ids_everywhere("grpc").await
}
