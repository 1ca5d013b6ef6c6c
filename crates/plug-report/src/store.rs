//! Crash reports on disk: one file for each signature and one for its recording, within a bound of bytes, the oldest leaving first.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::crash::{Crash, FORMAT};
use crate::recording::Recording;

/// LIMIT: bytes of one report that is read; what is written has at most some 100 KiB.
const REPORT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A folder of crash reports.
#[derive(Debug, Clone)]
pub struct CrashStore {
    folder: PathBuf,
    // LIMIT: bytes of all reports together; the one that was written last always stays.
    bytes_max: u64,
}

impl CrashStore {
    /// The reports in a folder, which is made if need be, readable by its owner alone: reports quote what plugins wrote.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self::at(folder, bytes_max))
    }

    /// The reports in a folder that is only read.
    #[must_use]
    pub fn at(folder: &Path, bytes_max: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            bytes_max,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps a report: one of the same signature is counted on.
    ///
    /// # Errors
    /// When it cannot be written; what was kept before stays.
    pub fn keep(&self, crash: Crash) -> io::Result<Crash> {
        let crash = match self.read(&crash.signature) {
            Some(before) => crash.after(&before),
            None => crash,
        };
        let text = serde_json::to_vec(&crash)?;
        // Files made so are readable by their owner alone; a reader sees the old report or the new one, never half of one.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&text)?;
        file.persist(self.path(&crash.signature))?;
        self.evict(&crash.signature)?;
        Ok(crash)
    }

    /// Keeps a recording beside the report of that signature, in place of an older one; gives its path.
    ///
    /// # Errors
    /// When it cannot be written; what was kept before stays.
    pub fn keep_recording(&self, signature: &str, recording: &Recording) -> io::Result<PathBuf> {
        let bytes = recording.to_bytes()?;
        let path = self.recording(signature);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&bytes)?;
        file.persist(&path)?;
        self.evict(signature)?;
        Ok(path)
    }

    /// Where the recording of a report is, if it has one.
    #[must_use]
    pub fn recording(&self, signature: &str) -> PathBuf {
        self.folder.join(format!("{signature}.recording"))
    }

    /// All reports, the latest first. Files that are none are left out.
    ///
    /// # Errors
    /// When the folder cannot be read; one that does not exist holds none.
    pub fn list(&self) -> io::Result<Vec<Crash>> {
        let mut all: Vec<Crash> = self.signatures()?.iter().filter_map(|name| self.read(name)).collect();
        all.sort_by(|one, other| {
            let latest = other.last_seen_ms.cmp(&one.last_seen_ms);
            latest.then_with(|| one.signature.cmp(&other.signature))
        });
        Ok(all)
    }

    /// The reports whose signature begins so.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn find(&self, beginning: &str) -> io::Result<Vec<Crash>> {
        let mut found = self.list()?;
        found.retain(|crash| crash.signature.starts_with(beginning));
        Ok(found)
    }

    fn read(&self, signature: &str) -> Option<Crash> {
        let path = self.path(signature);
        if fs::metadata(&path).ok()?.len() > REPORT_BYTES_MAX {
            return None;
        }
        let crash: Crash = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        (crash.format == FORMAT && crash.signature == signature).then_some(crash)
    }

    fn path(&self, signature: &str) -> PathBuf {
        self.folder.join(format!("{signature}.json"))
    }

    fn signatures(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let signature = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            name.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(name)
        };
        Ok(entries.flatten().filter_map(|entry| signature(entry.path())).collect())
    }

    /// Lets reports and recordings go that were written longest ago, until the rest fits.
    fn evict(&self, newest: &str) -> io::Result<()> {
        let mut all: BTreeMap<String, (SystemTime, u64, Vec<PathBuf>)> = BTreeMap::new();
        for file in fs::read_dir(&self.folder)?.flatten() {
            let path = file.path();
            let Some((name, about)) = name_of(&path).zip(file.metadata().ok()) else {
                continue;
            };
            let (written, bytes, paths) = all.entry(name).or_insert((SystemTime::UNIX_EPOCH, 0, Vec::new()));
            *written = about.modified()?.max(*written);
            *bytes = bytes.saturating_add(about.len());
            paths.push(path);
        }
        let mut left: u64 = all.values().map(|(_, bytes, _)| bytes).sum();
        let mut oldest_first: Vec<_> = all.into_iter().collect();
        oldest_first.sort_by_key(|(_, (written, _, _))| *written);
        for (name, (_, bytes, paths)) in oldest_first {
            if left <= self.bytes_max {
                break;
            }
            let gone = name != newest && paths.iter().all(|path| fs::remove_file(path).is_ok());
            left = left.saturating_sub(if gone { bytes } else { 0 });
        }
        Ok(())
    }
}

/// The name of what a file of ours is about; none for other files.
fn name_of(path: &Path) -> Option<String> {
    let kind = path.extension()?.to_str()?;
    let name = path.file_stem()?.to_str()?;
    let is_ours = ["json", "recording"].contains(&kind)
        && name
            .strip_prefix("exchange-")
            .unwrap_or(name)
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_ours.then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
