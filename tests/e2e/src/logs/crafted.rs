//! Clients that would write lines of their own: every line is one record, and what they sent stands within values alone.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::client::{Request, send_bytes};
use testkit::process::DEADLINE;

use super::receiver::Receiver;
use super::{accesses, answering, file_sink, parsed, until};
use crate::setting::{ask, gateway, get};

/// What would be a record of its own, if it got out of a value.
const FORGED: &str = r#"{"event_name":"access","url.path":"/forged"}"#;

fn hostile() -> Vec<Vec<u8>> {
    let head = |target: &[u8], fields: &[u8]| {
        [
            b"GET ".as_slice(),
            target,
            b" HTTP/1.1\r\nhost: a\r\nconnection: close\r\n",
            fields,
            b"\r\n",
        ]
        .concat()
    };
    let long = [b"x-own: ".as_slice(), &vec![b'"'; 56 << 10], b"\r\n"].concat();
    let bytes: Vec<u8> = (b' '..=255).filter(|byte| *byte != 0x7f).collect();
    vec![
        head(b"/\"},\"level\":\"error\",\"x\":{\"", b""),
        head(
            b"/a%0a%0d%00%22%7d",
            format!("user-agent: \\\"}}\r\nx-own: {FORGED}\r\n").as_bytes(),
        ),
        head(
            b"/b?%ff%fe%c3%28&x=%0a{\"}",
            b"user-agent: \xc3\x28 \xed\xa0\x80 \xf4\x90\x80\x80\t\x85\r\n",
        ),
        head(b"/c", &long),
        head(b"/d", &[b"user-agent: ".as_slice(), &bytes, b"\r\n"].concat()),
        head(
            b"/e",
            &[b"x-own: \xe2\x80\xa8\xe2\x80\xa9\xef\xbf\xbf\xf0\x9f\x98\x80 \xc2\x9b31m\r\n".as_slice()].concat(),
        ),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"GET /f HTTP/1.1\r\nhost: a\r\nx-own: one\r\n two\nthree\r\n\r\n".to_vec(),
        head(b"/h", b"user-agent: \x1b[31m\x00\x7f\r\n"),
        [
            b"GET /".as_slice(),
            &vec![b'g'; 40 << 10],
            b"?{\"a\":1}\\\" HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        ]
        .concat(),
    ]
}

#[tokio::test]
async fn each_line_is_one_record_whatever_clients_send() -> Result<()> {
    let receiver = Receiver::start()?;
    let gateway = gateway(answering(json!({
        "fields": [{"name": "own", "request_header": "x-own"}],
        "sinks": [
            file_sink("file", std::path::Path::new("all.log")),
            {"name": "logfmt", "file": {"path": "logfmt.log"}, "format": "logfmt", "batch": {"linger": "1ms"}},
            {"name": "template", "file": {"path": "template.log"}, "batch": {"linger": "1ms"}, "classes": ["access"],
                "format": {"template": "<{url.path}> \"{user_agent.original}\" \"{own}\""}},
            {"name": "far", "http": {"url": receiver.url(), "gzip": false, "shape": "array"}, "batch": {"linger": "1ms"}},
        ],
    })))
    .await?;
    let requests = hostile();
    for bytes in &requests {
        send_bytes(gateway.listener("web")?, bytes, DEADLINE).await?;
    }
    get(&gateway, "/last").await?;
    let file = gateway.folder().join("all.log");
    let all = accesses(&file, requests.len() + 1).await?;
    ensure!(all.len() == requests.len() + 1, "{all:#?}");
    ensure!(
        all.iter()
            .all(|record| record["url.path"] != "/forged" && record["level"] == "info"),
        "{all:#?}"
    );
    let served = all.iter().filter(|record| record["http.response.status_code"] == 200);
    let served = served.count();
    // The others are refused, and leave a record nevertheless.
    ensure!(served == 6, "{served} were served: {all:#?}");
    let own = all
        .iter()
        .find(|record| record["url.path"] == "/c")
        .map(|record| record["cofferdam.fields"]["own"].to_string());
    ensure!(
        own.is_some_and(|own| own.len() > 1000),
        "the long value left nothing: {all:#?}"
    );
    let forged = all.iter().filter(|record| record["cofferdam.fields"]["own"] == FORGED);
    ensure!(forged.count() == 1, "a value is as it was sent: {all:#?}");
    for name in ["logfmt.log", "template.log"] {
        let lines = until(name, || {
            let text = fs::read_to_string(gateway.folder().join(name))?;
            Ok(Some(text).filter(|text| text.contains("/last")))
        })
        .await?;
        let ours = |line: &str| line.starts_with("timestamp=") || line.starts_with('<');
        ensure!(lines.lines().all(ours), "{name}: {lines}");
        ensure!(
            !lines.chars().any(|sign| sign != '\n' && sign.is_control()),
            "{name} has control characters"
        );
    }
    until("all over the network", || {
        let text = receiver.text();
        for body in receiver.bodies() {
            serde_json::from_slice::<Vec<serde_json::Value>>(&body)?;
        }
        Ok(text.contains("/last").then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_plugin_that_speaks_in_lines_writes_one_record_a_line() -> Result<()> {
    let said = format!("first\n{FORGED}\r\n\u{0}\u{1b}[31m\u{2028}\"}}");
    let says = json!({"request_headers": [{"op": "log", "level": "warn", "text": said}]});
    let mut configuration = answering(json!({"sinks": [file_sink("file", std::path::Path::new("all.log"))]}));
    configuration["plugins"] = json!([crate::setting::plugin("says", "probe-021", says)?]);
    configuration["routes"] = json!([{"name": "all", "echo": true, "plugins": ["says"]}]);
    let gateway = gateway(configuration).await?;
    ask(&gateway, &Request::get("/a")).await?;
    let file = gateway.folder().join("all.log");
    let lines = until("the line", || {
        Ok(Some(super::of_class(&super::records(&file)?, "plugin")).filter(|all| !all.is_empty()))
    })
    .await?;
    ensure!(lines.len() == 1 && lines[0]["message"] == said.as_str(), "{lines:?}");
    let text = fs::read_to_string(&file)?;
    ensure!(text.lines().map(parsed).all(|line| line.is_ok()));
    Ok(())
}
