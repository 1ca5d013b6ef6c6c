//! A record costs its writer no allocation, taken or refused, and neither does a gap record.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use log_ring::{Class, Folder, Level, Mark, RING_BYTES_MIN, Ring, Settings};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is the system's allocator's doing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller holds to what `alloc` asks.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller holds to what `dealloc` asks.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_record_costs_no_allocation_and_neither_does_a_refused_one() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(&temporary.path().join("rings")).unwrap();
    let settings = Settings {
        ring_bytes: RING_BYTES_MIN,
        payload_bytes_max: 1024,
        gap_every_ns: 10,
        ..Settings::default()
    };
    let (_ring, mut producer, mut consumer) = Ring::create(&folder, "worker-0", &settings).unwrap();
    let before = COUNT.get();
    assert!(before > 0, "allocations are counted");
    let mut refused = 0_u64;
    let mut read = 0;
    for stamp_ns in 0..50_000_u64 {
        let mark = Mark {
            level: Level::new(u8::try_from(stamp_ns % 8).unwrap()).unwrap(),
            class: Class::new(u8::try_from(stamp_ns % 16).unwrap()).unwrap(),
            stamp_ns,
        };
        refused += u64::from(producer.write(mark, &[7; 512]).is_err());
        if let Ok(mut grant) = producer.begin(mark, 64) {
            grant.put(b"part").unwrap();
            grant.commit();
        }
        if stamp_ns % 300 == 0 {
            let batch = consumer.batch(usize::MAX, u64::MAX);
            read += batch.records().count();
            let end = batch.end();
            consumer.release(end);
        }
    }
    assert_eq!(COUNT.get(), before);
    assert!(refused > 1_000 && read > 1_000, "{refused} refused, {read} read");
}
