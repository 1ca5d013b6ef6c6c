//! What plugins say and how they die stands in the log with the ids of their exchange.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::Request;
use testkit::process::{DEADLINE, Line};

use super::{of_class, records, until};
use crate::setting::{ask, gateway, plugin};

const SAID: &str = "said aloud";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A plugin that speaks before one that dies, and a sink for these classes.
fn speaking(classes: &[&str]) -> Result<Value> {
    let says = json!({"request_headers": [{"op": "log", "level": "warn", "text": SAID}]});
    Ok(json!({
        "workers": 1,
        "plugins": [plugin("says", "probe-021", says)?, plugin("die", "die", json!({}))?],
        "routes": [{"name": "r", "echo": true, "plugins": ["says", "die"]}],
        "logs": {"sinks": [{"name": "all", "file": {"path": "all.log"}, "classes": classes, "batch": {"linger": "1ms"}}]},
    }))
}

fn deadly() -> Request {
    Request::get("/")
        .field("x-die", "request_headers panic")
        .field("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"))
}

#[tokio::test]
async fn a_fault_is_found_by_the_ids_of_its_exchange_and_lines_go_to_sinks_alone() -> Result<()> {
    let gateway = gateway(speaking(&["access", "plugin", "fault"])?).await?;
    let file = gateway.folder().join("all.log");
    let said = gateway.process.line_count();
    ensure!(ask(&gateway, &deadly()).await?.status == 503);
    let first = |class: &str| of_class(&records(&file).unwrap_or_default(), class).into_iter().next();
    let (access, fault, line) = until("an exchange, its fault and a line", || {
        let found = (first("access"), first("fault"), first("plugin"));
        Ok(match found {
            (Some(access), Some(fault), Some(line)) => Some((access, fault, line)),
            _ => None,
        })
    })
    .await?;
    ensure!(access["trace_id"] == TRACE, "{access}");
    for name in ["trace_id", "span_id", "request_id"] {
        let id = access[name].as_str().with_context(|| format!("no {name}: {access}"))?;
        ensure!(fault[name] == id, "{name} {id}: {fault}");
    }
    ensure!(
        fault["cofferdam.plugin"] == "die" && fault["error.type"] == "plugin.trapped",
        "{fault}"
    );
    ensure!(fault["cofferdam.plugin.generation"] == 1, "{fault}");
    ensure!(fault["cofferdam.plugin.context"].is_u64(), "{fault}");
    ensure!(
        line["trace_id"] == access["trace_id"] && line["message"] == SAID,
        "{line}"
    );
    // The report is for whoever looks at the process; the lines are in the file.
    let told = |line: &Line| line.text.contains("more: cofferdam crash show ");
    gateway.process.wait_for_line(said, DEADLINE, told).await?;
    let lines = gateway.plugin_lines_from(said);
    ensure!(lines.is_empty(), "said twice: {lines:?}");
    Ok(())
}

#[tokio::test]
async fn lines_that_no_sink_is_for_are_said_on_standard_error() -> Result<()> {
    let gateway = gateway(speaking(&["access", "fault"])?).await?;
    ensure!(ask(&gateway, &deadly()).await?.status == 503);
    gateway.wait_for_plugin_line(0, SAID).await?;
    Ok(())
}
