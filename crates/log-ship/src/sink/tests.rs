//! The frame with an other side that does as it is told.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::batch::{Batch, Fate};
use crate::carrier::Step;
use crate::record::Level;
use crate::scene::{assert_exact, frame, heard, record, records, until};
use crate::spool::Sync;
use crate::tally::Reason;

/// The other side: what it does, and what it got.
#[derive(Default)]
struct Side {
    refuses: AtomicBool,
    panics: AtomicBool,
    hangs: AtomicBool,
    tries: AtomicU64,
    got: Mutex<Vec<u64>>,
}

struct Fake(Arc<Side>);

impl Carrier for Fake {
    fn deliver(&mut self, batch: &mut Batch, _: &mut dyn FnMut(&str)) -> Step {
        self.0.tries.fetch_add(1, Ordering::SeqCst);
        assert!(!self.0.panics.swap(false, Ordering::SeqCst), "as told");
        while self.0.hangs.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        if self.0.refuses.load(Ordering::SeqCst) {
            return Step::Again {
                why: String::from("out of order"),
                after: None,
            };
        }
        self.0.got.lock().extend(batch.open().map(|one| one.sequence));
        batch.decide(usize::MAX, Fate::Delivered);
        Step::Done
    }
}

fn start(frame: Frame) -> (Sink, Arc<Side>) {
    let side = Arc::new(Side::default());
    (Sink::start(frame, Box::new(Fake(Arc::clone(&side)))).unwrap(), side)
}

fn spooled(name: &str, folder: &Path, bytes_max: u64) -> Frame {
    let spool = SpoolSettings {
        folder: folder.to_owned(),
        bytes_max,
        segment_bytes_max: bytes_max / 8,
        sync: Sync::Always,
    };
    Frame {
        spool: Some(spool),
        ..frame(name)
    }
}

fn end(mut sink: Sink) -> Tally {
    assert!(sink.ended(Instant::now() + Duration::from_secs(20)));
    let tally = sink.tally();
    assert_exact(&tally);
    tally
}

#[test]
fn what_is_given_arrives_in_order_and_is_acknowledged() {
    let (sink, side) = start(frame("good"));
    for from in (1..=1000).step_by(50) {
        sink.give(&records(from..from + 50));
    }
    until("all acknowledged", || sink.acknowledged() == 1000);
    assert_eq!(*side.got.lock(), (1..=1000).collect::<Vec<_>>());
    assert_eq!(end(sink).delivered, 1000);
}

#[test]
fn a_side_that_hangs_stops_nobody_and_memory_stays_bounded() {
    let mut frame = frame("hangs");
    frame.queue.bytes_max = 100_000;
    let (sink, side) = start(frame);
    side.hangs.store(true, Ordering::SeqCst);
    let levels = [Level::Debug, Level::Info, Level::Error];
    sink.give(&[record(1, Level::Info)]);
    until("the first is on its way", || side.tries.load(Ordering::SeqCst) == 1);
    for number in 2..=60_000_u64 {
        let level = levels[usize::try_from(number % 3).unwrap()];
        sink.give(&[record(number, level)]);
        if number % 1000 == 0 {
            let tally = sink.tally();
            assert_exact(&tally);
            assert!(tally.queue_bytes <= 100_000);
        }
    }
    let tally = sink.tally();
    // Errors alone overflow the queue too, but nothing lower than they is left in it.
    assert!(tally.dropped_for(Level::Debug, Reason::QueueFull) > 19_000, "{tally:?}");
    assert!(tally.dropped_for(Level::Error, Reason::QueueFull) < tally.dropped_for(Level::Info, Reason::QueueFull));
    assert_eq!(sink.acknowledged(), 0, "the first is still on its way");
    side.hangs.store(false, Ordering::SeqCst);
    let tally = end(sink);
    assert_eq!(tally.held, 0);
    assert_eq!(tally.delivered, u64::try_from(side.got.lock().len()).unwrap());
}

#[test]
fn without_a_spool_a_batch_is_tried_until_it_arrives() {
    let (frame, heard) = heard(frame("again"));
    let (sink, side) = start(frame);
    side.refuses.store(true, Ordering::SeqCst);
    sink.give(&records(1..=300));
    until("some tries", || side.tries.load(Ordering::SeqCst) > 5);
    assert_eq!(sink.acknowledged(), 0);
    assert_exact(&sink.tally());
    side.refuses.store(false, Ordering::SeqCst);
    until("all acknowledged", || sink.acknowledged() == 300);
    assert_eq!(*side.got.lock(), (1..=300).collect::<Vec<_>>());
    let tally = end(sink);
    assert!(tally.retries > 4);
    assert_eq!(
        tally.tries.count(),
        side.tries.load(Ordering::SeqCst),
        "each try has its time"
    );
    assert_eq!(*heard.lock(), ["Unavailable: out of order"], "once a minute");
}

#[test]
fn a_panic_of_a_carrier_loses_nothing() {
    let (sink, side) = start(frame("panics"));
    side.panics.store(true, Ordering::SeqCst);
    sink.give(&records(1..=10));
    until("all acknowledged", || sink.acknowledged() == 10);
    assert_eq!(end(sink).delivered, 10);
}

#[test]
fn a_spool_frees_the_giver_while_the_other_side_is_away_and_all_arrives_later() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, side) = start(spooled("away", folder.path(), 64 << 20));
    side.refuses.store(true, Ordering::SeqCst);
    for from in (1..=20_000).step_by(100) {
        sink.give(&records(from..from + 100));
        assert_exact(&sink.tally());
    }
    until("the spool has all", || sink.acknowledged() == 20_000);
    let tally = sink.tally();
    assert_eq!((tally.delivered, tally.dropped()), (0, 0));
    assert!(tally.spool_bytes > 500_000);
    side.refuses.store(false, Ordering::SeqCst);
    until("all arrived", || {
        assert_exact(&sink.tally());
        sink.tally().delivered == 20_000
    });
    let got = side.got.lock();
    assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 20_000);
    drop(got);
    until("all but the lock is gone", || {
        std::fs::read_dir(folder.path()).unwrap().count() == 1
    });
    assert_eq!(end(sink).spool_bytes, 0);
}

#[test]
fn what_is_held_at_the_end_is_sent_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, side) = start(spooled("first", folder.path(), 64 << 20));
    side.refuses.store(true, Ordering::SeqCst);
    sink.give(&records(1..=5000));
    let tally = end(sink);
    assert_eq!((tally.held, tally.spooled, tally.delivered), (5000, 5000, 0));
    let (sink, side) = start(spooled("second", folder.path(), 64 << 20));
    assert_exact(&sink.tally());
    until("all arrived", || sink.tally().delivered == 5000);
    assert_eq!(side.got.lock().iter().collect::<BTreeSet<_>>().len(), 5000);
    assert_eq!(end(sink).accepted, 5000);
}

#[test]
fn a_disk_that_refuses_is_said_and_counted_and_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("spool");
    let (frame, heard) = heard(spooled("disk", &place, 1 << 20));
    let (sink, side) = start(frame);
    side.refuses.store(true, Ordering::SeqCst);
    std::fs::remove_dir_all(&place).unwrap();
    sink.give(&records(1..=1000));
    until("a fault", || {
        sink.tally().spool_faults > 0 && heard.lock().iter().any(|text| text.starts_with("Spool"))
    });
    assert_exact(&sink.tally());
    assert_eq!(sink.acknowledged(), 0);
    assert!(
        heard
            .lock()
            .iter()
            .any(|text| text.starts_with("Spool: the spool cannot be written"))
    );
    std::fs::create_dir(&place).unwrap();
    until("the spool has all", || sink.acknowledged() == 1000);
    side.refuses.store(false, Ordering::SeqCst);
    until("all arrived", || sink.tally().delivered == 1000);
    end(sink);
}

#[test]
fn a_spool_that_is_full_gives_up_the_lowest_level_first_and_counts_it() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, side) = start(spooled("full", folder.path(), 400_000));
    side.refuses.store(true, Ordering::SeqCst);
    for number in 1..=12_000 {
        let level = if number % 10 == 0 { Level::Error } else { Level::Debug };
        sink.give(&[record(number, level)]);
        if number % 500 == 0 {
            until("the spool has all", || sink.acknowledged() == number);
        }
    }
    let tally = sink.tally();
    assert_exact(&tally);
    assert!(tally.spool_bytes <= 400_000, "{tally:?}");
    assert!(tally.dropped_for(Level::Debug, Reason::SpoolFull) > 5000, "{tally:?}");
    assert_eq!(tally.dropped_for(Level::Error, Reason::SpoolFull), 0);
    side.refuses.store(false, Ordering::SeqCst);
    until("all arrived", || sink.tally().held == 0);
    let errors = side.got.lock().iter().filter(|number| **number % 10 == 0).count();
    assert_eq!(errors, 1200);
    end(sink);
}

#[test]
fn an_end_that_nobody_waits_for_comes_by_itself() {
    let (mut sink, side) = start(frame("end"));
    side.refuses.store(true, Ordering::SeqCst);
    sink.give(&records(1..=10));
    until("a try", || side.tries.load(Ordering::SeqCst) > 0);
    assert!(sink.ended(Instant::now() + Duration::from_secs(5)));
    let tally = sink.tally();
    assert_eq!((tally.held, sink.acknowledged()), (10, 0));
}
