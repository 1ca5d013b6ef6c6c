//! One connection to a store, whichever it is: keys are read, written together, and waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use crate::asked::Telling;
use crate::consul::ConsulKeys;
use crate::etcd::EtcdKeys;
use crate::fault::{Result, StoreFault};
use crate::folder::FolderKeys;
use crate::layout::Layout;
use crate::redis::RedisKeys;
use crate::settings::{Backend, Settings};

/// LIMIT: how long a store may take over one answer.
pub(crate) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// LIMIT: entries of one list; a history is cut to its newest, and a fleet of more gateways shows that many.
pub(crate) const LIST_MAX: usize = 10_000;

/// A value, and the number of its last change where the store counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: Bytes,
    pub(crate) version: u64,
}

/// What is written together.
#[derive(Debug, Default)]
pub(crate) struct Write {
    /// Only if this key is as it was seen; none means that it must not be there.
    pub(crate) expects: Option<(String, Option<Entry>)>,
    /// In this order where a store cannot write them at one stroke: the pointer comes last.
    pub(crate) puts: Vec<(String, Bytes)>,
    pub(crate) deletes: Vec<String>,
    /// What gateways are told, where they are told by a stream.
    pub(crate) tells: Option<String>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// What was expected is not so; nothing was written.
    Raced,
}

/// A connection.
pub(crate) struct Keys {
    line: Line,
    telling: Telling,
}

enum Line {
    Folder(FolderKeys),
    Etcd(Box<EtcdKeys>),
    Consul(Box<ConsulKeys>),
    Redis(Box<RedisKeys>),
}

/// The keys that a call is about, as it is told.
fn about<'a>(verb: &'static str, keys: &'a [String]) -> (&'static str, &'a str, usize) {
    (verb, keys.first().map_or("", String::as_str), keys.len())
}

impl Keys {
    /// Connects. One that `watches` may wait for changes.
    pub(crate) async fn open(settings: &Settings, watches: bool) -> Result<Self> {
        let opening = async {
            Ok(match &settings.backend {
                Backend::Folder(folder) => Line::Folder(FolderKeys::open(folder)),
                Backend::Etcd(etcd) => Line::Etcd(Box::new(EtcdKeys::open(etcd, settings.backend.shown()).await?)),
                Backend::Consul(consul) => Line::Consul(Box::new(ConsulKeys::open(consul)?)),
                Backend::Redis(redis) => {
                    let events = Layout::new(&settings.place).events();
                    let group = watches.then_some(settings.node.as_str());
                    Line::Redis(Box::new(RedisKeys::open(redis, events, group).await?))
                }
            })
        };
        let telling = Telling {
            system: settings.backend.word(),
            listener: settings.listener.clone(),
        };
        let began = Instant::now();
        let line = within(settings, opening).await;
        telling.tell(("open", "", 0), began, (&line, |_| false));
        Ok(Self { line: line?, telling })
    }

    /// The values of the keys that are watched, of one moment where the store can. What comes after it is a change.
    pub(crate) async fn look(&mut self, keys: &[String]) -> Result<Vec<Option<Entry>>> {
        let began = Instant::now();
        let found = match &mut self.line {
            Line::Folder(folder) => folder.look(keys).await,
            Line::Etcd(etcd) => etcd.look(keys).await,
            Line::Consul(consul) => consul.look(keys).await,
            Line::Redis(redis) => redis.read(keys).await,
        };
        self.telling.tell(about("look", keys), began, (&found, |_| false));
        found
    }

    /// The values of other keys.
    pub(crate) async fn read(&mut self, keys: &[String]) -> Result<Vec<Option<Entry>>> {
        let began = Instant::now();
        let found = match &mut self.line {
            Line::Folder(folder) => folder.read(keys),
            Line::Etcd(etcd) => etcd.read(keys).await,
            Line::Consul(consul) => consul.read(keys).await,
            Line::Redis(redis) => redis.read(keys).await,
        };
        self.telling.tell(about("read", keys), began, (&found, |_| false));
        found
    }

    /// All keys that begin so, with their values.
    pub(crate) async fn list(&mut self, prefix: &str) -> Result<Vec<(String, Entry)>> {
        let began = Instant::now();
        let found = match &mut self.line {
            Line::Folder(folder) => folder.list(prefix),
            Line::Etcd(etcd) => etcd.list(prefix).await,
            Line::Consul(consul) => consul.list(prefix).await,
            Line::Redis(redis) => redis.list(prefix).await,
        };
        let keys = found.as_ref().map_or(0, Vec::len);
        self.telling.tell(("list", prefix, keys), began, (&found, |_| false));
        found
    }

    /// Ends when one of the keys may have changed since they were looked at, or at `until`.
    pub(crate) async fn changed(&mut self, keys: &[String], until: Instant) -> Result<()> {
        let began = Instant::now();
        let waited = match &mut self.line {
            Line::Folder(folder) => folder.changed(keys, until).await,
            Line::Etcd(etcd) => etcd.changed(keys, until).await,
            Line::Consul(consul) => consul.changed(keys, until).await,
            Line::Redis(redis) => redis.changed(until).await,
        };
        self.telling.tell(about("watch", keys), began, (&waited, |()| false));
        waited
    }

    /// Writes all of it or nothing.
    pub(crate) async fn write(&mut self, write: &Write) -> Result<Written> {
        let began = Instant::now();
        let written = match &mut self.line {
            Line::Folder(folder) => folder.write(write).await,
            Line::Etcd(etcd) => etcd.write(write).await,
            Line::Consul(consul) => consul.write(write).await,
            Line::Redis(redis) => redis.write(write).await,
        };
        let first = write.puts.first().map(|(key, _)| key).or(write.deletes.first());
        let about = (
            "write",
            first.map_or("", String::as_str),
            write.puts.len() + write.deletes.len(),
        );
        self.telling
            .tell(about, began, (&written, |written| *written == Written::Raced));
        written
    }

    /// Events that were told to us and are not acknowledged yet.
    pub(crate) fn take_events(&mut self) -> Vec<String> {
        match &mut self.line {
            Line::Redis(redis) => redis.take_events(),
            _ => Vec::new(),
        }
    }

    /// Says that these events have had their effect.
    pub(crate) async fn acknowledge(&mut self, group: &str, events: &[String]) -> Result<()> {
        match &mut self.line {
            Line::Redis(redis) if !events.is_empty() => {
                let began = Instant::now();
                let done = redis.acknowledge(group, events).await;
                self.telling
                    .tell(("acknowledge", "", events.len()), began, (&done, |()| false));
                done
            }
            _ => Ok(()),
        }
    }
}

async fn within<T>(settings: &Settings, work: impl Future<Output = Result<T>>) -> Result<T> {
    let shown: Arc<str> = settings.backend.shown().into();
    timeout(ANSWER_WAIT_MAX * 2, work).await.unwrap_or_else(|_| {
        Err(StoreFault::Unreachable {
            place: shown.to_string(),
            why: String::from("no connection in time"),
        })
    })
}
