//! The sink of audit records: segments of lines of which each names the hash of the one before, and what reads them again.
//!
//! A line is the record with three more members at its end: its number, the hash of the line before, and its own hash, which is over
//! every byte before the comma of its own member. Each segment begins with a line that says so, and is chained as any other.
//!
//! Whoever may write to the folder can make a whole chain anew, unless the digest is keyed or the head is remembered elsewhere:
//! [`head`] is what to remember, and [`verify`] takes what was remembered.

mod line;
mod heads;
mod writer;
mod verifying;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::verifying::{Finding, Report, Wrong, verify};

pub(crate) use self::line::{read as read_line, write as write_line};
use self::writer::Writer;
use crate::clock::Clock;
use crate::fault::ShipFault;
use crate::sink::{Frame, Sink};
use crate::spool::Sync;

/// Bytes of a hash.
pub(crate) const HASH_BYTES: usize = 32;

/// A hash.
pub type Hash = [u8; HASH_BYTES];

/// A function that hashes.
pub type Hasher = Arc<dyn Fn(&[u8]) -> Hash + Send + std::marker::Sync>;

/// What hashes.
#[derive(Clone)]
pub struct Digest {
    /// Its name, as the first line of each segment says it.
    pub name: String,
    /// The function; a keyed one makes a chain that only who has the key can make anew.
    pub hash: Hasher,
}

impl Digest {
    /// SHA-256.
    #[must_use]
    pub fn sha256() -> Self {
        Self {
            name: String::from("sha256"),
            hash: Arc::new(|bytes| {
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
                let mut hash = [0; HASH_BYTES];
                for (place, byte) in hash.iter_mut().zip(digest.as_ref()) {
                    *place = *byte;
                }
                hash
            }),
        }
    }

    /// SM3, as GB/T 32905 has it.
    #[must_use]
    pub fn sm3() -> Self {
        use sm3::Digest as _;
        Self {
            name: String::from("sm3"),
            hash: Arc::new(|bytes| sm3::Sm3::digest(bytes).into()),
        }
    }
}

/// Names of the members that a chain adds. None may need an escape in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainNames {
    /// The line's number, from 1.
    pub sequence: String,
    /// The hash of the line before; zeros in the very first.
    pub previous: String,
    /// The line's own hash.
    pub hash: String,
    /// In the first line of a segment: the segment's number.
    pub segment: String,
    /// In the first line of a segment: the name of the digest.
    pub digest: String,
}

/// Where a chain is, and how it is kept.
#[derive(Clone)]
pub struct ChainSettings {
    /// A folder of its own; made when it is not there.
    pub folder: PathBuf,
    /// Names of the members that are added.
    pub names: ChainNames,
    /// What hashes.
    pub digest: Digest,
    /// A segment ends when it has this many bytes,
    pub segment_bytes_max: u64,
    /// or is this old.
    pub segment_every: Duration,
    /// For how long a segment is kept after its last record; for ever when absent.
    pub age_max: Option<Duration>,
    /// When it is forced onto the disk.
    pub sync: Sync,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// The last line of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Starts a sink that writes a chain; its frame should select audit records.
///
/// # Errors
/// When a name needs an escape, the folder cannot be used, or a thread is not to be had.
pub fn start(frame: Frame, settings: ChainSettings) -> Result<Sink, ShipFault> {
    frame.only_json("a chain")?;
    let names = &settings.names;
    let all = [
        &names.sequence,
        &names.previous,
        &names.hash,
        &names.segment,
        &names.digest,
    ];
    let plain = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|one| one.is_ascii_graphic() && one != '"' && one != '\\')
    };
    if let Some(name) = all.into_iter().find(|name| !plain(name)) {
        return Err(ShipFault::Setting {
            sink: frame.name.clone(),
            why: format!("no name of a member of a chain: `{name}`"),
        });
    }
    let writer = Writer::open(&frame, settings)?;
    Sink::start(frame, Box::new(writer))
}

/// The last line as the writer has noted it beside the segments: what to remember elsewhere. None when there is no chain.
#[must_use]
pub fn head(folder: &Path) -> Option<Head> {
    heads::read(folder).map(|note| note.head)
}

#[cfg(test)]
mod tests;
