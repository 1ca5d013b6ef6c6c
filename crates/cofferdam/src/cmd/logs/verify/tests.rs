//! Chains that were tampered with, as an operator reads of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use log_ship::chain::{ChainSettings, start};
use log_ship::{BatchLimits, Frame, QueueLimits, Record, Selection, Ship, Sync, SystemClock};

use super::*;

/// A chain of 30 records in several segments.
fn chain(folder: &Path, hash: &Hash) {
    let frame = Frame {
        name: String::from("audit"),
        selection: Selection::default(),
        format: log_ship::Format::Json,
        queue: QueueLimits::default(),
        batch: BatchLimits {
            records_max: 1,
            linger: Duration::from_millis(1),
            ..BatchLimits::default()
        },
        retry: (Duration::from_millis(1), Duration::from_millis(5)),
        spool: None,
        durable: true,
        listener: Arc::new(|_| {}),
    };
    let settings = ChainSettings {
        folder: folder.to_owned(),
        names: chain_names(),
        digest: digest(hash).unwrap(),
        segment_bytes_max: 2000,
        segment_every: Duration::from_secs(3600),
        age_max: None,
        sync: Sync::Never,
        clock: Arc::new(SystemClock::default()),
    };
    let mut ship = Ship::new(vec![start(frame, settings).unwrap()]);
    let records: Vec<Arc<Record>> = (1..=30)
        .map(|number| {
            Arc::new(Record {
                sequence: number,
                time_ns: number,
                level: log_ship::Level::Info,
                class: log_ship::Class::Audit,
                line: format!("{{\"n\":{number}}}").into_bytes().into(),
            })
        })
        .collect();
    ship.give(&records);
    assert!(ship.end(Instant::now() + Duration::from_secs(20)));
}

const SHA256: Hash = Hash {
    algorithm: HashAlgorithm::Sha256,
    key: None,
};

fn options(folder: &Path) -> Options {
    Options {
        folder: folder.to_owned(),
        digest: None,
        key_file: None,
        key_env: None,
        head: Vec::new(),
        format: Format::Text,
    }
}

fn tamper(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// What is said, without what differs between two runs.
fn says(options: &Options, expected: &Expect) {
    let report = looked(options).unwrap();
    let mut said = text(&options.folder, &report).replace(&*options.folder.to_string_lossy(), "FOLDER");
    if let Some(last) = &report.last {
        said = said.replace(&noted(last), "HEAD");
    }
    expected.assert_eq(&said);
}

#[test]
fn a_whole_chain_says_the_head_to_keep() {
    let folder = tempfile::tempdir().unwrap();
    chain(folder.path(), &SHA256);
    says(
        &options(folder.path()),
        &expect![[r#"
            the chain in `FOLDER` is whole: 3 segments, 33 lines, numbers 1 to 33
            head HEAD
            hint: keep it where nobody who can write to the folder can; `--head HEAD` then finds a chain that was cut or made anew
        "#]],
    );
    let report = looked(&options(folder.path())).unwrap();
    let last = report.last.unwrap();
    assert_eq!(head_of(&noted(&last)), Ok(last));
    let object = object(&report);
    assert_eq!(
        (&object["whole"], &object["head"]),
        (&json!(true), &json!(noted(&last)))
    );
    assert_eq!(object["findings"], json!([]));
}

#[test]
fn what_was_done_to_a_chain_is_said_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    chain(folder.path(), &SHA256);
    let segment = |number: u64| folder.path().join(format!("audit.{number:08}.log"));
    tamper(&segment(1), |lines| {
        lines[2] = lines[2].replacen("\"n\":2", "\"n\":7", 1);
        lines.remove(5);
        lines.insert(8, String::from("{\"n\":99}"));
    });
    fs::remove_file(segment(2)).unwrap();
    fs::remove_file(folder.path().join("head")).unwrap();
    let text = fs::read_to_string(segment(3)).unwrap();
    fs::write(segment(3), text.trim_end()).unwrap();
    let asked = Options {
        head: vec![Head {
            sequence: 40,
            hash: [7; 32],
        }],
        ..options(folder.path())
    };
    says(
        &asked,
        &expect![[r#"
            FOLDER/audit.00000001.log:3: record number 3 was changed: its hash is not that of what stands there, or the digest or key is another
            FOLDER/audit.00000001.log:6: record number 6 was removed before it
            FOLDER/audit.00000001.log:9: no record of the chain: the line was added, or its end was changed
            FOLDER/audit.00000003.log: segment number 2 is missing before this one, and it was not removed because its time was over
            FOLDER/audit.00000003.log:1: records number 12 to 22 were removed before it
            FOLDER/audit.00000003.log:11: the line has no end: whoever wrote it was killed, or writes it now
            FOLDER/head: there is no note of the last record, so that a cut end cannot be seen: it was removed or damaged
            FOLDER: the chain was cut or made anew: record number 40, which is known, is not there as it was
            the chain in `FOLDER` is not whole: 8 findings in 2 segments, 22 lines, numbers 1 to 32
        "#]],
    );
    let object = object(&looked(&asked).unwrap());
    assert_eq!(
        object["findings"][0],
        json!({
            "file": segment(1),
            "line": 3,
            "number": 3,
            "kind": "changed",
            "meaning": "record number 3 was changed: its hash is not that of what stands there, or the digest or key is another",
        })
    );
}

#[test]
fn a_keyed_chain_wants_its_key_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (folder.path().join("key"), folder.path().join("other"));
    fs::write(&right, "secret").unwrap();
    fs::write(&wrong, "guess").unwrap();
    let of = folder.path().join("chain");
    let hash = Hash {
        algorithm: HashAlgorithm::Sm3,
        key: Some(Secret::File(right.clone())),
    };
    chain(&of, &hash);
    let with = |key: Option<&PathBuf>, digest| Options {
        key_file: key.cloned(),
        digest,
        ..options(&of)
    };
    assert!(looked(&with(Some(&right), None)).unwrap().is_whole());
    assert!(looked(&with(Some(&right), Some(Name::HmacSm3))).unwrap().is_whole());
    assert!(!looked(&with(Some(&wrong), None)).unwrap().is_whole());
    let why = looked(&with(None, None)).unwrap_err();
    assert!(
        why.starts_with("the digest `hmac-sm3` has a key, and none was given\nhint: "),
        "{why}"
    );
}

#[test]
fn a_chain_that_was_made_anew_without_the_key_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    chain(folder.path(), &SHA256);
    let asked = Options {
        key_env: Some(String::from("NOT_LOOKED_AT")),
        ..options(folder.path())
    };
    let why = looked(&asked).unwrap_err();
    assert!(
        why.starts_with("a key was given, and the digest `sha256` has none"),
        "{why}"
    );
    let asked = Options {
        digest: Some(Name::HmacSha256),
        ..options(folder.path())
    };
    let why = looked(&asked).unwrap_err();
    assert!(
        why.starts_with("the chain says that its digest is `sha256`, not `hmac-sha256`"),
        "{why}"
    );
}

#[test]
fn a_folder_without_a_chain_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Options {
        digest: Some(Name::Sha256),
        ..options(folder.path())
    };
    let why = looked(&asked).unwrap_err();
    assert!(why.contains("has no segments of a chain"), "{why}");
    assert!(looked(&options(folder.path())).is_err());
    assert!(
        looked(&options(Path::new("/nowhere")))
            .unwrap_err()
            .starts_with("`/nowhere` cannot be read: ")
    );
}

#[test]
fn a_head_is_a_number_and_a_hash() {
    let head = Head {
        sequence: 12,
        hash: [0xab; 32],
    };
    assert_eq!(head_of(&noted(&head)), Ok(head));
    for wrong in [
        "",
        "12",
        "12:ab",
        &format!("x:{}", "ab".repeat(32)),
        &format!("1:{}", "+a".repeat(32)),
    ] {
        assert!(head_of(wrong).is_err(), "{wrong}");
    }
}
