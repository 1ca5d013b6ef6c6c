//! A telephone number and an identity card in every place of a request rest nowhere, in no writing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply};
use testkit::client::Request;
use testkit::gateway::Gateway;

use super::receiver::Receiver;
use super::{accesses, file_sink, of_class, records, until};
use crate::setting::{ask, backend, gateway, get, plugin, upstream};

const PHONE: &str = "13812341234";
/// Region, date and check digit hold.
const CARD: &str = "11010519491231002X";

/// As it comes, with every sign as a percent escape, and as an escape of JSON.
fn writings(secret: &str) -> [String; 3] {
    let percent = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let json = secret
        .chars()
        .map(|sign| format!("\\u{:04x}", u32::from(sign)))
        .collect();
    [secret.to_owned(), percent, json]
}

/// The places in `bytes` where a secret stands, in any writing and also within base64.
fn finds(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let all = [PHONE, CARD].into_iter().flat_map(writings);
    let found = all.filter(|secret| text.contains(&secret.to_ascii_lowercase()));
    found.collect()
}

/// Every file below a folder.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

fn configuration(backend: &Backend, receiver: &Receiver) -> Result<Value> {
    let says =
        json!({"request_headers": [{"op": "log", "level": "warn", "text": format!("he called {PHONE} with {CARD}")}]});
    Ok(json!({
        "workers": 1,
        "crash_reports": {"dir": "crashes"},
        "upstreams": [upstream("up", backend)],
        "plugins": [plugin("says", "probe-021", says)?, plugin("die", "die", json!({}))?],
        "routes": [
            {"name": "pay", "match": {"path": {"prefix": "/pay"}}, "upstream": "up", "plugins": ["says"]},
            {"name": "dies", "match": {"path": {"prefix": "/dies"}}, "upstream": "up", "plugins": ["die"]},
            {"name": "all", "upstream": "up"},
        ],
        "logs": {
            "level": "debug",
            "mask": {"packs": ["mlps3"]},
            "fields": [{"name": "caller", "request_header": "x-caller"}],
            "debug": {"triggers": {"too_many_requests": {"events": 2, "share": "1%"}}, "bodies": {"routes": ["pay"]}},
            "sinks": [
                file_sink("json", Path::new("json.log")),
                {"name": "logfmt", "file": {"path": "logfmt.log"}, "format": "logfmt", "batch": {"linger": "1ms"}},
                {"name": "template", "file": {"path": "template.log"}, "batch": {"linger": "1ms"},
                    "format": {"template": "{url.path} {url.query} {user_agent.original} {caller}"}},
                {"name": "http", "http": {"url": receiver.url(), "gzip": false}, "batch": {"linger": "1ms"}},
                {"name": "out", "stdout": {}},
            ],
        },
    }))
}

/// A request that has both everywhere, each in the writing that is usual there.
fn telling(path: &str, writing: usize) -> Request {
    let (phone, card) = (&writings(PHONE)[writing.min(1)], &writings(CARD)[writing.min(1)]);
    let body = format!(
        "{{\"phone\":\"{}\",\"order\":{{\"card\":\"{}\",\"note\":\"call {PHONE}, card {CARD}\"}},\"number\":{PHONE}}}",
        writings(PHONE)[if writing == 0 { 0 } else { 2 }],
        writings(CARD)[if writing == 0 { 0 } else { 2 }],
    );
    Request::post(
        &format!("{path}/{phone}/{card}?tel={phone}&who={card}&{phone}={card}"),
        &body,
    )
    .field("content-type", "application/json")
    .field("x-caller", &format!("{PHONE};{CARD}"))
    .field("x-card", CARD)
    .field("cookie", &format!("tel={PHONE}; card={CARD}"))
    .field("referer", &format!("https://a.example/?tel={phone}&who={card}"))
    .field("user-agent", &format!("app/1 {PHONE} {CARD}"))
}

/// Opens a window and has everything said while it is open.
async fn tell_everything(gateway: &Gateway, backend: &Backend) -> Result<()> {
    backend.reply("/many", Reply::new(429));
    let answer = format!("{{\"tel\":\"{PHONE}\",\"card\":\"{CARD}\"}}");
    for _ in 0..4 {
        ask(gateway, &telling("/pay/before", 0)).await?;
        ensure!(get(gateway, "/many").await?.status == 429);
    }
    for writing in 0..2 {
        backend.queue(
            Reply::new(200)
                .field("content-type", "application/json")
                .field("x-tel", PHONE)
                .body(&answer),
        );
        ask(gateway, &telling("/pay", writing)).await?;
        let deadly = telling("/dies", writing).field("x-die", "request_headers panic");
        ensure!(ask(gateway, &deadly).await?.status == 503);
    }
    get(gateway, "/last").await?;
    Ok(())
}

#[tokio::test]
async fn a_telephone_number_and_a_card_rest_nowhere() -> Result<()> {
    let (backend, receiver) = (backend()?, Receiver::start()?);
    let mut gateway = gateway(configuration(&backend, &receiver)?).await?;
    tell_everything(&gateway, &backend).await?;
    let log = gateway.folder().join("json.log");
    accesses(&log, 13).await?;
    until("an open window with a body", || {
        let shown = of_class(&records(&log)?, "debug");
        Ok(shown
            .iter()
            .any(|record| record["http.request.body.content"].is_string())
            .then_some(()))
    })
    .await?;
    until("the recording", || {
        Ok(files(gateway.folder())?
            .iter()
            .any(|file| file.extension().is_some_and(|end| end == "recording"))
            .then_some(()))
    })
    .await?;
    gateway.process.stop().await?;
    // What the operator wrote into the configuration is no log.
    let written = |file: &PathBuf| file.extension().is_some_and(|end| end == "yaml");
    for file in files(gateway.folder())?.into_iter().filter(|file| !written(file)) {
        let found = finds(&fs::read(&file)?);
        ensure!(found.is_empty(), "`{}` holds {found:?}", file.display());
    }
    for line in gateway.process.lines_from(0) {
        ensure!(finds(line.text.as_bytes()).is_empty(), "{line:?}");
    }
    let sent = receiver.text();
    ensure!(sent.lines().count() > 13 && finds(sent.as_bytes()).is_empty(), "{sent}");
    shown_in_part(&log, gateway.folder())
}

/// What is kept shows that there was something, and bodies are looked into.
fn shown_in_part(log: &Path, folder: &Path) -> Result<()> {
    let all = records(log)?;
    let text = fs::read_to_string(log)?;
    ensure!(
        text.contains("138****1234") && text.contains("110***********002X"),
        "{text}"
    );
    for form in ["logfmt.log", "template.log"] {
        let text = fs::read_to_string(folder.join(form))?;
        ensure!(text.contains("138****1234"), "{form}: {text}");
    }
    let last = of_class(&all, "access")
        .into_iter()
        .find(|record| record["cofferdam.fields"]["caller"].is_string());
    ensure!(last.is_some(), "{text}");
    ensure!(
        of_class(&all, "plugin").iter().any(|record| record["message"]
            .as_str()
            .is_some_and(|said| said.contains("138****1234"))),
        "{text}"
    );
    let mut bodies = 0;
    for record in of_class(&all, "debug") {
        for body in ["http.request.body.content", "http.response.body.content"] {
            let Some(coded) = record[body].as_str() else { continue };
            let body = decoded(coded).context("no base64")?;
            ensure!(finds(&body).is_empty(), "{}", String::from_utf8_lossy(&body));
            bodies += usize::from(String::from_utf8_lossy(&body).contains("138****1234"));
        }
    }
    // Those of the two requests and of their responses.
    ensure!(bodies >= 4, "{bodies} bodies: {text}");
    Ok(())
}

/// Base64 with padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    const SIGNS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for sign in four {
            bits = bits << 6 | u32::try_from(SIGNS.find(char::from(*sign))?).ok()?;
        }
        bits <<= 6 * (4 - four.len());
        out.extend(bits.to_be_bytes().iter().skip(1).take(four.len() - 1));
    }
    Some(out)
}

#[tokio::test]
async fn what_a_plugin_had_read_when_it_died_is_hidden_in_reports_and_recordings() -> Result<()> {
    let gateway = gateway(json!({
        "workers": 1,
        "crash_reports": {"dir": "crashes"},
        "plugins": [plugin("die", "die", json!({}))?],
        "routes": [{"name": "all", "echo": true, "plugins": ["die"]}],
        "logs": {"mask": {"packs": ["mlps3"]}, "sinks": [file_sink("file", Path::new("all.log"))]},
    }))
    .await?;
    let deadly = telling("/dies", 0).field("x-die", &format!("request_headers panic {PHONE} {CARD}"));
    ensure!(ask(&gateway, &deadly).await?.status == 503);
    let crashes = gateway.folder().join("crashes");
    let both = || -> Result<bool> { Ok(crashes.is_dir() && files(&crashes)?.len() >= 2) };
    until("a report and a recording", || Ok(both()?.then_some(()))).await?;
    for file in files(&crashes)? {
        let found = finds(&fs::read(&file)?);
        ensure!(found.is_empty(), "`{}` holds {found:?}", file.display());
    }
    Ok(())
}

#[tokio::test]
async fn a_plugin_may_hide_what_the_log_hides() -> Result<()> {
    let json = json!({"to": PHONE, "password": "x"}).to_string();
    let call =
        |name: &str, text: &str| json!({"op": "call_foreign_function", "name": name, "arguments": text, "as": "hex"});
    let steps = json!({"request_headers": [call("mask", &format!("call {PHONE}")), call("mask_json", &json)]});
    let gateway = gateway(json!({
        "workers": 1,
        "plugins": [plugin("probe", "probe-021", steps)?],
        "routes": [{"name": "all", "echo": true, "plugins": ["probe"]}],
        "logs": {"mask": {"packs": ["mlps3"], "names": ["password"]}},
    }))
    .await?;
    get(&gateway, "/").await?;
    // In hexadecimal the log itself finds nothing to hide.
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let shown = [
        String::from("call 138****1234"),
        json.replace(PHONE, "138****1234").replace("\"x\"", "\"[REDACTED]\""),
    ];
    for text in shown {
        gateway.wait_for_plugin_line(0, &hex(&text)).await?;
    }
    Ok(())
}

/// What a debug window shows of the bodies of these requests, in their order.
async fn shown_bodies(bodies: &Value, requests: &[Request]) -> Result<Vec<Value>> {
    let backend = backend()?;
    let mut sink = file_sink("json", Path::new("json.log"));
    sink["classes"] = json!(["access", "debug", "span"]);
    let gateway = gateway(json!({
        "workers": 1,
        "upstreams": [upstream("up", &backend)],
        "routes": [
            {"name": "pay", "match": {"path": {"prefix": "/pay"}}, "upstream": "up"},
            {"name": "all", "upstream": "up"},
        ],
        "tracing": {},
        "logs": {
            "level": "debug",
            "mask": {"packs": ["mlps3"]},
            "debug": {"triggers": {"too_many_requests": {"events": 1, "share": "1%"}}, "bodies": bodies, "tell_clients": true},
            "sinks": [sink],
        },
    }))
    .await?;
    backend.reply("/many", Reply::new(429));
    ensure!(get(&gateway, "/many").await?.status == 429);
    let mut window = String::new();
    for request in requests {
        let answer = ask(&gateway, request).await?;
        window = answer.field("x-debug-trace-id").context("it is not told")?.to_owned();
    }
    let log = gateway.folder().join("json.log");
    until("what the window shows", || {
        let mut shown = of_class(&records(&log)?, "debug");
        shown.retain(|record| record["url.path"] == "/pay" && record["cofferdam.debug_trace_id"] == *window);
        Ok((shown.len() >= requests.len()).then_some(shown))
    })
    .await
}

#[tokio::test]
async fn a_body_that_is_cut_shows_no_beginning_of_a_secret() -> Result<()> {
    let before = format!("{{\"note\":\"{}\",\"card\":\"", "x".repeat(40));
    let body = format!("{before}{CARD}\",\"tel\":\"{PHONE}\"}}");
    let request = Request::post("/pay", &body).field("content-type", "application/json");
    for within in [5, 11, 17] {
        let bytes = before.len() + within;
        let bodies = json!({"routes": ["pay"], "bytes": format!("{bytes}B"), "bytes_of_window": "1MiB"});
        let shown = shown_bodies(&bodies, std::slice::from_ref(&request)).await?;
        let content = shown[0]["http.request.body.content"].as_str().context("no body")?;
        let content = String::from_utf8(decoded(content).context("no base64")?)?;
        ensure!(
            content == before && shown[0]["http.request.body.cut"] == true,
            "{shown:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_cannot_be_looked_into_is_not_shown() -> Result<()> {
    let part = format!("--a\r\ncontent-disposition: form-data; name=\"password\"\r\n\r\nhunter2 {PHONE}\r\n--a--\r\n");
    let requests = [
        Request::post("/pay", PHONE).field("content-encoding", "gzip"),
        Request::post("/pay", &part).field("content-type", "multipart/form-data; boundary=a"),
        Request::post("/pay", PHONE),
    ];
    let shown = shown_bodies(&json!({"routes": ["pay"]}), &requests).await?;
    for (record, why) in shown.iter().zip(["compressed", "multipart"]) {
        ensure!(
            record["http.request.body.withheld"] == why && record["http.request.body.content"].is_null(),
            "{record}"
        );
    }
    ensure!(shown[2]["http.request.body.content"] == "MTM4KioqKjEyMzQ=", "{shown:?}");
    Ok(())
}
