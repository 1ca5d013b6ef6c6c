//! Chains that were tampered with in every way, and chains that went through kills and full disks.

use std::fs;
use std::time::Instant;

use super::*;
use crate::batch::Batch;
use crate::carrier::{Carrier, Step};
use crate::clock::SystemClock;
use crate::scene::{assert_exact, frame, heard, records, until};

fn names() -> ChainNames {
    let name = |name: &str| format!("chain.{name}");
    ChainNames {
        sequence: name("sequence"),
        previous: name("previous"),
        hash: name("hash"),
        segment: name("segment"),
        digest: name("digest"),
    }
}

fn settings(folder: &Path) -> ChainSettings {
    ChainSettings {
        folder: folder.to_owned(),
        names: names(),
        digest: Digest::sha256(),
        segment_bytes_max: 2000,
        segment_every: Duration::from_secs(3600),
        age_max: None,
        sync: Sync::Never,
        clock: Arc::new(SystemClock::default()),
    }
}

/// Writes records one batch each, as a process that then ends.
fn write(folder: &Path, numbers: std::ops::RangeInclusive<u64>) {
    write_as(settings(folder), numbers);
}

fn write_as(settings: ChainSettings, numbers: std::ops::RangeInclusive<u64>) {
    let mut writer = Writer::open(&frame("chain"), settings).unwrap();
    for number in numbers {
        let mut batch = Batch::new(records([number]));
        assert!(matches!(writer.deliver(&mut batch, &mut |_| {}), Step::Done));
        assert_eq!(batch.open().count(), 0);
    }
}

fn look(folder: &Path) -> Report {
    verify(folder, &names(), &Digest::sha256(), &[]).unwrap()
}

fn file(folder: &Path, number: u64) -> PathBuf {
    heads::segment(folder, number)
}

/// Lines of a segment, changed by whoever should not.
fn tamper(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn wrongs(report: &Report) -> Vec<(String, u64, Wrong)> {
    let name = |finding: &Finding| finding.file.file_name().unwrap().to_str().unwrap().to_owned();
    report
        .findings
        .iter()
        .map(|finding| (name(finding), finding.line, finding.wrong.clone()))
        .collect()
}

#[test]
fn a_chain_is_whole_over_segments_and_starts_and_every_line_is_json() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1..=20);
    write(folder.path(), 21..=40);
    let report = look(folder.path());
    assert!(report.is_whole(), "{:?}", report.findings);
    assert!(report.segments > 4);
    assert_eq!((report.lines, report.first), (40 + report.segments, Some(1)));
    assert_eq!(report.last, head(folder.path()));
    for (_, path) in heads::segments(folder.path()).unwrap() {
        for line in fs::read_to_string(&path).unwrap().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["chain.sequence"].is_u64() && value["chain.previous"].is_string());
        }
    }
    let begin = fs::read_to_string(file(folder.path(), 1)).unwrap();
    let zeros = "0".repeat(64);
    assert!(begin.starts_with(&format!(
        "{{\"chain.segment\":1,\"chain.digest\":\"sha256\",\"chain.sequence\":1,\"chain.previous\":\"{zeros}\""
    )));
}

#[test]
fn every_byte_that_is_changed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1..=3);
    let path = file(folder.path(), 1);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&path, changed).unwrap();
        assert!(!look(folder.path()).is_whole(), "{at}");
    }
    fs::write(&path, whole).unwrap();
    assert!(look(folder.path()).is_whole());
}

#[test]
fn what_was_done_to_a_line_is_said_with_its_place() {
    type Case = (&'static str, fn(&mut Vec<String>), Vec<(u64, Wrong)>);
    let cases: [Case; 5] = [
        (
            "changed",
            |lines| lines[3] = lines[3].replacen("text", "test", 1),
            vec![(4, Wrong::Changed)],
        ),
        (
            "removed",
            |lines| drop(lines.remove(3)),
            vec![(4, Wrong::Removed { from: 4, to: 4 })],
        ),
        (
            "added",
            |lines| lines.insert(3, String::from("{\"n\":99}")),
            vec![(4, Wrong::Added)],
        ),
        (
            "twice",
            |lines| lines.insert(4, lines[2].clone()),
            vec![(5, Wrong::Moved)],
        ),
        ("moved", |lines| lines.swap(3, 4), vec![(5, Wrong::Moved)]),
    ];
    for (what, change, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1..=30);
        tamper(&file(folder.path(), 1), change);
        let found = wrongs(&look(folder.path()));
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(line, wrong)| (String::from("audit.00000001.log"), line, wrong))
            .collect();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn a_line_with_a_hash_made_anew_does_not_fit_the_next() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1..=5);
    tamper(&file(folder.path(), 1), |lines| {
        let link = line::read(&names(), &Digest::sha256(), lines[2].as_bytes()).unwrap();
        let before = Head {
            sequence: link.sequence - 1,
            hash: link.previous,
        };
        let mut out = Vec::new();
        line::write(&names(), &Digest::sha256(), b"{\"n\":\"forged\"}", before, &mut out).unwrap();
        lines[2] = String::from_utf8(out).unwrap().trim_end().to_owned();
    });
    let found = wrongs(&look(folder.path()));
    assert_eq!(found, [(String::from("audit.00000001.log"), 4, Wrong::Replaced)]);
}

#[test]
fn a_cut_end_is_found_by_the_note_and_by_what_was_remembered_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1..=5);
    let remembered = head(folder.path()).unwrap();
    tamper(&file(folder.path(), 1), |lines| lines.truncate(4));
    let cut = Wrong::Cut { known: 6 };
    assert_eq!(look(folder.path()).findings[0].wrong, cut);
    // Whoever cuts may write the note anew, or take it away.
    let last = look(folder.path()).last.unwrap();
    heads::write(folder.path(), &heads::Note { head: last, retired: 0 }, false).unwrap();
    assert!(look(folder.path()).is_whole());
    let report = verify(folder.path(), &names(), &Digest::sha256(), &[remembered]).unwrap();
    assert_eq!(report.findings[0].wrong, cut);
    fs::remove_file(folder.path().join("head")).unwrap();
    assert_eq!(look(folder.path()).findings[0].wrong, Wrong::NoHead);
}

#[test]
fn what_was_cut_while_nobody_ran_stays_to_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1..=5);
    tamper(&file(folder.path(), 1), |lines| lines.truncate(4));
    write(folder.path(), 6..=9);
    let found = wrongs(&look(folder.path()));
    assert_eq!(
        found,
        [(String::from("audit.00000002.log"), 1, Wrong::Removed { from: 5, to: 6 })]
    );
}

#[test]
fn a_segment_that_is_gone_is_found_unless_its_time_was_over() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1..=40);
    fs::remove_file(file(folder.path(), 2)).unwrap();
    let found = look(folder.path()).findings;
    assert_eq!(found[0].wrong, Wrong::SegmentRemoved { number: 2 });
    assert!(matches!(found[1].wrong, Wrong::Removed { .. }));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1..=40);
    fs::remove_file(file(folder.path(), 1)).unwrap();
    assert_eq!(
        look(folder.path()).findings[0].wrong,
        Wrong::SegmentRemoved { number: 1 }
    );
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1..=40);
    for number in 1..=2 {
        let old = fs::File::options()
            .write(true)
            .open(file(folder.path(), number))
            .unwrap();
        old.set_modified(std::time::SystemTime::now() - Duration::from_secs(10_000))
            .unwrap();
    }
    let aged = ChainSettings {
        age_max: Some(Duration::from_secs(9000)),
        ..settings(folder.path())
    };
    write_as(aged, 41..=60);
    assert!(!file(folder.path(), 2).exists() && file(folder.path(), 3).exists());
    let report = look(folder.path());
    assert!(report.is_whole(), "{:?}", report.findings);
    assert!(report.first > Some(10));
}

#[test]
fn half_a_line_that_a_kill_left_is_cut_and_the_chain_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1..=5);
    let path = file(folder.path(), 1);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole, b"{\"half\":".as_slice()].concat()).unwrap();
    assert_eq!(look(folder.path()).findings[0].wrong, Wrong::Torn);
    // Lines that were written just before the kill, and not noted any more, are no gap.
    let note = heads::Note {
        head: Head {
            sequence: 1,
            hash: look(folder.path()).last.unwrap().hash,
        },
        retired: 0,
    };
    let first = line::read(
        &names(),
        &Digest::sha256(),
        whole.split(|byte| *byte == b'\n').next().unwrap(),
    )
    .unwrap();
    heads::write(
        folder.path(),
        &heads::Note {
            head: Head {
                hash: first.hash,
                ..note.head
            },
            ..note
        },
        false,
    )
    .unwrap();
    write(folder.path(), 6..=9);
    let report = look(folder.path());
    assert!(report.is_whole(), "{:?}", report.findings);
    assert_eq!(report.lines, 11);
}

#[test]
fn another_digest_makes_another_chain() {
    let folder = tempfile::tempdir().unwrap();
    let keyed = Digest {
        name: String::from("keyed"),
        hash: Arc::new(|bytes| (Digest::sha256().hash)(&[b"key", bytes].concat())),
    };
    write_as(
        ChainSettings {
            digest: keyed.clone(),
            ..settings(folder.path())
        },
        1..=5,
    );
    assert!(verify(folder.path(), &names(), &keyed, &[]).unwrap().is_whole());
    assert_eq!(
        look(folder.path())
            .findings
            .iter()
            .filter(|one| one.wrong == Wrong::Changed)
            .count(),
        6
    );
}

#[test]
fn a_sink_writes_a_chain_and_what_is_no_object_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (frame, heard) = heard(frame("audit"));
    let mut sink = start(frame, settings(folder.path())).unwrap();
    let mut given = records(1..=50);
    let mut broken = (*given[0]).clone();
    (broken.sequence, broken.line) = (51, b"{\"a\":\n1}".as_slice().into());
    given.push(Arc::new(broken));
    sink.give(&given);
    until("all", || sink.acknowledged() == 51);
    assert!(sink.ended(Instant::now() + Duration::from_secs(5)));
    let tally = sink.tally();
    assert_exact(&tally);
    assert_eq!((tally.delivered, tally.dropped(), heard.lock().len()), (50, 1, 1));
    assert!(look(folder.path()).is_whole());
}

#[test]
fn names_that_need_an_escape_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = settings(folder.path());
    wrong.names.hash = String::from("a\"b");
    assert!(matches!(start(frame("names"), wrong), Err(ShipFault::Setting { .. })));
}

/// The examples of GB/T 32905, and a million of letters by OpenSSL.
#[test]
fn sm3_is_what_the_standard_and_openssl_say() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            b"abc".to_vec(),
            Some("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        ),
        (
            b"abcd".repeat(16),
            Some("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
        ),
        (Vec::new(), None),
        (b"a".repeat(1_000_000), None),
        ((0..=255).collect(), None),
    ];
    for (bytes, standard) in cases {
        let path = folder.path().join("bytes");
        fs::write(&path, &bytes).unwrap();
        let said = testkit::registry::openssl(&["dgst", "-sm3", "-r", "bytes"], folder.path()).unwrap();
        let found = line::hex(&(Digest::sm3().hash)(&bytes));
        assert_eq!(said.split(' ').next(), Some(found.as_str()));
        assert!(standard.is_none_or(|standard| standard == found), "{found}");
    }
}

/// Whoever reads a chain with nothing of ours finds the same hashes.
#[test]
fn a_chain_of_either_digest_is_verified_by_openssl() {
    for digest in [Digest::sha256(), Digest::sm3()] {
        let folder = tempfile::tempdir().unwrap();
        let settings = ChainSettings {
            digest: digest.clone(),
            ..settings(folder.path())
        };
        write_as(settings, 1..=3);
        assert!(verify(folder.path(), &names(), &digest, &[]).unwrap().is_whole());
        let mut previous = "0".repeat(64);
        for line in fs::read_to_string(file(folder.path(), 1)).unwrap().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["chain.previous"], previous.as_str());
            let (hashed, _) = line.split_once(",\"chain.hash\"").unwrap();
            fs::write(folder.path().join("hashed"), hashed).unwrap();
            let kind = format!("-{}", digest.name);
            let said = testkit::registry::openssl(&["dgst", &kind, "-r", "hashed"], folder.path()).unwrap();
            previous = value["chain.hash"].as_str().unwrap().to_owned();
            assert_eq!(said.split(' ').next(), Some(previous.as_str()));
        }
    }
}
