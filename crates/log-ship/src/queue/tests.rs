//! The queue under random hands: every record is somewhere, and the grave outlive the light.

use proptest::prelude::*;

use super::*;
use crate::record::{Class, Level};

fn record(sequence: u64, level: Level, bytes: usize) -> Arc<Record> {
    Arc::new(Record {
        sequence,
        time_ns: sequence,
        level,
        class: Class::Access,
        line: vec![b'x'; bytes].into_boxed_slice(),
    })
}

fn queue(records_max: usize, bytes_max: usize, has_spool: bool) -> Queue {
    let batch = BatchLimits {
        records_max: 4,
        bytes_max: 1000,
        linger: Duration::ZERO,
    };
    Queue::new(
        Selection::default(),
        QueueLimits { records_max, bytes_max },
        batch,
        has_spool,
    )
}

fn sum(tally: &Tally) -> u64 {
    tally.delivered + tally.dropped() + tally.held
}

#[test]
fn the_lowest_level_goes_first_and_each_loss_is_counted() {
    let queue = queue(3, 100_000, false);
    queue.give(&[record(1, Level::Error, 10), record(2, Level::Debug, 10)]);
    queue.give(&[record(3, Level::Info, 10), record(4, Level::Warn, 10)]);
    queue.give(&[record(5, Level::Debug, 10), record(6, Level::Error, 10)]);
    let tally = queue.tally();
    assert_eq!(tally.dropped_for(Level::Debug, Reason::QueueFull), 2);
    assert_eq!(tally.dropped_for(Level::Info, Reason::QueueFull), 1);
    assert_eq!((tally.accepted, tally.held, tally.dropped()), (6, 3, 3));
    let Task::Carry(batch) = queue.next() else { panic!() };
    assert_eq!(batch.open().map(|one| one.sequence).collect::<Vec<_>>(), [1, 4, 6]);
}

#[test]
fn of_one_level_the_oldest_goes_and_what_is_too_large_is_said_to_be() {
    let queue = queue(2, 1000, false);
    queue.give(&[
        record(1, Level::Info, 1),
        record(2, Level::Info, 1),
        record(3, Level::Info, 1),
    ]);
    queue.give(&[record(4, Level::Critical, 5000)]);
    assert_eq!(queue.tally().dropped_for(Level::Critical, Reason::TooLarge), 1);
    let Task::Carry(batch) = queue.next() else { panic!() };
    assert_eq!(batch.open().map(|one| one.sequence).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn audit_records_of_a_low_level_outlive_errors() {
    let queue = queue(1, 1000, false);
    let mut audit = (*record(1, Level::Info, 1)).clone();
    audit.class = Class::Audit;
    queue.give(&[Arc::new(audit), record(2, Level::Error, 1)]);
    let tally = queue.tally();
    assert_eq!(tally.dropped_for(Level::Error, Reason::QueueFull), 1);
    assert_eq!(tally.held, 1);
}

#[test]
fn nothing_is_acknowledged_before_it_is_settled() {
    let queue = queue(10, 10_000, false);
    queue.give(&[record(1, Level::Info, 1), record(2, Level::Error, 1)]);
    assert_eq!(queue.acknowledged(), 0);
    let Task::Carry(mut batch) = queue.next() else { panic!() };
    queue.give(&[record(3, Level::Info, 1)]);
    assert_eq!(queue.acknowledged(), 0);
    batch.decide(1, Fate::Delivered);
    queue.settle(Hand::Carrier, &mut batch);
    assert_eq!(queue.acknowledged(), 1);
    batch.decide(1, Fate::Delivered);
    queue.settle(Hand::Carrier, &mut batch);
    assert_eq!(queue.acknowledged(), 2);
    assert_eq!(queue.tally().delivered, 2);
}

#[test]
fn what_is_not_for_a_sink_is_acknowledged_at_once() {
    let selection = Selection {
        level_min: Level::Error,
        ..Selection::default()
    };
    let queue = Queue::new(selection, QueueLimits::default(), BatchLimits::default(), false);
    queue.give(&[record(7, Level::Info, 1)]);
    assert_eq!((queue.acknowledged(), queue.tally().accepted), (7, 0));
}

#[derive(Clone, Debug)]
enum Move {
    Give(usize, usize),
    Take,
    Settle(usize, bool),
    GiveBack,
    TakeToSpool,
    Stored(usize),
    SpoolFull,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0_usize..6, 0_usize..300).prop_map(|(level, bytes)| Move::Give(level, bytes)),
        1 => Just(Move::Take),
        1 => (0_usize..5, any::<bool>()).prop_map(|(count, good)| Move::Settle(count, good)),
        1 => Just(Move::GiveBack),
        1 => Just(Move::TakeToSpool),
        1 => (0_usize..5).prop_map(Move::Stored),
        1 => Just(Move::SpoolFull),
    ];
    prop::collection::vec(one, 1..200)
}

proptest! {
    #[test]
    fn accepted_is_delivered_dropped_and_held_whatever_happens(moves in moves()) {
        let queue = queue(20, 3000, true);
        let (mut sequence, mut carried, mut spooling) = (0, None::<Batch>, None::<Batch>);
        let mut acknowledged = 0;
        for one in moves {
            match one {
                Move::Give(level, bytes) => {
                    sequence += 1;
                    queue.give(&[record(sequence, Level::ALL[level], bytes)]);
                }
                Move::Take if carried.is_none() => {
                    let mut state = queue.state.lock();
                    carried = Some(queue.take(&mut state, Hand::Carrier));
                }
                Move::TakeToSpool if spooling.is_none() => {
                    let mut state = queue.state.lock();
                    spooling = Some(queue.take(&mut state, Hand::Spooler));
                }
                Move::Settle(count, good) => if let Some(batch) = &mut carried {
                    batch.decide(count, if good { Fate::Delivered } else { Fate::Dropped(Reason::Refused) });
                    queue.settle(Hand::Carrier, batch);
                    if batch.is_empty() { carried = None; }
                }
                Move::Stored(count) => if let Some(batch) = &mut spooling {
                    let stored = count.min(batch.len());
                    batch.decide(stored, Fate::Delivered);
                    queue.spooled(batch, stored as u64, &Kinds::default(), 0);
                    if batch.is_empty() { spooling = None; }
                }
                Move::GiveBack => if let Some(batch) = carried.take() {
                    queue.give_back(Hand::Carrier, batch);
                }
                Move::SpoolFull => if let Some(batch) = spooling.take() {
                    queue.give_back(Hand::Spooler, batch);
                }
                Move::Take | Move::TakeToSpool => {}
            }
            let in_hand = carried.iter().chain(&spooling).flat_map(Batch::open).map(|one| one.sequence).min();
            let queued = queue.state.lock().ranks.iter().flatten().map(|one| one.sequence).min();
            let lowest = in_hand.into_iter().chain(queued).min();
            prop_assert_eq!(queue.acknowledged(), lowest.map_or(sequence, |lowest| lowest - 1));
            let tally = queue.tally();
            prop_assert_eq!(tally.accepted, sequence);
            prop_assert_eq!(sum(&tally), tally.accepted, "{:?}", tally);
            prop_assert!(tally.queue_bytes <= 3000);
            prop_assert!(queue.acknowledged() >= acknowledged);
            acknowledged = queue.acknowledged();
        }
    }
}
