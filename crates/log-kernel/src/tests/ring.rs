//! The reader of the ring over memory that the test writes as the kernel would.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::Retransmits;
use crate::ring::Ring;

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
/// More than any of these records has.
const RECORD: usize = 24;

/// The pages of a ring: the reader's, the writer's, and the data twice, which here are two.
struct Pages {
    file: File,
    page: u64,
}

impl Pages {
    fn new() -> (Self, Ring) {
        let page = u64::try_from(rustix::param::page_size()).unwrap();
        let file = File::from(memfd_create("ring", MemfdFlags::CLOEXEC).unwrap());
        file.set_len(page * 4).unwrap();
        let map = OwnedFd::from(file.try_clone().unwrap());
        let ring = Ring::map(map, u32::try_from(page).unwrap()).unwrap();
        (Self { file, page }, ring)
    }

    fn set_reader(&self, place: u64) {
        self.file.write_all_at(&place.to_ne_bytes(), 0).unwrap();
    }

    fn reader(&self) -> u64 {
        let mut place = [0; 8];
        self.file.read_exact_at(&mut place, 0).unwrap();
        u64::from_ne_bytes(place)
    }

    fn set_writer(&self, place: u64) {
        self.file.write_all_at(&place.to_ne_bytes(), self.page).unwrap();
    }

    /// Writes a record and gives the place behind it.
    fn write(&self, place: u64, state: u32, record: &[u8]) -> u64 {
        let at = self.page * 2 + place % self.page;
        let length = u32::try_from(record.len()).unwrap() | state;
        self.file.write_all_at(&length.to_ne_bytes(), at).unwrap();
        self.file.write_all_at(record, at + 8).unwrap();
        place + 8 + u64::try_from(record.len().next_multiple_of(8)).unwrap()
    }
}

fn drained(ring: &mut Ring) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    ring.drain::<RECORD>(|record| records.push(record.to_vec()));
    records
}

#[test]
fn records_are_read_once_in_their_order() {
    let (pages, mut ring) = Pages::new();
    assert_eq!(drained(&mut ring), Vec::<Vec<u8>>::new());
    let second = pages.write(0, 0, b"first");
    let third = pages.write(second, DISCARDED, b"given up");
    let end = pages.write(third, 0, b"third, of 20 bytes..");
    pages.set_writer(end);
    assert_eq!(
        drained(&mut ring),
        [b"first".to_vec(), b"third, of 20 bytes..".to_vec()]
    );
    assert_eq!(pages.reader(), end);
    assert_eq!(drained(&mut ring), Vec::<Vec<u8>>::new());
}

#[test]
fn a_record_that_is_being_written_is_waited_for() {
    let (pages, mut ring) = Pages::new();
    let second = pages.write(0, 0, b"whole");
    let third = pages.write(second, BUSY, b"half");
    let end = pages.write(third, 0, b"later");
    pages.set_writer(end);
    assert_eq!(drained(&mut ring), [b"whole".to_vec()]);
    assert_eq!(pages.reader(), second);
    pages.write(second, 0, b"both");
    assert_eq!(drained(&mut ring), [b"both".to_vec(), b"later".to_vec()]);
}

#[test]
fn a_record_across_the_end_is_read_whole() {
    let (pages, mut ring) = Pages::new();
    // The kernel maps the data twice; here the second copy is written by going on behind the first.
    let begin = pages.page * 5 - 16;
    pages.set_reader(begin);
    let end = pages.write(begin, 0, b"sixteen bytes...");
    pages.set_writer(end);
    assert_eq!(drained(&mut ring), [b"sixteen bytes...".to_vec()]);
    assert_eq!(pages.reader(), pages.page * 5 + 8);
}

#[test]
fn a_length_beyond_the_ring_ends_the_reading_and_touches_nothing() {
    let (pages, mut ring) = Pages::new();
    let at = pages.page * 2;
    pages.file.write_all_at(&(DISCARDED - 1).to_ne_bytes(), at).unwrap();
    pages.set_writer(48);
    // Its beginning is handed over, as of any record that is too long.
    assert_eq!(drained(&mut ring), [vec![0; RECORD]]);
    assert!(pages.reader() > 48);
    assert_eq!(drained(&mut ring), Vec::<Vec<u8>>::new());
}

#[test]
fn a_writer_that_claims_more_than_the_ring_holds_is_read_one_ring_at_a_time() {
    let (pages, mut ring) = Pages::new();
    // Nothing but empty records, without end.
    pages.set_writer(u64::MAX);
    for round in 1..4 {
        let records = drained(&mut ring);
        assert_eq!(u64::try_from(records.len()).unwrap(), pages.page / 8);
        assert!(records.iter().all(Vec::is_empty));
        assert_eq!(pages.reader(), pages.page * round);
    }
}

#[test]
fn what_watches_may_move_to_the_thread_that_encodes() {
    fn moves<T: Send>() {}
    moves::<Retransmits>();
}
