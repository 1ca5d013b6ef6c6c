//! A fake of Consul's KV store that follows its documented HTTP API: no server of it is packaged where these tests run.
//!
//! It knows `GET`, `PUT` and `DELETE` of `/v1/kv/KEY` with `index`, `wait`, `recurse` and `cas`, `PUT /v1/txn` with the verbs that are used
//! here, `X-Consul-Token`, and `X-Consul-Index`, which a test may set back.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A running fake. Dropped, it is gone.
#[derive(Debug)]
pub struct Consul {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _ended: watch::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// Values, in base64, with the index of their last change.
    pairs: BTreeMap<String, (String, u64)>,
    index: u64,
    token: Option<String>,
    /// Queries that were asked, with their paths.
    asked: Vec<String>,
    fails: bool,
}

impl Consul {
    /// Starts one that wants this token, when there is one.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(token: Option<&str>) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = State {
            index: 10,
            token: token.map(str::to_owned),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changes: watch::channel(0).0,
        });
        let (ended, mut end) = watch::channel(());
        let ours = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else {
                    return;
                };
                let serving = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(stream, Arc::clone(&ours)));
                    }
                };
                tokio::select! {
                    () = serving => {}
                    _ = end.changed() => {}
                }
            });
        });
        Ok(Self {
            address,
            shared,
            _ended: ended,
        })
    }

    /// Sets a key, as `consul kv put` does.
    pub fn put(&self, key: &str, value: &str) {
        self.shared.change(|state| state.set(key, encode(value.as_bytes())));
    }

    /// A key's value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        let state = self.shared.state.lock();
        let (value, _) = state.pairs.get(key)?;
        String::from_utf8(decode(value)).ok()
    }

    /// Goes back to this index with all keys, as a server does that was restored from a snapshot; who waits is answered.
    pub fn restore(&self, index: u64) {
        self.shared.change(|state| {
            state.index = index;
            state.pairs.values_mut().for_each(|(_, modified)| *modified = index);
        });
    }

    /// Answers with 500 from now on, as a cluster without a leader does.
    pub fn fail(&self, fails: bool) {
        self.shared.change(|state| state.fails = fails);
    }

    /// Answers whoever waits without a change, as Consul may.
    pub fn stir(&self) {
        self.shared.change(|_| {});
    }

    /// Paths that were asked for, with queries.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shared.state.lock().asked.clone()
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changes.send_modify(|count| *count += 1);
    }
}

impl State {
    fn set(&mut self, key: &str, value: String) {
        self.index += 1;
        self.pairs.insert(key.to_owned(), (value, self.index));
    }

    fn modified(&self, key: &str) -> u64 {
        self.pairs.get(key).map_or(0, |(_, modified)| *modified)
    }

    /// The index of a query: that of the key, or of the newest key below a prefix; of none, that of the store.
    fn index_of(&self, key: &str, recurse: bool) -> u64 {
        let found = self.pairs.iter().filter(|(known, _)| matches(known, key, recurse));
        found.map(|(_, (_, modified))| *modified).max().unwrap_or(self.index)
    }
}

fn matches(known: &str, key: &str, recurse: bool) -> bool {
    known == key || (recurse && known.starts_with(key))
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    token: Option<String>,
    body: Vec<u8>,
}

type Answer = (u16, Option<u64>, String);

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let (status, index, body) = answer(&request, &shared).await;
        let index = index
            .map(|index| format!("X-Consul-Index: {index}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{index}Content-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut token) = (0, None);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "x-consul-token" => token = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    Some(Request {
        method,
        path: unescape(path),
        query: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        token,
        body,
    })
}

async fn answer(request: &Request, shared: &Shared) -> Answer {
    {
        let mut state = shared.state.lock();
        let query = request.query.iter().map(|(key, value)| format!("{key}={value}"));
        let query = query.collect::<Vec<_>>().join("&");
        state.asked.push(format!("{} {}?{query}", request.method, request.path));
        if state.fails {
            return (500, None, String::from("No cluster leader"));
        }
        if state.token.is_some() && state.token != request.token {
            return (
                403,
                None,
                String::from("Permission denied: token with AccessorID '' lacks permission"),
            );
        }
    }
    if request.path == "/v1/txn" {
        return transact(request, shared);
    }
    let Some(key) = request.path.strip_prefix("/v1/kv/") else {
        return (404, None, String::new());
    };
    match request.method.as_str() {
        "GET" => get(key, request, shared).await,
        "PUT" => {
            let cas = request.query.get("cas").and_then(|cas| cas.parse::<u64>().ok());
            let mut done = true;
            shared.change(|state| {
                done = cas.is_none_or(|cas| state.modified(key) == cas);
                if done {
                    state.set(key, encode(&request.body));
                }
            });
            (200, None, done.to_string())
        }
        "DELETE" => {
            shared.change(|state| {
                state.index += 1;
                state.pairs.remove(key);
            });
            (200, None, String::from("true"))
        }
        _ => (405, None, String::new()),
    }
}

/// A query with an index waits until the store's is higher, somebody stirs it, or the time is over.
async fn get(key: &str, request: &Request, shared: &Shared) -> Answer {
    let recurse = request.query.contains_key("recurse");
    let mut changes = shared.changes.subscribe();
    let asked = request.query.get("index").and_then(|index| index.parse::<u64>().ok());
    if let Some(asked) = asked.filter(|asked| *asked > 0) {
        let wait = request
            .query
            .get("wait")
            .and_then(|wait| wait.strip_suffix("ms")?.parse().ok());
        let wait = Duration::from_millis(wait.unwrap_or(300_000));
        if shared.state.lock().index_of(key, recurse) == asked {
            let _ = tokio::time::timeout(wait, changes.changed()).await;
        }
    }
    let state = shared.state.lock();
    if state.fails {
        return (500, None, String::from("No cluster leader"));
    }
    let found = state.pairs.iter().filter(|(known, _)| matches(known, key, recurse));
    let rows: Vec<Value> = found
        .map(|(key, (value, modified))| {
            json!({ "LockIndex": 0, "Key": key, "Flags": 0, "Value": value, "CreateIndex": 1, "ModifyIndex": modified })
        })
        .collect();
    let index = Some(state.index_of(key, recurse));
    if rows.is_empty() {
        return (404, index, String::new());
    }
    (200, index, Value::Array(rows).to_string())
}

fn transact(request: &Request, shared: &Shared) -> Answer {
    let operations: Vec<Value> = serde_json::from_slice(&request.body).unwrap_or_default();
    let mut errors = Vec::new();
    shared.change(|state| {
        let text = |operation: &Value, name: &str| {
            let value = operation.get("KV").and_then(|kv| kv.get(name)).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let index = |operation: &Value| {
            operation
                .get("KV")
                .and_then(|kv| kv.get("Index"))
                .and_then(Value::as_u64)
        };
        for (at, operation) in operations.iter().enumerate() {
            let key = text(operation, "Key");
            let good = match text(operation, "Verb").as_str() {
                "cas" | "check-index" => index(operation) == Some(state.modified(&key)),
                "check-not-exists" => state.modified(&key) == 0,
                "set" | "delete" => true,
                _ => false,
            };
            if !good {
                errors.push(json!({ "OpIndex": at, "What": format!("failed to check {key:?}, index is stale") }));
            }
        }
        if errors.is_empty() {
            for operation in &operations {
                match text(operation, "Verb").as_str() {
                    "cas" | "set" => state.set(&text(operation, "Key"), text(operation, "Value")),
                    "delete" => {
                        state.pairs.remove(&text(operation, "Key"));
                    }
                    _ => {}
                }
            }
        }
    });
    if errors.is_empty() {
        return (200, None, json!({ "Results": [], "Errors": null }).to_string());
    }
    (409, None, json!({ "Results": null, "Errors": errors }).to_string())
}

fn unescape(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: Vec<u8> = rest.by_ref().take(2).collect();
            let value = std::str::from_utf8(&digits)
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes.extend(value);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let at = |index: usize| u32::from(part.get(index).copied().unwrap_or(0));
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = LETTERS
                .get((group >> (18 - 6 * place) & 63) as usize)
                .copied()
                .unwrap_or(b'=');
            text.push(if place <= part.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn decode(text: &str) -> Vec<u8> {
    let values = text
        .bytes()
        .filter_map(|letter| LETTERS.iter().position(|known| *known == letter));
    let values: Vec<usize> = values.collect();
    let mut bytes = Vec::new();
    for part in values.chunks(4) {
        let group = part.iter().fold(0_usize, |group, value| group << 6 | value) << (6 * (4 - part.len()));
        let all = [(group >> 16) as u8, (group >> 8) as u8, group as u8];
        bytes.extend_from_slice(all.get(..part.len() - 1).unwrap_or_default());
    }
    bytes
}
