//! What is left of a ring whose ends are gone, and whose folder it lies in.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};

use super::{Place, grave, mark, payload, place, settings};
use crate::{Folder, Found, Recovered, Ring, RingFault, Settings, recover, recover_folder};

/// The ends go, as if the process had died: nothing is written when they do.
fn die(place: Place) -> (Folder, std::path::PathBuf, tempfile::TempDir) {
    let path = place.ring.path();
    (place.folder, path, place._temporary)
}

fn found(folder: &Folder) -> Vec<Found> {
    recover_folder(folder).unwrap().collect()
}

fn payloads(recovered: &Recovered) -> Vec<&[u8]> {
    recovered.records().filter_map(|record| payload(&record)).collect()
}

#[test]
fn what_was_committed_and_not_released_is_recovered_until_it_is_removed() {
    let mut place = place(&settings());
    for text in [&b"released"[..], b"kept", b"last"] {
        place.producer.write(grave(7), text).unwrap();
    }
    let end = place.consumer.batch(1, u64::MAX).end();
    place.consumer.release(end);
    place.consumer.batch(1, u64::MAX);
    place.producer.begin(grave(7), 10).unwrap().put(b"torn").unwrap();
    let (folder, path, _temporary) = die(place);
    for _ in 0..2 {
        let recovered = recover(&path).unwrap();
        assert_eq!(payloads(&recovered), [&b"kept"[..], b"last"]);
        assert_eq!((recovered.len(), recovered.damage()), (2, None));
        assert_eq!(recovered.process(), std::process::id());
        assert!(recovered.process_started() > 0);
    }
    recover(&path).unwrap().remove().unwrap();
    assert!(found(&folder).is_empty());
}

#[test]
fn a_ring_whose_writer_lives_is_left_alone() {
    let place = place(&settings());
    assert!(matches!(recover(&place.ring.path()), Err(RingFault::Alive(_))));
    assert!(matches!(found(&place.folder)[..], [Found::Alive(_)]));
    let Place {
        ring,
        producer,
        consumer,
        folder,
        _temporary,
    } = place;
    drop((ring, producer));
    assert!(matches!(found(&folder)[..], [Found::Alive(_)]), "one end is left");
    drop(consumer);
    assert!(matches!(found(&folder)[..], [Found::Ring(_)]));
}

#[test]
fn two_that_recover_do_not_read_the_same_ring() {
    let (folder, path, _temporary) = die(place(&settings()));
    let first = recover(&path).unwrap();
    assert!(matches!(recover(&path), Err(RingFault::Alive(_))));
    drop(first);
    assert!(matches!(found(&folder)[..], [Found::Ring(_)]));
}

#[test]
fn what_no_gap_record_told_is_known_after_death() {
    let mut place = place(&Settings {
        gap_every_ns: 1_000,
        ..settings()
    });
    for stamp_ns in 0..5 {
        let _ = place.producer.write(mark(3, 4, stamp_ns), &[0; 5000]);
        place.producer.write(grave(stamp_ns), b"").unwrap();
    }
    let untold = place.consumer.untold();
    let (_folder, path, _temporary) = die(place);
    let recovered = recover(&path).unwrap();
    assert_eq!(recovered.untold(), untold, "the drain knows it before");
    assert_eq!(recovered.dropped().iter().map(|dropped| dropped.count).sum::<u64>(), 5);
    assert_eq!(recovered.untold().iter().map(|dropped| dropped.count).sum::<u64>(), 4);
    assert_eq!(recovered.untold()[0].level.number(), 3);
}

#[test]
fn a_gap_record_that_was_not_committed_told_nothing() {
    use crate::layout::{DROPPED, TAIL, TOLD};
    let mut words = vec![0_u64; 12_288 / 8];
    (words[TAIL], words[DROPPED]) = (800, 9);
    (words[TOLD[0]], words[TOLD[0] + 1]) = (400, 5);
    (words[TOLD[1]], words[TOLD[1] + 1]) = (840, 9);
    let untold = |words: &[u64]| {
        crate::count::untold(|word| words[word])
            .iter()
            .map(|dropped| dropped.count)
            .sum::<u64>()
    };
    assert_eq!(untold(&words), 4, "it died before the commit");
    words[TAIL] = 840;
    assert_eq!(untold(&words), 0, "it died behind the commit");
    words[TOLD[1]] = u64::MAX;
    assert_eq!(untold(&words), 4, "it died while it wrote the note");
}

#[test]
fn files_and_folders_are_of_this_user_alone() {
    let place = place(&settings());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&place.ring.path()), 0o600);
    assert_eq!(mode(place.folder.path()), 0o700);
    let about = fs::metadata(place.ring.path()).unwrap();
    assert_eq!(about.len(), 12_288 + 65_536);
    assert!(
        about.blocks() * 512 >= about.len(),
        "storage is there before it is used"
    );
}

#[test]
fn a_folder_that_others_may_enter_is_not_used() {
    let temporary = tempfile::tempdir().unwrap();
    let open = temporary.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(Folder::open(&open), Err(RingFault::Untrusted { .. })));
    let ours = temporary.path().join("ours");
    Folder::open(&ours).unwrap();
    let link = temporary.path().join("link");
    symlink(&ours, &link).unwrap();
    assert!(matches!(Folder::open(&link), Err(RingFault::System { .. })));
    assert!(matches!(
        Folder::open(&temporary.path().join("no/where")),
        Err(RingFault::System { .. })
    ));
}

#[test]
fn links_pipes_folders_and_files_that_others_may_touch_are_not_read() {
    let (folder, path, _temporary) = die(place(&settings()));
    let at = |name: &str| folder.path().join(name);
    symlink(&path, at("a-link.ring")).unwrap();
    fs::hard_link(&path, at("b-second.name")).unwrap();
    fs::create_dir(at("c-folder.ring")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("d-pipe.ring"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from(0o600),
        0,
    )
    .unwrap();
    File::create(at("e-open.ring"))
        .unwrap()
        .set_permissions(Permissions::from_mode(0o604))
        .unwrap();
    let refused = found(&folder);
    assert_eq!(refused.len(), 5);
    for found in refused {
        assert!(
            matches!(found, Found::Refused(_, RingFault::Untrusted { .. })),
            "{found:?}"
        );
    }
    fs::remove_file(at("b-second.name")).unwrap();
    assert!(recover(&path).is_ok());
}

#[test]
fn another_users_file_is_not_read() {
    let (_folder, path, _temporary) = die(place(&settings()));
    // Only who is root can give a file away; for others, `distrust` is asked in the tests of folders.
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
        assert!(matches!(recover(&path), Err(RingFault::Untrusted { .. })));
    }
}

#[test]
fn a_ring_that_was_never_finished_is_taken_away() {
    let (folder, path, _temporary) = die(place(&settings()));
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all_at(&[0; 64], 0)
        .unwrap();
    assert!(matches!(found(&folder)[..], [Found::Unfinished(_)]));
    assert!(found(&folder).is_empty());
}

#[test]
fn rings_of_dead_processes_are_not_written_over_and_are_bounded() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = super::folder(temporary.path());
    for _ in 0..64 {
        Ring::create(&folder, "worker-0", &settings()).unwrap();
    }
    assert!(matches!(
        Ring::create(&folder, "worker-0", &settings()),
        Err(RingFault::Crowded { .. })
    ));
    Ring::create(&folder, "worker-1", &settings())
        .unwrap()
        .0
        .remove()
        .unwrap();
    let rings = found(&folder);
    assert_eq!(rings.len(), 64);
    for ring in rings {
        let Found::Ring(ring) = ring else { panic!("{ring:?}") };
        ring.remove().unwrap();
    }
    Ring::create(&folder, "worker-0", &settings()).unwrap();
}

#[test]
fn an_orderly_stop_leaves_what_was_not_drained_on_its_disk() {
    let mut place = place(&settings());
    place.producer.write(grave(1), b"kept").unwrap();
    place.ring.sync().unwrap();
    let (_folder, path, _temporary) = die(place);
    assert_eq!(payloads(&recover(&path).unwrap()), [b"kept"]);
}
