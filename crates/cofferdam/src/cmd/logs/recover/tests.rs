//! Rings of the dead are brought once, in whole lines, and nothing goes that is not written.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::FileExt;

use log_record::field;
use log_record::grade::{Class, Level};
use log_record::packed::Packer;
use log_ring::{Mark, RING_BYTES_MIN, Ring, Settings};
use serde_json::{Value, json};

use super::*;

/// The ring of a writer that is gone, with lines that say these, and as many refused ones behind them.
fn dead(folder: &Path, says: &[&str], refused: usize) -> PathBuf {
    let folder = Folder::open(folder).unwrap();
    let settings = Settings {
        ring_bytes: RING_BYTES_MIN,
        payload_bytes_max: 1024,
        ..Settings::default()
    };
    let (ring, mut producer, _consumer) = Ring::create(&folder, "worker-0", &settings).unwrap();
    let mark = Mark {
        level: log_ring::Level::new(Level::Warn.number()).unwrap(),
        class: log_ring::Class::new(Class::Gateway.number()).unwrap(),
        stamp_ns: 1_700_000_000_000_000_000,
    };
    for text in says {
        let mut packed = Vec::new();
        Packer::new(&mut packed).text(&field::MESSAGE, text.as_bytes());
        producer.write(mark, &packed).unwrap();
    }
    for _ in 0..refused {
        producer.write(mark, &[0; 2000]).unwrap_err();
    }
    ring.path()
}

fn options(rings: &Path, out: &Path) -> Options {
    Options {
        file: None,
        rings: Some(rings.to_owned()),
        out: out.to_owned(),
        keep: false,
    }
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A folder with one for rings in it, and a place for lines.
fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (rings, out) = (folder.path().join("0123456789abcdef"), folder.path().join("out"));
    (folder, rings, out)
}

#[test]
fn what_a_dead_process_left_is_written_as_lines_once() {
    let (folder, rings, out) = place();
    let ring = dead(&rings, &["one", "two\n\"2\""], 3);
    // A folder of folders of rings is as good.
    assert_eq!(recover(&options(folder.path(), &out)), Ok(true));
    let found = lines(&out);
    assert_eq!(found.len(), 4);
    assert_eq!(
        found[1],
        json!({
            "timestamp": "2023-11-14T22:13:20.000000Z",
            "level": "warn",
            "event_name": "gateway",
            "message": "two\n\"2\"",
            "cofferdam.recovered": true,
        })
    );
    let name = ring.file_name().unwrap().to_string_lossy();
    // A gap record of the ring's own tells of the first, and of the others none could.
    for (line, count) in [(2, 1), (3, 2)] {
        assert_eq!(found[line]["cofferdam.ring"], *name);
        assert_eq!(
            found[line]["cofferdam.records_dropped_by"],
            json!([{"level": "warn", "reason": "too_large", "count": count}])
        );
        assert_eq!(found[line]["cofferdam.recovered"], true);
    }
    assert!(!ring.exists());
    assert_eq!(recover(&options(&rings, &out)), Ok(true));
    assert_eq!(lines(&out).len(), 4);
}

#[test]
fn a_ring_that_is_kept_is_found_again() {
    let (_folder, rings, out) = place();
    let ring = dead(&rings, &["one"], 0);
    let keeps = Options {
        keep: true,
        ..options(&rings, &out)
    };
    assert_eq!(recover(&keeps), Ok(true));
    assert!(ring.exists());
    assert_eq!(recover(&options(&rings, &out)), Ok(true));
    assert_eq!(lines(&out).len(), 2);
    assert!(!ring.exists());
}

#[test]
fn nothing_goes_that_cannot_be_written() {
    let (_folder, rings, _) = place();
    let ring = dead(&rings, &["one"], 0);
    let why = recover(&options(&rings, Path::new("/dev/full"))).unwrap_err();
    assert!(why.starts_with("error: `/dev/full` cannot be written: "), "{why}");
    let why = recover(&options(&rings, Path::new("/nowhere/out"))).unwrap_err();
    assert!(why.ends_with("hint: nothing was removed that is not written"), "{why}");
    assert!(ring.exists());
}

#[test]
fn half_a_line_of_a_call_that_was_killed_spoils_no_other() {
    let (_folder, rings, out) = place();
    dead(&rings, &["one"], 0);
    fs::write(&out, "{\"half\":").unwrap();
    assert_eq!(recover(&options(&rings, &out)), Ok(true));
    let text = fs::read_to_string(&out).unwrap();
    let (half, whole) = text.split_once('\n').unwrap();
    assert_eq!(half, "{\"half\":");
    assert!(serde_json::from_str::<Value>(whole).is_ok(), "{whole}");
}

#[test]
fn a_damaged_ring_gives_what_stands_before_and_stays() {
    let (_folder, rings, out) = place();
    let path = dead(&rings, &["one", "two", "three"], 0);
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|part| part == b"three").unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"T", at as u64).unwrap();
    drop(file);
    assert_eq!(recover(&options(&rings, &out)), Ok(false));
    assert_eq!(lines(&out).len(), 2);
    assert!(path.exists());
    let ring = log_ring::recover(&path).unwrap();
    let (damage, unread) = ring.damage().unwrap();
    let said = told::damaged(&ring, damage, unread);
    // The torn record's head stands before what it says.
    let place = usize::try_from(ring.damaged_at()).unwrap();
    assert!((at - 64..at).contains(&place), "{said}");
    assert!(
        said.contains(&format!("is damaged behind record 2, at byte {place} of its file")),
        "{said}"
    );
}

#[test]
fn a_living_ring_is_left_alone_and_what_is_none_is_told() {
    let (_folder, rings, out) = place();
    let folder = Folder::open(&rings).unwrap();
    let (ring, _producer, _consumer) = Ring::create(&folder, "worker-0", &Settings::default()).unwrap();
    assert_eq!(recover(&options(&rings, &out)), Ok(true));
    assert!(ring.path().exists() && !out.exists());
    fs::write(rings.join("other.1.0.ring"), "no ring").unwrap();
    assert_eq!(recover(&options(&rings, &out)), Ok(false));
    assert!(rings.join("other.1.0.ring").exists());
}

#[test]
fn a_ring_is_told_in_one_line() {
    let (_folder, rings, _) = place();
    let path = dead(&rings, &["one", "two"], 2);
    let ring = log_ring::recover(&path).unwrap();
    let said = told::told(&ring, Some(std::time::UNIX_EPOCH));
    let process = std::process::id();
    assert_eq!(
        said,
        format!(
            "ring {}: process {process}, started 1970-01-01T00:00:00.000000Z: 2 records and 1 gap; dropped while it lived: 2 warn gateway (too long); of these no record told: 1 warn gateway (too long)",
            path.display()
        )
    );
    assert!(told::started(&path, ring.process_started()).is_some());
}
