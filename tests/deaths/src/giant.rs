//! A plugin that makes a message giant: what does not fit is left out and said, and the message stays one that peers take.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::backend::{Backend, Speaks};
use testkit::client::{Request, Version, send};
use testkit::fields::Fields;
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

use crate::setting::{dying, lives};

/// What proxy-wasm-cpp-host takes of a map at once, and the gateway of a map in all.
const PAIRS_MAX: usize = 1024;
const BYTES_MAX: usize = 1 << 20;

fn is_bounded(fields: &Fields) -> bool {
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    // What the gateway itself adds comes on top.
    fields.len() <= PAIRS_MAX + 10 && bytes <= BYTES_MAX + 1024
}

#[tokio::test]
async fn a_giant_message_is_bounded_in_both_directions() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http1)?;
    let mut plugin = dying("p", "", "close")?;
    plugin["limits"] = json!({"cpu_slice": "20s", "memory": "32MiB"});
    let configuration = json!({
        "workers": 1,
        "admin": {"listen": "127.0.0.1:0"},
        "listeners": [{"name": "web", "listen": "127.0.0.1:0"}],
        "upstreams": [{"name": "up", "endpoints": [backend.address.to_string()]}],
        "plugins": [plugin],
        "routes": [{"name": "all", "upstream": "up", "plugins": ["p"]}],
    });
    let gateway = Gateway::start(&configuration.to_string()).await?;
    for callback in ["request_headers", "response_headers"] {
        for way in ["header_storm", "header_giant"] {
            for version in [Version::Http1, Version::Http2] {
                let (said, before) = (gateway.process.line_count(), backend.records().len());
                let request = Request::get("/").field("x-die", &format!("{callback} {way}"));
                let answer = send(gateway.listener("web")?, version, &request).await?;
                let place = format!("{callback} {way} {version:?}");
                ensure!(
                    (answer.status, answer.text().as_str()) == (200, "hello from up"),
                    "{place}: {}",
                    answer.status
                );
                let sent = backend.records().remove(before);
                ensure!(is_bounded(&sent.fields), "{place}: {} headers sent", sent.fields.len());
                ensure!(
                    is_bounded(&answer.fields),
                    "{place}: {} headers received",
                    answer.fields.len()
                );
                let grown = if callback == "request_headers" {
                    &sent.fields
                } else {
                    &answer.fields
                };
                ensure!(
                    way == "header_giant" || grown.len() > 900,
                    "{place}: {} headers",
                    grown.len()
                );
                let left_out = |line: &testkit::process::Line| line.text.contains("left out: the message has too many");
                gateway.process.wait_for_line(said, DEADLINE, left_out).await?;
            }
        }
    }
    lives(&gateway, 0).await
}
