//! Files: rotated by size, opened anew after somebody has renamed them, and in the forms that they are asked for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::client::{Connection, Request, Version};
use testkit::gateway::Gateway;

use super::{accesses, answering, file_sink, parsed, records, until};
use crate::setting::{ask, gateway, get};

/// So many exchanges on one connection, with their number as the path.
pub(super) async fn many(gateway: &Gateway, numbers: std::ops::Range<usize>) -> Result<()> {
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    for number in numbers {
        connection.send(&Request::get(&format!("/{number}"))).await?;
    }
    Ok(())
}

/// That each number is there once.
pub(super) fn each_once(records: &[Value], numbers: std::ops::Range<usize>) -> Result<()> {
    let mut found: Vec<usize> = Vec::new();
    for record in records {
        found.extend(
            record["url.path"]
                .as_str()
                .and_then(|path| path.strip_prefix('/')?.parse::<usize>().ok()),
        );
    }
    found.sort_unstable();
    ensure!(found.iter().copied().eq(numbers.clone()), "not {numbers:?}: {found:?}");
    Ok(())
}

/// What is not on its way into another file.
fn named(folder: &Path, part: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.contains(part) && !name.ends_with(".part") {
            found.push(path);
        }
    }
    Ok(found)
}

#[tokio::test]
async fn a_file_is_rotated_and_nothing_is_lost_between() -> Result<()> {
    let file = json!({"path": "all.log", "rotate": {"bytes": "64KiB"}, "compress": false});
    let sinks = json!([{"name": "file", "file": file, "batch": {"linger": "1ms", "records": 16}}]);
    let mut gateway = gateway(answering(json!({"sinks": sinks}))).await?;
    many(&gateway, 0..500).await?;
    gateway.process.stop().await?;
    let files = named(gateway.folder(), "all")?;
    ensure!(files.len() > 3, "{files:?}");
    let mut all = Vec::new();
    for file in files {
        ensure!(
            fs::metadata(&file)?.len() < 80 << 10,
            "`{}` is too large",
            file.display()
        );
        all.extend(records(&file)?);
    }
    each_once(&all, 0..500)
}

#[tokio::test]
async fn a_rotated_file_can_be_unpacked_by_gzip() -> Result<()> {
    let file = json!({"path": "all.log", "rotate": {"bytes": "64KiB"}, "compress": true});
    let sinks = json!([{"name": "file", "file": file, "batch": {"linger": "1ms", "records": 16}}]);
    let mut gateway = gateway(answering(json!({"sinks": sinks}))).await?;
    many(&gateway, 0..500).await?;
    let packed = || named(gateway.folder(), ".gz");
    until("a packed file", || Ok((!packed()?.is_empty()).then_some(()))).await?;
    gateway.process.stop().await?;
    let mut all = Vec::new();
    for file in named(gateway.folder(), "all")? {
        if file.extension().is_some_and(|end| end == "gz") {
            let out = std::process::Command::new("gzip").arg("-dc").arg(&file).output()?;
            ensure!(out.status.success(), "{}", file.display());
            for line in String::from_utf8(out.stdout)?.lines() {
                all.push(parsed(line)?);
            }
        } else {
            all.extend(records(&file)?);
        }
    }
    each_once(&all, 0..500)
}

#[tokio::test]
async fn after_a_renaming_and_a_signal_the_new_file_has_what_comes() -> Result<()> {
    let gateway = gateway(answering(json!({"sinks": [file_sink("file", Path::new("all.log"))]}))).await?;
    let (file, old) = (gateway.folder().join("all.log"), gateway.folder().join("all.old"));
    many(&gateway, 0..20).await?;
    accesses(&file, 1).await?;
    fs::rename(&file, &old)?;
    many(&gateway, 20..40).await?;
    gateway.process.signal(Signal::USR1)?;
    until("a new file", || Ok(file.exists().then_some(()))).await?;
    many(&gateway, 40..60).await?;
    let both = || -> Result<Vec<Value>> { Ok([records(&old)?, records(&file)?].concat()) };
    until("all sixty", || Ok((both()?.len() >= 60).then_some(()))).await?;
    each_once(&both()?, 0..60)?;
    let later = |record: &Value| record["url.path"] == "/59";
    ensure!(records(&file)?.iter().any(later) && !records(&old)?.iter().any(later));
    Ok(())
}

#[tokio::test]
async fn the_same_exchange_stands_in_logfmt_and_in_a_line_of_ones_own() -> Result<()> {
    let template = "{http.request.method} {url.path} {http.response.status_code} [{tenant}] {cofferdam.upstream} {{}}";
    let gateway = gateway(answering(json!({
        "fields": [{"name": "tenant", "request_header": "x-tenant"}],
        "sinks": [
            {"name": "logfmt", "file": {"path": "logfmt.log"}, "format": "logfmt", "classes": ["access"], "batch": {"linger": "1ms"}},
            {"name": "template", "file": {"path": "template.log"}, "format": {"template": template}, "classes": ["access"], "batch": {"linger": "1ms"}},
        ],
    })))
    .await?;
    ask(
        &gateway,
        &Request::get("/a?b=c%20d")
            .field("x-tenant", "shop")
            .field("user-agent", "two words"),
    )
    .await?;
    get(&gateway, "/plain").await?;
    let read = |name: &str| fs::read_to_string(gateway.folder().join(name)).unwrap_or_default();
    let lines = |name: &str| (read(name).lines().count() >= 2).then(|| read(name));
    let logfmt = until("logfmt", || Ok(lines("logfmt.log"))).await?;
    let words = logfmt.lines().next().unwrap_or_default();
    for word in [
        "level=info",
        "event_name=access",
        "url.path=/a",
        "\"b=c%20d\"",
        "http.response.status_code=200",
        "user_agent.original=\"two words\"",
        "cofferdam.fields.tenant=shop",
    ] {
        ensure!(words.contains(word), "no {word} in {words}");
    }
    let own = until("the template", || Ok(lines("template.log"))).await?;
    ensure!(own == "GET /a 200 [shop] - {}\nGET /plain 200 [-] - {}\n", "{own}");
    Ok(())
}
