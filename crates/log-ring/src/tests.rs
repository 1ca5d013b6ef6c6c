//! What goes in comes out, what is refused is told, what was committed outlives its writer, and who is not trusted is not read.

mod basics;
mod dead;
mod hostile;
mod model;
mod order;

use std::path::Path;

use tempfile::TempDir;

use crate::{
    Body, Class, Consumer, Dropped, Folder, Level, Mark, Policy, Producer, RING_BYTES_MIN, Record, Ring, Settings,
};

/// A ring of 64 KiB that goes with its folder.
struct Place {
    ring: Ring,
    producer: Producer,
    consumer: Consumer,
    folder: Folder,
    _temporary: TempDir,
}

/// Payloads of 4 KiB at most, and gap records as soon as something was refused.
fn settings() -> Settings {
    Settings {
        ring_bytes: RING_BYTES_MIN,
        payload_bytes_max: 4096,
        policy: Policy::default(),
        gap_every_ns: 0,
    }
}

fn place(settings: &Settings) -> Place {
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder(temporary.path());
    let (ring, producer, consumer) = Ring::create(&folder, "worker-0", settings).unwrap();
    Place {
        ring,
        producer,
        consumer,
        folder,
        _temporary: temporary,
    }
}

fn folder(below: &Path) -> Folder {
    Folder::open(&below.join("rings")).unwrap()
}

fn mark(level: u8, class: u8, stamp_ns: u64) -> Mark {
    Mark {
        level: Level::new(level).unwrap(),
        class: Class::new(class).unwrap(),
        stamp_ns,
    }
}

/// Of the gravest level, which no policy keeps out of a ring with room.
fn grave(stamp_ns: u64) -> Mark {
    mark(7, 0, stamp_ns)
}

fn payload<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    match record.body {
        Body::Payload(bytes) => Some(bytes),
        Body::Gap(_) => None,
    }
}

fn gap(record: &Record<'_>) -> Option<Vec<Dropped>> {
    match record.body {
        Body::Payload(_) => None,
        Body::Gap(gap) => Some(gap.dropped().collect()),
    }
}

/// Everything that waits in the ring: its payloads.
fn payloads(consumer: &mut Consumer) -> Vec<Vec<u8>> {
    let batch = consumer.batch(usize::MAX, u64::MAX);
    assert_eq!(batch.damage(), None);
    batch
        .records()
        .filter_map(|record| payload(&record).map(<[u8]>::to_vec))
        .collect()
}
