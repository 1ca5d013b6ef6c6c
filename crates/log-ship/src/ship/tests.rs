//! Sinks together: none harms another, and a change loses and counts nothing twice.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use super::*;
use crate::json::{Shape, start};
use crate::record::{Class, Level};
use crate::scene::server::{Reply, Server};
use crate::scene::{assert_exact, frame, heard, record, records, until};
use crate::spool::{SpoolSettings, Sync};
use crate::stdout::start_writer;
use crate::tally::Reason;

/// Long enough for whatever ends by itself.
const LONG: Duration = Duration::from_secs(20);
/// For what is never to end by itself.
const SHORT: Duration = Duration::from_millis(30);

/// Another side that takes lines, unless it is told not to.
#[derive(Clone, Default)]
struct Side {
    refuses: Arc<AtomicBool>,
    starts: Arc<AtomicU64>,
    got: Arc<Mutex<Vec<u8>>>,
}

impl Side {
    fn refusing() -> Self {
        let side = Self::default();
        side.refuses.store(true, Ordering::SeqCst);
        side
    }

    fn numbers(&self) -> Vec<u64> {
        let got = self.got.lock();
        let lines = got.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let values = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
        values.map(|value| value["n"].as_u64().unwrap()).collect()
    }

    fn wanted(&self, key: &str, frame: Frame) -> Wanted {
        let side = self.clone();
        let start = move |frame| {
            side.starts.fetch_add(1, Ordering::SeqCst);
            start_writer(frame, Box::new(side.clone()))
        };
        Wanted {
            key: key.to_owned(),
            frame,
            start: Box::new(start),
        }
    }
}

impl Write for Side {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.got.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn spooled(name: &str, folder: &Path) -> Frame {
    let spool = SpoolSettings {
        folder: folder.to_owned(),
        bytes_max: 64 << 20,
        segment_bytes_max: 1 << 20,
        sync: Sync::Never,
    };
    Frame {
        spool: Some(spool),
        ..frame(name)
    }
}

fn tally(ship: &Ship, name: &str) -> Tally {
    let mut found = ship.tallies().filter(|(other, _)| other == name);
    let (_, tally) = found.next().unwrap();
    assert!(found.next().is_none());
    assert_exact(&tally);
    tally
}

fn end(mut ship: Ship) {
    assert!(ship.end(Instant::now() + LONG));
    ship.tallies().for_each(|(_, tally)| assert_exact(&tally));
}

#[test]
fn a_sink_that_is_dead_harms_no_other_and_holds_the_giver_only_when_it_is_durable() {
    let dead = Server::start(|_, _| Reply::Silent);
    let sinks = |durable| {
        let frame_of = |name| Frame { durable, ..frame(name) };
        let alive = start_writer(frame("alive"), Box::new(io::sink())).unwrap();
        let hanging = start(frame_of("hanging"), dead.target("/"), Shape::Lines).unwrap();
        Ship::new(vec![alive, hanging])
    };
    let durable = sinks(true);
    durable.give(&records(1..=100));
    until("alive", || durable.tallies().any(|(_, tally)| tally.delivered == 100));
    assert_eq!(durable.acknowledged(), Some(0));
    let mut fleeting = sinks(false);
    fleeting.give(&records(1..=100));
    until("all that counts", || fleeting.acknowledged() == Some(100));
    for (_, tally) in fleeting.tallies() {
        assert_exact(&tally);
    }
    let since = Instant::now();
    assert!(!fleeting.end(Instant::now() + Duration::from_millis(300)), "one hangs");
    assert!(since.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_sink_with_the_same_key_goes_on_untouched_and_another_takes_over_without_a_gap() {
    let (stays, first, second) = (Side::default(), Side::default(), Side::default());
    let ship = Ship::default();
    let sinks = |side: &Side, key: &str| vec![side.wanted(key, frame("moves")), stays.wanted("stays", frame("stays"))];
    ship.change(sinks(&first, "first"), LONG).unwrap();
    for number in 1..=3000 {
        ship.give(&[record(number, Level::Info)]);
        match number {
            500 => until("the first", || !first.numbers().is_empty()),
            1000 => ship.change(sinks(&second, "second"), LONG).unwrap(),
            2000 => ship.change(sinks(&second, "second"), LONG).unwrap(),
            _ => {}
        }
        tally(&ship, "moves");
    }
    until("all", || ship.acknowledged() == Some(3000));
    assert_eq!(stays.numbers(), (1..=3000).collect::<Vec<_>>());
    let both = [first.numbers(), second.numbers()];
    assert_eq!(both[0], (1..=1000).collect::<Vec<_>>());
    assert_eq!(both[1], (1001..=3000).collect::<Vec<_>>());
    let starts = [&stays, &first, &second].map(|side| side.starts.load(Ordering::SeqCst));
    assert_eq!(starts, [1, 1, 1]);
    let tally = tally(&ship, "moves");
    assert_eq!((tally.accepted, tally.delivered), (3000, 3000));
    end(ship);
}

#[test]
fn a_spool_is_left_to_the_next_sink_with_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (away, there) = (Side::refusing(), Side::default());
    let ship = Ship::default();
    ship.change(vec![away.wanted("away", spooled("spooled", folder.path()))], LONG)
        .unwrap();
    ship.give(&records(1..=500));
    until("in the spool", || tally(&ship, "spooled").spooled == 500);
    ship.change(vec![there.wanted("there", spooled("spooled", folder.path()))], LONG)
        .unwrap();
    ship.give(&records(501..=600));
    until("all", || there.numbers().len() == 600);
    assert_eq!(there.numbers().into_iter().collect::<BTreeSet<_>>().len(), 600);
    until("counted", || tally(&ship, "spooled").delivered == 600);
    let tally = tally(&ship, "spooled");
    assert_eq!((tally.accepted, tally.dropped(), tally.held), (600, 0, 0));
    end(ship);
}

/// Waits until it comes, while nothing that is counted up gets smaller.
fn until_ever_more(ship: &Ship, name: &str, mut comes: impl FnMut(&Tally) -> bool) {
    let counted = |tally: &Tally| (tally.accepted, tally.delivered, tally.dropped(), tally.retries);
    let mut before = (0, 0, 0, 0);
    until("counted", || {
        let tally = tally(ship, name);
        let now = counted(&tally);
        assert!(now.0 >= before.0 && now.1 >= before.1 && now.2 >= before.2 && now.3 >= before.3);
        before = now;
        comes(&tally)
    });
}

#[test]
fn counts_never_get_smaller_when_a_sink_goes_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (away, there) = (Side::refusing(), Side::default());
    let frame_of = |name| spooled(name, folder.path());
    let ship = Ship::default();
    ship.change(vec![away.wanted("away", frame_of("one"))], LONG).unwrap();
    ship.give(&records(1..=500));
    until("in the spool", || tally(&ship, "one").spooled == 500);
    // It is gone, and 500 records with it.
    ship.change(Vec::new(), LONG).unwrap();
    until_ever_more(&ship, "one", |tally| tally.left == 500);
    assert_eq!((tally(&ship, "one").accepted, tally(&ship, "one").held), (500, 0));
    // It comes back, finds them and goes once more.
    ship.change(vec![away.wanted("away", frame_of("one"))], LONG).unwrap();
    until_ever_more(&ship, "one", |tally| tally.left == 0);
    assert_eq!((tally(&ship, "one").accepted, tally(&ship, "one").held), (500, 500));
    ship.change(Vec::new(), LONG).unwrap();
    until_ever_more(&ship, "one", |tally| tally.left == 500);
    // Another one gets them: those of the first stay counted where they are.
    ship.change(vec![there.wanted("there", frame_of("two"))], LONG).unwrap();
    until_ever_more(&ship, "two", |tally| tally.delivered == 500);
    assert_eq!((tally(&ship, "one").accepted, tally(&ship, "one").left), (500, 500));
    ship.change(vec![away.wanted("away", frame_of("one"))], LONG).unwrap();
    ship.give(&records(501..=510));
    until_ever_more(&ship, "one", |tally| tally.spooled == 10);
    assert_eq!((tally(&ship, "one").accepted, tally(&ship, "one").left), (510, 500));
    assert_eq!((tally(&ship, "two").accepted, tally(&ship, "two").left), (500, 0));
    end(ship);
}

#[test]
fn what_a_sink_has_delivered_is_counted_when_it_is_the_oldest_of_many_that_were() {
    let (stays, other) = (Side::default(), Side::default());
    let ship = Ship::default();
    ship.change(vec![stays.wanted("first", frame("stays"))], LONG).unwrap();
    ship.give(&records(1..=10));
    until("all", || tally(&ship, "stays").delivered == 10);
    let number = 300;
    for at in 0..number {
        let key = format!("other-{at}");
        let both = vec![stays.wanted("second", frame("stays")), other.wanted(&key, frame(&key))];
        ship.change(both, LONG).unwrap();
    }
    until("all but one are gone", || other.starts.load(Ordering::SeqCst) > 0);
    until_ever_more(&ship, "stays", |tally| tally.delivered == 10);
    ship.change(vec![stays.wanted("second", frame("stays"))], LONG).unwrap();
    assert!(ship.tallies().count() <= 257);
    assert_eq!(tally(&ship, "stays").accepted, 10);
    end(ship);
}

#[test]
fn what_a_sink_without_a_spool_holds_goes_to_its_heir_or_is_counted() {
    let (away, heir, other) = (Side::refusing(), Side::default(), Side::default());
    let ship = Ship::new(vec![start_writer(frame("old"), Box::new(away.clone())).unwrap()]);
    ship.give(&records(1..=50));
    until("a try", || tally(&ship, "old").retries > 0);
    assert_eq!(ship.acknowledged(), Some(0));
    ship.change(vec![heir.wanted("new", frame("old"))], SHORT).unwrap();
    until("all", || ship.acknowledged() == Some(50));
    assert_eq!(heir.numbers(), (1..=50).collect::<Vec<_>>());
    assert_eq!((tally(&ship, "old").accepted, tally(&ship, "old").delivered), (50, 50));
    heir.refuses.store(true, Ordering::SeqCst);
    ship.give(&[record(51, Level::Error), record(52, Level::Debug)]);
    ship.change(vec![other.wanted("other", frame("other"))], SHORT).unwrap();
    until("given up", || tally(&ship, "old").dropped() == 2);
    let tally = tally(&ship, "old");
    let lost: Vec<_> = tally.losses().collect();
    let ended = |level| (level, Class::Access, Reason::Ended, 1);
    assert_eq!(lost, [ended(Level::Debug), ended(Level::Error)]);
    assert_eq!((tally.accepted, tally.held), (52, 0));
    until("nobody holds the giver", || ship.acknowledged() == Some(52));
    assert!(other.numbers().is_empty());
    end(ship);
}

#[test]
fn a_start_that_fails_or_takes_long_keeps_records_waiting_and_nobody_else() {
    let (slow, good) = (Side::default(), Side::default());
    let (let_go, wait) = sync_channel::<()>(0);
    let (frame_of, heard) = heard(frame("slow"));
    let ship = Ship::default();
    let mut slow_one = slow.wanted("slow", frame_of);
    let mut start = std::mem::replace(&mut slow_one.start, Box::new(|_| unreachable!()));
    let mut tries = 0;
    slow_one.start = Box::new(move |frame| {
        tries += 1;
        if tries < 3 {
            let (sink, why) = (frame.name, format!("not yet, {tries}"));
            return Err(ShipFault::Setting { sink, why });
        }
        wait.recv().unwrap();
        start(frame)
    });
    ship.change(vec![slow_one, good.wanted("good", frame("good"))], LONG)
        .unwrap();
    ship.give(&records(1..=100));
    until("the good one", || good.numbers().len() == 100);
    assert_eq!((ship.acknowledged(), tally(&ship, "slow").held), (Some(0), 100));
    let_go.send(()).unwrap();
    until("the slow one", || ship.acknowledged() == Some(100));
    assert_eq!(slow.numbers(), (1..=100).collect::<Vec<_>>());
    assert!(heard.lock()[0].contains("not yet, 1"), "{:?}", heard.lock());
    end(ship);
}

#[test]
fn a_sink_that_never_comes_is_bounded_superseded_and_ended() {
    let (never, next) = (Side::default(), Side::default());
    let ship = Ship::default();
    let mut wanted = never.wanted("never", frame("one"));
    wanted.frame.queue.records_max = 10;
    wanted.start = Box::new(|frame| {
        Err(ShipFault::Setting {
            sink: frame.name,
            why: String::from("never"),
        })
    });
    ship.change(vec![wanted], LONG).unwrap();
    ship.give(&records(1..=100));
    let waiting = tally(&ship, "one");
    assert_eq!(
        (waiting.held, waiting.dropped_for(Level::Info, Reason::QueueFull)),
        (10, 90)
    );
    ship.change(vec![next.wanted("next", frame("one"))], LONG).unwrap();
    until("the rest", || ship.acknowledged() == Some(100));
    assert_eq!(next.numbers(), (91..=100).collect::<Vec<_>>());
    assert_eq!((tally(&ship, "one").accepted, tally(&ship, "one").dropped()), (100, 90));
    end(ship);
}

#[test]
fn what_is_acknowledged_never_gets_less_whoever_comes() {
    let (first, second) = (Side::default(), Side::default());
    let ship = Ship::default();
    assert_eq!(ship.acknowledged(), None);
    ship.change(vec![first.wanted("first", frame("first"))], LONG).unwrap();
    ship.give(&records(1..=100));
    until("all", || ship.acknowledged() == Some(100));
    let both = vec![
        first.wanted("first", frame("first")),
        second.wanted("second", frame("second")),
    ];
    ship.change(both, LONG).unwrap();
    assert_eq!(ship.acknowledged(), Some(100));
    until("the second", || second.starts.load(Ordering::SeqCst) == 1);
    ship.give(&records(101..=101));
    until("all", || ship.acknowledged() == Some(101));
    assert_eq!(second.numbers(), [101]);
    end(ship);
}

#[test]
fn a_sink_that_hangs_is_left_behind_and_its_heir_begins_in_time() {
    let silent = Server::start(|_, _| Reply::Silent);
    let heir = Side::default();
    let mut target = silent.target("/");
    target.answer_wait_max = Duration::from_millis(500);
    let ship = Ship::new(vec![start(frame("web"), target, Shape::Lines).unwrap()]);
    ship.give(&records(1..=10));
    until("it hangs", || silent.count() == 1);
    ship.change(vec![heir.wanted("heir", frame("web"))], SHORT).unwrap();
    ship.give(&records(11..=20));
    // The other ten are with the one that hangs, and come when it has given up.
    until("the heir's own", || heir.numbers().len() >= 10);
    until("the heir's own count", || tally(&ship, "web").delivered >= 10);
    assert_eq!(heir.numbers()[..10], (11..=20).collect::<Vec<_>>());
    until("all", || ship.acknowledged() == Some(20) && heir.numbers().len() == 20);
    end(ship);
}
