//! Logs as an operator has them: what is hidden, what outlives a death, where records go, and what is kept.

mod secrets;
mod deaths;
mod files;
mod receiver;
mod sinks;
mod collectors;
mod crafted;
mod changes;
mod keeping;
mod rates;
mod levels;
mod audit;
mod guests;
mod faults;
mod spans;
mod guests_in_a_row;
mod syslog;
mod verifying;
mod hashes;
mod over_tls;
mod loki;
mod again;
mod connections;
mod own_fields;
mod full;
mod full_spool;

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

/// Between two looks at what another program writes.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `look` finds something.
async fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().with_context(|| format!("while waiting: {what}"))? {
            return Ok(found);
        }
        ensure!(Instant::now() < end, "never came: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The records of a file, each of which must be a line of JSON of its own; none of a file that is not there yet.
fn records(file: &Path) -> Result<Vec<Value>> {
    let Ok(bytes) = fs::read(file) else {
        return Ok(Vec::new());
    };
    let text = String::from_utf8(bytes).with_context(|| format!("`{}` is not UTF-8", file.display()))?;
    let whole = text.rfind('\n').map_or("", |end| text.split_at(end).0);
    let lines = whole.split('\n').filter(|line| !line.is_empty());
    lines.map(parsed).collect()
}

/// A line that must be one record, which has no member twice.
fn parsed(line: &str) -> Result<Value> {
    let record: Record = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
    ensure!(record.twice.is_empty(), "twice there: {:?} in {line}", record.twice);
    Ok(record.value)
}

/// What a reader makes of a line that takes each member as it comes.
struct Record {
    value: Value,
    twice: Vec<String>,
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(line: D) -> Result<Self, D::Error> {
        line.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Record;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Record, A::Error> {
        let (mut all, mut twice) = (serde_json::Map::new(), Vec::new());
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if all.insert(name.clone(), value).is_some() {
                twice.push(name);
            }
        }
        let value = Value::Object(all);
        Ok(Record { value, twice })
    }
}

/// The records of a class.
fn of_class(records: &[Value], class: &str) -> Vec<Value> {
    let those = records.iter().filter(|record| record["event_name"] == class);
    those.cloned().collect()
}

/// Waits until so many access records are in a file, and gives all that are.
async fn accesses(file: &Path, count: usize) -> Result<Vec<Value>> {
    let what = format!("{count} exchanges in `{}`", file.display());
    until(&what, || {
        let found = of_class(&records(file)?, "access");
        Ok((found.len() >= count).then_some(found))
    })
    .await
}

/// A sink that writes a file at once.
fn file_sink(name: &str, file: &Path) -> Value {
    json!({"name": name, "file": {"path": file}, "batch": {"linger": "1ms"}})
}

/// A gateway that answers by itself, with one worker.
fn answering(logs: Value) -> Value {
    json!({"workers": 1, "routes": [{"name": "all", "respond": {"body": "ok"}}], "logs": logs})
}

/// The sum of a metric's samples that have all of these labels, written `name="value"`.
async fn counted(gateway: &Gateway, metric: &str, labels: &[&str]) -> Result<u64> {
    let page = send(gateway.admin, Version::Http1, &Request::get("/metrics"))
        .await?
        .text();
    let own = format!("{metric}{{");
    let lines = page.lines().filter(|line| line.starts_with(&own));
    let wanted = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    Ok(wanted
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum())
}
