//! The file of a lane that is being written: whole lines or nothing, and its rotation.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::rotated;
use crate::clock::Clock;
use crate::spool::make_folder;

/// How long a rotation that failed is left alone.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

pub(super) struct Active {
    pub(super) path: PathBuf,
    file: File,
    bytes: u64,
    /// When it was begun, by the steady clock; in the past of a file that was found.
    begun: Duration,
    every: Duration,
    /// Not to be rotated before.
    rest_until: Duration,
    /// Half a line stands at its end, and could not be taken away.
    torn: bool,
    unsynced: bool,
}

impl Active {
    pub(super) fn open(path: &Path, every: Duration, clock: &dyn Clock) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder)?;
        }
        let (file, bytes) = append(path)?;
        Ok(Self {
            path: path.to_owned(),
            begun: clock.steady(),
            every,
            torn: !ends_with_line(path, bytes),
            file,
            bytes,
            rest_until: Duration::ZERO,
            unsynced: false,
        }
        .aged(clock))
    }

    /// A file of an earlier process is as old as it says, as far as the wall's clock can be believed.
    fn aged(mut self, clock: &dyn Clock) -> Self {
        let created = self.file.metadata().and_then(|about| about.created());
        let age = created
            .ok()
            .and_then(|created| clock.wall().duration_since(created).ok());
        if self.bytes > 0 {
            self.begun = self.begun.saturating_sub(age.unwrap_or_default().min(self.every));
        }
        self
    }

    /// Appends whole lines, or leaves the file as it was.
    pub(super) fn write(&mut self, lines: &[u8], sync: bool) -> io::Result<()> {
        self.mended()?;
        // Only now: half a line that was there before is no part of what is gone back to.
        let before = self.bytes;
        let mut written = self.file.write_all(lines);
        if sync && written.is_ok() {
            written = self.file.sync_data();
        }
        if let Err(why) = written {
            self.torn = self.file.set_len(before).is_err() && self.file.metadata().is_ok_and(|about| about.is_file());
            return Err(why);
        }
        self.unsynced = !sync;
        self.bytes = before + u64::try_from(lines.len()).unwrap_or(0);
        Ok(())
    }

    /// Takes half a line away: nobody was told that it is there, so it comes again as a whole. One whose beginning is not found is ended.
    fn mended(&mut self) -> io::Result<()> {
        if !self.torn {
            return Ok(());
        }
        match whole_lines(&self.path, &self.file) {
            Some(bytes) => {
                self.file.set_len(bytes)?;
                self.bytes = bytes;
            }
            None => {
                self.file.write_all(b"\n")?;
                self.bytes += 1;
            }
        }
        self.torn = false;
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.unsynced) {
            self.file.sync_data()?;
        }
        Ok(())
    }

    pub(super) fn is_due(&self, bytes: u64, now: Duration) -> bool {
        let old = now.saturating_sub(self.begun) >= self.every;
        self.bytes > 0 && (old || self.bytes >= bytes) && now >= self.rest_until
    }

    /// Gives the file its rotated name, and begins another one. When that fails, the old one is written on under its own name.
    pub(super) fn rotate(&mut self, clock: &dyn Clock) -> io::Result<()> {
        self.rest_until = clock.steady() + AGAIN_AFTER;
        if !self.file.metadata()?.is_file() {
            return Ok(());
        }
        let name = rotated::next_name(&self.path, clock.wall())?;
        match std::fs::rename(&self.path, &name) {
            // Nobody finds what is written to a file without its name.
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        if let Err(why) = self.reopen(clock) {
            if matches!(self.path.try_exists(), Ok(false)) {
                // When this fails too, it has no name the next time.
                let _ = std::fs::rename(&name, &self.path);
            }
            return Err(why);
        }
        self.rest_until = Duration::ZERO;
        Ok(())
    }

    /// Opens what has its name now.
    pub(super) fn reopen(&mut self, clock: &dyn Clock) -> io::Result<()> {
        let (file, bytes) = append(&self.path)?;
        self.torn = !ends_with_line(&self.path, bytes);
        self.file = file;
        self.bytes = bytes;
        self.begun = clock.steady();
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    // Says to whoever keeps rotated files, in any process, that this one is written; where there are no locks, its name says it.
    let _ = file.try_lock_shared();
    Ok((file, bytes))
}

/// Whether somebody writes a file, under whatever name.
pub(super) fn is_written(path: &Path) -> io::Result<bool> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    match File::open(path) {
        Ok(file) => Ok(matches!(file.try_lock(), Err(TryLockError::WouldBlock))),
        // What we write, we may read.
        Err(why) if why.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(why) => Err(why),
    }
}

/// LIMIT: bytes of half a line that is looked for; no record is as long.
const HALF_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes up to where the last whole line of the file ends, as it is now; none when that is too far away, or its name has gone to another file.
fn whole_lines(path: &Path, file: &File) -> Option<u64> {
    use std::os::unix::fs::{FileExt, MetadataExt};
    let (about, readable) = (file.metadata().ok()?, File::open(path).ok()?);
    let named = readable.metadata().ok()?;
    if (about.dev(), about.ino()) != (named.dev(), named.ino()) {
        return None;
    }
    let from = about.len().saturating_sub(HALF_BYTES_MAX);
    let mut end = vec![0; usize::try_from(about.len() - from).ok()?];
    readable.read_exact_at(&mut end, from).ok()?;
    match end.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => Some(from + u64::try_from(last).ok()? + 1),
        None => (from == 0).then_some(0),
    }
}

/// Whether what an earlier process wrote ends where a line ends.
fn ends_with_line(path: &Path, bytes: u64) -> bool {
    use std::os::unix::fs::FileExt;
    let mut last = [0];
    let Some(at) = bytes.checked_sub(1) else { return true };
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut last, at));
    read.is_err() || last == *b"\n"
}
