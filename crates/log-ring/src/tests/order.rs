//! Every order in which the two ends can see each other's positions, by loom, over the code that runs.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{gap, grave, payload};
use crate::consumer::Consumer;
use crate::layout::{HEAD, HEADER_BYTES, TAIL};
use crate::policy::{Limits, Policy};
use crate::producer::Producer;
use crate::shared::{Memory, split};

/// Three records of 8 bytes.
const CAPACITY: usize = 128;
const LAYOUT: Layout = match Layout::from_size_align(CAPACITY, 64) {
    Ok(layout) => layout,
    Err(_) => panic!(),
};

/// A ring whose positions are loom's, and where loom is told which bytes are touched by whom.
struct Modelled {
    data: NonNull<u8>,
    tail: loom::sync::atomic::AtomicU64,
    head: loom::sync::atomic::AtomicU64,
    /// The counts, whose order means nothing.
    others: Vec<AtomicU64>,
    /// One for each 8 bytes.
    touched: Vec<loom::cell::UnsafeCell<()>>,
}

// SAFETY: loom runs one thread at a time, and says so when an access is not ordered with another.
unsafe impl Send for Modelled {}
// SAFETY: as above.
unsafe impl Sync for Modelled {}

impl Modelled {
    fn new() -> Self {
        // SAFETY: the layout has a length.
        let data = unsafe { alloc_zeroed(LAYOUT) };
        Self {
            data: NonNull::new(data).unwrap(),
            tail: loom::sync::atomic::AtomicU64::new(0),
            head: loom::sync::atomic::AtomicU64::new(0),
            others: (0..HEADER_BYTES / 8).map(|_| AtomicU64::new(0)).collect(),
            touched: (0..CAPACITY / 8).map(|_| loom::cell::UnsafeCell::new(())).collect(),
        }
    }

    fn cells(&self, offset: usize, length: usize) -> &[loom::cell::UnsafeCell<()>] {
        &self.touched[offset / 8..(offset + length).div_ceil(8)]
    }
}

impl Drop for Modelled {
    fn drop(&mut self) {
        // SAFETY: it was allocated by this layout.
        unsafe { dealloc(self.data.as_ptr(), LAYOUT) };
    }
}

// SAFETY: the bytes are there until `drop`, and only the ends of one ring get at them.
unsafe impl Memory for Modelled {
    fn capacity(&self) -> u64 {
        CAPACITY as u64
    }

    fn data(&self) -> NonNull<u8> {
        self.data
    }

    fn load(&self, word: usize, order: Ordering) -> u64 {
        match word {
            TAIL => self.tail.load(order),
            HEAD => self.head.load(order),
            other => self.others[other].load(order),
        }
    }

    fn store(&self, word: usize, value: u64, order: Ordering) {
        match word {
            TAIL => self.tail.store(value, order),
            HEAD => self.head.store(value, order),
            other => self.others[other].store(value, order),
        }
    }

    fn reading(&self, offset: usize, length: usize) {
        for cell in self.cells(offset, length) {
            cell.with(|_| ());
        }
    }

    fn writing(&self, offset: usize, length: usize) {
        for cell in self.cells(offset, length) {
            cell.with_mut(|_| ());
        }
    }
}

fn ring(gap_every_ns: u64) -> (Producer<Modelled>, Consumer<Modelled>) {
    let (front, back, _) = split(Modelled::new());
    let limits = Limits::new(&Policy::by_level([100; 8]), CAPACITY as u64);
    (Producer::new(front, limits, 64, gap_every_ns), Consumer::new(back))
}

/// Numbers that were read, and how many records gaps told of.
fn take(consumer: &mut Consumer<Modelled>, numbers: &mut Vec<u64>) -> u64 {
    let batch = consumer.batch(2, u64::MAX);
    assert_eq!(batch.damage(), None);
    let mut told = 0;
    for record in batch.records() {
        match payload(&record) {
            Some(bytes) => numbers.push(u64::from_le_bytes(bytes.try_into().unwrap())),
            None => told += gap(&record).unwrap().iter().map(|dropped| dropped.count).sum::<u64>(),
        }
    }
    let end = batch.end();
    consumer.release(end);
    told
}

/// All is read in order or told, whatever the order of things.
fn nothing_is_lost_or_torn(writes: u64, reads: u64) {
    loom::model(move || {
        let (mut producer, mut consumer) = ring(0);
        let writer = loom::thread::spawn(move || {
            let taken: Vec<u64> = (0..writes)
                .filter(|number| producer.write(grave(*number), &number.to_le_bytes()).is_ok())
                .collect();
            (producer, taken)
        });
        let mut numbers = Vec::new();
        let mut told = 0;
        for _ in 0..reads {
            told += take(&mut consumer, &mut numbers);
        }
        let (mut producer, taken) = writer.join().unwrap();
        for _ in 0..writes {
            told += take(&mut consumer, &mut numbers);
        }
        assert!(producer.tell(writes));
        told += take(&mut consumer, &mut numbers);
        assert_eq!(numbers, taken);
        assert_eq!(taken.len() as u64 + told, writes);
    });
}

#[test]
fn in_every_order_each_record_is_read_once_or_told_as_refused() {
    nothing_is_lost_or_torn(5, 3);
}

#[test]
fn in_every_order_a_wrap_is_read_with_the_record_behind_it() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(0);
        for number in 0..2_u64 {
            producer.write(grave(0), &number.to_le_bytes()).unwrap();
        }
        let mut numbers = Vec::new();
        take(&mut consumer, &mut numbers);
        // 48 bytes are left to the end of the ring, and 56 are taken.
        let writer = loom::thread::spawn(move || {
            let mut grant = producer.begin(grave(0), 24).unwrap();
            grant.put(&2_u64.to_le_bytes()).unwrap();
            grant.commit();
        });
        take(&mut consumer, &mut numbers);
        writer.join().unwrap();
        take(&mut consumer, &mut numbers);
        assert_eq!(numbers, [0, 1, 2]);
    });
}
