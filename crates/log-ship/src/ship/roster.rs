//! Which sinks there are, which are to come, and which are on their way out; and counts that outlive them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Wanted;
use crate::queue::Queue;
use crate::record::Record;
use crate::sink::Sink;
use crate::tally::{Reason, Tally};

/// LIMIT: sinks that have had their time and do not end, such as those that write to a pipe which nobody reads. Beyond it the oldest is forgotten.
const LEAVING_MAX: usize = 64;
/// LIMIT: names of sinks that are no more, of which the counts are kept. Beyond it the oldest is forgotten that no sink has.
const PAST_MAX: usize = 256;

/// A place for a sink.
struct Berth {
    ticket: u64,
    key: String,
    name: String,
    durable: bool,
    hold: Hold,
}

/// Who takes the records.
enum Hold {
    Started(Sink),
    /// Nobody yet: they wait for the sink.
    Waiting(Box<Queue>),
}

impl Hold {
    fn queue(&self) -> &Queue {
        match self {
            Self::Started(sink) => sink.queue(),
            Self::Waiting(queue) => queue,
        }
    }
}

struct Leaving {
    sink: Sink,
    until: Instant,
}

/// What a sink that is no more left in its spool.
struct Left {
    name: String,
    folder: PathBuf,
    records: u64,
}

#[derive(Default)]
pub(super) struct Roster {
    berths: Vec<Berth>,
    leaving: Vec<Leaving>,
    past: Vec<(String, Tally)>,
    left: Vec<Left>,
    tickets: u64,
    /// The greatest number that was given.
    offered: u64,
    acknowledged: u64,
    ending: bool,
}

impl Roster {
    pub(super) fn new(sinks: Vec<Sink>) -> Self {
        let mut roster = Self::default();
        for sink in sinks {
            let ticket = roster.ticket();
            roster.berths.push(Berth {
                ticket,
                key: sink.key().to_owned(),
                name: sink.name().to_owned(),
                durable: sink.is_durable(),
                hold: Hold::Started(sink),
            });
        }
        roster
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    pub(super) fn give(&mut self, records: &[Arc<Record>]) {
        let last = records.iter().map(|record| record.sequence).max();
        self.offered = self.offered.max(last.unwrap_or(0));
        for berth in &self.berths {
            berth.hold.queue().give(records);
        }
    }

    pub(super) fn acknowledged(&mut self) -> Option<u64> {
        self.part();
        let now = Instant::now();
        let berths = self.berths.iter().filter(|berth| berth.durable);
        // One that has had its time holds the giver no longer.
        let leaving = self.leaving.iter();
        let leaving = leaving.filter(|one| one.sink.is_durable() && now < one.until);
        let lowest = berths
            .map(|berth| berth.hold.queue().acknowledged())
            .chain(leaving.map(|one| one.sink.acknowledged()))
            .min()?;
        self.acknowledged = self.acknowledged.max(lowest);
        Some(self.acknowledged)
    }

    /// Gives those that are to be started.
    pub(super) fn change(&mut self, wanted: Vec<Wanted>, until: Instant) -> Vec<(u64, Wanted)> {
        self.part();
        let (mut old, mut starts) = (std::mem::take(&mut self.berths), Vec::new());
        for one in wanted {
            if let Some(at) = old.iter().position(|berth| berth.key == one.key) {
                self.berths.push(old.remove(at));
                continue;
            }
            let (frame, ticket) = (&one.frame, self.ticket());
            let queue = Queue::new(frame.selection.clone(), frame.queue, frame.batch, false);
            queue.offered(self.offered);
            self.berths.push(Berth {
                ticket,
                key: one.key.clone(),
                name: frame.name.clone(),
                durable: frame.durable,
                hold: Hold::Waiting(Box::new(queue)),
            });
            starts.push((ticket, one));
        }
        for berth in old {
            match berth.hold {
                Hold::Started(sink) => self.leave(sink, until),
                Hold::Waiting(queue) => self.hand_over((&berth.name, None), &queue),
            }
        }
        starts
    }

    fn leave(&mut self, sink: Sink, until: Instant) {
        sink.finish(until);
        self.leaving.push(Leaving { sink, until });
        if self.leaving.len() > LEAVING_MAX {
            let oldest = self.leaving.remove(0).sink;
            self.hand_over((oldest.name(), oldest.spool()), oldest.queue());
        }
    }

    /// A sink that is waited for is not to come.
    pub(super) fn strike(&mut self, ticket: u64) {
        if let Some(at) = self.berths.iter().position(|berth| berth.ticket == ticket) {
            let berth = self.berths.remove(at);
            self.hand_over((&berth.name, None), berth.hold.queue());
        }
    }

    /// Whether a sink is still waited for.
    pub(super) fn waits_for(&self, ticket: u64) -> bool {
        let mut berths = self.berths.iter();
        !self.ending && berths.any(|berth| berth.ticket == ticket && matches!(berth.hold, Hold::Waiting(_)))
    }

    /// Whether a sink must have ended before one with this name and this spool begins.
    pub(super) fn is_taken(&mut self, name: &str, spool: Option<&Path>) -> bool {
        self.part();
        let now = Instant::now();
        let same = |sink: &Sink| sink.name() == name || spool.is_some_and(|spool| sink.spool() == Some(spool));
        self.leaving.iter().any(|one| now < one.until && same(&one.sink))
    }

    /// A sink has come that was waited for.
    pub(super) fn arrive(&mut self, ticket: u64, sink: Sink) {
        self.find(&sink);
        if !self.waits_for(ticket) {
            self.leave(sink, Instant::now());
            return;
        }
        let Some(berth) = self.berths.iter_mut().find(|berth| berth.ticket == ticket) else {
            return;
        };
        let waiting = std::mem::replace(&mut berth.hold, Hold::Started(sink));
        let queue = berth.hold.queue();
        queue.offered(self.offered);
        queue.give(&waiting.queue().take_all());
        let name = berth.name.clone();
        self.remember(&name, &waiting.queue().last_tally());
    }

    /// Parts with sinks that have ended.
    fn part(&mut self) {
        let leaving = std::mem::take(&mut self.leaving);
        let (ended, leaving) = leaving.into_iter().partition(|one| one.sink.has_ended());
        self.leaving = leaving;
        let ended: Vec<Leaving> = ended;
        for one in ended {
            self.hand_over((one.sink.name(), one.sink.spool()), one.sink.queue());
        }
    }

    /// Gives what somebody held to the sink of the same name, when there is one that wants it, and keeps the counts.
    fn hand_over(&mut self, (name, spool): (&str, Option<&Path>), from: &Queue) {
        let berth = self.berths.iter().find(|berth| berth.name == name && !self.ending);
        let heir = berth.map(|berth| berth.hold.queue());
        let held = from.take_all();
        let wants = |record: &Arc<Record>| heir.is_some_and(|heir| heir.takes(record));
        let (wanted, lost): (Vec<_>, Vec<_>) = held.into_iter().partition(wants);
        if let Some(heir) = heir {
            heir.give(&wanted);
        }
        from.lose(&lost, Reason::Ended);
        if let Some(folder) = spool {
            self.left.retain(|left| left.folder != folder);
            self.left.push(Left {
                name: name.to_owned(),
                folder: folder.to_owned(),
                records: from.tally().spooled,
            });
            if self.left.len() > PAST_MAX {
                self.left.remove(0);
            }
        }
        self.remember(name, &from.last_tally());
    }

    /// What a new sink has in its spool was accepted before, if one of its name left it there: it is counted once.
    fn find(&mut self, sink: &Sink) {
        let Some(at) = self.left.iter().position(|left| sink.spool() == Some(&left.folder)) else {
            return;
        };
        let left = self.left.remove(at);
        let past = self.past.iter_mut().find(|(name, _)| *name == left.name);
        if let Some((_, past)) = past.filter(|_| left.name == sink.name()) {
            // Nobody has given it anything yet.
            past.found_again(left.records.min(sink.tally().accepted));
        }
    }

    fn remember(&mut self, name: &str, tally: &Tally) {
        match self.past.iter_mut().find(|(other, _)| other == name) {
            Some((_, sum)) => sum.add(tally),
            None => self.past.push((name.to_owned(), tally.clone())),
        }
        if self.past.len() > PAST_MAX {
            // The counts of a name that is in use never get smaller.
            let taken = |name: &str| {
                let mut leaving = self.leaving.iter();
                self.berths.iter().any(|berth| berth.name == name) || leaving.any(|one| one.sink.name() == name)
            };
            let oldest = self.past.iter().position(|(name, _)| !taken(name));
            self.past.remove(oldest.unwrap_or(0));
        }
    }

    pub(super) fn tallies(&mut self) -> Vec<(String, Tally)> {
        self.part();
        let berths = self.berths.iter();
        let berths = berths.map(|berth| (berth.name.clone(), berth.hold.queue().tally()));
        let leaving = self.leaving.iter();
        let leaving = leaving.map(|one| (one.sink.name().to_owned(), one.sink.tally()));
        let mut sums: Vec<(String, Tally)> = Vec::new();
        for (name, tally) in berths.chain(leaving).chain(self.past.iter().cloned()) {
            match sums.iter_mut().find(|(other, _)| *other == name) {
                Some((_, sum)) => sum.add(&tally),
                None => sums.push((name, tally)),
            }
        }
        sums
    }

    pub(super) fn reopen(&self) {
        for berth in &self.berths {
            if let Hold::Started(sink) = &berth.hold {
                sink.reopen();
            }
        }
    }

    fn sinks(&self) -> impl Iterator<Item = &Sink> {
        let berths = self.berths.iter().filter_map(|berth| match &berth.hold {
            Hold::Started(sink) => Some(sink),
            Hold::Waiting(_) => None,
        });
        berths.chain(self.leaving.iter().map(|one| &one.sink))
    }

    pub(super) fn finish(&mut self, until: Instant) {
        self.ending = true;
        for sink in self.sinks() {
            sink.finish(until);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.sinks().all(Sink::has_ended)
    }
}
