//! The clerk: one thread that takes records out of rings, makes lines of them, gives them to the sinks, and gives the rings their room back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log_record::field;
use log_record::grade::{Class, Level};
use log_record::packed::{Heading, Lost, write_gap, write_line};
use log_ring::{Body, Consumer, Dropped, Folder, Found, Refusal, Ring, recover_folder};
use log_ship::{Record, Ship};
use parking_lot::Mutex;

use crate::book::{Listener, Notice, RingCounts, Screen};
use crate::leftover::{Leftover, name_of};
use crate::losses::Losses;
use crate::pen::Desk;
use crate::source::Source;
use crate::wires::Wires;

/// How long the clerk sleeps when it found nothing: at first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(32));
/// How often sinks are asked what they have lost, and rings what they have refused.
const COUNT_EVERY: Duration = Duration::from_millis(500);
/// How often rings of processes that have gone are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// LIMIT: records of the dead that are given and not acknowledged.
const LEFTOVER_AHEAD_MAX: u64 = 8192;
/// LIMIT: files that are remembered as no rings of ours.
const REFUSED_MAX: usize = 256;

/// What the clerk is told.
pub(crate) enum Order {
    /// There is another ring.
    Ring(String, Box<(Ring, Consumer)>, u64),
    /// Records are led through other guests from now on, or through none. Says that it is so.
    Screen(Option<Box<dyn Screen>>, SyncSender<()>),
    /// The gateway stops: everything is given, and sinks end by then. Says whether all was carried.
    End(Instant, SyncSender<bool>),
}

/// What clerk and book share.
pub(crate) struct Shared {
    pub(crate) ship: Mutex<Ship>,
    pub(crate) rings: Mutex<Vec<RingCounts>>,
    pub(crate) desk: Desk,
}

pub(crate) struct Clerk {
    shared: Arc<Shared>,
    folder: Folder,
    listener: Listener,
    sources: Vec<Source>,
    leftover: Option<Leftover>,
    /// Rings of the dead that could not be removed, and files that are none.
    passed_over: Vec<PathBuf>,
    looked: Option<Instant>,
    counted: Option<Instant>,
    losses: Losses,
    line: Vec<u8>,
    screen: Option<Box<dyn Screen>>,
    /// None before the first turn, which is on the clerk's own thread.
    wires: Option<Wires>,
    number: u64,
}

impl Clerk {
    pub(crate) fn new(
        shared: Arc<Shared>,
        folder: Folder,
        (listener, screen): (Listener, Option<Box<dyn Screen>>),
    ) -> Self {
        Self {
            shared,
            folder,
            listener,
            sources: Vec::new(),
            leftover: None,
            passed_over: Vec::new(),
            looked: None,
            counted: None,
            losses: Losses::default(),
            line: Vec::new(),
            screen,
            wires: None,
            number: 0,
        }
    }

    pub(crate) fn run(mut self, orders: &Receiver<Order>) {
        let mut rest = REST.0;
        loop {
            let is_busy = self.turn();
            rest = if is_busy { REST.0 } else { (rest * 2).min(REST.1) };
            let order = match is_busy {
                true => orders.try_recv().map_err(|_| RecvTimeoutError::Timeout),
                false => orders.recv_timeout(rest),
            };
            match order {
                Ok(Order::Ring(name, ends, capacity)) => self.sources.push(Source::new(name, *ends, capacity)),
                Ok(Order::Screen(screen, done)) => {
                    self.screen = screen;
                    // Who asked may have stopped waiting.
                    let _ = done.try_send(());
                }
                Ok(Order::End(until, done)) => {
                    // Who asked may have stopped waiting.
                    let _ = done.try_send(self.end(until));
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.end(Instant::now());
                    return;
                }
            }
        }
    }

    /// Takes what there is, once; says whether there was something.
    fn turn(&mut self) -> bool {
        let mut is_busy = false;
        self.wires.get_or_insert_with(Wires::watch).tick();
        for at in 0..self.sources.len() {
            is_busy |= self.drain(at);
        }
        is_busy |= self.look_after_the_dead();
        self.count();
        let acknowledged = self.acknowledged();
        for source in &mut self.sources {
            source.settle(acknowledged);
        }
        is_busy
    }

    fn acknowledged(&self) -> u64 {
        self.shared.ship.lock().acknowledged().unwrap_or(u64::MAX)
    }

    /// Gives one batch of a ring to the sinks.
    fn drain(&mut self, at: usize) -> bool {
        let Some(source) = self.sources.get_mut(at) else {
            return false;
        };
        let name = source.name.clone();
        let batch = source.batch();
        let (end, damage, count) = (batch.end(), batch.damage(), batch.len());
        let mut lines = Vec::with_capacity(count);
        let mut gaps = 0;
        for record in batch.records() {
            let heading = heading(&record, false);
            match record.body {
                Body::Payload(packed) => {
                    self.line.clear();
                    write_line(&heading, packed, &mut self.line);
                    if let Some(wires) = &self.wires {
                        wires.add(packed, &mut self.line);
                    }
                    lines.push((heading, self.line.clone()));
                }
                Body::Gap(gap) => {
                    gaps += 1;
                    lines.extend(gap_lines(&heading, &name, gap.dropped()));
                }
            }
        }
        source.taken.0 = source.taken.0.saturating_add(count as u64);
        source.taken.1 = source.taken.1.saturating_add(gaps);
        if let Some(damage) = damage {
            let lost = source.skip();
            (self.listener)(Notice::Damaged {
                ring: name,
                why: damage.to_string(),
                bytes: lost,
            });
        }
        let last = self.give(lines);
        if count > 0
            && damage.is_none()
            && let Some(source) = self.sources.get_mut(at)
        {
            source.gave(end, last);
        }
        count > 0
    }

    /// Leads lines through the guests, numbers them and gives them to every sink; says the last number.
    fn give(&mut self, mut lines: Vec<(Heading, Vec<u8>)>) -> u64 {
        self.show(&mut lines);
        let mut records = Vec::with_capacity(lines.len());
        for (heading, line) in lines {
            self.number += 1;
            records.push(Arc::new(Record {
                sequence: self.number,
                time_ns: heading.time_ns,
                level: heading.level,
                class: heading.class,
                line: line.into_boxed_slice(),
            }));
        }
        if !records.is_empty() {
            self.shared.ship.lock().give(&records);
        }
        self.number
    }

    /// Guests are shown what others have a part in.
    fn show(&mut self, lines: &mut [(Heading, Vec<u8>)]) {
        let Some(screen) = &mut self.screen else { return };
        // Where a guest's failure is said, and nowhere else, a guest has a part.
        let is_shown = |class: Class| field::SANDBOX.classes.contains(&class);
        let mut shown: Vec<Vec<u8>> = Vec::with_capacity(lines.len());
        for (_, line) in lines.iter_mut().filter(|(heading, _)| is_shown(heading.class)) {
            shown.push(std::mem::take(line));
        }
        screen.pass(&mut shown);
        let places = lines.iter_mut().filter(|(heading, _)| is_shown(heading.class));
        for ((_, place), line) in places.zip(shown) {
            *place = line;
        }
    }

    /// Brings what processes left that are gone; one ring after the other, no faster than sinks take it.
    fn look_after_the_dead(&mut self) -> bool {
        let acknowledged = self.acknowledged();
        let Some(mut leftover) = self.leftover.take() else {
            return self.find_leftover();
        };
        if self.shared.ship.lock().tallies().next().is_none() {
            // Given to nobody, it would be lost.
            self.leftover = Some(leftover);
            return false;
        }
        if leftover.is_safe(acknowledged) {
            let path = leftover.found().path();
            if let Err(fault) = leftover.remove() {
                self.pass_over(path, fault.to_string());
            }
            self.looked = None;
            return true;
        }
        let is_ahead = self.number.saturating_sub(acknowledged) > LEFTOVER_AHEAD_MAX;
        if leftover.is_given() || is_ahead {
            self.leftover = Some(leftover);
            return false;
        }
        let lines = leftover.next_lines();
        leftover.gave(self.give(lines));
        self.leftover = Some(leftover);
        true
    }

    fn find_leftover(&mut self) -> bool {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return false;
        }
        self.looked = Some(Instant::now());
        let found = match recover_folder(&self.folder) {
            Ok(found) => found,
            Err(fault) => {
                let path = self.folder.path().to_owned();
                self.pass_over(path, fault.to_string());
                return false;
            }
        };
        for found in found {
            match found {
                Found::Ring(ring) if self.passed_over.contains(&ring.path()) => {}
                Found::Ring(ring) => {
                    if !ring.is_empty() {
                        (self.listener)(Notice::Recovering {
                            process: ring.process(),
                            records: ring.len(),
                            path: ring.path(),
                        });
                    }
                    if let Some((damage, bytes)) = ring.damage() {
                        (self.listener)(Notice::Damaged {
                            ring: name_of(&ring),
                            why: damage.to_string(),
                            bytes,
                        });
                    }
                    self.leftover = Some(Leftover::new(ring));
                    return true;
                }
                Found::Refused(path, fault) => self.pass_over(path, fault.to_string()),
                Found::Alive(_) | Found::Unfinished(_) => {}
            }
        }
        false
    }

    fn pass_over(&mut self, path: PathBuf, why: String) {
        if self.passed_over.contains(&path) {
            return;
        }
        (self.listener)(Notice::Refused {
            path: path.clone(),
            why,
        });
        if self.passed_over.len() < REFUSED_MAX {
            self.passed_over.push(path);
        }
    }

    /// Now and then: rings say what they refused and how full they are, sinks what they have lost since.
    fn count(&mut self) {
        if self.counted.is_some_and(|counted| counted.elapsed() < COUNT_EVERY) {
            return;
        }
        self.counted = Some(Instant::now());
        self.shared.desk.rest();
        let counts = self.sources.iter_mut().map(|source| RingCounts {
            name: source.name.clone(),
            capacity_bytes: source.capacity_bytes(),
            used_bytes: source.used_bytes(),
            records: source.taken.0,
            gaps: source.taken.1,
            dropped: source.dropped().into_iter().filter_map(counted).collect(),
        });
        *self.shared.rings.lock() = counts.collect();
        let lines = self.sink_gaps();
        self.give(lines);
    }

    fn sink_gaps(&mut self) -> Vec<(Heading, Vec<u8>)> {
        let tallies = self.shared.ship.lock().tallies();
        let lines = self.losses.since(tallies).into_iter().map(|(name, lost)| {
            let heading = Heading {
                time_ns: now_ns(),
                level: Level::Warn,
                class: Class::Gateway,
                is_recovered: false,
            };
            let mut line = Vec::new();
            write_gap(&heading, (&field::SINK, &name), &lost, &mut line);
            (heading, line)
        });
        lines.collect()
    }

    /// Gives everything that is there, ends the sinks, and takes away the files of rings that are empty.
    fn end(mut self, until: Instant) -> bool {
        self.shared.desk.rest();
        self.counted = None;
        // One ring after the other, for nobody writes any more.
        for at in 0..self.sources.len() {
            self.drain_whole(at, until);
        }
        self.count();
        let mut ship = self.shared.ship.lock();
        let have_ended = ship.end(until);
        let is_carried = have_ended && ship.tallies().all(|(_, tally)| tally.held == tally.spooled);
        drop(ship);
        let acknowledged = self.acknowledged();
        if let Some(leftover) = self.leftover.take().filter(|leftover| leftover.is_safe(acknowledged)) {
            // What stays is found again at the next start.
            let _ = leftover.remove();
        }
        for source in self.sources {
            let name = source.name.clone();
            if let Err(fault) = source.end(acknowledged) {
                (self.listener)(Notice::Kept {
                    ring: name,
                    why: fault.to_string(),
                });
            }
        }
        is_carried
    }

    /// Gives everything of a ring that nobody writes any more, and tells what the ring itself has not.
    fn drain_whole(&mut self, at: usize, until: Instant) {
        while self.drain(at) {
            if Instant::now() >= until {
                // The ring stays, and what it counted is told at the next start.
                return;
            }
            let acknowledged = self.acknowledged();
            self.sources.iter_mut().for_each(|source| source.settle(acknowledged));
        }
        let Some(source) = self.sources.get(at) else { return };
        let heading = Heading {
            time_ns: now_ns(),
            level: Level::Info,
            class: Class::Gateway,
            is_recovered: false,
        };
        let lines = gap_lines(&heading, &source.name, source.untold().into_iter());
        if lines.is_empty() {
            return;
        }
        let last = self.give(lines);
        if let Some(source) = self.sources.get_mut(at) {
            source.told(last);
        }
    }
}

pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What a ring says of a record, in our words; a number that nobody of us writes is taken for a line of the gateway's.
pub(crate) fn heading(record: &log_ring::Record<'_>, is_recovered: bool) -> Heading {
    Heading {
        time_ns: record.mark.stamp_ns,
        level: Level::from_number(record.mark.level.number()).unwrap_or(Level::Info),
        class: Class::from_number(record.mark.class.number()).unwrap_or(Class::Gateway),
        is_recovered,
    }
}

/// What a ring counted, in our words.
pub(crate) fn counted(dropped: Dropped) -> Option<(Class, Lost<'static>)> {
    let class = Class::from_number(dropped.class.number())?;
    let lost = Lost {
        level: Level::from_number(dropped.level.number())?,
        reason: match dropped.why {
            Refusal::Policy => "ring_policy",
            Refusal::Full => "ring_full",
            Refusal::TooLong => "too_large",
        },
        count: dropped.count,
    };
    Some((class, lost))
}

/// A line for each class of which records are missing: whoever reads records of a class reads of its gaps.
pub(crate) fn gap_lines(
    heading: &Heading,
    ring: &str,
    dropped: impl Iterator<Item = Dropped>,
) -> Vec<(Heading, Vec<u8>)> {
    let mut by_class: Vec<(Class, Vec<Lost<'static>>)> = Vec::new();
    for (class, lost) in dropped.filter_map(counted) {
        match by_class.iter_mut().find(|(known, _)| *known == class) {
            Some((_, all)) => all.push(lost),
            None => by_class.push((class, vec![lost])),
        }
    }
    let lines = by_class.into_iter().map(|(class, lost)| {
        let gravest = lost.iter().map(|lost| lost.level).max().unwrap_or(heading.level);
        // A sink that has too much of what is less grave drops that first, and not what says how much is missing.
        let level = gravest.max(Level::Warn);
        let heading = Heading {
            level,
            class,
            ..*heading
        };
        let mut line = Vec::new();
        write_gap(&heading, (&field::RING, ring), &lost, &mut line);
        (heading, line)
    });
    lines.collect()
}
