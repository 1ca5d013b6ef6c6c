//! What is kept on disk, what leaves, and what strange files do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;
use crate::scene::Scene;

fn crash(plugin: &str, at_ms: u64) -> Crash {
    let scene = Scene {
        plugin: plugin.to_owned(),
        at_ms,
        ..Scene::default()
    };
    Crash::of(scene, None)
}

fn store(folder: &TempDir, bytes_max: u64) -> CrashStore {
    CrashStore::open(&folder.path().join("state/crashes"), bytes_max).unwrap()
}

#[test]
fn reports_are_counted_by_signature_and_the_latest_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 1 << 20);
    store.keep(crash("a", 1)).unwrap();
    store.keep(crash("b", 2)).unwrap();
    assert_eq!(store.keep(crash("a", 3)).unwrap().count, 2);
    let all = store.list().unwrap();
    let told: Vec<_> = all
        .iter()
        .map(|crash| (crash.scene.plugin.as_str(), crash.count))
        .collect();
    assert_eq!(told, [("a", 2), ("b", 1)]);
    assert_eq!((all[0].first_seen_ms, all[0].last_seen_ms), (1, 3));
}

#[test]
fn a_report_is_found_by_the_beginning_of_its_signature() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 1 << 20);
    let kept = store.keep(crash("a", 1)).unwrap();
    assert_eq!(store.find(&kept.signature[..6]).unwrap(), [kept]);
    assert_eq!(store.find("x").unwrap(), []);
}

#[test]
fn beyond_the_bound_the_oldest_leaves_and_the_newest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let one = serde_json::to_vec(&crash("a", 1)).unwrap().len();
    let store = store(&folder, one as u64 * 5 / 2);
    for (number, plugin) in ["a", "b", "c", "d"].iter().enumerate() {
        let kept = store.keep(crash(plugin, number as u64)).unwrap();
        // The file system's clock may be too coarse to tell them apart.
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
        let file = fs::File::options()
            .write(true)
            .open(store.path(&kept.signature))
            .unwrap();
        file.set_modified(old).unwrap();
    }
    let plugins: Vec<_> = store
        .list()
        .unwrap()
        .into_iter()
        .map(|crash| crash.scene.plugin)
        .collect();
    assert_eq!(plugins, ["d", "c"]);
}

#[test]
fn a_recording_counts_leaves_with_its_report_and_is_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 20_000);
    let recording = Recording {
        steps: [6, 0].repeat(6_000),
        ..Recording::default()
    };
    let old = store.keep(crash("a", 1)).unwrap().signature;
    let path = store.keep_recording(&old, &recording).unwrap();
    assert_eq!(path, store.recording(&old));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for file in [path.clone(), store.path(&old)] {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    assert_eq!(store.list().unwrap().len(), 1);
    store.keep_recording("exchange-7-1", &recording).unwrap();
    assert!(!path.exists(), "the older one made room");
    assert_eq!(store.list().unwrap(), [], "and its report with it");
    assert!(store.recording("exchange-7-1").exists());
}

#[test]
fn only_the_owner_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 1 << 20);
    let kept = store.keep(crash("a", 1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(store.folder()), mode(&store.path(&kept.signature))),
        (0o700, 0o600)
    );
}

#[test]
fn strange_files_are_left_out_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 1);
    let kept = store.keep(crash("a", 1)).unwrap();
    let mine = store.folder().join("notes.json");
    fs::write(&mine, "{}").unwrap();
    fs::write(store.path("abcdef"), "{\"format\": 99}").unwrap();
    assert_eq!(store.list().unwrap(), [kept]);
    store.keep(crash("b", 2)).unwrap();
    assert!(mine.exists());
}

#[test]
fn a_folder_that_is_not_there_holds_none() {
    let store = CrashStore::at(Path::new("/nonexistent/crashes"), 0);
    assert_eq!(store.list().unwrap(), []);
}
