//! The KV store of Consul, by its HTTP API: blocking queries, and transactions.

mod index;
mod exchange;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::select_all;
use http::Method;
use serde_json::{Value, json};

use self::exchange::{Answer, Asker, escaped};
use self::index::{Index, Pace};
use crate::fault::{Result, StoreFault};
use crate::keys::{Entry, LIST_MAX, Write, Written};
use crate::settings;

/// LIMIT: bytes of one value, which Consul has unless it is told otherwise.
const VALUE_BYTES_MAX: usize = 512 * 1024;
/// What a blocking query may take beyond its wait: Consul adds up to a sixteenth by chance, and lines are slow.
const BEYOND_WAIT: Duration = Duration::from_secs(5);

/// The agent, and how far we have read.
pub(crate) struct ConsulKeys {
    asker: Asker,
    wait: Duration,
    /// Of each key that is watched.
    looked: HashMap<String, Looked>,
}

/// A key as it was looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Looked {
    index: Index,
    /// The number of its last change; none while it is not there.
    modified: Option<u64>,
}

impl ConsulKeys {
    pub(crate) fn open(consul: &settings::Consul) -> Result<Self> {
        Ok(Self {
            asker: Asker::open(consul)?,
            wait: consul.wait,
            looked: HashMap::new(),
        })
    }

    pub(crate) async fn look(&mut self, keys: &[String]) -> Result<Vec<Option<Entry>>> {
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let (entry, index) = self.one(key, "").await?;
            let looked = Looked {
                index: Index::default().after(index),
                modified: entry.as_ref().map(|entry| entry.version),
            };
            self.looked.insert(key.clone(), looked);
            entries.push(entry);
        }
        Ok(entries)
    }

    pub(crate) async fn read(&self, keys: &[String]) -> Result<Vec<Option<Entry>>> {
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            entries.push(self.one(key, "").await?.0);
        }
        Ok(entries)
    }

    async fn one(&self, key: &str, query: &str) -> Result<(Option<Entry>, Option<u64>)> {
        let answer = self.asker.ask(Method::GET, &kv(key, query), Bytes::new(), None).await?;
        let mut found = self.entries(&answer)?;
        Ok((found.pop().map(|(_, entry)| entry), answer.index))
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>> {
        let path = kv(prefix, "recurse");
        let answer = self.asker.ask(Method::GET, &path, Bytes::new(), None).await?;
        let mut entries = self.entries(&answer)?;
        entries.truncate(LIST_MAX);
        Ok(entries)
    }

    /// Keys with values, as Consul writes them.
    fn entries(&self, answer: &Answer) -> Result<Vec<(String, Entry)>> {
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        self.asker.good(answer)?;
        let odd = |what: &str| self.asker.odd(what.to_owned());
        let value: Value = serde_json::from_slice(&answer.body).map_err(|why| odd(&why.to_string()))?;
        let rows = value.as_array().ok_or_else(|| odd("it gives no list of keys"))?;
        rows.iter()
            .map(|row| {
                let key = row.get("Key").and_then(Value::as_str);
                let version = row.get("ModifyIndex").and_then(Value::as_u64);
                let (Some(key), Some(version)) = (key, version) else {
                    return Err(odd("a key has no name or no number"));
                };
                let value = match row.get("Value") {
                    None | Some(Value::Null) => Vec::new(),
                    Some(value) => {
                        let text = value.as_str().ok_or_else(|| odd("a value is none"))?;
                        STANDARD.decode(text).map_err(|why| odd(&why.to_string()))?
                    }
                };
                let value = Bytes::from(value);
                Ok((key.to_owned(), Entry { value, version }))
            })
            .collect()
    }

    pub(crate) async fn changed(&mut self, keys: &[String], until: Instant) -> Result<()> {
        let this = &*self;
        let waiting = keys.iter().map(|key| {
            let looked = this.looked.get(key).copied().unwrap_or_default();
            Box::pin(this.one_changed(key, looked, until))
        });
        let waiting: Vec<_> = waiting.collect();
        if waiting.is_empty() {
            return Ok(());
        }
        // The queries that are left have ended for us; Consul ends them when their connection does.
        select_all(waiting).await.0
    }

    /// An answer is no proof of a change: only another number of the key is.
    async fn one_changed(&self, key: &str, looked: Looked, until: Instant) -> Result<()> {
        let (mut index, mut pace) = (looked.index, Pace::default());
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            tokio::time::sleep(pace.before_next(now)).await;
            let wait = self
                .wait
                .min(until.saturating_duration_since(now))
                .max(Duration::from_secs(1));
            let query = match index.query() {
                Some(index) => format!("index={index}&wait={}ms", wait.as_millis()),
                None => String::new(),
            };
            let patience = wait + wait / 16 + BEYOND_WAIT;
            let path = kv(key, &query);
            let answer = self.asker.ask(Method::GET, &path, Bytes::new(), Some(patience)).await?;
            let modified = self.entries(&answer)?.first().map(|(_, entry)| entry.version);
            if modified != looked.modified {
                return Ok(());
            }
            index = index.after(answer.index);
        }
    }

    pub(crate) async fn write(&self, write: &Write) -> Result<Written> {
        let mut operations = Vec::new();
        for (key, value) in &write.puts {
            if value.len() > VALUE_BYTES_MAX {
                return Err(StoreFault::TooLarge {
                    key: key.clone(),
                    bytes: value.len(),
                    bytes_max: VALUE_BYTES_MAX,
                });
            }
            operations.push(self.put(key, value, write));
        }
        // Of a key that is only looked at.
        if let Some((key, expected)) = &write.expects
            && write.puts.iter().all(|(put, _)| put != key)
        {
            operations.push(match expected {
                Some(entry) => json!({ "KV": { "Verb": "check-index", "Key": bare(key), "Index": entry.version } }),
                None => json!({ "KV": { "Verb": "check-not-exists", "Key": bare(key) } }),
            });
        }
        let deletes = write.deletes.iter();
        operations.extend(deletes.map(|key| json!({ "KV": { "Verb": "delete", "Key": bare(key) } })));
        let body = Bytes::from(Value::Array(operations).to_string());
        let answer = self.asker.ask(Method::PUT, "/v1/txn", body, None).await?;
        if answer.status == 409 {
            return if write.expects.is_some() {
                Ok(Written::Raced)
            } else {
                Err(self.asker.odd(answer.said()))
            };
        }
        self.asker.good(&answer)?;
        Ok(Written::Done)
    }

    fn put(&self, key: &str, value: &Bytes, write: &Write) -> Value {
        let expected = write.expects.as_ref().filter(|(expected, _)| expected == key);
        let text = STANDARD.encode(value);
        match expected {
            // With the index 0, only a key that is not there is set.
            Some((_, entry)) => {
                let index = entry.as_ref().map_or(0, |entry| entry.version);
                json!({ "KV": { "Verb": "cas", "Key": bare(key), "Value": text, "Index": index } })
            }
            None => json!({ "KV": { "Verb": "set", "Key": bare(key), "Value": text } }),
        }
    }
}

/// Consul's keys begin with no slash.
fn bare(key: &str) -> &str {
    key.trim_start_matches('/')
}

fn kv(key: &str, query: &str) -> String {
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/v1/kv/{}{mark}{query}", escaped(bare(key)))
}
