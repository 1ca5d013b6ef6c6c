//! Code comes back from the cache as it was written, or not at all.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::Module;
use crate::tests::house::engine;
use crate::tests::wat::Wat;

fn code_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "code"))
        .collect()
}

#[test]
fn the_second_load_comes_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(folder.path()).unwrap();
    let bytes = Wat::new().build();
    assert!(!Module::load(&engine(), &bytes, Some(&cache)).unwrap().cached);
    assert!(Module::load(&engine(), &bytes, Some(&cache)).unwrap().cached);
    let again = CodeCache::open(folder.path()).unwrap();
    assert!(
        Module::load(&engine(), &bytes, Some(&again)).unwrap().cached,
        "also after a restart"
    );
    let other = Wat::marked("proxy_abi_version_0_2_0").build();
    assert!(!Module::load(&engine(), &other, Some(&again)).unwrap().cached);
}

#[test]
fn any_changed_byte_is_a_miss_and_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(folder.path()).unwrap();
    let bytes = Wat::new().build();
    Module::load(&engine(), &bytes, Some(&cache)).unwrap();
    let file = code_files(folder.path()).remove(0);
    let good = fs::read(&file).unwrap();
    let places = [0, TAG_BYTES - 1, TAG_BYTES, good.len() / 2, good.len() - 1];
    for at in places {
        let mut changed = good.clone();
        changed[at] ^= 1;
        fs::write(&file, changed).unwrap();
        assert!(
            !Module::load(&engine(), &bytes, Some(&cache)).unwrap().cached,
            "byte {at}"
        );
        assert!(Module::load(&engine(), &bytes, Some(&cache)).unwrap().cached);
    }
    fs::write(&file, &good[..good.len() - 1]).unwrap();
    assert!(
        !Module::load(&engine(), &bytes, Some(&cache)).unwrap().cached,
        "cut short"
    );
    fs::write(&file, b"").unwrap();
    assert!(!Module::load(&engine(), &bytes, Some(&cache)).unwrap().cached, "empty");
}

#[test]
fn code_written_under_another_secret_or_name_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(folder.path()).unwrap();
    cache.write("one", b"code").unwrap();
    assert_eq!(cache.read("one").unwrap(), b"code");
    fs::copy(cache.path("one"), cache.path("two")).unwrap();
    assert_eq!(cache.read("two"), None, "moved to another name");
    fs::remove_file(folder.path().join("secret")).unwrap();
    assert_eq!(CodeCache::open(folder.path()).unwrap().read("one"), None);
}

#[test]
fn a_secret_that_others_may_read_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, [7; SECRET_BYTES]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    CodeCache::open(folder.path()).unwrap();
    assert_ne!(fs::read(&path).unwrap(), [7; SECRET_BYTES]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & OTHERS, 0);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    CodeCache::open(folder.path()).unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_file(), "a link is none either");
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let why = CodeCache::open(folder.path()).err().unwrap();
    assert_eq!(why.kind(), io::ErrorKind::PermissionDenied);
    assert!(
        why.to_string()
            .ends_with("must belong to the user of this process and be writable by nobody else")
    );
}

#[test]
fn what_was_not_used_longest_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(folder.path()).unwrap();
    for (age, name) in ["old", "middle", "new"].into_iter().enumerate() {
        cache.write(name, &[0; 100]).unwrap();
        let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(age as u64);
        fs::File::open(cache.path(name)).unwrap().set_modified(written).unwrap();
    }
    cache.read("old").unwrap();
    cache.trim(300).unwrap();
    assert!(cache.read("middle").is_none());
    assert!(cache.read("old").is_some() && cache.read("new").is_some());
}
