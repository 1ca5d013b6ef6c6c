//! A book with real rings and sinks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log_mask::class::Class as Secret;
use log_mask::field::Untrusted;
use log_mask::rules::{Action, Draft, Rules};
use log_record::field;
use log_record::grade::{Class, Level};
use log_ship::{BatchLimits, Frame, QueueLimits, Selection, Ship, Sink, start_writer};
use parking_lot::Mutex;

use super::*;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>, Arc<AtomicBool>);

impl Page {
    fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().clone();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.1.load(Ordering::Relaxed) {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn sink(name: &str, page: &Page, classes: &[Class]) -> Sink {
    let frame = Frame {
        name: name.to_owned(),
        selection: Selection {
            classes: classes.to_vec(),
            ..Selection::default()
        },
        format: log_ship::Format::Json,
        queue: QueueLimits::default(),
        batch: BatchLimits {
            linger: Duration::from_millis(1),
            ..BatchLimits::default()
        },
        retry: (Duration::from_millis(1), Duration::from_millis(5)),
        spool: None,
        durable: true,
        listener: Arc::new(|_| {}),
    };
    start_writer(frame, Box::new(page.clone())).unwrap()
}

fn settings(folder: &Path, notices: &Arc<Mutex<Vec<Notice>>>) -> Settings {
    let heard = Arc::clone(notices);
    let rules = Draft::default().class(Secret::Email, Action::Redact("MAIL".to_owned()));
    Settings {
        folder: folder.to_owned(),
        rings: log_ring::Settings {
            ring_bytes: 128 * 1024,
            payload_bytes_max: 8 * 1024,
            ..log_ring::Settings::default()
        },
        rules: Arc::new(rules.finish().unwrap()),
        screen: None,
        wanted: Wanted::of([&Selection::default()]),
        listener: Arc::new(move |notice| heard.lock().push(notice)),
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn write(pen: &mut Pen, number: u64) {
    pen.write(Subject::now(Level::Info, Class::Access), |sheet| {
        sheet.own().integer(&field::STATUS, number);
    });
}

fn numbers(page: &Page) -> Vec<u64> {
    let lines = page.lines();
    lines
        .iter()
        .filter_map(|line| line[field::STATUS.name].as_u64())
        .collect()
}

#[test]
fn a_record_comes_out_masked_and_in_order_and_the_ring_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let rings = folder.path().join("rings");
    let page = Page::default();
    let notices = Arc::default();
    let ship = Ship::new(vec![sink("page", &page, &[Class::Access])]);
    let book = Book::open(settings(&rings, &notices), ship).unwrap();
    let mut pen = book.pen("worker-0").unwrap();
    pen.write(Subject::now(Level::Info, Class::Access), |sheet| {
        sheet.own().integer(&field::STATUS, 200);
        sheet.sent(&field::PATH, Untrusted::Target(b"/of/ann@example.com/\"x\n"));
        sheet.members(&field::CUSTOM, |members| {
            members.add(b"who", Untrusted::Text(b"bob@example.com"))
        });
    });
    pen.write(Subject::now(Level::Info, Class::Plugin), |sheet| {
        sheet.own().text(&field::PLUGIN, b"not for this sink");
    });
    book.desk().write(Subject::now(Level::Info, Class::Access), |sheet| {
        sheet.own().integer(&field::STATUS, 201);
    });
    until("both", || page.lines().len() == 2);
    let lines = page.lines();
    let first = lines.iter().find(|line| line[field::STATUS.name] == 200).unwrap();
    assert_eq!(first[field::PATH.name], "/of/MAIL/\"x\n");
    assert_eq!(first[field::CUSTOM.name]["who"], "MAIL");
    assert_eq!(book.masked(), [(Secret::Email, 2)]);
    assert_eq!(std::fs::read_dir(&rings).unwrap().count(), 2);
    assert!(book.close(soon()));
    assert_eq!(std::fs::read_dir(&rings).unwrap().count(), 0, "everything was carried");
    assert_eq!(*notices.lock(), []);
}

#[test]
fn what_was_written_and_not_carried_comes_at_the_next_start_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::default();
    page.1.store(true, Ordering::Relaxed);
    let notices = Arc::default();
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let fault = Book::open(settings(folder.path(), &notices), ship)
        .err()
        .unwrap()
        .to_string();
    assert!(fault.contains("others"), "{fault}");
    let rings = folder.path().join("rings");
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let book = Book::open(settings(&rings, &notices), ship).unwrap();
    let mut pen = book.pen("worker-0").unwrap();
    (1..=700).for_each(|number| write(&mut pen, number));
    assert!(
        !book.close(Instant::now() + Duration::from_millis(200)),
        "the sink takes nothing"
    );
    drop((pen, book));
    let page = Page::default();
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let book = Book::open(settings(&rings, &notices), ship).unwrap();
    until("all of them", || numbers(&page).len() == 700);
    assert_eq!(numbers(&page), (1..=700).collect::<Vec<_>>());
    assert!(page.lines().iter().all(|line| line[field::RECOVERED.name] == true));
    until("the file gone", || {
        let left = std::fs::read_dir(&rings).unwrap();
        left.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains("worker"))
            .count()
            == 0
    });
    assert!(
        notices
            .lock()
            .iter()
            .any(|notice| matches!(notice, Notice::Recovering { records: 700, .. }))
    );
    assert!(book.close(soon()));
}

#[test]
fn a_damaged_ring_of_a_dead_process_gives_what_is_whole_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let rings = folder.path().join("rings");
    let page = Page::default();
    page.1.store(true, Ordering::Relaxed);
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let book = Book::open(settings(&rings, &Arc::default()), ship).unwrap();
    let mut pen = book.pen("worker-0").unwrap();
    (1..=50).for_each(|number| write(&mut pen, number));
    assert!(!book.close(Instant::now() + Duration::from_millis(200)));
    drop((pen, book));
    let mut left = std::fs::read_dir(&rings).unwrap().map(|file| file.unwrap().path());
    let file = left.find(|path| path.to_string_lossy().contains("worker-0")).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    let page = Page::default();
    let notices = Arc::default();
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let book = Book::open(settings(&rings, &notices), ship).unwrap();
    until("what is whole", || numbers(&page).len() == 49);
    until("the file gone", || !file.exists());
    assert!(book.close(soon()));
    assert_eq!(numbers(&page), (1..=49).collect::<Vec<_>>());
    let notices: Vec<Notice> = std::mem::take(&mut notices.lock());
    let is_that = |notice: &Notice| matches!(notice, Notice::Damaged { ring, bytes, .. } if ring.contains("worker-0") && *bytes > 0);
    assert!(notices.iter().any(is_that), "{notices:?}");
}

#[test]
fn a_sink_that_stands_still_takes_nothing_from_another_and_what_is_lost_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (alive, still) = (Page::default(), Page::default());
    still.1.store(true, Ordering::Relaxed);
    let notices = Arc::default();
    let ship = Ship::new(vec![sink("alive", &alive, &[]), sink("still", &still, &[])]);
    let book = Book::open(settings(&folder.path().join("rings"), &notices), ship).unwrap();
    let mut pen = book.pen("worker-0").unwrap();
    // Several times what the ring holds, never more than it has room for.
    for number in 0..3000 {
        write(&mut pen, number);
        if number % 100 == 99 {
            until("what is written", || numbers(&alive).len() as u64 == number + 1);
        }
    }
    assert_eq!(numbers(&alive), (0..3000).collect::<Vec<_>>());
    assert!(numbers(&still).is_empty());
    // Faster than anybody takes it out.
    (0..200_000).for_each(|number| write(&mut pen, number));
    pen.rest();
    let told = |page: &Page| {
        let gaps = page
            .lines()
            .into_iter()
            .filter_map(|line| line[field::DROPPED.name].as_u64());
        gaps.sum::<u64>()
    };
    until("that each is there or told", || {
        pen.rest();
        numbers(&alive).len() as u64 - 3000 + told(&alive) == 200_000
    });
    assert!(told(&alive) > 0);
    still.1.store(false, Ordering::Relaxed);
    assert!(book.close(soon()));
    assert_eq!(numbers(&still).len(), numbers(&alive).len());
}

/// Is refused, for no record is that long.
fn too_long(pen: &mut Pen) {
    pen.write_packed(Subject::now(Level::Info, Class::Access), &[&[0; 9000]]);
}

fn told(page: &Page) -> u64 {
    let lines = page.lines();
    lines.iter().filter_map(|line| line[field::DROPPED.name].as_u64()).sum()
}

fn files(rings: &Path) -> Vec<String> {
    let files = std::fs::read_dir(rings).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn what_was_refused_last_is_told_at_an_orderly_stop() {
    let folder = tempfile::tempdir().unwrap();
    let rings = folder.path().join("rings");
    let page = Page::default();
    page.1.store(true, Ordering::Relaxed);
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let book = Book::open(settings(&rings, &Arc::default()), ship).unwrap();
    let mut pen = book.pen("worker-0").unwrap();
    // The second is not told by the ring itself, for nothing was released since it told of the first.
    for _ in 0..2 {
        too_long(&mut pen);
        pen.rest();
    }
    page.1.store(false, Ordering::Relaxed);
    assert!(book.close(soon()));
    assert_eq!(told(&page), 2);
    assert!(files(&rings).is_empty(), "everything was carried");
}

#[test]
fn what_was_refused_last_and_not_carried_is_told_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let rings = folder.path().join("rings");
    let page = Page::default();
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let book = Book::open(settings(&rings, &Arc::default()), ship).unwrap();
    let mut pen = book.pen("worker-0").unwrap();
    write(&mut pen, 1);
    until("the record", || numbers(&page) == [1]);
    page.1.store(true, Ordering::Relaxed);
    too_long(&mut pen);
    assert!(!book.close(Instant::now() + Duration::from_millis(200)));
    drop((pen, book));
    assert_eq!(told(&page), 0);
    let page = Page::default();
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let book = Book::open(settings(&rings, &Arc::default()), ship).unwrap();
    until("what was refused", || told(&page) == 1);
    until("the file gone", || {
        files(&rings).iter().all(|name| !name.contains("worker"))
    });
    assert!(book.close(soon()));
    assert_eq!(told(&page), 1);
}

#[test]
fn a_dead_ring_without_a_whole_record_tells_what_was_refused() {
    for is_damaged in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let rings = folder.path().join("rings");
        let about = settings(&rings, &Arc::default());
        let place = log_ring::Folder::open(&rings).unwrap();
        let (ring, mut producer, consumer) = log_ring::Ring::create(&place, "worker-0", &about.rings).unwrap();
        let path = ring.path();
        let mark = log_ring::Mark {
            level: log_ring::Level::new(Level::Info.number()).unwrap(),
            class: log_ring::Class::new(Class::Access.number()).unwrap(),
            stamp_ns: 1,
        };
        if is_damaged {
            producer.write(mark, b"torn").unwrap();
        }
        assert!(producer.write(mark, &[0; 9000]).is_err());
        drop((ring, producer, consumer));
        if is_damaged {
            let mut bytes = std::fs::read(&path).unwrap();
            let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            bytes[last] ^= 0xff;
            std::fs::write(&path, bytes).unwrap();
        }
        let page = Page::default();
        let ship = Ship::new(vec![sink("page", &page, &[])]);
        let book = Book::open(about, ship).unwrap();
        until("the file gone", || !path.exists());
        assert!(book.close(soon()));
        assert_eq!(told(&page), 1, "{is_damaged}");
        assert!(page.lines().iter().all(|line| line[field::RECOVERED.name] == true));
    }
}

/// A guest that takes out where a client went.
struct Guest;

impl Screen for Guest {
    fn pass(&mut self, lines: &mut [Vec<u8>]) {
        for line in lines {
            let text = String::from_utf8(std::mem::take(line)).unwrap();
            *line = text.replace("/secret", "/seen").into_bytes();
        }
    }
}

#[test]
fn what_others_wrote_leaves_only_behind_the_guests() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::default();
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let settings = Settings {
        screen: Some(Box::new(Guest)),
        ..settings(&folder.path().join("rings"), &Arc::default())
    };
    let book = Book::open(settings, ship).unwrap();
    let mut pen = book.pen("worker-0").unwrap();
    for class in field::PATH.classes {
        pen.write(Subject::now(Level::Info, *class), |sheet| {
            sheet.sent(&field::PATH, Untrusted::Target(b"/secret"));
        });
    }
    assert!(book.close(soon()));
    let lines = page.lines();
    assert_eq!(lines.len(), field::PATH.classes.len());
    for line in lines {
        assert_eq!(line[field::PATH.name], "/seen", "{line}");
    }
}

#[test]
fn other_rules_and_wishes_hold_from_the_next_record_on() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::default();
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let book = Book::open(settings(&folder.path().join("rings"), &Arc::default()), ship).unwrap();
    let mut pen = book.pen("worker-0").unwrap();
    let wanted = Wanted::of([&Selection::default()]).from_level(Class::Plugin, Level::Warn);
    book.follow(Arc::new(Rules::default()), wanted);
    let (rules, wanted) = book.manner();
    pen.follow(rules, wanted);
    for level in [Level::Info, Level::Warn] {
        assert_eq!(pen.wants(level, Class::Plugin), level == Level::Warn);
        pen.write(Subject::now(level, Class::Plugin), |sheet| {
            sheet.sent(&field::MESSAGE, Untrusted::Text(b"ann@example.com"));
        });
    }
    assert!(book.close(soon()));
    let lines = page.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0][field::MESSAGE.name], "ann@example.com");
    let mut dry = Pen::dry();
    assert!(!dry.wants(Level::Critical, Class::Audit));
    write(&mut dry, 1);
}

#[test]
fn values_that_are_too_long_are_cut_behind_the_mask_and_the_record_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::default();
    let ship = Ship::new(vec![sink("page", &page, &[])]);
    let book = Book::open(settings(&folder.path().join("rings"), &Arc::default()), ship).unwrap();
    let mut pen = book.pen("worker-0").unwrap();
    let long = [vec![b'a'; 1 << 20], b" ann@example.com".to_vec()].concat();
    for end in [1 << 20, 4090, 4100] {
        let mut value = vec![b' '; end - 4];
        value.extend_from_slice(b"ann@example.com ");
        pen.write(Subject::now(Level::Info, Class::Plugin), |sheet| {
            sheet.sent(&field::MESSAGE, Untrusted::Text(&value));
            sheet.sent(
                &field::USER_AGENT,
                Untrusted::Header {
                    name: b"user-agent",
                    value: &long,
                },
            );
            sheet.members(&field::CUSTOM, |members| {
                members.add(b"a", Untrusted::Text(&long));
                members.add(b"b", Untrusted::Text(&long));
            });
            sheet.own().integer(&field::STATUS, 200);
        });
    }
    assert!(book.close(soon()));
    let lines = page.lines();
    assert_eq!(lines.len(), 3);
    for line in lines {
        assert_eq!(line[field::STATUS.name], 200);
        assert!(
            line[field::CUT.name].as_u64().unwrap() > 3 << 20,
            "{}",
            line[field::CUT.name]
        );
        let message = line[field::MESSAGE.name].as_str().unwrap();
        assert!(!message.contains("ann"), "{}", &message[message.len() - 20..]);
    }
}
