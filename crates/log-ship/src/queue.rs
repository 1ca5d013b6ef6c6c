//! The queue of one sink: bounded in bytes and records, ordered by number, with counts that are exact at any moment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::batch::{Batch, Fate, Passenger};
use crate::kinds::Kinds;
use crate::record::{RANKS, Record, Selection};
use crate::spool::Found;
use crate::tally::{Reason, Tally};

/// How often a sink that has nothing to do looks up, for what goes by time.
const IDLE_EVERY: Duration = Duration::from_millis(500);

/// How much a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Records.
    pub records_max: usize,
    /// Bytes of their lines, and some 100 more for each.
    pub bytes_max: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            records_max: 65_536,
            bytes_max: 32 * 1024 * 1024,
        }
    }
}

/// How much goes to the other side at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Records.
    pub records_max: usize,
    /// Bytes, counted as in the queue; one record goes however large it is.
    pub bytes_max: usize,
    /// How long a record waits for others.
    pub linger: Duration,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            records_max: 4096,
            bytes_max: 1024 * 1024,
            linger: Duration::from_millis(200),
        }
    }
}

/// Who has taken records out of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    Carrier,
    Spooler,
}

/// What there is to do for the thread that carries.
#[derive(Debug)]
pub(crate) enum Task {
    Carry(Batch),
    /// There are records in the spool, which come first.
    Spooled,
    Reopen,
    /// Nothing came for a while.
    Idle,
    Stop,
}

#[derive(Default)]
struct Flight {
    lowest: Option<u64>,
    records: u64,
}

#[derive(Default)]
struct State {
    ranks: [VecDeque<Arc<Record>>; RANKS],
    records: usize,
    bytes: usize,
    waiting_since: Option<Instant>,
    carrier: Flight,
    spooler: Flight,
    /// Greatest number that was offered, whether it was for this sink or not.
    last: u64,
    counts: Tally,
    /// The other side does not take anything at present.
    failing: bool,
    reopen: bool,
    stop: Option<Instant>,
    carrier_gone: bool,
}

/// The queue. The giver's lock is never held over anything that can wait.
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Rung when there may be something to take.
    bell: Condvar,
    /// Rung at the end.
    gong: Condvar,
    selection: Selection,
    limits: QueueLimits,
    batch: BatchLimits,
    has_spool: bool,
}

impl Queue {
    pub(crate) fn new(selection: Selection, limits: QueueLimits, batch: BatchLimits, has_spool: bool) -> Self {
        Self {
            state: Mutex::default(),
            bell: Condvar::new(),
            gong: Condvar::new(),
            selection,
            limits,
            batch,
            has_spool,
        }
    }

    /// Takes what is for this sink, and makes room by dropping what is of the lowest level.
    pub(crate) fn give(&self, records: &[Arc<Record>]) {
        let mut state = self.state.lock();
        let was_empty = state.records == 0;
        for record in records {
            state.last = state.last.max(record.sequence);
            if self.selection.takes(record.level, record.class) {
                state.counts.accepted += 1;
                self.push(&mut state, record);
            }
        }
        if state.records > 0 && state.waiting_since.is_none() {
            state.waiting_since = Some(Instant::now());
        }
        if (was_empty && state.records > 0) || self.is_ready(&state) {
            self.bell.notify_all();
        }
    }

    fn push(&self, state: &mut State, record: &Arc<Record>) {
        if record.cost() > self.limits.bytes_max {
            state.counts.lose(record, Reason::TooLarge);
            return;
        }
        let bytes_max = self.limits.bytes_max - record.cost();
        let records_max = self.limits.records_max.saturating_sub(1);
        if !state.shrink_to(records_max, bytes_max, record.rank()) {
            state.counts.lose(record, Reason::QueueFull);
            return;
        }
        if let Some(rank) = state.ranks.get_mut(record.rank()) {
            state.records += 1;
            state.bytes += record.cost();
            rank.push_back(Arc::clone(record));
        }
    }

    /// What there is to do for the thread that carries; waits for it.
    pub(crate) fn next(&self) -> Task {
        let until = Instant::now() + IDLE_EVERY;
        let mut state = self.state.lock();
        loop {
            if std::mem::take(&mut state.reopen) {
                return Task::Reopen;
            }
            if let Some(stop) = state.stop {
                // What is in the spool stays there, and what cannot be delivered goes there.
                let spools = state.counts.spooled > 0 || (self.has_spool && state.failing);
                if spools || state.records == 0 || Instant::now() >= stop {
                    return Task::Stop;
                }
                return Task::Carry(self.take(&mut state, Hand::Carrier));
            }
            if state.counts.spooled > 0 {
                return Task::Spooled;
            }
            if self.is_ready(&state) {
                return Task::Carry(self.take(&mut state, Hand::Carrier));
            }
            if self.wait(&mut state, until) && Instant::now() >= until && !self.is_ready(&state) {
                return Task::Idle;
            }
        }
    }

    /// Records that are to go to the spool; waits for them, and gives none at the end.
    pub(crate) fn next_to_spool(&self) -> Option<Batch> {
        let mut state = self.state.lock();
        loop {
            let presses = state.bytes > self.limits.bytes_max / 2 || state.records > self.limits.records_max / 2;
            let stopping = state.stop.is_some() && state.carrier_gone;
            if stopping && state.records == 0 {
                return None;
            }
            let spools = state.failing || state.counts.spooled > 0;
            if stopping || presses || (spools && self.is_ready(&state)) {
                return Some(self.take(&mut state, Hand::Spooler));
            }
            let until = Instant::now() + IDLE_EVERY;
            self.wait(&mut state, until);
        }
    }

    /// Waits for the bell, the time at which a batch is due, or the given time; says whether a time has come.
    fn wait(&self, state: &mut MutexGuard<'_, State>, until: Instant) -> bool {
        let due = state
            .waiting_since
            .map_or(until, |since| (since + self.batch.linger).min(until));
        // A batch that is due and yet not taken is for the other thread.
        let due = due.max(Instant::now() + Duration::from_millis(1));
        self.bell.wait_until(state, due).timed_out()
    }

    fn is_ready(&self, state: &State) -> bool {
        let full = state.records >= self.batch.records_max || state.bytes >= self.batch.bytes_max;
        let due = || {
            state
                .waiting_since
                .is_some_and(|since| since.elapsed() >= self.batch.linger)
        };
        state.records > 0 && (full || due())
    }

    fn take(&self, state: &mut State, hand: Hand) -> Batch {
        let mut records = Vec::with_capacity(state.records.min(self.batch.records_max));
        let mut bytes = 0;
        while records.len() < self.batch.records_max.max(1)
            && let Some(rank) = state.oldest()
            && let Some(record) = state.ranks.get(rank).and_then(VecDeque::front)
            && (records.is_empty() || bytes + record.cost() <= self.batch.bytes_max)
        {
            bytes += record.cost();
            if let Some(record) = state.pop(rank) {
                records.push(record);
            }
        }
        state.waiting_since = (state.records > 0).then(Instant::now);
        let batch = Batch::new(records);
        state.flight(hand).hold(&batch);
        batch
    }

    /// Counts what of a batch out of the queue has been decided, and takes it out of the batch.
    pub(crate) fn settle(&self, hand: Hand, batch: &mut Batch) {
        let decided = batch.decided();
        let mut state = self.state.lock();
        state.flight(hand).hold(batch);
        state.count(&decided);
    }

    /// The same for what was taken to be carried.
    pub(crate) fn settle_carried(&self, batch: &mut Batch) {
        self.settle(Hand::Carrier, batch);
    }

    /// The same for a batch out of the spool.
    pub(crate) fn settle_spooled(&self, batch: &mut Batch) {
        let decided = batch.decided();
        let mut state = self.state.lock();
        state.counts.spooled -= count(decided.len());
        state.count(&decided);
    }

    /// Puts what was taken and has not arrived back to where it was.
    pub(crate) fn give_back(&self, hand: Hand, batch: Batch) {
        let mut state = self.state.lock();
        state.flight(hand).hold(&Batch::default());
        for record in batch.into_records().into_iter().rev() {
            state.records += 1;
            state.bytes += record.cost();
            if let Some(rank) = state.ranks.get_mut(record.rank()) {
                // The other hand may have given back what is older, so that the front is not always the place.
                let place = rank.partition_point(|other| other.sequence < record.sequence);
                rank.insert(place, record);
            }
        }
        state.shrink_to(self.limits.records_max, self.limits.bytes_max, RANKS);
        state.waiting_since = (state.records > 0).then(Instant::now);
        self.bell.notify_all();
    }

    /// What the spooler had in hand is in the spool, which gave up others for it.
    pub(crate) fn spooled(&self, batch: &mut Batch, stored: u64, removed: &Kinds, bytes: u64) {
        let decided = batch.decided();
        let mut state = self.state.lock();
        state.flight(Hand::Spooler).hold(batch);
        let dropped: Vec<Passenger> = decided.into_iter().filter(|one| one.fate != Fate::Delivered).collect();
        state.count(&dropped);
        state.counts.spooled += stored;
        state.counts.spool_bytes = bytes;
        state.counts.spooled -= removed.sum();
        state.counts.lose_all(removed, Reason::SpoolFull);
        self.bell.notify_all();
    }

    /// What stood in the spool at the start.
    pub(crate) fn found(&self, found: Found, bytes: u64) {
        let mut state = self.state.lock();
        state.counts.accepted += found.records;
        state.counts.spooled += found.records;
        state.counts.torn += found.torn;
        state.counts.aside += found.aside;
        state.counts.spool_bytes = bytes;
    }

    /// Records in the spool that can no longer be read.
    pub(crate) fn damaged(&self, lost: &Kinds, bytes: u64) {
        let mut state = self.state.lock();
        state.counts.spooled -= lost.sum();
        state.counts.spool_bytes = bytes;
        state.counts.aside += 1;
        state.counts.lose_all(lost, Reason::Damaged);
    }

    pub(crate) fn spool_bytes(&self, bytes: u64) {
        self.state.lock().counts.spool_bytes = bytes;
    }

    pub(crate) fn spool_failed(&self) {
        self.state.lock().counts.spool_faults += 1;
    }

    /// The other side was tried for so long.
    pub(crate) fn tried(&self, duration: Duration) {
        self.state.lock().counts.tries.record(duration);
    }

    /// Says whether the other side takes records at present.
    pub(crate) fn failing(&self, failing: bool) {
        let mut state = self.state.lock();
        state.counts.retries += u64::from(failing);
        let changed = state.failing != failing;
        state.failing = failing;
        if changed {
            self.bell.notify_all();
        }
    }

    /// Waits; says whether to go on, which is not so when the end has come.
    pub(crate) fn pause(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.state.lock();
        while state.stop.is_none() && Instant::now() < until {
            self.gong.wait_until(&mut state, until);
        }
        state.stop.is_none()
    }

    /// Whether files are to be opened anew; asked before each further try, which may be waiting for just that.
    pub(crate) fn take_reopen(&self) -> bool {
        std::mem::take(&mut self.state.lock().reopen)
    }

    pub(crate) fn reopen(&self) {
        self.state.lock().reopen = true;
        self.bell.notify_all();
    }

    /// No more is given; what is held may be carried until then.
    pub(crate) fn stop(&self, until: Instant) {
        self.state.lock().stop = Some(until);
        self.bell.notify_all();
        self.gong.notify_all();
    }

    /// Until when to work on, once the end was said.
    pub(crate) fn stops_at(&self) -> Option<Instant> {
        self.state.lock().stop
    }

    pub(crate) fn carrier_gone(&self) {
        self.state.lock().carrier_gone = true;
        self.bell.notify_all();
    }

    pub(crate) fn has_carrier_gone(&self) -> bool {
        self.state.lock().carrier_gone
    }

    /// Up to there everything was offered, before this queue was there.
    pub(crate) fn offered(&self, number: u64) {
        let mut state = self.state.lock();
        state.last = state.last.max(number);
    }

    /// Whether a record is for this sink.
    pub(crate) fn takes(&self, record: &Record) -> bool {
        self.selection.takes(record.level, record.class)
    }

    /// Takes out everything in memory, in its order, as if it had never been accepted.
    pub(crate) fn take_all(&self) -> Vec<Arc<Record>> {
        let mut state = self.state.lock();
        let mut all = Vec::with_capacity(state.records);
        while let Some(rank) = state.oldest()
            && let Some(record) = state.pop(rank)
        {
            all.push(record);
        }
        state.counts.accepted -= count(all.len());
        all
    }

    /// Counts what was taken out, and went nowhere.
    pub(crate) fn lose(&self, records: &[Arc<Record>], reason: Reason) {
        let mut state = self.state.lock();
        state.counts.accepted += count(records.len());
        for record in records {
            state.counts.lose(record, reason);
        }
    }

    /// Counts of a sink that is no more. What it still has stays where it is, in its spool for the next.
    pub(crate) fn last_tally(&self) -> Tally {
        let mut tally = self.tally();
        tally.left += tally.held;
        (tally.held, tally.spooled, tally.spool_bytes, tally.queue_bytes) = (0, 0, 0, 0);
        tally
    }

    pub(crate) fn tally(&self) -> Tally {
        let state = self.state.lock();
        let mut tally = state.counts.clone();
        tally.queue_bytes = state.bytes;
        tally.held = count(state.records) + state.carrier.records + state.spooler.records + tally.spooled;
        tally
    }

    /// The greatest number up to which every record is delivered, dropped and counted, in the spool, or not for this sink.
    pub(crate) fn acknowledged(&self) -> u64 {
        let state = self.state.lock();
        let heads = state
            .ranks
            .iter()
            .filter_map(|rank| rank.front().map(|record| record.sequence));
        let flights = [state.carrier.lowest, state.spooler.lowest].into_iter().flatten();
        heads
            .chain(flights)
            .min()
            .map_or(state.last, |lowest| lowest.saturating_sub(1))
    }
}

impl State {
    /// Drops the oldest of the lowest rank until there is room; gives up when only ranks above the given one are left.
    fn shrink_to(&mut self, records_max: usize, bytes_max: usize, rank_max: usize) -> bool {
        while self.records > records_max || self.bytes > bytes_max {
            let lowest = self.ranks.iter().position(|rank| !rank.is_empty());
            let Some(lowest) = lowest.filter(|rank| *rank <= rank_max) else {
                return false;
            };
            if let Some(record) = self.pop(lowest) {
                self.counts.lose(&record, Reason::QueueFull);
            }
        }
        true
    }

    /// The rank whose first record has the lowest number.
    fn oldest(&self) -> Option<usize> {
        let heads = self
            .ranks
            .iter()
            .enumerate()
            .filter_map(|(rank, records)| Some((records.front()?.sequence, rank)));
        heads.min().map(|(_, rank)| rank)
    }

    fn pop(&mut self, rank: usize) -> Option<Arc<Record>> {
        let record = self.ranks.get_mut(rank)?.pop_front()?;
        self.records -= 1;
        self.bytes -= record.cost();
        Some(record)
    }

    fn flight(&mut self, hand: Hand) -> &mut Flight {
        match hand {
            Hand::Carrier => &mut self.carrier,
            Hand::Spooler => &mut self.spooler,
        }
    }

    fn count(&mut self, decided: &[Passenger]) {
        for one in decided {
            match one.fate {
                Fate::Delivered => {
                    self.counts.delivered += 1;
                    self.counts.misread += u64::from(one.misread);
                }
                Fate::Dropped(reason) => self.counts.lose(&one.record, reason),
                Fate::Open => {}
            }
        }
    }
}

impl Flight {
    fn hold(&mut self, batch: &Batch) {
        self.lowest = batch.open().map(|record| record.sequence).min();
        self.records = count(batch.len());
    }
}

fn count(records: usize) -> u64 {
    u64::try_from(records).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
