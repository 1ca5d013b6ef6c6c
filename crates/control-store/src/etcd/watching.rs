//! A watch on some keys of etcd: what was seen already is passed over, pieces are joined, silence is asked about.

use std::time::Instant;

use tokio::sync::mpsc::Sender;
use tonic::Streaming;

use super::SILENT_MAX;
use super::line::Line;
use super::messages::{WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse, watch_request};
use crate::fault::Result;

/// A watch.
pub(super) struct Watching {
    asks: Sender<WatchRequest>,
    answers: Streaming<WatchResponse>,
    joined: Joined,
    /// When it was asked whether it still goes on, until it answers.
    asked: Option<Instant>,
}

/// Why waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A key changed.
    Change,
    /// Nothing happened for as long as was to be waited.
    Nothing,
    /// What happened is not kept any more.
    Compacted,
}

impl Watching {
    /// Watches these keys from a revision on.
    pub(super) async fn begin(line: &mut Line, keys: &[String], from: i64) -> Result<Self> {
        let create = |key: &String| WatchRequest {
            union: Some(watch_request::Union::Create(WatchCreateRequest {
                key: key.as_bytes().to_vec(),
                range_end: Vec::new(),
                start_revision: from,
                progress_notify: true,
                fragment: true,
            })),
        };
        let (asks, answers) = line.watch(keys.iter().map(create).collect()).await?;
        Ok(Self {
            asks,
            answers,
            joined: Joined::default(),
            asked: None,
        })
    }

    /// Waits for a change after `seen`.
    pub(super) async fn next(&mut self, line: &Line, seen: i64, until: Instant) -> Result<Seen> {
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(Seen::Nothing);
            }
            let patience = self.asked.map_or(now, |asked| asked) + SILENT_MAX;
            let answer = tokio::time::timeout_at(patience.min(until).into(), self.answers.message()).await;
            let Ok(answer) = answer else {
                self.silence(line, patience)?;
                continue;
            };
            self.asked = None;
            let answer = answer.map_err(|status| line.fault(&status))?;
            let answer = answer.ok_or_else(|| line.silent(String::from("it ended the watch")))?;
            match self.joined.take(&answer, seen) {
                Some(Joint::Change) => return Ok(Seen::Change),
                Some(Joint::Compacted) => return Ok(Seen::Compacted),
                Some(Joint::Canceled(why)) if why.contains("permission denied") => return Err(line.refused(why)),
                Some(Joint::Canceled(why)) => return Err(line.silent(format!("it ended the watch: {why}"))),
                None => {}
            }
        }
    }

    /// Nothing came: asks, or gives up where it was asked before.
    fn silence(&mut self, line: &Line, patience: Instant) -> Result<()> {
        if Instant::now() < patience {
            return Ok(());
        }
        if self.asked.is_some() {
            return Err(line.silent(format!("the watch says nothing for {SILENT_MAX:?}")));
        }
        let request = WatchRequest {
            union: Some(watch_request::Union::Progress(WatchProgressRequest {})),
        };
        let sent = self.asks.try_send(request);
        sent.map_err(|_| line.silent(String::from("the watch takes no more questions")))?;
        self.asked = Some(Instant::now());
        Ok(())
    }
}

/// What an answer, joined with those before it, comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Joint {
    Change,
    Compacted,
    Canceled(String),
}

/// An answer that may come in pieces.
#[derive(Debug, Default)]
struct Joined {
    /// Whether a piece of what has not ended told of a change.
    changed: bool,
}

impl Joined {
    fn take(&mut self, answer: &WatchResponse, seen: i64) -> Option<Joint> {
        if answer.compact_revision > 0 {
            return Some(Joint::Compacted);
        }
        if answer.canceled {
            return Some(Joint::Canceled(answer.cancel_reason.clone()));
        }
        let news = |revision: i64| revision > seen;
        self.changed |= answer
            .events
            .iter()
            .filter_map(|event| event.kv.as_ref())
            .any(|pair| news(pair.mod_revision));
        if answer.fragment {
            return None;
        }
        std::mem::take(&mut self.changed).then_some(Joint::Change)
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::{Event, KeyValue};
    use super::*;

    fn answer(revisions: &[i64], fragment: bool) -> WatchResponse {
        let event = |revision: &i64| Event {
            kv: Some(KeyValue {
                mod_revision: *revision,
                ..KeyValue::default()
            }),
        };
        WatchResponse {
            events: revisions.iter().map(event).collect(),
            fragment,
            ..WatchResponse::default()
        }
    }

    #[test]
    fn pieces_are_one_change_when_the_last_one_is_here() {
        let mut joined = Joined::default();
        assert_eq!(joined.take(&answer(&[8], true), 7), None);
        assert_eq!(joined.take(&answer(&[], true), 7), None);
        assert_eq!(joined.take(&answer(&[6], false), 7), Some(Joint::Change));
        assert_eq!(joined.take(&answer(&[], false), 7), None, "it is told once");
    }

    #[test]
    fn what_was_read_already_is_no_change() {
        let mut joined = Joined::default();
        assert_eq!(joined.take(&answer(&[5, 6, 7], false), 7), None);
        assert_eq!(joined.take(&answer(&[7, 8], false), 7), Some(Joint::Change));
    }

    #[test]
    fn a_compacted_watch_is_dead_and_a_canceled_one_says_why() {
        let mut joined = Joined::default();
        let compacted = WatchResponse {
            canceled: true,
            compact_revision: 9,
            ..WatchResponse::default()
        };
        assert_eq!(joined.take(&compacted, 7), Some(Joint::Compacted));
        let canceled = WatchResponse {
            canceled: true,
            cancel_reason: String::from("permission denied"),
            ..WatchResponse::default()
        };
        let why = String::from("permission denied");
        assert_eq!(joined.take(&canceled, 7), Some(Joint::Canceled(why)));
    }
}
