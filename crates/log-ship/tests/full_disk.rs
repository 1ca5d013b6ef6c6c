//! A disk that is full in the middle of a write, which is a small one of memory that the test mounts for itself alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use log_ship::chain::{ChainNames, ChainSettings, Digest, verify};
use log_ship::{
    BatchLimits, Class, Clock, FileSettings, Format, Frame, Keep, Lane, Level, QueueLimits, Record, Selection, Sink,
    SpoolSettings, Sync, SystemClock, Tally, start_files, start_writer,
};

/// Where the disk is, for the process that has it.
const DISK: &str = "COFFERDAM_TEST_SMALL_DISK";
/// Bytes of the disk, the files that it takes, bytes of what stands on it until it is freed, and of all lines.
const DISK_BYTES: usize = 1 << 20;
const FILES_MAX: usize = 64;
const BALLAST_BYTES: usize = 900 << 10;
const RECORDS: u64 = 400;
const LONG: Duration = Duration::from_secs(30);

/// Runs a test of this program once more, in namespaces of its own where a file system may be mounted.
fn on_a_small_disk(test: &str, run: impl FnOnce(&Path)) {
    if let Some(disk) = std::env::var_os(DISK) {
        let disk = PathBuf::from(disk);
        fs::write(disk.join("ballast"), vec![0; BALLAST_BYTES]).unwrap();
        return run(&disk);
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size={DISK_BYTES},nr_inodes={FILES_MAX} none \"$0\" && exec \"$@\"");
    let outcome = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(DISK, folder.path())
        .output()
        .unwrap();
    let said = [outcome.stdout, outcome.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(
        outcome.status.success() && said[0].contains("1 passed"),
        "{}\nhint: the system must allow namespaces of users and of mounts",
        said.concat()
    );
}

fn free(disk: &Path) {
    fs::remove_file(disk.join("ballast")).unwrap();
}

fn frame() -> Frame {
    Frame {
        name: String::from("disk"),
        selection: Selection::default(),
        format: Format::Json,
        queue: QueueLimits::default(),
        batch: BatchLimits {
            linger: Duration::from_millis(1),
            records_max: 50,
            ..BatchLimits::default()
        },
        retry: (Duration::from_millis(1), Duration::from_millis(20)),
        spool: None,
        durable: true,
        listener: Arc::new(|_| {}),
    }
}

/// Records of about a kilobyte, of which the disk holds some hundred.
fn records() -> Vec<Arc<Record>> {
    let record = |sequence| Record {
        sequence,
        time_ns: sequence,
        level: Level::Info,
        class: Class::Audit,
        line: format!("{{\"n\":{sequence},\"text\":\"{}\"}}", "x".repeat(997))
            .into_bytes()
            .into(),
    };
    (1..=RECORDS).map(|number| Arc::new(record(number))).collect()
}

fn until(what: &str, mut comes: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !comes() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::yield_now();
    }
}

fn exact(sink: &Sink) -> Tally {
    let tally = sink.tally();
    assert_eq!(
        tally.accepted,
        tally.delivered + tally.dropped() + tally.held,
        "{tally:?}"
    );
    tally
}

fn end(mut sink: Sink) {
    assert!(sink.ended(Instant::now() + LONG));
    let tally = exact(&sink);
    assert_eq!((tally.delivered, tally.dropped()), (RECORDS, 0), "{tally:?}");
}

/// The numbers of the lines, each of which must be whole.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let values = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
    values.map(|value| value["n"].as_u64().unwrap()).collect()
}

fn all() -> Vec<u64> {
    (1..=RECORDS).collect()
}

fn files(path: &Path) -> FileSettings {
    FileSettings {
        lanes: vec![Lane {
            takes: Selection::default(),
            path: path.to_owned(),
            keep: Keep::default(),
        }],
        rotate_bytes: 1 << 30,
        rotate_every: Duration::from_secs(3600),
        compress: false,
        sync: Sync::Never,
        clock: Arc::new(SystemClock::default()),
    }
}

/// The files of the log, rotated or not.
fn logs(disk: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(disk).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> = entries.filter(|path| path.to_str().unwrap().contains("/log")).collect();
    logs.sort();
    logs
}

/// Leaves no byte of the disk.
fn fill(disk: &Path) {
    let mut rest = File::create(disk.join("rest")).unwrap();
    while rest.write(&[0; 4096]).is_ok() {}
}

#[test]
fn a_log_file_has_whole_lines_and_goes_on_when_there_is_room() {
    on_a_small_disk("a_log_file_has_whole_lines_and_goes_on_when_there_is_room", |disk| {
        let path = disk.join("log");
        let settings = files(&path);
        let sink = start_files(frame(), settings).unwrap();
        sink.give(&records());
        until("full", || sink.tally().retries > 3);
        let tally = exact(&sink);
        assert!(tally.delivered > 0 && tally.held > 0, "{tally:?}");
        free(disk);
        until("all", || sink.acknowledged() == RECORDS);
        end(sink);
        assert_eq!(numbers(&fs::read(path).unwrap()), all());
    });
}

#[test]
fn half_a_line_of_a_killed_process_leaves_nothing_when_the_next_write_fails() {
    let test = "half_a_line_of_a_killed_process_leaves_nothing_when_the_next_write_fails";
    on_a_small_disk(test, |disk| {
        let path = disk.join("log");
        let half = format!("{{\"n\":0}}\n{{\"n\":0,\"text\":\"{}", "x".repeat(3000));
        fs::write(&path, half).unwrap();
        fill(disk);
        // One try fails, and the next one comes when there is room.
        let frame = Frame {
            retry: (Duration::from_secs(1), Duration::from_secs(1)),
            ..frame()
        };
        let sink = start_files(frame, files(&path)).unwrap();
        sink.give(&records());
        until("full", || sink.tally().retries > 0);
        fs::remove_file(disk.join("rest")).unwrap();
        free(disk);
        until("all", || sink.acknowledged() == RECORDS);
        end(sink);
        let found = numbers(&fs::read(path).unwrap());
        assert_eq!(found, (0..=RECORDS).collect::<Vec<_>>());
    });
}

/// A clock of which each look is an hour after the one before.
struct Hasty(AtomicU64);

impl Clock for Hasty {
    fn steady(&self) -> Duration {
        Duration::from_secs(3600 * self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }
}

#[test]
fn a_rotation_for_which_there_is_no_new_file_leaves_the_old_one_where_it_was() {
    let test = "a_rotation_for_which_there_is_no_new_file_leaves_the_old_one_where_it_was";
    on_a_small_disk(test, |disk| {
        free(disk);
        let path = disk.join("log");
        let settings = FileSettings {
            clock: Arc::new(Hasty(AtomicU64::new(0))),
            ..files(&path)
        };
        let said = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let ears = Arc::clone(&said);
        let frame = Frame {
            listener: Arc::new(move |notice| ears.lock().push(notice.text)),
            ..frame()
        };
        let sink = start_files(frame, settings).unwrap();
        let mut more = Vec::new();
        while let Ok(file) = tempfile::NamedTempFile::new_in(disk) {
            more.push(file);
        }
        let records = records();
        let (first, second) = records.split_at(200);
        sink.give(first);
        let stays = |text: &String| text.contains("cannot be rotated");
        until("said", || said.lock().iter().any(stays));
        until("the first", || sink.acknowledged() == 200);
        // Each further try takes its name away for a moment.
        until("all of them under its name", || {
            fs::read(&path).is_ok_and(|bytes| numbers(&bytes).len() == 200)
        });
        drop(more);
        sink.give(second);
        until("all", || sink.acknowledged() == RECORDS);
        until("a rotation", || logs(disk).len() > 1);
        end(sink);
        let mut found: Vec<u64> = logs(disk)
            .iter()
            .flat_map(|log| numbers(&fs::read(log).unwrap()))
            .collect();
        found.sort_unstable();
        assert_eq!(found, all());
    });
}

#[test]
fn a_stream_ends_the_line_of_which_half_is_out() {
    on_a_small_disk("a_stream_ends_the_line_of_which_half_is_out", |disk| {
        let path = disk.join("stream");
        let sink = start_writer(frame(), Box::new(File::create(&path).unwrap())).unwrap();
        sink.give(&records());
        until("full", || sink.tally().retries > 3);
        let half = fs::read(&path).unwrap();
        assert!(
            !half.is_empty() && !half.ends_with(b"\n"),
            "the disk was not full in the middle of a line"
        );
        assert!(exact(&sink).held > 0);
        free(disk);
        until("all", || sink.acknowledged() == RECORDS);
        end(sink);
        assert_eq!(numbers(&fs::read(path).unwrap()), all());
    });
}

/// Another side that takes nothing for a while.
struct Away(Arc<AtomicBool>, Arc<parking_lot::Mutex<Vec<u8>>>);

impl Write for Away {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.1.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_spool_keeps_what_it_has_and_acknowledges_nothing_else() {
    on_a_small_disk("a_spool_keeps_what_it_has_and_acknowledges_nothing_else", |disk| {
        let spool = SpoolSettings {
            folder: disk.join("spool"),
            bytes_max: 1 << 30,
            segment_bytes_max: 40 << 10,
            sync: Sync::Always,
        };
        let frame = Frame {
            spool: Some(spool),
            ..frame()
        };
        let (away, got) = (Arc::new(AtomicBool::new(true)), Arc::default());
        let sink = start_writer(frame, Box::new(Away(Arc::clone(&away), Arc::clone(&got)))).unwrap();
        sink.give(&records());
        until("full", || sink.tally().spool_faults > 3);
        let tally = exact(&sink);
        assert!(tally.spooled > 0 && tally.spooled < RECORDS, "{tally:?}");
        assert!(sink.acknowledged() < RECORDS);
        free(disk);
        until("all in the spool", || sink.acknowledged() == RECORDS);
        away.store(false, Ordering::SeqCst);
        until("all", || sink.tally().delivered == RECORDS);
        let mut found = numbers(&got.lock());
        found.sort_unstable();
        assert_eq!(found, all());
        end(sink);
    });
}

fn chain(disk: &Path) -> ChainSettings {
    let name = |name: &str| name.to_owned();
    ChainSettings {
        folder: disk.join("chain"),
        names: ChainNames {
            sequence: name("sequence"),
            previous: name("previous"),
            hash: name("hash"),
            segment: name("segment"),
            digest: name("digest"),
        },
        digest: Digest::sm3(),
        segment_bytes_max: 60 << 10,
        segment_every: Duration::from_secs(3600),
        age_max: None,
        sync: Sync::Never,
        clock: Arc::new(SystemClock::default()),
    }
}

#[test]
fn a_chain_that_cannot_begin_a_segment_leaves_no_empty_ones() {
    on_a_small_disk("a_chain_that_cannot_begin_a_segment_leaves_no_empty_ones", |disk| {
        fill(disk);
        let settings = chain(disk);
        let names = settings.names.clone();
        let sink = log_ship::chain::start(frame(), settings).unwrap();
        sink.give(&records());
        until("some tries", || sink.tally().retries > 5);
        fs::remove_file(disk.join("rest")).unwrap();
        free(disk);
        until("all", || sink.acknowledged() == RECORDS);
        end(sink);
        let report = verify(&disk.join("chain"), &names, &Digest::sm3(), &[]).unwrap();
        assert!(report.is_whole(), "{:?}", report.findings);
        for entry in fs::read_dir(disk.join("chain")).unwrap() {
            let path = entry.unwrap().path();
            let is_empty = fs::metadata(&path).unwrap().len() == 0;
            assert!(!is_empty || path.ends_with("lock"), "{}", path.display());
        }
    });
}

#[test]
fn a_chain_is_whole_and_has_every_record() {
    on_a_small_disk("a_chain_is_whole_and_has_every_record", |disk| {
        let settings = chain(disk);
        let names = settings.names.clone();
        let sink = log_ship::chain::start(frame(), settings).unwrap();
        sink.give(&records());
        until("full", || sink.tally().retries > 3);
        assert!(exact(&sink).held > 0);
        free(disk);
        until("all", || sink.acknowledged() == RECORDS);
        end(sink);
        let report = verify(&disk.join("chain"), &names, &Digest::sm3(), &[]).unwrap();
        assert!(report.is_whole(), "{:?}", report.findings);
        assert_eq!(report.lines, RECORDS + report.segments);
    });
}
