//! The thread that compresses rotated files and removes those whose time is over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::lane::is_written;
use super::rotated::{self, GZ, PART, Rotated};
use super::{Keep, Lane};
use crate::clock::Clock;
use crate::fault::ShipFault;
use crate::talk::{Kind, Talk};

/// Two clocks that differ by more than this since the last look were not both left alone.
const JUMP: Duration = Duration::from_secs(60);
/// For how long nothing is removed by its age after a jump of the wall's clock: a wrong date must not empty the disk.
const DISTRUST: Duration = Duration::from_secs(3600);
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Level of gzip. Access records become a fifteenth of what they were, which is 43 % more than at the usual 6, and take a fifth of its time from
/// the traffic (698 MB/s and 147 MB/s on a core of the machine of docs/logs-speed.md).
const COMPRESSION: u32 = 1;

/// The thread's handle; the thread ends with it.
pub(super) struct Keeper {
    bell: SyncSender<()>,
    ended: Arc<AtomicBool>,
}

impl Keeper {
    pub(super) fn start(
        sink: &str,
        lanes: Vec<Lane>,
        compress: bool,
        clock: Arc<dyn Clock>,
        talk: Talk,
    ) -> Result<Self, ShipFault> {
        // LIMIT: one knock that is not yet heard stands for any number.
        let (bell, knocks) = sync_channel(1);
        let ended = Arc::new(AtomicBool::new(false));
        let upkeep = Upkeep::new(lanes, compress, clock, talk, Arc::clone(&ended));
        let builder = Builder::new().name(format!("keep-{sink}"));
        builder
            .spawn(move || upkeep.run(&knocks))
            .map_err(|source| ShipFault::Thread {
                sink: sink.to_owned(),
                source,
            })?;
        let keeper = Self { bell, ended };
        keeper.wake();
        Ok(keeper)
    }

    pub(super) fn wake(&self) {
        let _ = self.bell.try_send(());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

pub(super) struct Upkeep {
    lanes: Vec<Lane>,
    compress: bool,
    clock: Arc<dyn Clock>,
    talk: Talk,
    ended: Arc<AtomicBool>,
    looked: (Duration, SystemTime),
    distrust_until: Duration,
}

impl Upkeep {
    pub(super) fn new(
        lanes: Vec<Lane>,
        compress: bool,
        clock: Arc<dyn Clock>,
        talk: Talk,
        ended: Arc<AtomicBool>,
    ) -> Self {
        Self {
            looked: (clock.steady(), clock.wall()),
            distrust_until: Duration::ZERO,
            lanes,
            compress,
            clock,
            talk,
            ended,
        }
    }

    fn run(mut self, knocks: &Receiver<()>) {
        while knocks.recv().is_ok() {
            self.keep();
        }
    }

    /// One look at every lane.
    pub(super) fn keep(&mut self) {
        let believes = self.believes_the_wall();
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(index).cloned() else {
                break;
            };
            if let Err((path, why)) = self.keep_lane(&lane, believes) {
                self.talk.say(Kind::Upkeep, &format!("`{}`: {why}", path.display()));
            }
        }
    }

    fn believes_the_wall(&mut self) -> bool {
        let (steady, wall) = (self.clock.steady(), self.clock.wall());
        let expected = self.looked.1 + steady.saturating_sub(self.looked.0);
        let off = wall.duration_since(expected).unwrap_or_else(|why| why.duration());
        if off > JUMP {
            self.distrust_until = steady + DISTRUST;
            let text = format!(
                "the clock has jumped by {} s: for an hour nothing is removed by its age",
                off.as_secs()
            );
            self.talk.say(Kind::Upkeep, &text);
        }
        self.looked = (steady, wall);
        steady >= self.distrust_until
    }

    /// Goes on whatever a single file does; says the first thing that was wrong.
    fn keep_lane(&self, lane: &Lane, believes: bool) -> Result<(), (PathBuf, io::Error)> {
        let mut wrong = None;
        let mut note = |path: &Path, done: io::Result<()>| {
            if let Err(why) = done {
                wrong.get_or_insert_with(|| (path.to_owned(), why));
            }
        };
        let list = || rotated::list(&lane.path).map_err(|why| (lane.path.clone(), why));
        let now = believes.then(|| self.clock.wall());
        // Before anything needs room; by bytes only after that, for files become smaller.
        let by_count = Keep {
            bytes_max: None,
            ..lane.keep
        };
        let (parts, files): (Vec<_>, Vec<_>) = list()?.into_iter().partition(|file| file.ends_with(PART));
        for file in parts {
            note(&file.path, fs::remove_file(&file.path));
        }
        for file in to_remove(&files, by_count, now) {
            note(&file.path, remove(&file.path));
        }
        for file in list()? {
            if self.compress && !file.ends_with(GZ) && !file.ends_with(PART) {
                note(&file.path, self.compress(&file.path));
            }
        }
        let files = list()?;
        for file in to_remove(&files, lane.keep, now) {
            note(&file.path, remove(&file.path));
        }
        wrong.map_or(Ok(()), Err)
    }

    /// Makes the compressed file whole before it gets its name, and removes the other one after that.
    fn compress(&self, path: &Path) -> io::Result<()> {
        if is_written(path)? {
            return Ok(());
        }
        let named = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let (part, whole) = (named(PART), named(GZ));
        let done = self.compress_into(path, &part);
        match done {
            Ok(true) => {
                fs::rename(&part, &whole)?;
                fs::remove_file(path)
            }
            stopped => {
                let _ = fs::remove_file(&part);
                stopped.map(|_| ())
            }
        }
    }

    /// Says whether it came to the end.
    fn compress_into(&self, path: &Path, part: &Path) -> io::Result<bool> {
        let source = File::open(path)?;
        let modified = source.metadata()?.modified()?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(part)?;
        let mut reader = BufReader::new(source);
        let mut encoder = GzEncoder::new(BufWriter::new(file), Compression::new(COMPRESSION));
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            if self.ended.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let read = reader.read(&mut chunk)?;
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            encoder.write_all(bytes)?;
        }
        let file = encoder.finish()?.into_inner().map_err(|why| why.into_error())?;
        file.sync_all()?;
        file.set_modified(modified)?;
        Ok(true)
    }
}

/// Removes a file that nobody writes.
fn remove(path: &Path) -> io::Result<()> {
    if is_written(path)? {
        return Ok(());
    }
    fs::remove_file(path)
}

/// Which files go: the oldest beyond the counts, and those that are too old.
fn to_remove(files: &[Rotated], keep: Keep, now: Option<SystemTime>) -> Vec<&Rotated> {
    let mut bytes = 0_u64;
    let mut removed = Vec::new();
    for (index, file) in files.iter().rev().enumerate() {
        let Ok(about) = fs::metadata(&file.path) else { continue };
        bytes = bytes.saturating_add(about.len());
        let age = now.and_then(|now| now.duration_since(about.modified().ok()?).ok());
        let too_old = keep.age_max.zip(age).is_some_and(|(age_max, age)| age > age_max);
        let too_many = keep.files_max.is_some_and(|files_max| index >= files_max);
        let too_much = keep.bytes_max.is_some_and(|bytes_max| bytes > bytes_max);
        if too_old || too_many || too_much {
            removed.push(file);
        }
    }
    removed
}
