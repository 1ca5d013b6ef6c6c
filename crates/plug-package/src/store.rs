//! What was fetched, kept on disk by digest, so that a gateway starts while a registry is down.
//!
//! Every byte is hashed again at every load: a file that was changed is none. Which digest a tag or a URL had is a hint with a date,
//! never a proof.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::fault::{PackageFault, Result};
use crate::image::manifest;
use crate::package::read_file;

/// LIMIT: bytes kept; what was not used longest goes first.
const STORE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// LIMIT: bytes of a pointer.
const POINTER_BYTES_MAX: u64 = 64 * 1024;
/// LIMIT: pointers kept; a pointer has some hundred bytes.
const POINTERS_MAX: usize = 10_000;

/// A folder of blobs by digest and of pointers by name, which only this user may use.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    bytes_max: u64,
    /// What this process loaded, which is never removed under it.
    used: Mutex<HashSet<Digest>>,
    /// Downloads beside one of the same bytes.
    parts: AtomicU64,
}

/// What a tag or URL led to when it was last asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pointer {
    /// The name, as two names could have one hash only by design.
    pub(crate) name: String,
    /// Where it led.
    pub(crate) digest: String,
    /// When, in seconds since 1970.
    pub(crate) at: u64,
}

/// What is under a digest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The bytes, hashed just now.
    Bytes(Vec<u8>),
    /// Nothing.
    Nothing,
    /// Other bytes than were kept; they have been removed.
    Changed,
}

impl Store {
    /// Opens a folder, and makes it when it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or when another user owns it or may write in it.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::bounded(folder, STORE_BYTES_MAX)
    }

    pub(crate) fn bounded(folder: &Path, bytes_max: u64) -> Result<Self> {
        let failed = |why: io::Error| PackageFault::file(folder, &why);
        for folder in [folder.to_owned(), folder.join("blobs"), folder.join("names")] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(failed)?;
            let about = fs::symlink_metadata(&folder).map_err(failed)?;
            let me = fs::metadata("/proc/self").map_err(failed)?.uid();
            if !about.is_dir() || about.uid() != me || about.mode() & 0o022 != 0 {
                let why = "it must be a folder of the user of this process, writable by nobody else";
                return Err(PackageFault::file(&folder, &why));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            bytes_max,
            used: Mutex::default(),
            parts: AtomicU64::default(),
        })
    }

    /// Where the bytes of a digest are, once they are kept.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.hex())
    }

    /// The bytes of a digest, hashed anew.
    pub(crate) fn read(&self, digest: &Digest, bytes_max: u64) -> Kept {
        let path = self.path(digest);
        let Ok(file) = File::open(&path) else {
            return Kept::Nothing;
        };
        let mut bytes = Vec::new();
        let read = (&file).take(bytes_max.saturating_add(1)).read_to_end(&mut bytes);
        let fits = read.is_ok_and(|read| u64::try_from(read).is_ok_and(|read| read <= bytes_max));
        if !fits {
            // Not known to be changed: the digest may be that of something larger, and the one who asks for it may know that.
            return Kept::Changed;
        }
        if Digest::of(&bytes) == *digest {
            self.used.lock().insert(*digest);
            // Its age decides what goes first; a file system that does not keep ages loses the order, nothing else.
            let _ = file.set_modified(SystemTime::now());
            return Kept::Bytes(bytes);
        }
        // Whoever changed it: it is not what was kept, and the next fetch writes it anew.
        let _ = fs::remove_file(&path);
        Kept::Changed
    }

    /// Keeps bytes.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        // A file that was changed is written anew.
        if !matches!(self.read(&digest, length), Kept::Bytes(_)) {
            self.write(&self.path(&digest), bytes)?;
            self.used.lock().insert(digest);
        }
        Ok(digest)
    }

    /// Remembers where a name leads now.
    pub(crate) fn point(&self, name: &str, digest: Digest) -> Result<()> {
        let at = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let pointer = Pointer {
            name: name.to_owned(),
            digest: digest.to_string(),
            at: at.as_secs(),
        };
        self.write(&self.pointer_path(name), &manifest::write(&pointer))
    }

    /// Where a name led, and when.
    pub(crate) fn pointer(&self, name: &str) -> Option<(Digest, u64)> {
        let bytes = read_file(&self.pointer_path(name), POINTER_BYTES_MAX).ok()?;
        let pointer: Pointer = serde_json::from_slice(&bytes).ok()?;
        let digest = Digest::parse(&pointer.digest).ok()?;
        (pointer.name == name).then_some((digest, pointer.at))
    }

    /// A file that grows while a download goes on, under a name of its own. What an earlier try left is gone on with, unless another
    /// process is at it.
    pub(crate) fn part(&self, name: &str) -> Result<Part> {
        let named = self
            .folder
            .join("blobs")
            .join(format!("{}.part", Digest::of(name.as_bytes()).hex()));
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).read(true).write(true).mode(0o600);
            options.open(path).map_err(|why| PackageFault::file(path, &why))
        };
        let file = open(&named)?;
        if file.try_lock().is_ok() && is_still(&named, &file) {
            return Part::resume(named, file);
        }
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let own = named.with_extension(format!("{}.{number}.part", std::process::id()));
        let file = open(&own)?;
        let mut part = Part::resume(own, file)?;
        part.restart()?;
        Ok(part)
    }

    /// Keeps what was downloaded.
    pub(crate) fn keep_part(&self, part: Part) -> Result<Digest> {
        let digest = part.digest();
        let kept = part
            .file
            .sync_all()
            .and_then(|()| fs::rename(&part.path, self.path(&digest)));
        kept.map_err(|why| PackageFault::file(&part.path, &why))?;
        self.used.lock().insert(digest);
        Ok(digest)
    }

    /// Removes what was not used longest, until the bound is kept.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn trim(&self) -> Result<()> {
        let failed = |why: io::Error| PackageFault::file(&self.folder, &why);
        let used: HashSet<PathBuf> = self.used.lock().iter().map(|digest| self.path(digest)).collect();
        let mut bytes = 0_u64;
        for (path, length) in by_age(&self.folder.join("blobs")).map_err(failed)? {
            bytes = bytes.saturating_add(length);
            if bytes > self.bytes_max && !used.contains(&path) {
                // Another process of ours may have removed it meanwhile.
                let _ = fs::remove_file(path);
            }
        }
        let pointers = by_age(&self.folder.join("names")).map_err(failed)?;
        for (path, _) in pointers.into_iter().skip(POINTERS_MAX) {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    fn pointer_path(&self, name: &str) -> PathBuf {
        self.folder.join("names").join(Digest::of(name.as_bytes()).hex())
    }

    /// Whole or not at all, and also after a power cut.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let part = path.with_extension(format!("{}.new", std::process::id()));
        let written = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, path));
        if written.is_err() {
            // What a full disk left behind would fill it for good.
            let _ = fs::remove_file(&part);
        }
        written.map_err(|why| PackageFault::file(path, &why))
    }
}

/// Whether a path still leads to the open file: who had it locked before may have renamed it when it was whole.
fn is_still(path: &Path, file: &File) -> bool {
    let there = fs::symlink_metadata(path).map(|about| (about.dev(), about.ino()));
    let open = file.metadata().map(|about| (about.dev(), about.ino()));
    there.ok().zip(open.ok()).is_some_and(|(there, open)| there == open)
}

/// Files of a folder with their lengths, the youngest first.
fn by_age(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another process of ours may have removed it meanwhile.
        let Ok(about) = entry.metadata() else { continue };
        files.push((about.modified()?, entry.path(), about.len()));
    }
    files.sort_by_key(|(age, ..)| std::cmp::Reverse(*age));
    Ok(files.into_iter().map(|(_, path, length)| (path, length)).collect())
}

/// A download that goes on.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    bytes: u64,
    /// By which the server knows that the rest is of the same bytes; a blob's digest is enough without.
    pub(crate) validator: Option<http::HeaderValue>,
}

impl Part {
    /// Hashes what is there already.
    fn resume(path: PathBuf, mut file: File) -> Result<Self> {
        let mut hasher = Sha256::new();
        let bytes = io::copy(&mut file, &mut hasher).map_err(|why| PackageFault::file(&path, &why))?;
        Ok(Self {
            path,
            file,
            hasher,
            bytes,
            validator: None,
        })
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::finish(&self.hasher)
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|why| PackageFault::file(&self.path, &why))?;
        self.hasher.update(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// From the first byte again.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|why| PackageFault::file(&self.path, &why))?;
        (self.hasher, self.bytes, self.validator) = (Sha256::new(), 0, None);
        Ok(())
    }

    /// For bytes that can never become the wanted ones.
    pub(crate) fn discard(self) {
        // Left behind, it would only be hashed in vain next time.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(bytes_max: u64) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::bounded(&folder.path().join("store"), bytes_max).unwrap();
        (folder, store)
    }

    #[test]
    fn what_was_kept_is_read_again_and_what_was_changed_is_not() {
        let (_folder, store) = store(1_000);
        let digest = store.keep(b"bytes").unwrap();
        assert_eq!(store.read(&digest, 100), Kept::Bytes(b"bytes".to_vec()));
        assert_eq!(store.read(&Digest::of(b"other"), 100), Kept::Nothing);
        fs::write(store.path(&digest), b"bytez").unwrap();
        assert_eq!(store.read(&digest, 100), Kept::Changed);
        assert_eq!(store.read(&digest, 100), Kept::Nothing);
        let digest = store.keep(b"bytes").unwrap();
        assert_eq!(store.read(&digest, 4), Kept::Changed);
        // Who asks for a small thing by the digest of a large one does not take that away from others.
        assert_eq!(store.read(&digest, 100), Kept::Bytes(b"bytes".to_vec()));
        fs::write(store.path(&digest), b"bytes and more").unwrap();
        assert_eq!(store.keep(b"bytes").unwrap(), digest);
        assert_eq!(store.read(&digest, 100), Kept::Bytes(b"bytes".to_vec()));
    }

    #[test]
    fn a_name_leads_where_it_last_led() {
        let (_folder, store) = store(1_000);
        assert_eq!(store.pointer("a"), None);
        let digest = Digest::of(b"1");
        store.point("a", Digest::of(b"0")).unwrap();
        store.point("a", digest).unwrap();
        assert_eq!(store.pointer("a").unwrap().0, digest);
        assert_eq!(store.pointer("b"), None);
        fs::copy(store.pointer_path("a"), store.pointer_path("b")).unwrap();
        assert_eq!(store.pointer("b"), None);
        fs::write(store.pointer_path("a"), b"{").unwrap();
        assert_eq!(store.pointer("a"), None);
    }

    #[test]
    fn what_was_not_used_longest_goes_first_and_what_is_in_use_stays() {
        let (folder, store) = store(10);
        let digests: Vec<Digest> = (0..4_u64)
            .map(|number| {
                let digest = store.keep(&[u8::try_from(number).unwrap(); 4]).unwrap();
                let age = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number * 100);
                File::options()
                    .write(true)
                    .open(store.path(&digest))
                    .unwrap()
                    .set_modified(age)
                    .unwrap();
                digest
            })
            .collect();
        store.trim().unwrap();
        assert!(digests.iter().all(|digest| store.path(digest).exists()));
        let another = Store::bounded(&folder.path().join("store"), 10).unwrap();
        another.trim().unwrap();
        let there: Vec<bool> = digests.iter().map(|digest| store.path(digest).exists()).collect();
        assert_eq!(there, [false, false, true, true]);
    }

    #[test]
    fn a_download_goes_on_where_it_broke_off() {
        let (_folder, store) = store(1_000);
        let mut part = store.part("blob").unwrap();
        part.push(b"first ").unwrap();
        let mut second = store.part("blob").unwrap();
        assert_eq!(second.bytes(), 0, "another one is at it");
        second.push(b"x").unwrap();
        second.discard();
        drop(part);
        let mut part = store.part("blob").unwrap();
        assert_eq!(part.bytes(), 6);
        part.push(b"second").unwrap();
        let digest = store.keep_part(part).unwrap();
        assert_eq!(digest, Digest::of(b"first second"));
        assert_eq!(store.read(&digest, 100), Kept::Bytes(b"first second".to_vec()));
        let mut part = store.part("blob").unwrap();
        part.push(b"wrong").unwrap();
        part.restart().unwrap();
        part.push(b"right").unwrap();
        assert_eq!(store.keep_part(part).unwrap(), Digest::of(b"right"));
    }

    #[test]
    fn a_folder_that_others_may_write_in_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Store::open(folder.path()).is_err());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Store::open(folder.path()).unwrap();
        fs::remove_dir(folder.path().join("blobs")).unwrap();
        std::os::unix::fs::symlink("/tmp", folder.path().join("blobs")).unwrap();
        assert!(Store::open(folder.path()).is_err());
    }
}
