//! A ring is made: its file with storage behind every byte, and its two ends.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::consumer::Consumer;
use crate::fault::RingFault;
use crate::folder::{Folder, file_name, system};
use crate::layout::{Fixed, HEADER_BYTES};
use crate::policy::{Limits, Policy};
use crate::producer::Producer;
use crate::shared::{Mapping, split};

/// The smallest ring.
pub const RING_BYTES_MIN: u64 = 64 * 1024;
/// LIMIT: the largest ring, which is what a recovery may have to hold in memory.
pub const RING_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// A record may take so much of a ring: an eighth, so that a ring with a wrap in it still holds several.
const PAYLOAD_SHARE: u64 = 8;
/// LIMIT: files of dead processes with our name and number that are passed over before it is said that they are too many.
const TRIES_MAX: u32 = 64;

/// What a ring is like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes for records: a power of two between [`RING_BYTES_MIN`] and [`RING_BYTES_MAX`].
    pub ring_bytes: u64,
    /// The longest payload: an eighth of the ring at most. A longer one is refused and counted.
    pub payload_bytes_max: u32,
    /// How full it may be for whom.
    pub policy: Policy,
    /// Gap records are at least so far apart, by the stamps of records.
    pub gap_every_ns: u64,
}

impl Default for Settings {
    /// 8 MiB, payloads of 64 KiB, a gap record each 100 ms.
    fn default() -> Self {
        Self {
            ring_bytes: 8 * 1024 * 1024,
            payload_bytes_max: 64 * 1024,
            policy: Policy::default(),
            gap_every_ns: 100_000_000,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), RingFault> {
        if !is_size(self.ring_bytes) {
            return Err(RingFault::Size {
                bytes: self.ring_bytes,
                bytes_min: RING_BYTES_MIN,
                bytes_max: RING_BYTES_MAX,
            });
        }
        let payload_bytes_max = self.ring_bytes / PAYLOAD_SHARE;
        if !(1..=payload_bytes_max).contains(&u64::from(self.payload_bytes_max)) {
            return Err(RingFault::Payload {
                bytes: self.ring_bytes,
                payload_bytes_max,
                asked: u64::from(self.payload_bytes_max),
            });
        }
        Ok(())
    }
}

/// Whether a ring may have so many bytes.
pub(crate) const fn is_size(bytes: u64) -> bool {
    bytes.is_power_of_two() && RING_BYTES_MIN <= bytes && bytes <= RING_BYTES_MAX
}

/// A ring of this process. Its file stays when this goes, unless [`Ring::remove`] takes it away.
pub struct Ring {
    mapping: Arc<Mapping>,
    folder: Folder,
    name: String,
}

impl Ring {
    /// Makes a ring in a folder, under a name that says whose it is, such as `worker-3`. All its storage is there afterwards.
    ///
    /// # Errors
    /// When settings do not go together, or the system gives no file, no storage or no mapping.
    pub fn create(folder: &Folder, name: &str, settings: &Settings) -> Result<(Self, Producer, Consumer), RingFault> {
        settings.check()?;
        let process = std::process::id();
        for attempt in 0..TRIES_MAX {
            let name = file_name(name, process, attempt)?;
            let Some(file) = folder.create(&name)? else {
                continue;
            };
            let again = file.try_clone();
            return fill(file, folder, &name, settings).inspect_err(|_| {
                if let Ok(file) = again {
                    let _ = folder.remove(&name, &file);
                }
            });
        }
        Err(RingFault::Crowded {
            folder: folder.path().display().to_string(),
            tries: TRIES_MAX,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// Waits until everything that is committed is where the file is: for an orderly stop on a disk. Nothing needs it after the death of a process.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> Result<(), RingFault> {
        self.mapping
            .sync()
            .map_err(|why| system("file does not get to its disk", &self.path(), why))
    }

    /// Takes the file away, after everything in it was released. What is still in it is lost when the ends go.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(self) -> Result<(), RingFault> {
        self.folder.remove(&self.name, self.mapping.file())
    }
}

fn fill(file: File, folder: &Folder, name: &str, settings: &Settings) -> Result<(Ring, Producer, Consumer), RingFault> {
    let path = folder.path().join(name);
    reserve(&file, HEADER_BYTES + settings.ring_bytes).map_err(|why| system("file gets no storage", &path, why))?;
    let fixed = Fixed {
        capacity: settings.ring_bytes,
        payload_bytes_max: settings.payload_bytes_max,
        process: std::process::id(),
        process_started: process_started(),
    };
    file.write_all_at(&fixed.write(), 0)
        .map_err(|why| system("file cannot be written", &path, why))?;
    let mapping = Mapping::new(file, settings.ring_bytes).map_err(|why| system("file cannot be mapped", &path, why))?;
    let (front, back, mapping) = split(mapping);
    let ring = Ring {
        mapping,
        folder: folder.clone(),
        name: name.to_owned(),
    };
    let limits = Limits::new(&settings.policy, settings.ring_bytes);
    let payload_bytes_max = usize::try_from(settings.payload_bytes_max).unwrap_or(usize::MAX);
    let producer = Producer::new(front, limits, payload_bytes_max, settings.gap_every_ns);
    Ok((ring, producer, Consumer::new(back)))
}

/// Gets storage for every byte now: a page that finds none later ends the process by SIGBUS.
fn reserve(file: &File, bytes: u64) -> std::io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => return Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(why) => return Err(why.into()),
    }
    // A file system that cannot reserve is written to.
    let zeros = [0; 4096];
    let mut at = 0;
    while at < bytes {
        file.write_all_at(&zeros, at)?;
        at += zeros.len() as u64;
    }
    Ok(())
}

/// When this process started, in ticks since the system did; 0 if `/proc` does not say.
fn process_started() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program comes second, in parentheses, and may hold any letter.
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind_name
        .split_whitespace()
        .nth(19)
        .and_then(|ticks| ticks.parse().ok())
        .unwrap_or(0)
}
