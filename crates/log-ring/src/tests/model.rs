//! Any order of writing, dropping, reading, releasing and dying, next to a model that is a list.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::{Place, mark, place, settings};
use crate::{Body, Dropped, Mark, Record, Refusal, recover};

#[derive(Debug, Clone)]
enum Deed {
    Write { level: u8, class: u8, length: usize },
    Grant { level: u8, asked: usize, put: usize },
    GiveUp { asked: usize },
    Read { records: usize, bytes: u64 },
    Release,
    Rewind,
    Tell,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0_u8..8, 0_u8..16, 0_usize..4200).prop_map(|(level, class, length)| Deed::Write { level, class, length }),
        4 => (0_u8..8, 0_usize..4096, 0_usize..4096).prop_map(|(level, asked, put)| Deed::Grant { level, asked, put: put.min(asked) }),
        1 => (0_usize..4096).prop_map(|asked| Deed::GiveUp { asked }),
        4 => (1_usize..20, 1_u64..20_000).prop_map(|(records, bytes)| Deed::Read { records, bytes }),
        3 => Just(Deed::Release),
        1 => Just(Deed::Rewind),
        1 => Just(Deed::Tell),
    ]
}

/// What the ring should hold.
#[derive(Default)]
struct Model {
    /// Not released, in order.
    kept: VecDeque<(Mark, Vec<u8>)>,
    /// Of these, read since.
    read: usize,
    refused: BTreeMap<(Refusal, u8, u8), u64>,
    told: BTreeMap<(Refusal, u8, u8), u64>,
    time_ns: u64,
    /// Payload records of batches that were read and not released.
    end: Option<(crate::Position, usize)>,
}

fn add(counts: &mut BTreeMap<(Refusal, u8, u8), u64>, dropped: &Dropped) {
    *counts
        .entry((dropped.why, dropped.level.number(), dropped.class.number()))
        .or_default() += dropped.count;
}

impl Model {
    fn written(&mut self, mark: Mark, bytes: Vec<u8>, outcome: Result<(), Refusal>) {
        match outcome {
            Ok(()) => self.kept.push_back((mark, bytes)),
            Err(why) => {
                *self
                    .refused
                    .entry((why, mark.level.number(), mark.class.number()))
                    .or_default() += 1
            }
        }
    }

    /// What is read must be what comes next; gaps are added up when they are read for the first time.
    fn reads<'a>(&mut self, records: impl Iterator<Item = Record<'a>>, gaps_from: u64) -> usize {
        let mut payloads = 0;
        for record in records {
            match record.body {
                Body::Payload(bytes) => {
                    let (mark, expected) = &self.kept[self.read + payloads];
                    assert_eq!((record.mark, bytes), (*mark, expected.as_slice()));
                    payloads += 1;
                }
                Body::Gap(gap) if record.sequence >= gaps_from => {
                    gap.dropped().for_each(|dropped| add(&mut self.told, &dropped))
                }
                Body::Gap(_) => {}
            }
        }
        payloads
    }
}

fn act(place: &mut Place, model: &mut Model, seen: &mut u64, deed: &Deed) {
    model.time_ns += 1;
    let byte = u8::try_from(model.time_ns % 251).unwrap();
    match *deed {
        Deed::Write { level, class, length } => {
            let mark = mark(level, class, model.time_ns);
            let bytes = vec![byte; length];
            let outcome = place.producer.write(mark, &bytes);
            assert_eq!(outcome == Err(Refusal::TooLong), length > 4096);
            model.written(mark, bytes, outcome);
        }
        Deed::Grant { level, asked, put } => {
            let mark = mark(level, 1, model.time_ns);
            let bytes = vec![byte; put];
            let outcome = place.producer.begin(mark, asked).map(|mut grant| {
                grant.put(&bytes).unwrap();
                grant.commit();
            });
            model.written(mark, bytes, outcome);
        }
        Deed::GiveUp { asked } => {
            let mark = mark(7, 2, model.time_ns);
            if let Err(why) = place.producer.begin(mark, asked).map(drop) {
                model.written(mark, Vec::new(), Err(why));
            }
        }
        Deed::Read { records, bytes } => {
            let batch = place.consumer.batch(records, bytes);
            assert_eq!(batch.damage(), None);
            let payloads = model.reads(batch.records(), *seen);
            *seen = batch
                .records()
                .last()
                .map_or(*seen, |record| (*seen).max(record.sequence + 1));
            model.read += payloads;
            model.end = Some((batch.end(), model.read));
        }
        Deed::Release => {
            if let Some((end, count)) = model.end.take() {
                place.consumer.release(end);
                model.kept.drain(..count);
                model.read -= count;
            }
        }
        Deed::Rewind => {
            place.consumer.rewind();
            (model.read, model.end) = (0, None);
        }
        Deed::Tell => {
            let _ = place.producer.tell(model.time_ns);
        }
    }
    let used = place.producer.used_bytes();
    let kept: usize = model.kept.iter().map(|(_, bytes)| bytes.len() + 32).sum();
    assert!(used >= kept as u64 && used <= place.producer.capacity_bytes());
}

#[test]
fn a_ring_does_what_a_list_does_and_death_at_any_time_takes_nothing() {
    let deeds = prop::collection::vec(deed(), 1..400);
    proptest!(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() }, |(deeds in deeds)| {
        let mut place = place(&settings());
        let mut model = Model::default();
        let mut seen = 0;
        for deed in &deeds {
            act(&mut place, &mut model, &mut seen, deed);
        }
        let path = place.ring.path();
        let Place { ring, producer, consumer, folder: _folder, _temporary } = place;
        drop((ring, producer, consumer));
        let recovered = recover(&path).unwrap();
        prop_assert_eq!(recovered.damage(), None);
        model.read = 0;
        let payloads = model.reads(recovered.records(), seen);
        prop_assert_eq!(payloads, model.kept.len());
        recovered.untold().iter().for_each(|dropped| add(&mut model.told, dropped));
        prop_assert_eq!(&model.told, &model.refused);
        let mut all = BTreeMap::new();
        recovered.dropped().iter().for_each(|dropped| add(&mut all, dropped));
        prop_assert_eq!(&all, &model.refused);
    });
}
