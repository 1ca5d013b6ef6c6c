//! Files as an operator meets them: rotated, compressed, removed, on a full disk, and under clocks that jump.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;

use super::upkeep::Upkeep;
use super::*;
use crate::record::{Class, Level, Record, Selection};
use crate::scene::{assert_exact, frame, heard, record, records, until};

/// Clocks that go as they are told.
struct Hands(Mutex<(Duration, SystemTime)>);

impl Hands {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new((Duration::from_secs(1000), SystemTime::now()))))
    }

    fn pass(&self, time: Duration) {
        let mut now = self.0.lock();
        now.0 += time;
        now.1 += time;
    }

    fn set_wall(&self, wall: SystemTime) {
        self.0.lock().1 = wall;
    }
}

impl Clock for Hands {
    fn steady(&self) -> Duration {
        self.0.lock().0
    }

    fn wall(&self) -> SystemTime {
        self.0.lock().1
    }
}

fn lane(path: PathBuf, keep: Keep) -> Lane {
    Lane {
        takes: Selection::default(),
        path,
        keep,
    }
}

fn settings(lanes: Vec<Lane>, clock: &Arc<Hands>) -> FileSettings {
    FileSettings {
        lanes,
        rotate_bytes: 1 << 20,
        rotate_every: Duration::from_secs(3600),
        compress: false,
        sync: Sync::Never,
        clock: Arc::<Hands>::clone(clock),
    }
}

fn write(files: &mut Files, records: Vec<Arc<Record>>) -> (Step, Batch) {
    let mut batch = Batch::new(records);
    let step = files.deliver(&mut batch, &mut |_| {});
    batch.decided();
    (step, batch)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn upkeep(lanes: Vec<Lane>, compress: bool, clock: &Arc<Hands>) -> Upkeep {
    let (frame, _) = heard(frame("keep"));
    let talk = Talk::new("keep", frame.listener);
    Upkeep::new(
        lanes,
        compress,
        Arc::<Hands>::clone(clock),
        talk,
        Arc::new(AtomicBool::new(false)),
    )
}

#[test]
fn records_go_into_the_file_of_their_level_and_class() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join("deep").join(name);
    let only = |level_min, level_max, classes: &[Class], name: &str| Lane {
        takes: Selection {
            level_min,
            level_max,
            classes: classes.to_vec(),
        },
        ..lane(at(name), Keep::default())
    };
    let lanes = vec![
        only(Level::Trace, Level::Critical, &[Class::Fault], "faults"),
        only(Level::Trace, Level::Debug, &[], "debug"),
        only(Level::Error, Level::Critical, &[], "error"),
        only(Level::Info, Level::Info, &[], "info"),
    ];
    let mut sink = start(frame("lanes"), settings(lanes, &Hands::new())).unwrap();
    let mut fault = (*record(5, Level::Debug)).clone();
    fault.class = Class::Fault;
    let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
    let mut given: Vec<Arc<Record>> = levels
        .iter()
        .zip(1..)
        .map(|(level, number)| record(number, *level))
        .collect();
    given.push(Arc::new(fault));
    sink.give(&given);
    until("all", || sink.acknowledged() == 5);
    let lines = |name: &str| fs::read_to_string(at(name)).unwrap().lines().count();
    assert_eq!((lines("faults"), lines("debug"), lines("error")), (1, 1, 1));
    assert_eq!(lines("info"), 2, "what nobody takes goes to the last");
    assert_eq!(fs::metadata(at("info")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(sink.ended(Instant::now() + Duration::from_secs(5)));
    assert_exact(&sink.tally());
}

#[test]
fn a_file_is_rotated_by_size_and_by_age_and_nothing_is_lost_between() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::new();
    let mut settings = settings(vec![lane(folder.path().join("a.log"), Keep::default())], &clock);
    settings.rotate_bytes = 500;
    let mut files = Files::open(&frame("rotate"), settings).unwrap();
    write(&mut files, records(1..=5));
    assert_eq!(names(folder.path()), ["a.log"]);
    write(&mut files, records(6..=100));
    assert_eq!(names(folder.path()).len(), 2);
    write(&mut files, records(101..=102));
    clock.pass(Duration::from_secs(3599));
    files.idle();
    assert_eq!(names(folder.path()).len(), 2);
    clock.pass(Duration::from_secs(1));
    files.idle();
    assert_eq!(names(folder.path()).len(), 3);
    clock.pass(Duration::from_secs(9999));
    files.idle();
    assert_eq!(names(folder.path()).len(), 3, "an empty file is not rotated");
    let mut lines = 0;
    for name in names(folder.path()) {
        let text = fs::read_to_string(folder.path().join(&name)).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        lines += text.lines().count();
    }
    assert_eq!(lines, 102);
}

#[test]
fn clocks_that_jump_change_neither_the_order_nor_the_age() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::new();
    let mut files = Files::open(
        &frame("jump"),
        settings(vec![lane(folder.path().join("a.log"), Keep::default())], &clock),
    )
    .unwrap();
    for (number, wall) in (1..).zip([5_000_000_000, 0, 1_000_000_000, 4_000_000_000]) {
        write(&mut files, records([number]));
        clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(wall));
        files.idle();
        assert_eq!(
            names(folder.path()).len(),
            usize::try_from(number).unwrap(),
            "no age by the wall's clock"
        );
        clock.0.lock().0 += Duration::from_secs(3600);
        files.idle();
    }
    let rotated = rotated::list(&folder.path().join("a.log")).unwrap();
    let numbers: Vec<String> = rotated
        .iter()
        .map(|file| fs::read_to_string(&file.path).unwrap())
        .collect();
    let order = ["{\"n\":1,", "{\"n\":2,", "{\"n\":3,", "{\"n\":4,"];
    assert!(
        numbers.iter().zip(order).all(|(text, begin)| text.starts_with(begin)),
        "{numbers:?}"
    );
}

#[test]
fn compressed_files_are_what_gzip_reads_and_keep_their_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let clock = Hands::new();
    let lanes = vec![lane(path.clone(), Keep::default())];
    let mut files = Files::open(&frame("gzip"), settings(lanes.clone(), &clock)).unwrap();
    write(&mut files, records(1..=5000));
    clock.pass(Duration::from_secs(3600));
    files.idle();
    let rotated = rotated::list(&path).unwrap().remove(0).path;
    let text = fs::read(&rotated).unwrap();
    let modified = fs::metadata(&rotated).unwrap().modified().unwrap();
    fs::write(
        rotated.with_file_name("a.log.00000009.20261123T000000Z.gz.part"),
        "left by a kill",
    )
    .unwrap();
    // The sink's own thread, which does not compress, may look at the folder at the same time.
    let mut upkeep = upkeep(lanes, true, &clock);
    until("compressed", || {
        upkeep.keep();
        names(folder.path()).iter().filter(|name| name.ends_with(".gz")).count() == 1
    });
    let left = names(folder.path());
    assert_eq!(left.len(), 2, "{left:?}");
    let compressed = folder.path().join(&left[1]);
    assert!(fs::metadata(&compressed).unwrap().len() * 4 < u64::try_from(text.len()).unwrap());
    assert_eq!(fs::metadata(&compressed).unwrap().modified().unwrap(), modified);
    assert_eq!(fs::metadata(&compressed).unwrap().permissions().mode() & 0o777, 0o600);
    let unpacked = Command::new("gzip").arg("-dc").arg(&compressed).output().unwrap();
    assert!(unpacked.status.success());
    assert!(unpacked.stdout == text);
}

#[test]
fn retention_is_by_count_by_bytes_and_by_age_of_each_lane() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::new();
    let make = |name: &str, number: u32, age: u64| {
        let path = folder.path().join(format!("{name}.{number:08}.20261123T000000Z"));
        fs::write(&path, vec![b'x'; 100]).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(clock.wall() - Duration::from_secs(age)).unwrap();
    };
    for number in 1..=6 {
        make("count", number, 10);
        make("bytes", number, 10);
        make("age", number, u64::from(7 - number) * 1000);
        make("all", number, 1_000_000_000);
    }
    let path = |name: &str| folder.path().join(name);
    let lanes = vec![
        lane(
            path("count"),
            Keep {
                files_max: Some(2),
                ..Keep::default()
            },
        ),
        lane(
            path("bytes"),
            Keep {
                bytes_max: Some(350),
                ..Keep::default()
            },
        ),
        lane(
            path("age"),
            Keep {
                age_max: Some(Duration::from_secs(4500)),
                ..Keep::default()
            },
        ),
        lane(path("all"), Keep::default()),
    ];
    let mut upkeep = upkeep(lanes, false, &clock);
    upkeep.keep();
    let left = |name: &str| -> Vec<u64> {
        rotated::list(&path(name))
            .unwrap()
            .iter()
            .map(|file| file.number)
            .collect()
    };
    assert_eq!(left("count"), [5, 6]);
    assert_eq!(left("bytes"), [4, 5, 6]);
    assert_eq!(left("age"), [3, 4, 5, 6]);
    assert_eq!(left("all"), [1, 2, 3, 4, 5, 6]);
    // A clock that is set to next year removes nothing by itself; an hour later it is believed.
    clock.set_wall(clock.wall() + Duration::from_secs(365 * 86_400));
    upkeep.keep();
    assert_eq!(left("age"), [3, 4, 5, 6]);
    clock.pass(Duration::from_secs(3601));
    upkeep.keep();
    assert_eq!(left("age"), [0; 0]);
}

#[test]
fn a_full_disk_is_said_and_what_could_not_be_written_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.log");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let (frame, heard) = heard(frame("full"));
    let lanes = vec![lane(path.clone(), Keep::default())];
    let mut sink = start(frame, settings(lanes, &Hands::new())).unwrap();
    sink.give(&records(1..=50));
    until("a try", || sink.tally().retries > 2);
    assert_eq!((sink.acknowledged(), sink.tally().held), (0, 50));
    assert!(
        heard.lock()[0].contains("No space left on device"),
        "{:?}",
        heard.lock()
    );
    fs::remove_file(&path).unwrap();
    sink.reopen();
    until("all", || sink.acknowledged() == 50);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 50);
    assert!(sink.ended(Instant::now() + Duration::from_secs(5)));
}

#[test]
fn after_a_rename_from_outside_reopening_begins_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let sink = start(
        frame("logrotate"),
        settings(vec![lane(path.clone(), Keep::default())], &Hands::new()),
    )
    .unwrap();
    sink.give(&records(1..=3));
    until("three", || sink.acknowledged() == 3);
    fs::rename(&path, folder.path().join("a.log.1")).unwrap();
    sink.reopen();
    until("a new file", || path.exists());
    sink.give(&records(4..=5));
    until("all", || sink.acknowledged() == 5);
    let lines = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(&folder.path().join("a.log.1")), lines(&path)), (3, 2));
}

#[test]
fn half_a_line_of_a_killed_process_does_not_spoil_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, "{\"n\":0}\n{\"n\":").unwrap();
    let mut files = Files::open(
        &frame("half"),
        settings(vec![lane(path.clone(), Keep::default())], &Hands::new()),
    )
    .unwrap();
    write(&mut files, records([1]));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\"n\":0}\n{\"n\":1,"), "{text}");
}

#[test]
fn half_a_line_is_taken_away_of_its_own_file_alone_and_nothing_that_came_since() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("a.log"), folder.path().join("a.old"));
    let opened = || {
        fs::write(&path, "{\"n\":0}\n{\"n\":").unwrap();
        let lanes = vec![lane(path.clone(), Keep::default())];
        Files::open(&frame("half"), settings(lanes, &Hands::new())).unwrap()
    };
    let mut files = opened();
    // Somebody else ends it.
    fs::write(&path, "{\"n\":0}\n{\"n\":5}\n").unwrap();
    write(&mut files, records([1]));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\"n\":0}\n{\"n\":5}\n{\"n\":1,"), "{text}");
    // It gets another name, and another file has its own.
    let mut files = opened();
    fs::rename(&path, &old).unwrap();
    fs::write(&path, "{}\n").unwrap();
    write(&mut files, records([1]));
    let text = fs::read_to_string(&old).unwrap();
    assert!(text.starts_with("{\"n\":0}\n{\"n\":\n{\"n\":1,"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
}

#[test]
fn a_file_whose_name_is_gone_is_begun_anew_when_it_is_to_be_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let clock = Hands::new();
    let lanes = vec![lane(path.clone(), Keep::default())];
    let mut files = Files::open(&frame("gone"), settings(lanes, &clock)).unwrap();
    write(&mut files, records([1]));
    fs::remove_file(&path).unwrap();
    clock.pass(Duration::from_secs(3600));
    files.idle();
    write(&mut files, records([2]));
    assert!(fs::read_to_string(&path).unwrap().starts_with("{\"n\":2,"));
}

#[test]
fn a_file_that_is_written_is_neither_compressed_nor_removed_whatever_its_name_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let rotated = folder.path().join("a.log.00000001.20261123T000000Z");
    let clock = Hands::new();
    let none = Keep {
        files_max: Some(0),
        ..Keep::default()
    };
    let lanes = vec![lane(path.clone(), none)];
    let mut files = Files::open(&frame("taken"), settings(lanes.clone(), &clock)).unwrap();
    write(&mut files, records([1]));
    fs::rename(&path, &rotated).unwrap();
    for compress in [true, false] {
        upkeep(lanes.clone(), compress, &clock).keep();
        assert_eq!(names(folder.path()), ["a.log.00000001.20261123T000000Z"]);
    }
    files.reopen();
    upkeep(lanes, true, &clock).keep();
    assert_eq!(names(folder.path()), ["a.log"]);
}

#[test]
fn a_file_that_cannot_be_compressed_or_removed_hinders_no_other_and_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let rotated = |number: u32| folder.path().join(format!("a.log.{number:08}.20261123T000000Z"));
    for number in [1, 2, 4, 5, 6] {
        fs::write(rotated(number), "{}\n").unwrap();
    }
    // A folder is neither read nor removed as a file is.
    fs::create_dir(rotated(3)).unwrap();
    let keep = Keep {
        files_max: Some(3),
        ..Keep::default()
    };
    let (frame, heard) = heard(frame("keep"));
    let talk = Talk::new("keep", frame.listener);
    let lanes = vec![lane(folder.path().join("a.log"), keep)];
    let ended = Arc::new(AtomicBool::new(false));
    Upkeep::new(lanes, true, Hands::new(), talk, ended).keep();
    let left: Vec<u64> = rotated::list(&folder.path().join("a.log"))
        .unwrap()
        .iter()
        .map(|file| file.number)
        .collect();
    assert_eq!(left, [3, 4, 5, 6]);
    assert_eq!(
        names(folder.path()).iter().filter(|name| name.ends_with(".gz")).count(),
        3
    );
    assert!(heard.lock()[0].contains("a.log.00000003"), "{:?}", heard.lock());
}

#[test]
fn two_lanes_with_one_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let twice = lane(folder.path().join("a.log"), Keep::default());
    let refused = Files::open(&frame("twice"), settings(vec![twice.clone(), twice], &Hands::new()));
    assert!(matches!(refused, Err(ShipFault::Setting { .. })));
}
