//! The seconds before a window: what is handed out is what was last pushed, in order, and never more than there is room.

use std::collections::VecDeque;

use proptest::prelude::*;

use crate::Before;

fn drained(before: &mut Before, since: u64) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    before.drain(since, |time, front, back| all.push((time, [front, back].concat())));
    all
}

#[test]
fn the_newest_are_handed_out_in_order_and_then_forgotten() {
    let mut before = Before::with_bytes(1_000).unwrap();
    for number in 0..100_u64 {
        before.push(format!("record {number:03} {}", "x".repeat(89)).as_bytes(), number);
    }
    assert_eq!(before.held(), (1_000, 10));
    let seen = drained(&mut before, 95);
    assert_eq!(
        seen.iter().map(|(time, _)| *time).collect::<Vec<_>>(),
        [95, 96, 97, 98, 99]
    );
    assert!(seen[0].1.starts_with(b"record 095 xxx"));
    assert_eq!(before.held(), (0, 0));
    assert!(drained(&mut before, 0).is_empty());
}

#[test]
fn a_record_longer_than_the_room_is_counted_and_takes_nobodys_place() {
    let mut before = Before::with_bytes(10).unwrap();
    before.push(b"short", 1);
    before.push(b"much too long", 2);
    assert_eq!(before.refused(), 1);
    assert_eq!(drained(&mut before, 0), [(1, b"short".to_vec())]);
    assert!(Before::with_bytes(0).is_err());
    assert!(Before::with_bytes((64 << 20) + 1).is_err());
}

proptest! {
    #[test]
    fn it_holds_the_last_records_that_fit(
        room in 1_usize..600, records in prop::collection::vec((0_usize..120, 0_u64..3), 0..200), since in 0_u64..200
    ) {
        let mut before = Before::with_bytes(room).unwrap();
        let entries_max = (room / 64).max(1);
        let mut expected: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
        let mut now = 0;
        for (number, (length, later)) in records.into_iter().enumerate() {
            now += later;
            let record = vec![number as u8; length];
            before.push(&record, now);
            if length > room {
                continue;
            }
            expected.push_back((now, record));
            while expected.len() > entries_max || expected.iter().map(|(_, record)| record.len()).sum::<usize>() > room {
                expected.pop_front();
            }
            let (bytes, entries) = before.held();
            prop_assert!(bytes <= room && entries <= entries_max);
        }
        let expected: Vec<_> = expected.into_iter().filter(|(time, _)| *time >= since).collect();
        prop_assert_eq!(drained(&mut before, since), expected);
    }
}
