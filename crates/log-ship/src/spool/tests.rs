//! The spool by itself: what is stored is read again, and what is torn or damaged is cut and counted.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, PermissionsExt};

use super::*;
use crate::record::Level;
use crate::scene::{record, records};

fn settings(folder: &std::path::Path) -> SpoolSettings {
    SpoolSettings {
        folder: folder.to_owned(),
        bytes_max: 1 << 20,
        segment_bytes_max: 4096,
        sync: Sync::Never,
    }
}

fn store(spool: &mut Spool, records: Vec<Arc<Record>>) -> u64 {
    let mut batch = Batch::new(records);
    let stored = spool.store(&mut batch);
    assert!(stored.fault.is_none() && stored.removed.sum() == 0);
    stored.records
}

fn read_all(spool: &mut Spool) -> (Vec<Arc<Record>>, u64) {
    let (mut all, mut damaged) = (Vec::new(), 0);
    loop {
        match spool.lend(7, 10_000) {
            Loan::Records(batch, lent) => {
                all.extend(batch.into_records());
                spool.settled(&lent);
            }
            Loan::Damaged(lost) => damaged += lost.sum(),
            Loan::Nothing => return (all, damaged),
        }
    }
}

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.to_str().unwrap().ends_with(ENDING));
    files.sort();
    files
}

#[test]
fn records_come_back_as_they_were_also_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, found) = Spool::open(settings(folder.path())).unwrap();
    assert_eq!(found, Found::default());
    let mut given = records(1..=100);
    given.push(record(101, Level::Error));
    assert_eq!(store(&mut spool, given.clone()), 101);
    assert!(files(folder.path()).len() > 2);
    let mode = fs::metadata(&files(folder.path())[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(spool);
    let (mut spool, found) = Spool::open(settings(folder.path())).unwrap();
    assert_eq!(
        found,
        Found {
            records: 101,
            torn: 0,
            aside: 0
        }
    );
    let (mut read, damaged) = read_all(&mut spool);
    read.sort_by_key(|one| one.sequence);
    assert_eq!((read, damaged), (given, 0));
    assert_eq!((files(folder.path()).len(), spool.bytes()), (0, 0));
}

#[test]
fn what_was_settled_is_not_sent_again_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(settings(folder.path())).unwrap();
    store(&mut spool, records(1..=20));
    let Loan::Records(batch, lent) = spool.lend(5, 100_000) else {
        panic!()
    };
    assert_eq!(batch.len(), 5);
    spool.settled(&lent);
    let Loan::Records(..) = spool.lend(5, 100_000) else {
        panic!()
    };
    drop(spool);
    let (mut spool, found) = Spool::open(settings(folder.path())).unwrap();
    assert_eq!(found.records, 15, "what was lent and not settled is still there");
    let (read, _) = read_all(&mut spool);
    assert_eq!(
        read.iter().map(|one| one.sequence).collect::<Vec<_>>(),
        (6..=20).collect::<Vec<_>>()
    );
}

#[test]
fn a_torn_end_is_cut_at_every_length() {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(settings(folder.path())).unwrap();
    store(&mut spool, records(1..=3));
    drop(spool);
    let path = files(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let frame = usize::try_from(frame_bytes(&record(1, Level::Info))).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (mut spool, found) = Spool::open(settings(folder.path())).unwrap();
        let left = length.saturating_sub(24) / frame;
        assert_eq!(found.records, u64::try_from(left).unwrap(), "{length}");
        let is_torn = length != 0 && (length < 24 || (length - 24) % frame != 0);
        assert_eq!(found.torn, u64::from(is_torn), "{length}");
        assert_eq!(read_all(&mut spool).0.len(), left);
    }
}

#[test]
fn a_changed_byte_is_never_taken_for_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(settings(folder.path())).unwrap();
    store(&mut spool, records(1..=3));
    drop(spool);
    let path = files(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let given = records(1..=3);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x41;
        fs::write(&path, &changed).unwrap();
        let (mut spool, _) = Spool::open(settings(folder.path())).unwrap();
        let (read, _) = read_all(&mut spool);
        assert!(given.starts_with(&read), "{at}: {read:?}");
        if (24..).contains(&at) {
            assert!(read.len() < 3, "{at}");
        }
    }
}

#[test]
fn what_is_damaged_while_it_is_held_is_counted_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(settings(folder.path())).unwrap();
    store(&mut spool, records(1..=10));
    let path = files(folder.path()).remove(0);
    let at = HEADER_BYTES + 6 * frame_bytes(&record(1, Level::Info)) + 20;
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all_at(b"?", at)
        .unwrap();
    let (read, damaged) = read_all(&mut spool);
    assert_eq!((read.len(), damaged), (6, 4));
}

#[test]
fn what_is_lent_is_not_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(SpoolSettings {
        bytes_max: 4096,
        segment_bytes_max: 1024,
        ..settings(folder.path())
    })
    .unwrap();
    store(&mut spool, records(1..=5));
    let Loan::Records(batch, lent) = spool.lend(2, 100_000) else {
        panic!()
    };
    let mut removed = 0;
    for number in 10..60 {
        let stored = spool.store(&mut Batch::new(records(number * 5..number * 5 + 5)));
        removed += stored.removed.sum();
        assert!(spool.bytes() <= 4096);
    }
    assert!(removed > 100);
    spool.settled(&lent);
    let (read, damaged) = read_all(&mut spool);
    assert_eq!((batch.len(), damaged), (2, 0));
    assert_eq!(read[0].sequence, 3, "the lent segment is still there");
    assert_eq!(u64::try_from(read.len()).unwrap() + removed + 2, 255);
}

#[test]
fn a_folder_belongs_to_one_sink() {
    let folder = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(settings(folder.path())).unwrap();
    let second = Spool::open(settings(folder.path())).err().unwrap();
    assert!(second.to_string().contains("another sink has it"), "{second}");
    drop(spool);
    assert!(Spool::open(settings(folder.path())).is_ok());
}

fn asides(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_str().unwrap().ends_with(ASIDE)).collect()
}

#[test]
fn what_cannot_be_read_is_set_aside_with_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(settings(folder.path())).unwrap();
    store(&mut spool, records(1..=10));
    drop(spool);
    let path = files(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let frame = usize::try_from(frame_bytes(&record(1, Level::Info))).unwrap();
    // Another version, a sum, a line, and a length that seems to go beyond the end.
    for (at, left) in [(8, 0), (24 + 4, 0), (24 + 3 * frame + 30, 3), (24 + 3 * frame + 1, 3)] {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        fs::write(&path, &changed).unwrap();
        let (mut spool, found) = Spool::open(settings(folder.path())).unwrap();
        assert_eq!((found.records, found.torn, found.aside), (left, 0, 1), "{at}");
        store(&mut spool, records(11..=11));
        assert_eq!(read_all(&mut spool).0.len() as u64, left + 1, "{at}");
        assert_eq!((files(folder.path()).len(), spool.bytes()), (0, 0), "{at}");
        let aside = asides(folder.path());
        assert_eq!(aside.len(), 1, "{at}");
        assert_eq!(fs::read(&aside[0]).unwrap()[24..], changed[24..], "{at}");
        fs::remove_file(&aside[0]).unwrap();
    }
}

#[test]
fn what_is_set_aside_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=30 {
        fs::write(
            folder.path().join(format!("0-{number:020}{ENDING}")),
            "of another version",
        )
        .unwrap();
    }
    let (mut spool, found) = Spool::open(settings(folder.path())).unwrap();
    assert_eq!((found.aside, asides(folder.path()).len()), (30, aside::FILES_MAX));
    store(&mut spool, records(1..=1));
    assert!(
        files(folder.path())[0].to_str().unwrap().ends_with("31.spool"),
        "no number twice"
    );
}
