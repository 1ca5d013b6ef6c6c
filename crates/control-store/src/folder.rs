//! A store that is a folder: each key a file, the pointer renamed into its place last.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

use crate::fault::{Result, StoreFault};
use crate::folders::Folders;
use crate::keys::{ANSWER_WAIT_MAX, Entry, LIST_MAX, Write, Written};
use crate::layout::TEXT_BYTES_MAX;

/// How often the folder is looked at where the system tells nothing: a file system of the network.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a file must have been left alone before it is taken: one that is written in place is empty at first. Longer than the grain of a
/// file's time.
const LEFT_ALONE: Duration = Duration::from_millis(20);
/// LIMIT: how long somebody is waited for who writes on and on, or has emptied a file and not yet written it.
const LEFT_ALONE_WAIT_MAX: Duration = Duration::from_secs(1);
/// How often a lock is asked for.
const LOCK_EVERY: Duration = Duration::from_millis(5);
/// The file whose lock is held by who writes.
const LOCK: &str = ".lock";

/// The files of a folder.
pub(crate) struct FolderKeys {
    folder: PathBuf,
    told: Option<Folders>,
    /// What was read last, to see without being told whether it changed.
    seen: Vec<Option<Entry>>,
}

impl FolderKeys {
    pub(crate) fn open(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            told: Folders::new().ok(),
            seen: Vec::new(),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        // A key is below the folder, wherever it begins.
        self.folder.join(key.trim_start_matches('/'))
    }

    fn fault(&self, why: &io::Error) -> StoreFault {
        let place = self.folder.display().to_string();
        let why_text = why.to_string();
        match why.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreFault::Refused { place, why: why_text },
            _ => StoreFault::Unreachable { place, why: why_text },
        }
    }

    fn one(&self, key: &str) -> Result<Option<Entry>> {
        let path = self.path(key);
        let about = match fs::metadata(&path) {
            Ok(about) => about,
            Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(why) => return Err(self.fault(&why)),
        };
        let bytes = usize::try_from(about.len()).unwrap_or(usize::MAX);
        if bytes > TEXT_BYTES_MAX {
            return Err(StoreFault::TooLarge {
                key: key.to_owned(),
                bytes,
                bytes_max: TEXT_BYTES_MAX,
            });
        }
        match fs::read(&path) {
            Ok(value) => Ok(Some(Entry {
                value: value.into(),
                version: 0,
            })),
            Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
            Err(why) => Err(self.fault(&why)),
        }
    }

    pub(crate) fn read(&self, keys: &[String]) -> Result<Vec<Option<Entry>>> {
        // The folder itself must be there: else nobody knows whether a key is.
        fs::metadata(&self.folder).map_err(|why| self.fault(&why))?;
        keys.iter().map(|key| self.one(key)).collect()
    }

    /// Reads keys that are watched, once nobody writes them just now: what differs from this is a change.
    pub(crate) async fn look(&mut self, keys: &[String]) -> Result<Vec<Option<Entry>>> {
        let end = Instant::now() + LEFT_ALONE_WAIT_MAX;
        loop {
            self.seen = self.read(keys)?;
            if !self.is_being_written(keys) || Instant::now() >= end {
                return Ok(self.seen.clone());
            }
            tokio::time::sleep(LEFT_ALONE).await;
        }
    }

    /// Whether a file was changed a moment ago, or is still empty: nobody means it so, and who writes it may be slow.
    fn is_being_written(&self, keys: &[String]) -> bool {
        keys.iter().any(|key| {
            let Ok(about) = fs::metadata(self.path(key)) else {
                return false;
            };
            let wait = if about.len() == 0 {
                LEFT_ALONE_WAIT_MAX
            } else {
                LEFT_ALONE
            };
            let age = about.modified().map(|changed| changed.elapsed());
            matches!(age, Ok(Ok(age)) if age < wait)
        })
    }

    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>> {
        let Some((folder, begin)) = prefix.rsplit_once('/') else {
            return Ok(Vec::new());
        };
        let files = match fs::read_dir(self.path(folder)) {
            Ok(files) => files,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(why) => return Err(self.fault(&why)),
        };
        let mut found = Vec::new();
        for file in files.take(LIST_MAX) {
            let name = file.map_err(|why| self.fault(&why))?.file_name();
            let Some(name) = name
                .to_str()
                .filter(|name| name.starts_with(begin) && !name.starts_with('.'))
            else {
                continue;
            };
            let key = format!("{folder}/{name}");
            if let Some(entry) = self.one(&key)? {
                found.push((key, entry));
            }
        }
        Ok(found)
    }

    pub(crate) async fn changed(&mut self, keys: &[String], until: Instant) -> Result<()> {
        let files: Vec<PathBuf> = keys.iter().map(|key| self.path(key)).collect();
        if let Some(told) = &self.told {
            told.follow(&files);
        }
        while Instant::now() < until {
            if self.read(keys)? != self.seen {
                return Ok(());
            }
            let end = until.min(Instant::now() + LOOK_EVERY);
            match &self.told {
                Some(told) => {
                    let _ = tokio::time::timeout_at(end.into(), told.changed()).await;
                }
                None => tokio::time::sleep_until(end.into()).await,
            }
        }
        Ok(())
    }

    pub(crate) async fn write(&mut self, write: &Write) -> Result<Written> {
        fs::create_dir_all(&self.folder).map_err(|why| self.fault(&why))?;
        let lock = fs::File::create(self.folder.join(LOCK)).map_err(|why| self.fault(&why))?;
        let end = Instant::now() + ANSWER_WAIT_MAX;
        while let Err(why) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if Instant::now() > end {
                return Err(self.fault(&why.into()));
            }
            tokio::time::sleep(LOCK_EVERY).await;
        }
        if let Some((key, expected)) = &write.expects
            && self.one(key)? != *expected
        {
            return Ok(Written::Raced);
        }
        for (key, value) in &write.puts {
            self.put(key, value).map_err(|why| self.fault(&why))?;
        }
        for key in &write.deletes {
            match fs::remove_file(self.path(key)) {
                Err(why) if why.kind() != ErrorKind::NotFound => return Err(self.fault(&why)),
                _ => {}
            }
        }
        Ok(Written::Done)
    }

    /// Whole or not at all: written aside, then renamed.
    fn put(&self, key: &str, value: &Bytes) -> io::Result<()> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        // Aside is where nobody watches.
        let aside = self.folder.join(".aside");
        fs::create_dir_all(&aside)?;
        let name = path.file_name().unwrap_or_default();
        let aside = aside.join(name);
        let mut file = fs::File::create(&aside)?;
        file.write_all(value)?;
        file.sync_all()?;
        fs::rename(&aside, &path)
    }
}
