//! Fields that the operator asks for, with contents that would break a line: each stands in its record once, whole, in every form.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Step};
use testkit::client::{Request, send_bytes};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

use super::{accesses, file_sink, until};
use crate::setting::{ask, backend, gateway, plugin, upstream};

/// What would be a record of its own, if it got out of a value.
const FORGED: &str = r#""}},"level":"error"} {"event_name":"access","url.path":"/forged"}"#;

/// Signs that end lines, texts and values, and bytes that are no UTF-8; a header may have all of them but the last.
const IN_HEADERS: [&[u8]; 5] = [
    b"a=b \"c\" 'd' \\n \\u000a",
    FORGED.as_bytes(),
    b"tab\there",
    b"\xff\xfe \xc3( \xed\xa0\x80 end",
    b"\xe2\x80\xa8\xe2\x80\xa9\xef\xbf\xbf \xc2\x85 \xf0\x9f\x98\x80",
];
/// What nothing but the names of headers, keys and properties tells to be secret.
const SECRET: &str = "hunter2";
const IN_PROPERTIES: &[u8] = b"one\ntwo\r\nthree\0four\x1b[31m\x7f \"five\" \\ \xff\xc3( {\"six\":7}=8\n";

fn as_hex(bytes: &[u8]) -> Value {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"hex": digits})
}

/// A gateway whose plugin sets properties, and whose records have fields from everywhere.
async fn stage(backend: &Backend) -> Result<Gateway> {
    let set = |path: Value, value: Value| json!({"op": "set_property", "path": path, "value": value});
    let sets = json!({"request_headers": [
        set(json!(["mine"]), as_hex(IN_PROPERTIES)),
        set(json!(["deep", "er"]), json!("below")),
        set(json!(["twice"]), json!("of the plugin")),
        set(json!(["password"]), json!(SECRET)),
    ]});
    let form = |name: &str, format: Value| json!({"name": name, "file": {"path": format!("{name}.log")}, "format": format, "classes": ["access"], "batch": {"linger": "1ms"}});
    gateway(json!({
        "workers": 1,
        "upstreams": [upstream("up", backend)],
        "plugins": [plugin("sets", "probe-021", sets)?],
        "routes": [{"name": "all", "upstream": "up", "plugins": ["sets"]}],
        "logs": {
            "mask": {"packs": ["mlps3"]},
            "fields": [
                {"name": "sent", "request_header": "x-sent"},
                {"name": "answered", "response_header": "x-answered"},
                {"name": "peer", "property": ["source", "address"]},
                {"name": "status", "property": ["response", "code"]},
                {"name": "at_route", "property": ["xds", "route_name"]},
                {"name": "cluster", "property": ["xds", "cluster_metadata"]},
                {"name": "set", "property": ["mine"]},
                {"name": "as_state", "property": ["filter_state", "wasm.mine"]},
                {"name": "below", "property": ["deep", "er"]},
                {"name": "nothing", "property": ["nobody", "knows"]},
                {"name": "password", "request_header": "x-word"},
                {"name": "twice", "request_header": "x-twice"},
                {"name": "who", "request_header": "authorization"},
                {"name": "who_else", "property": ["request", "headers", "authorization"]},
                {"name": "word", "property": ["password"]},
                {"name": "target", "property": ["request", "path"]},
                {"name": "query", "property": ["request", "query"]},
                {"name": "from", "property": ["request", "referer"]},
            ],
            "sinks": [
                file_sink("json", Path::new("json.log")),
                form("logfmt", json!("logfmt")),
                form("template", json!({"template": "<{sent}> <{answered}> <{set}> <{nothing}>"})),
            ],
        },
    }))
    .await
}

/// The members of a line of logfmt that a strict reader takes: names without quotes, values bare or as texts of JSON.
fn logfmt(line: &str) -> Result<BTreeMap<String, String>> {
    let mut members = BTreeMap::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=').with_context(|| format!("no value: {rest}"))?;
        ensure!(
            !name.is_empty() && !name.contains([' ', '"']),
            "no name: `{name}` in {line}"
        );
        let value;
        (value, rest) = if behind.starts_with('"') {
            let mut texts = serde_json::Deserializer::from_str(behind).into_iter::<String>();
            let text = texts.next().context("no text")?.with_context(|| line.to_owned())?;
            (text, &behind[texts.byte_offset()..])
        } else {
            let end = behind.find(' ').unwrap_or(behind.len());
            (behind[..end].to_owned(), &behind[end..])
        };
        ensure!(
            members.insert(name.to_owned(), value).is_none(),
            "`{name}` is twice in {line}"
        );
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    Ok(members)
}

/// Waits until a file has so many lines, and gives them; each ends with a line feed and has no other control character.
async fn lines(file: &Path, count: usize) -> Result<Vec<String>> {
    let text = until(&file.display().to_string(), || {
        let text = fs::read_to_string(file).unwrap_or_default();
        Ok(Some(text).filter(|text| text.matches('\n').count() >= count))
    })
    .await?;
    ensure!(
        !text.chars().any(|one| one.is_control() && one != '\n') && !text.contains(['\u{2028}', '\u{2029}']),
        "{text:?}"
    );
    let all: Vec<String> = text.lines().map(str::to_owned).collect();
    ensure!(all.len() == count && text.ends_with('\n'), "not {count}: {text}");
    Ok(all)
}

#[tokio::test]
async fn a_field_of_ones_own_holds_whatever_is_sent_in_every_form() -> Result<()> {
    let backend = backend()?;
    let gateway = stage(&backend).await?;
    for value in IN_HEADERS {
        let answer = [
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-answered: ",
            value,
            b"\r\n\r\n",
        ]
        .concat();
        backend.queue(Reply::of(vec![Step::Raw(answer.into())]));
        let request = [
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-sent: ",
            value,
            b"\r\n\r\n",
        ]
        .concat();
        let answer = send_bytes(gateway.listener("web")?, &request, DEADLINE).await?;
        ensure!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    let all = accesses(&gateway.folder().join("json.log"), IN_HEADERS.len()).await?;
    let logfmts = lines(&gateway.folder().join("logfmt.log"), all.len()).await?;
    lines(&gateway.folder().join("template.log"), all.len()).await?;
    for ((record, line), value) in all.iter().zip(logfmts).zip(IN_HEADERS) {
        let fields = record["cofferdam.fields"].as_object().context("no fields")?;
        let sent = String::from_utf8_lossy(value);
        let set = String::from_utf8_lossy(IN_PROPERTIES);
        let expected = [
            ("sent", &*sent),
            ("answered", &*sent),
            ("peer", "127.0.0.1"),
            ("status", "200"),
            ("at_route", "all"),
            ("cluster", ""),
            ("mine", &*set),
            ("set", &*set),
            ("as_state", &*set),
            ("below", "below"),
        ];
        let members = logfmt(&line)?;
        for (name, value) in expected {
            let found = fields.get(name).and_then(Value::as_str);
            let found = found.with_context(|| format!("no {name}: {record}"))?;
            ensure!(
                found == value || (name == "peer" && found.starts_with("127.0.0.1:")),
                "{name} is {found:?} and not {value:?}"
            );
            let shown = members.get(&format!("cofferdam.fields.{name}"));
            ensure!(
                shown.is_some_and(|shown| shown == found),
                "{name} is {shown:?} in {line}"
            );
        }
        ensure!(record["level"] == "info" && members["level"] == "info", "{record}");
        ensure!(!fields.contains_key("nothing"), "{record}");
    }
    Ok(())
}

#[tokio::test]
async fn a_field_of_ones_own_is_masked_by_its_name_and_its_value_and_is_there_once() -> Result<()> {
    let backend = backend()?;
    let gateway = stage(&backend).await?;
    let request = Request::get(&format!("/a?access_token={SECRET}"))
        .field("x-sent", "call 13812341234 now")
        .field("x-word", SECRET)
        .field("authorization", SECRET)
        .field("referer", &format!("https://a.example/?access_token={SECRET}"))
        .field("x-twice", "of the client");
    backend.queue(Reply::new(200).field("x-answered", "13812341234"));
    ask(&gateway, &request).await?;
    let file = gateway.folder().join("json.log");
    let record = accesses(&file, 1).await?.swap_remove(0);
    let fields = &record["cofferdam.fields"];
    ensure!(
        fields["sent"] == "call 138****1234 now" && fields["answered"] == "138****1234",
        "{record}"
    );
    for name in ["who", "who_else", "word", "password"] {
        ensure!(fields[name] == "[REDACTED]", "{name}: {record}");
    }
    for (name, shown) in [("target", "/a?"), ("query", ""), ("from", "https://a.example/?")] {
        ensure!(
            fields[name] == format!("{shown}access_token=REDACTED"),
            "{name}: {record}"
        );
    }
    for name in ["json", "logfmt", "template"] {
        let text = fs::read_to_string(gateway.folder().join(format!("{name}.log")))?;
        ensure!(
            !text.contains("13812341234") && !text.contains(SECRET),
            "{name}: {text}"
        );
    }
    // A reader takes one of two members of the same name, and nobody knows which.
    let text = fs::read_to_string(&file)?;
    let line = text
        .lines()
        .find(|line| line.contains("\"access\""))
        .context("no line")?;
    for name in fields.as_object().context("no fields")?.keys() {
        let member = format!("{}:", json!(name));
        ensure!(line.matches(&member).count() == 1, "{member} is there twice: {line}");
    }
    Ok(())
}
