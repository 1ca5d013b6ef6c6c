//! Whatever bytes a file has, reading it ends, reads nothing outside, and gives out nothing that was not written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use proptest::prelude::*;

use super::{grave, place, settings};
use crate::layout::{FIXED_BYTES, Fixed, HEAD, HEADER_BYTES, TAIL};
use crate::{Body, Damage, RING_BYTES_MIN, RingFault, recover};

const WHOLE: usize = (HEADER_BYTES + RING_BYTES_MIN) as usize;

/// Bytes of a ring that was read in part, is in its second lap and holds gap records; and what it was given, by number.
fn honest() -> (Vec<u8>, BTreeMap<u64, Vec<u8>>) {
    let mut place = place(&settings());
    let mut given = BTreeMap::new();
    for number in 0..160_usize {
        let bytes = vec![u8::try_from(number).unwrap(); number * 97 % 1500];
        if number % 20 == 0 {
            let _ = place.producer.write(grave(0), &[0; 5000]);
        }
        place.producer.write(grave(0), &bytes).unwrap();
        given.insert(place.producer.sequence() - 1, bytes);
        if number % 30 == 0 {
            let end = place.consumer.batch(25, u64::MAX).end();
            place.consumer.release(end);
        }
    }
    (fs::read(place.ring.path()).unwrap(), given)
}

fn write(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// What comes out of these bytes: the numbers of records, each of which was checked to be as it was given.
fn numbers(path: &Path, bytes: &[u8], given: &BTreeMap<u64, Vec<u8>>) -> Result<(Vec<u64>, Option<Damage>), RingFault> {
    write(path, bytes);
    let recovered = recover(path)?;
    let records: Vec<_> = recovered.records().collect();
    assert_eq!(records.len(), recovered.len());
    for record in &records {
        match record.body {
            Body::Payload(bytes) => assert_eq!(Some(bytes), given.get(&record.sequence).map(Vec::as_slice)),
            Body::Gap(gap) => assert!(gap.dropped().count() > 0),
        }
    }
    assert!(records.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence));
    Ok((
        records.iter().map(|record| record.sequence).collect(),
        recovered.damage().map(|(damage, _)| damage),
    ))
}

#[derive(Debug, Clone)]
enum Change {
    Flip {
        at: prop::sample::Index,
        bits: u8,
    },
    Noise {
        at: prop::sample::Index,
        bytes: Vec<u8>,
    },
    Copy {
        from: prop::sample::Index,
        to: prop::sample::Index,
        length: usize,
    },
    Ends {
        head: i64,
        tail: i64,
    },
    Cut(prop::sample::Index),
    Longer(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), 1_u8..).prop_map(|(at, bits)| Change::Flip { at, bits }),
        2 => (at(), prop::collection::vec(any::<u8>(), 1..200)).prop_map(|(at, bytes)| Change::Noise { at, bytes }),
        2 => (at(), at(), 1_usize..4000).prop_map(|(from, to, length)| Change::Copy { from, to, length }),
        3 => (-40_i64..40, -40_i64..40).prop_map(|(head, tail)| Change::Ends { head: head * 8, tail: tail * 8 }),
        1 => any::<(i64, i64)>().prop_map(|(head, tail)| Change::Ends { head, tail }),
        1 => at().prop_map(Change::Cut),
        1 => (1_usize..9000).prop_map(Change::Longer),
    ]
}

fn changed(mut bytes: Vec<u8>, change: &Change) -> Vec<u8> {
    let word = |bytes: &mut [u8], word: usize, by: i64| {
        let place = &mut bytes[word * 8..word * 8 + 8];
        let value = u64::from_le_bytes(place.try_into().unwrap()).wrapping_add_signed(by);
        place.copy_from_slice(&value.to_le_bytes());
    };
    // Records are among the last; the header is short and would hardly be hit.
    match change {
        Change::Flip { at, bits } => bytes[at.index(WHOLE)] ^= bits,
        Change::Noise { at, bytes: noise } => {
            let at = at.index(WHOLE - noise.len());
            bytes[at..at + noise.len()].copy_from_slice(noise);
        }
        Change::Copy { from, to, length } => {
            let (from, to) = (from.index(WHOLE - length), to.index(WHOLE - length));
            bytes.copy_within(from..from + length, to);
        }
        Change::Ends { head, tail } => {
            word(&mut bytes, HEAD, *head);
            word(&mut bytes, TAIL, *tail);
        }
        Change::Cut(at) => bytes.truncate(at.index(WHOLE)),
        Change::Longer(by) => bytes.resize(WHOLE + by, 0xa5),
    }
    bytes
}

#[test]
fn a_changed_file_gives_what_was_written_or_less() {
    let (bytes, given) = honest();
    let temporary = tempfile::tempdir().unwrap();
    let path = super::folder(temporary.path()).path().join("a.ring");
    let (all, damage) = numbers(&path, &bytes, &given).unwrap();
    assert!(all.len() > 30 && damage.is_none());
    let damaged = std::cell::Cell::new(0);
    proptest!(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() }, |(change in change())| {
        let changed = changed(bytes.clone(), &change);
        let is_changed = changed != bytes;
        // A head further back leads to records that were released and are still whole.
        let is_head_kept = changed.get(HEAD * 8..HEAD * 8 + 8) == bytes.get(HEAD * 8..HEAD * 8 + 8);
        match numbers(&path, &changed, &given) {
            Ok((some, damage)) => {
                let begins_as = all.iter().position(|number| Some(number) == some.first()).unwrap_or(0);
                assert!(!is_head_kept || all[begins_as..].starts_with(&some));
                damaged.set(damaged.get() + usize::from(damage.is_some()));
                assert!(is_changed || damage.is_none());
            }
            Err(fault) => assert!(matches!(fault, RingFault::Foreign { .. } | RingFault::Untrusted { .. }) || changed.is_empty(), "{fault}"),
        }
    });
    let damaged = damaged.get();
    assert!(damaged > 50, "only {damaged} of the changed files had damage");
}

#[test]
fn any_bytes_behind_a_sound_header_give_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let path = super::folder(temporary.path()).path().join("a.ring");
    let fixed = Fixed {
        capacity: RING_BYTES_MIN,
        payload_bytes_max: u32::MAX,
        process: 1,
        process_started: 0,
    };
    let ring = prop::collection::vec(any::<u8>(), 512);
    proptest!(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }, |(ring in ring, head in 0_u64..600, tail in 0_u64..600, length in any::<u32>())| {
        let mut bytes = vec![0; WHOLE];
        bytes[..FIXED_BYTES].copy_from_slice(&fixed.write());
        bytes[HEAD * 8..HEAD * 8 + 8].copy_from_slice(&(head * 8).to_le_bytes());
        bytes[TAIL * 8..TAIL * 8 + 8].copy_from_slice(&(tail * 8).to_le_bytes());
        for (place, byte) in bytes[HEADER_BYTES as usize..].iter_mut().zip(ring.iter().cycle()) {
            *place = *byte;
        }
        let at = HEADER_BYTES as usize + usize::try_from(head).unwrap() * 8 + 4;
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        match numbers(&path, &bytes, &BTreeMap::new()) {
            Ok((some, damage)) => assert!(some.is_empty() && (head == tail || damage.is_some())),
            Err(fault) => assert!(matches!(fault, RingFault::Foreign { .. }) && head > tail),
        }
    });
}

#[test]
fn a_record_of_an_earlier_lap_or_another_place_is_torn() {
    let mut place = place(&settings());
    for _ in 0..3 {
        place.producer.write(grave(0), b"same").unwrap();
    }
    let mut bytes = fs::read(place.ring.path()).unwrap();
    let (first, second) = (HEADER_BYTES as usize, HEADER_BYTES as usize + 40);
    bytes.copy_within(first..second, second);
    let path = place.folder.path().join("b.ring");
    write(&path, &bytes);
    let recovered = recover(&path).unwrap();
    assert_eq!((recovered.len(), recovered.damage()), (1, Some((Damage::Check, 80))));
    // The head a whole lap on: the same bytes, and no record any more.
    bytes[HEAD * 8..HEAD * 8 + 8].copy_from_slice(&RING_BYTES_MIN.to_le_bytes());
    bytes[TAIL * 8..TAIL * 8 + 8].copy_from_slice(&(RING_BYTES_MIN + 40).to_le_bytes());
    write(&path, &bytes);
    let recovered = recover(&path).unwrap();
    assert_eq!((recovered.len(), recovered.damage()), (0, Some((Damage::Check, 40))));
}

#[test]
fn a_whole_record_with_the_wrong_number_ends_the_reading() {
    let mut place = place(&settings());
    for _ in 0..3 {
        place.producer.write(grave(0), b"same").unwrap();
    }
    let mut bytes = fs::read(place.ring.path()).unwrap();
    let second = HEADER_BYTES as usize + 40;
    bytes[second + 8] = 7;
    let check = crate::layout::check(&bytes[second + 4..second + 36], 40);
    bytes[second..second + 4].copy_from_slice(&check.to_le_bytes());
    let path = place.folder.path().join("b.ring");
    write(&path, &bytes);
    let recovered = recover(&path).unwrap();
    assert_eq!((recovered.len(), recovered.damage()), (1, Some((Damage::Sequence, 80))));
}
