//! Records go in, are refused, are told of and come out.

use std::io::Write as _;

use super::{gap, grave, mark, payload, payloads, place, settings};
use crate::{Body, Class, Damage, Dropped, Level, Overrun, Policy, Refusal, RingFault, Settings};

fn dropped(why: Refusal, level: u8, class: u8, count: u64) -> Dropped {
    Dropped {
        why,
        level: Level::new(level).unwrap(),
        class: Class::new(class).unwrap(),
        count,
    }
}

#[test]
fn records_come_out_as_they_went_in_with_their_marks() {
    let mut place = place(&settings());
    place.producer.write(mark(1, 2, 30), b"one").unwrap();
    place.producer.write(mark(7, 15, u64::MAX), b"").unwrap();
    let batch = place.consumer.batch(10, 4096);
    let records: Vec<_> = batch.records().collect();
    assert_eq!(batch.len(), 2);
    assert_eq!((records[0].sequence, records[0].mark), (0, mark(1, 2, 30)));
    assert_eq!(payload(&records[0]), Some(&b"one"[..]));
    assert_eq!((records[1].sequence, records[1].mark), (1, mark(7, 15, u64::MAX)));
    assert_eq!(payload(&records[1]), Some(&b""[..]));
}

#[test]
fn a_batch_is_as_long_as_was_asked_and_the_next_begins_behind_it() {
    let mut place = place(&settings());
    for number in 0..10_u8 {
        place.producer.write(grave(0), &[number; 8]).unwrap();
    }
    assert_eq!(place.consumer.batch(3, u64::MAX).len(), 3);
    assert_eq!(place.consumer.batch(usize::MAX, 80).len(), 2);
    assert_eq!(place.consumer.batch(usize::MAX, 1).len(), 1, "one at least");
    let batch = place.consumer.batch(usize::MAX, u64::MAX);
    let first: Vec<u64> = batch.records().map(|record| record.sequence).collect();
    assert_eq!(first, [6, 7, 8, 9]);
    assert!(place.consumer.batch(usize::MAX, u64::MAX).is_empty());
}

#[test]
fn what_is_not_released_is_read_again_and_keeps_its_room() {
    let mut place = place(&settings());
    place.producer.write(grave(0), b"a").unwrap();
    place.producer.write(grave(0), b"b").unwrap();
    let end = place.consumer.batch(1, u64::MAX).end();
    assert_eq!(payloads(&mut place.consumer), [b"b"]);
    assert_eq!(place.producer.used_bytes(), 80);
    place.consumer.release(end);
    place.consumer.rewind();
    assert_eq!(payloads(&mut place.consumer), [b"b"]);
    assert_eq!(place.producer.used_bytes(), 40);
    place.consumer.release(end);
    assert_eq!(place.producer.used_bytes(), 40, "it was released before");
}

#[test]
fn a_grant_that_is_dropped_leaves_nothing() {
    let mut place = place(&settings());
    place.producer.write(grave(0), b"before").unwrap();
    {
        let mut grant = place.producer.begin(grave(0), 100).unwrap();
        grant.put(b"never").unwrap();
    }
    place.producer.write(grave(0), b"after").unwrap();
    let batch = place.consumer.batch(10, u64::MAX);
    assert_eq!(
        batch.records().map(|record| record.sequence).collect::<Vec<_>>(),
        [0, 1]
    );
    place.consumer.rewind();
    assert_eq!(payloads(&mut place.consumer), [&b"before"[..], b"after"]);
}

#[test]
fn a_grant_takes_what_was_asked_and_no_byte_more() {
    let mut place = place(&settings());
    let mut grant = place.producer.begin(grave(0), 5).unwrap();
    grant.put(b"abc").unwrap();
    assert_eq!(grant.put(b"def"), Err(Overrun(1)));
    assert_eq!(grant.room(), 2);
    grant.write_all(b"de").unwrap();
    assert!(grant.write_all(b"f").is_err());
    grant.commit();
    let mut short = place.producer.begin(grave(0), 4000).unwrap();
    short.put(b"short").unwrap();
    short.commit();
    assert_eq!(place.producer.used_bytes(), 80, "what was not put is free again");
    assert_eq!(payloads(&mut place.consumer), [&b"abcde"[..], b"short"]);
}

#[test]
fn payloads_are_whole_through_many_laps() {
    let mut place = place(&settings());
    for lap in 0..2_000_usize {
        let length = lap * 37 % 4097;
        let bytes = vec![u8::try_from(lap % 251).unwrap(); length];
        place.producer.write(grave(0), &bytes).unwrap();
        if lap % 3 == 0 {
            let batch = place.consumer.batch(usize::MAX, u64::MAX);
            assert_eq!(batch.damage(), None);
            assert!(batch.records().all(|record| {
                let sequence = usize::try_from(record.sequence).unwrap();
                payload(&record).is_some_and(|bytes| {
                    bytes.len() == sequence * 37 % 4097 && bytes.iter().all(|byte| usize::from(*byte) == sequence % 251)
                })
            }));
            let end = batch.end();
            place.consumer.release(end);
        }
    }
}

#[test]
fn debug_is_refused_before_errors_and_all_of_it_is_counted() {
    let mut place = place(&Settings {
        gap_every_ns: u64::MAX,
        ..settings()
    });
    let mut taken = [0_u64; 8];
    let mut first_refused = [None; 8];
    for round in 0..400_u64 {
        for level in 0..8_u8 {
            let at = usize::from(level);
            match place.producer.write(mark(level, 3, round), &[0; 480]) {
                Ok(()) => taken[at] += 1,
                Err(_) => first_refused[at] = first_refused[at].or(Some(round)),
            }
        }
    }
    let rounds: Vec<u64> = first_refused.into_iter().map(Option::unwrap).collect();
    assert!(rounds.is_sorted(), "{rounds:?}");
    assert!(
        rounds[1] < rounds[2] && rounds[2] < rounds[3] && rounds[3] < rounds[4],
        "{rounds:?}"
    );
    for (level, taken) in taken.into_iter().enumerate() {
        let of_level = |dropped: &&Dropped| usize::from(dropped.level.number()) == level;
        let dropped: u64 = place
            .consumer
            .dropped()
            .iter()
            .filter(of_level)
            .map(|dropped| dropped.count)
            .sum();
        assert_eq!(taken + dropped, 400, "level {level}");
    }
    let of_errors = |dropped: &Dropped| dropped.level.number() > 3 && dropped.why == Refusal::Policy;
    assert!(
        !place.consumer.dropped().iter().any(of_errors),
        "errors have all the room there is"
    );
}

#[test]
fn a_class_may_have_a_rule_of_its_own() {
    let audit = Class::new(5).unwrap();
    let policy = Policy::by_level([0, 10, 5, 0, 0, 0, 0, 200]).with_class(audit, [100; 8]);
    assert_eq!(
        policy.percent(Level::new(3).unwrap(), Class::new(0).unwrap()),
        10,
        "a graver level has what the one below it has"
    );
    assert_eq!(policy.percent(Level::new(7).unwrap(), Class::new(0).unwrap()), 100);
    let mut place = place(&Settings { policy, ..settings() });
    assert_eq!(place.producer.write(mark(0, 0, 0), b"x"), Err(Refusal::Policy));
    assert_eq!(place.producer.write(mark(0, 5, 0), b"x"), Ok(()));
}

#[test]
fn a_gap_record_says_exactly_what_was_refused_before_it() {
    let mut place = place(&settings());
    assert_eq!(place.producer.write(mark(2, 1, 5), &[0; 4097]), Err(Refusal::TooLong));
    let mut refused = 0;
    while place.producer.write(mark(1, 1, 6), &[0; 1000]).is_ok() {}
    for stamp_ns in 7..17 {
        refused += u64::from(place.producer.write(mark(1, 2, stamp_ns), &[0; 1000]).is_err());
    }
    let end = place.consumer.batch(usize::MAX, u64::MAX).end();
    place.consumer.release(end);
    place.producer.write(grave(20), b"room again").unwrap();
    let all = place.consumer.batch(usize::MAX, u64::MAX);
    let told: Vec<Dropped> = all.records().filter_map(|record| gap(&record)).flatten().collect();
    assert_eq!(refused, 10);
    let expected = [dropped(Refusal::Policy, 1, 1, 1), dropped(Refusal::Policy, 1, 2, 10)];
    assert_eq!(told, expected, "the one that was too long was told before");
    let Body::Gap(gap) = all.records().next().unwrap().body else {
        panic!()
    };
    assert_eq!((gap.since_ns, gap.until_ns), (6, 16));
    assert!(place.producer.tell(21), "nothing is left to tell");
    place.consumer.rewind();
    assert_eq!(payloads(&mut place.consumer), [b"room again"]);
}

/// Counts of the gap records that wait, which are released.
fn gaps(place: &mut super::Place) -> Vec<u64> {
    let batch = place.consumer.batch(usize::MAX, u64::MAX);
    let told: Vec<Vec<Dropped>> = batch.records().filter_map(|record| gap(&record)).collect();
    let end = batch.end();
    place.consumer.release(end);
    told.iter()
        .map(|told| told.iter().map(|dropped| dropped.count).sum())
        .collect()
}

#[test]
fn a_drain_that_stands_still_does_not_fill_the_ring_with_gap_records() {
    let mut place = place(&settings());
    while place.producer.write(mark(1, 0, 0), &[0; 1000]).is_ok() {}
    for stamp_ns in 1..1_000 {
        assert!(place.producer.write(mark(1, 0, stamp_ns), &[0; 1000]).is_err());
        let _ = place.producer.tell(stamp_ns);
    }
    assert_eq!(gaps(&mut place), [1]);
    assert!(place.producer.tell(1_000));
    assert_eq!(gaps(&mut place), [999]);
}

#[test]
fn gap_records_keep_their_distance_and_an_idle_worker_tells() {
    let mut place = place(&Settings {
        gap_every_ns: 100,
        ..settings()
    });
    let mut told = Vec::new();
    for stamp_ns in 0..1_000 {
        let _ = place.producer.write(grave(stamp_ns), &[0; 5000]);
        place.producer.write(grave(stamp_ns), b"").unwrap();
        told.extend(gaps(&mut place));
    }
    assert_eq!(told, [1, 99, 100, 100, 100, 100, 100, 100, 100, 100]);
    assert!(place.producer.tell(1_000));
    assert_eq!(gaps(&mut place), [100]);
}

#[test]
fn a_clock_that_goes_back_holds_no_gap_record_up() {
    let mut place = place(&Settings {
        gap_every_ns: 100,
        ..settings()
    });
    for stamp_ns in [1_000_000, 5] {
        let _ = place.producer.write(grave(stamp_ns), &[0; 5000]);
        place.producer.write(grave(stamp_ns), b"").unwrap();
        assert_eq!(gaps(&mut place), [1]);
    }
}

#[test]
fn a_changed_byte_ends_the_reading_and_skipping_goes_on() {
    use std::os::unix::fs::FileExt as _;
    let mut place = place(&settings());
    for text in [b"one", b"two", b"six"] {
        place.producer.write(grave(0), text).unwrap();
    }
    let file = std::fs::File::options().write(true).open(place.ring.path()).unwrap();
    file.write_all_at(b"X", crate::layout::HEADER_BYTES + 40 + 33).unwrap();
    let batch = place.consumer.batch(usize::MAX, u64::MAX);
    assert_eq!((batch.len(), batch.damage()), (1, Some(Damage::Check)));
    assert_eq!(place.consumer.batch(usize::MAX, u64::MAX).damage(), Some(Damage::Check));
    assert_eq!(place.consumer.skip(), 80);
    place.producer.write(grave(0), b"on").unwrap();
    assert_eq!(payloads(&mut place.consumer), [b"on"]);
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = super::folder(folder.path());
    let make = |settings: Settings| crate::Ring::create(&folder, "worker-0", &settings).map(|_| ());
    for ring_bytes in [0, 65_535, 65_537, 32 * 1024, 1 << 29, u64::MAX] {
        let fault = make(Settings {
            ring_bytes,
            ..settings()
        });
        assert!(matches!(fault, Err(RingFault::Size { .. })), "{ring_bytes}");
    }
    for payload_bytes_max in [0, 8193, u32::MAX] {
        let fault = make(Settings {
            payload_bytes_max,
            ..settings()
        });
        assert!(matches!(fault, Err(RingFault::Payload { .. })), "{payload_bytes_max}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
