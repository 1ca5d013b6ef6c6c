//! Retransmits by connection, within bounds: what was forgotten is never taken for nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use crate::event::Retransmit;
use crate::flow::Tag;
use crate::moment::Moment;
use crate::tcp_info::TcpState;

/// How much a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections with retransmits; beyond, the one whose last is the longest ago is forgotten.
    pub connections_max: usize,
    /// Time stamps of one connection; beyond, the oldest is forgotten.
    pub stamps_max: usize,
    /// A connection is forgotten so long after its last retransmit.
    pub keep: Duration,
}

impl Default for Bounds {
    /// At most some 12 MB: 4,096 connections with 64 stamps each, for ten minutes.
    fn default() -> Self {
        Self {
            connections_max: 4096,
            stamps_max: 64,
            keep: Duration::from_secs(600),
        }
    }
}

/// One retransmit of a known connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When.
    pub at: Moment,
    /// State of the connection.
    pub state: TcpState,
    /// How many segments.
    pub segments: u16,
    /// Error with which the sending failed on this machine already.
    pub failure: Option<i32>,
}

/// Retransmits by connection. One thread owns it; it knows no clock, and goes by the stamps.
#[derive(Debug)]
pub struct Table {
    bounds: Bounds,
    connections: HashMap<Tag, Connection>,
    /// By the turn of their last retransmit; the first is the longest ago.
    turns: BTreeMap<u64, Tag>,
    next_turn: u64,
    /// The latest stamp that went with a whole connection, or was lost.
    forgotten: Option<Moment>,
}

#[derive(Debug)]
struct Connection {
    turn: u64,
    /// Never empty.
    stamps: VecDeque<Stamp>,
    /// The latest stamp that had to go.
    forgotten: Option<Moment>,
}

impl Connection {
    fn last(&self) -> Option<Moment> {
        self.stamps.back().map(|stamp| stamp.at)
    }
}

/// What a table knows of a connection since a moment.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    stamps: Option<&'a VecDeque<Stamp>>,
    since: Moment,
    complete: bool,
}

impl<'a> Seen<'a> {
    /// The stamps, in their order.
    pub fn stamps(&self) -> impl Iterator<Item = &'a Stamp> + use<'a> {
        let since = self.since;
        self.stamps.into_iter().flatten().filter(move |stamp| stamp.at >= since)
    }

    /// How many segments were sent again, as `TCP_INFO` counts them.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.stamps().map(|stamp| u64::from(stamp.segments)).sum()
    }

    /// Whether these are all. If not, some may have been lost or forgotten; the number in `TCP_INFO` is right in any case.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            connections: HashMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            forgotten: None,
        }
    }

    /// Takes up a retransmit, and forgets what is too old or too much.
    pub fn note(&mut self, retransmit: &Retransmit) {
        let turn = self.next_turn;
        self.next_turn = turn.saturating_add(1);
        let tag = Tag::from(retransmit.flow);
        let connection = self.connections.entry(tag).or_insert_with(|| Connection {
            turn,
            stamps: VecDeque::new(),
            forgotten: None,
        });
        self.turns.remove(&connection.turn);
        self.turns.insert(turn, tag);
        connection.turn = turn;
        connection.stamps.push_back(Stamp {
            at: retransmit.at,
            state: retransmit.state,
            segments: retransmit.segments,
            failure: retransmit.failure,
        });
        while connection.stamps.len() > self.bounds.stamps_max.max(1) {
            connection.forgotten = connection
                .forgotten
                .max(connection.stamps.pop_front().map(|stamp| stamp.at));
        }
        self.forget(retransmit.at);
    }

    /// Events were lost, at this moment at the latest: whoever asks from before it is told that there may be more.
    pub fn note_loss(&mut self, at: Moment) {
        self.forgotten = self.forgotten.max(Some(at));
    }

    /// What is known of a connection since a moment, such as that of an exchange's beginning.
    ///
    /// A connection that has the same two ends as an earlier one is told from it by that moment.
    #[must_use]
    pub fn since(&self, of: impl Into<Tag>, since: Moment) -> Seen<'_> {
        let connection = self.connections.get(&of.into());
        let own = connection.and_then(|connection| connection.forgotten);
        Seen {
            stamps: connection.map(|connection| &connection.stamps),
            since,
            complete: self.forgotten.max(own).is_none_or(|forgotten| forgotten < since),
        }
    }

    /// Connections in the table.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Forgets connections, the longest ago first, until those that are left are few and young enough.
    fn forget(&mut self, now: Moment) {
        let oldest = now.before(self.bounds.keep);
        while let Some(first) = self.turns.first_entry() {
            let last = self.connections.get(first.get()).and_then(Connection::last);
            let crowded = self.connections.len() > self.bounds.connections_max.max(1);
            if !crowded && last.is_some_and(|last| last >= oldest) {
                return;
            }
            self.connections.remove(&first.remove());
            self.forgotten = self.forgotten.max(last);
        }
    }
}

#[cfg(test)]
mod tests;
