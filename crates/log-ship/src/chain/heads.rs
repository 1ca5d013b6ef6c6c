//! What stands beside the segments: the last line, and which segments were removed because their time was over.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Head;
use super::line::{hex, unhex};

const NAME: &str = "head";
const PREFIX: &str = "audit.";
const ENDING: &str = ".log";
/// LIMIT: segments that are looked at.
const SEGMENTS_MAX: usize = 1_000_000;

/// The note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) head: Head,
    /// The greatest number of a segment that was removed; 0 when none was.
    pub(super) retired: u64,
}

pub(super) fn read(folder: &Path) -> Option<Note> {
    let text = fs::read_to_string(folder.join(NAME)).ok()?;
    let mut words = text.split_ascii_whitespace();
    Some(Note {
        head: Head {
            sequence: words.next()?.parse().ok()?,
            hash: unhex(words.next()?.as_bytes())?,
        },
        retired: words.next()?.parse().ok()?,
    })
}

/// Writes it at one stroke.
pub(super) fn write(folder: &Path, note: &Note, sync: bool) -> io::Result<()> {
    let part = folder.join("head.part");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    let text = format!("{} {} {}\n", note.head.sequence, hex(&note.head.hash), note.retired);
    file.write_all(text.as_bytes())?;
    if sync {
        file.sync_data()?;
    }
    fs::rename(part, folder.join(NAME))
}

/// The name of a segment.
pub(super) fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number:08}{ENDING}"))
}

/// The segments in their order.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.take(SEGMENTS_MAX) {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| {
            let number = name.strip_prefix(PREFIX)?.strip_suffix(ENDING)?;
            number.parse().ok().filter(|_| number.len() >= 8)
        });
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}
