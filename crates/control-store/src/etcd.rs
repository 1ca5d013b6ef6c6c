//! etcd by its third API: read at one revision, watched from the next, over gRPC.

mod messages;
mod line;
mod watching;

use std::time::{Duration, Instant};

use bytes::Bytes;

use self::line::Line;
use self::messages::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, TxnResponse, request_op, response_op,
};
use self::watching::{Seen, Watching};
use crate::dial::Encryption;
use crate::fault::{Result, StoreFault};
use crate::keys::{Entry, LIST_MAX, Write, Written};
use crate::settings;

/// How long a watch may be silent before it is asked whether it still goes on, and how long it has to answer.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// A connection to one member.
pub(crate) struct EtcdKeys {
    line: Line,
    /// The revision at which keys were read last.
    seen: i64,
    watching: Option<Watching>,
}

impl EtcdKeys {
    /// Connects to the first member that answers, beginning with another one each time.
    pub(crate) async fn open(etcd: &settings::Etcd, place: String) -> Result<Self> {
        let encryption = etcd
            .tls
            .as_ref()
            .map(|tls| Encryption::read(tls, Some(b"h2")))
            .transpose()?;
        let mut last = StoreFault::Unreachable {
            place,
            why: String::from("no endpoint is named"),
        };
        for endpoint in line::in_turn(&etcd.endpoints) {
            match Line::open(endpoint, encryption.as_ref(), etcd.login.as_ref()).await {
                Ok(line) => {
                    return Ok(Self {
                        line,
                        seen: 0,
                        watching: None,
                    });
                }
                // Another member would say the same, and each try may be counted.
                Err(fault @ (StoreFault::Refused { .. } | StoreFault::Secret { .. })) => return Err(fault),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    /// Reads keys that are watched: what comes after this is a change.
    pub(crate) async fn look(&mut self, keys: &[String]) -> Result<Vec<Option<Entry>>> {
        let (revision, entries) = self.ranges(keys).await?;
        // A store that was set back counts anew.
        if revision < self.seen {
            self.watching = None;
        }
        self.seen = revision;
        Ok(entries)
    }

    /// Reads keys beside those that are watched. What of those changes meanwhile is not passed over.
    pub(crate) async fn read(&mut self, keys: &[String]) -> Result<Vec<Option<Entry>>> {
        Ok(self.ranges(keys).await?.1)
    }

    async fn ranges(&mut self, keys: &[String]) -> Result<(i64, Vec<Option<Entry>>)> {
        let ranges = keys.iter().map(|key| RangeRequest {
            key: key.as_bytes().to_vec(),
            ..RangeRequest::default()
        });
        let request = TxnRequest {
            success: ranges.map(|range| op(request_op::Request::Range(range))).collect(),
            ..TxnRequest::default()
        };
        let answer: TxnResponse = self.line.unary("/etcdserverpb.KV/Txn", request).await?;
        let revision = answer.header.as_ref().map_or(0, |header| header.revision);
        if answer.responses.len() != keys.len() {
            return Err(self.line.odd("it answers with another number of ranges"));
        }
        let mut entries = Vec::with_capacity(keys.len());
        for response in answer.responses {
            let Some(response_op::Response::Range(range)) = response.response else {
                return Err(self.line.odd("it answers a range with something else"));
            };
            entries.push(range.kvs.into_iter().next().map(entry));
        }
        let entries = entries.into_iter().map(|pair| pair.map(|(_, entry)| entry));
        Ok((revision, entries.collect()))
    }

    pub(crate) async fn list(&mut self, prefix: &str) -> Result<Vec<(String, Entry)>> {
        let request = RangeRequest {
            key: prefix.as_bytes().to_vec(),
            range_end: after_all(prefix.as_bytes()),
            limit: i64::try_from(LIST_MAX).unwrap_or(i64::MAX),
        };
        let answer: messages::RangeResponse = self.line.unary("/etcdserverpb.KV/Range", request).await?;
        Ok(answer.kvs.into_iter().map(entry).collect())
    }

    pub(crate) async fn changed(&mut self, keys: &[String], until: Instant) -> Result<()> {
        let from = self.seen.saturating_add(1);
        let mut watching = match self.watching.take() {
            Some(watching) => watching,
            None => Watching::begin(&mut self.line, keys, from).await?,
        };
        let seen = watching.next(&self.line, self.seen, until).await?;
        // A watch whose history was compacted is dead: the next look is the truth, and another watch begins after it.
        if seen != Seen::Compacted {
            self.watching = Some(watching);
        }
        Ok(())
    }

    pub(crate) async fn write(&mut self, write: &Write) -> Result<Written> {
        let compare = write.expects.as_ref().map(|(key, expected)| Compare {
            result: messages::EQUAL,
            target: messages::MOD,
            key: key.as_bytes().to_vec(),
            // A key that is not there was changed last at 0.
            target_union: Some(messages::compare::TargetUnion::ModRevision(
                expected
                    .as_ref()
                    .map_or(0, |entry| i64::try_from(entry.version).unwrap_or(i64::MAX)),
            )),
        });
        let puts = write.puts.iter().map(|(key, value)| {
            op(request_op::Request::Put(PutRequest {
                key: key.as_bytes().to_vec(),
                value: value.to_vec(),
            }))
        });
        let deletes = write.deletes.iter().map(|key| {
            op(request_op::Request::DeleteRange(DeleteRangeRequest {
                key: key.as_bytes().to_vec(),
            }))
        });
        let request = TxnRequest {
            compare: compare.into_iter().collect(),
            success: puts.chain(deletes).collect(),
            failure: Vec::new(),
        };
        let answer: TxnResponse = self.line.unary("/etcdserverpb.KV/Txn", request).await?;
        Ok(if answer.succeeded {
            Written::Done
        } else {
            Written::Raced
        })
    }
}

fn op(request: request_op::Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn entry(pair: messages::KeyValue) -> (String, Entry) {
    let entry = Entry {
        value: Bytes::from(pair.value),
        version: u64::try_from(pair.mod_revision).unwrap_or(0),
    };
    (String::from_utf8_lossy(&pair.key).into_owned(), entry)
}

/// The first key that does not begin so.
fn after_all(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // For etcd: all keys from the first on.
    vec![0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_holds_what_begins_so_and_nothing_else(prefix in prop::collection::vec(any::<u8>(), 1..6), key in prop::collection::vec(any::<u8>(), 0..8)) {
            let end = after_all(&prefix);
            let within = key >= prefix && (end == [0] || key < end);
            prop_assert_eq!(within, key.starts_with(&prefix) || (end == [0] && key >= prefix));
        }
    }
}
