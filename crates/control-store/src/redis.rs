//! Redis: keys hold the truth, and a stream with a group for each gateway tells of changes.

use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, ErrorKind, FromRedisValue, RedisConnectionInfo, RedisError, ServerErrorKind, Value, cmd,
    pipe,
};
use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::dial::{Encryption, dial};
use crate::fault::{Result, StoreFault};
use crate::keys::{ANSWER_WAIT_MAX, Entry, LIST_MAX, Write, Written};
use crate::settings;

/// How long a read of the stream waits. At its end keys are looked at: the stream only wakes, and may have been trimmed.
const BLOCK_MAX: Duration = Duration::from_secs(5);
/// LIMIT: events that are read, or claimed, at a time.
const EVENTS_MAX: usize = 1000;
/// LIMIT: events that the stream keeps, about.
const STREAM_LENGTH_MAX: usize = 1000;
/// How groups are called: each gateway has its own, so that each sees each event.
const GROUP: &str = "cofferdam:";

/// A connection.
pub(crate) struct RedisKeys {
    connection: MultiplexedConnection,
    /// What drives it.
    driver: JoinHandle<()>,
    place: String,
    events: String,
    group: Option<String>,
    /// Events that were told and not acknowledged yet.
    told: Vec<String>,
}

impl Drop for RedisKeys {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl RedisKeys {
    /// Connects; with a node, its group hears of events from now on, and has those again that it heard of and never acknowledged.
    pub(crate) async fn open(redis: &settings::Redis, events: String, node: Option<&str>) -> Result<Self> {
        let encryption = redis.tls.as_ref().map(|tls| Encryption::read(tls, None)).transpose()?;
        let stream = dial(&redis.endpoint, encryption.as_ref()).await?;
        let mut who = RedisConnectionInfo::default().set_db(redis.database);
        if let Some(login) = &redis.login {
            who = who.set_password(login.password.read()?);
            if let Some(user) = &login.user {
                who = who.set_username(user);
            }
        }
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(BLOCK_MAX + ANSWER_WAIT_MAX));
        let place = redis.endpoint.to_string();
        let opened = MultiplexedConnection::new_with_config(&who, stream, config).await;
        let (connection, driving) = opened.map_err(|why| fault(&place, &why))?;
        let mut keys = Self {
            connection,
            driver: tokio::spawn(driving),
            place,
            events,
            group: node.map(group),
            told: Vec::new(),
        };
        keys.join().await?;
        Ok(keys)
    }

    async fn join(&mut self) -> Result<()> {
        let Some(group) = self.group.clone() else { return Ok(()) };
        let create = cmd("XGROUP")
            .arg("CREATE")
            .arg(&self.events)
            .arg(&group)
            .arg("$")
            .arg("MKSTREAM")
            .clone();
        match self.ask::<Value>(&create).await {
            Err(StoreFault::Answer { why, .. }) if why.contains("BUSYGROUP") => {}
            Err(fault) => return Err(fault),
            Ok(_) => {}
        }
        let claim = cmd("XAUTOCLAIM")
            .arg(&self.events)
            .arg(&group)
            .arg(&group)
            .arg(0)
            .arg("0-0")
            .arg("COUNT")
            .arg(EVENTS_MAX)
            .arg("JUSTID")
            .clone();
        let claimed: Value = self.ask(&claim).await?;
        if let Value::Array(parts) = claimed
            && let Some(ids) = parts.into_iter().nth(1)
        {
            let ids = Vec::<String>::from_redis_value(ids).map_err(|why| self.odd(&why.to_string()))?;
            self.told.extend(ids);
        }
        Ok(())
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &::redis::Cmd) -> Result<T> {
        let answer = command.query_async(&mut self.connection).await;
        answer.map_err(|why| fault(&self.place, &why))
    }

    pub(crate) async fn read(&mut self, keys: &[String]) -> Result<Vec<Option<Entry>>> {
        let values: Vec<Option<Vec<u8>>> = self.ask(cmd("MGET").arg(keys)).await?;
        let entry = |value: Vec<u8>| Entry {
            value: Bytes::from(value),
            version: 0,
        };
        Ok(values.into_iter().map(|value| value.map(entry)).collect())
    }

    pub(crate) async fn list(&mut self, prefix: &str) -> Result<Vec<(String, Entry)>> {
        let pattern = format!("{}*", literal(prefix));
        let mut keys: Vec<String> = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let scan = cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(1000)
                .clone();
            let (next, found): (u64, Vec<String>) = self.ask(&scan).await?;
            keys.extend(found);
            cursor = next;
            if cursor == 0 || keys.len() >= LIST_MAX {
                break;
            }
        }
        keys.sort();
        keys.dedup();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let entries = self.read(&keys).await?;
        let pairs = keys.into_iter().zip(entries);
        Ok(pairs.filter_map(|(key, entry)| Some((key, entry?))).collect())
    }

    /// Ends with the next event, and at the latest when keys are to be looked at without one.
    pub(crate) async fn changed(&mut self, until: Instant) -> Result<()> {
        let Some(group) = self.group.clone() else { return Ok(()) };
        let block = until.saturating_duration_since(Instant::now()).min(BLOCK_MAX);
        let read = cmd("XREADGROUP")
            .arg("GROUP")
            .arg(&group)
            .arg(&group)
            .arg("COUNT")
            .arg(EVENTS_MAX)
            .arg("BLOCK")
            // 0 would wait for ever.
            .arg(block.as_millis().max(1).to_string())
            .arg("STREAMS")
            .arg(&self.events)
            .arg(">")
            .clone();
        let told: Option<::redis::streams::StreamReadReply> = self.ask(&read).await?;
        let streams = told.into_iter().flat_map(|told| told.keys);
        let ids = streams.flat_map(|stream| stream.ids).map(|event| event.id);
        self.told.extend(ids);
        Ok(())
    }

    pub(crate) fn take_events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    pub(crate) async fn acknowledge(&mut self, node: &str, events: &[String]) -> Result<()> {
        let acknowledge = cmd("XACK").arg(&self.events).arg(group(node)).arg(events).clone();
        self.ask::<Value>(&acknowledge).await.map(|_| ())
    }

    pub(crate) async fn write(&mut self, write: &Write) -> Result<Written> {
        if let Some((key, expected)) = &write.expects {
            // Until the transaction: who writes this key meanwhile lets it fail.
            self.ask::<Value>(cmd("WATCH").arg(key)).await?;
            let found: Option<Vec<u8>> = self.ask(cmd("GET").arg(key)).await?;
            if found.as_deref() != expected.as_ref().map(|entry| entry.value.as_ref()) {
                self.ask::<Value>(&cmd("UNWATCH")).await?;
                return Ok(Written::Raced);
            }
        }
        let mut transaction = pipe();
        transaction.atomic();
        for (key, value) in &write.puts {
            transaction.cmd("SET").arg(key).arg(value.as_ref()).ignore();
        }
        if !write.deletes.is_empty() {
            transaction.cmd("DEL").arg(&write.deletes).ignore();
        }
        if let Some(told) = &write.tells {
            let event = transaction.cmd("XADD").arg(&self.events).arg("MAXLEN").arg("~");
            event.arg(STREAM_LENGTH_MAX).arg("*").arg("revision").arg(told).ignore();
        }
        let done: std::result::Result<Value, RedisError> = transaction.query_async(&mut self.connection).await;
        match done.map_err(|why| fault(&self.place, &why))? {
            Value::Nil => Ok(Written::Raced),
            _ => Ok(Written::Done),
        }
    }

    fn odd(&self, why: &str) -> StoreFault {
        StoreFault::Answer {
            place: self.place.clone(),
            why: why.to_owned(),
        }
    }
}

fn group(node: &str) -> String {
    format!("{GROUP}{node}")
}

/// A prefix in which no letter stands for another.
fn literal(prefix: &str) -> String {
    prefix.chars().fold(String::new(), |mut text, letter| {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            text.push('\\');
        }
        text.push(letter);
        text
    })
}

fn fault(place: &str, why: &RedisError) -> StoreFault {
    let (place, text) = (place.to_owned(), why.to_string());
    let refused = matches!(why.kind(), ErrorKind::AuthenticationFailed)
        || matches!(why.kind(), ErrorKind::Server(ServerErrorKind::NoPerm))
        || matches!(why.code(), Some("WRONGPASS" | "NOAUTH" | "NOPERM"));
    if refused {
        return StoreFault::Refused { place, why: text };
    }
    let lost = why.is_io_error() || why.is_timeout() || why.is_connection_dropped();
    if lost
        || matches!(
            why.code(),
            Some("LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "READONLY" | "BUSY")
        )
    {
        return StoreFault::Unreachable { place, why: text };
    }
    StoreFault::Answer { place, why: text }
}
