//! A real rsyslogd understands what the sinks of syslog send it, over each way, as it was meant.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::send_bytes;
use testkit::process::DEADLINE;
use testkit::rsyslog::Rsyslog;

use super::{answering, file_sink, of_class, parsed, records, until};
use crate::setting::{gateway, plugin};

/// What a plugin says, and what stands in a path.
const SAID: &str = "first\nsecond \"quoted\" 中文\t\\";
const ASKED: &str = "/a%0a\"中文\"?b=%22";

/// What rsyslog calls the level of a record.
fn severity(level: &Value) -> &'static str {
    match level.as_str() {
        Some("info") => "info",
        Some("warn") => "warning",
        Some("error") => "err",
        _ => "another",
    }
}

/// That messages are the records, each with its head.
fn agree(messages: &[Value], records: &[Value], (facility, process): (&str, &str)) -> Result<()> {
    for (message, record) in messages.iter().zip(records) {
        let body = message["message"].as_str().context("no message")?;
        ensure!(parsed(body)? == *record, "{message} is not {record}");
        for (name, value) in [
            ("severity", severity(&record["level"])),
            ("facility", facility),
            ("version", "1"),
            ("time", record["timestamp"].as_str().unwrap_or_default()),
            ("host", "here"),
            ("application", "gate"),
            ("process", process),
            ("id", record["event_name"].as_str().unwrap_or_default()),
            ("data", "-"),
        ] {
            ensure!(message[name] == value, "{name} is not {value}: {message}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn rsyslog_understands_what_comes_over_tcp_udp_and_a_unix_socket() -> Result<()> {
    let rsyslog = Rsyslog::start().await?;
    let address = rsyslog.address.to_string();
    let ways = [
        ("tcp", "local3", json!({"tcp": address})),
        ("udp", "user", json!({"udp": address})),
        ("unix", "daemon", json!({"unix_datagram": rsyslog.socket})),
    ];
    let mut sinks = vec![file_sink("file", Path::new("all.log"))];
    sinks[0]["classes"] = json!(["access", "plugin"]);
    for (way, facility, to) in &ways {
        let syslog = json!({"to": to, "facility": facility, "host": "here", "application": "gate"});
        sinks.push(json!({"name": way, "syslog": syslog, "classes": ["access", "plugin"], "batch": {"linger": "1ms"}}));
    }
    let mut configuration = answering(json!({"sinks": sinks}));
    let log = |level: &str| json!({"op": "log", "level": level, "text": SAID});
    let says = json!({"request_headers": [log("warn"), log("error")]});
    configuration["plugins"] = json!([plugin("says", "probe-021", says)?]);
    configuration["routes"] = json!([{"name": "all", "echo": true, "plugins": ["says"]}]);
    let gateway = gateway(configuration).await?;
    let request = format!("GET {ASKED} HTTP/1.1\r\nhost: a\r\nuser-agent: \"\\\" 中文\r\nconnection: close\r\n\r\n");
    for _ in 0..10 {
        send_bytes(gateway.listener("web")?, request.as_bytes(), DEADLINE).await?;
    }
    let file = gateway.folder().join("all.log");
    let all = until(
        "all records",
        || Ok(Some(records(&file)?).filter(|all| all.len() >= 30)),
    )
    .await?;
    ensure!(
        of_class(&all, "plugin").iter().all(|line| line["message"] == SAID),
        "{all:#?}"
    );
    ensure!(of_class(&all, "access").len() == 10, "{all:#?}");
    let paths = of_class(&all, "access");
    ensure!(
        paths.iter().all(|record| record["url.path"] == "/a%0a\"中文\""),
        "{paths:#?}"
    );
    let process = gateway.process.pid().to_string();
    for (way, facility, _) in &ways {
        let what = format!("all messages over {way}");
        let messages = until(&what, || {
            Ok(Some(rsyslog.messages(way)?).filter(|messages| messages.len() >= all.len()))
        })
        .await?;
        ensure!(messages.len() == all.len(), "{way}: {messages:#?}");
        agree(&messages, &all, (facility, &process)).with_context(|| format!("over {way}"))?;
    }
    Ok(())
}
