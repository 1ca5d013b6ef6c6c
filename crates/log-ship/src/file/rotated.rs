//! Names of rotated files: a number that says their order whatever the clock does, and the time for people.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How compressed files end, and those that are being made.
pub(super) const GZ: &str = ".gz";
pub(super) const PART: &str = ".gz.part";
/// LIMIT: entries of a folder that are looked at.
const ENTRIES_MAX: usize = 100_000;

/// A rotated file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rotated {
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

impl Rotated {
    pub(super) fn ends_with(&self, ending: &str) -> bool {
        self.path.to_str().is_some_and(|path| path.ends_with(ending))
    }
}

/// The files that a lane's file became, the oldest first.
pub(super) fn list(active: &Path) -> io::Result<Vec<Rotated>> {
    let (Some(folder), Some(name)) = (active.parent(), active.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.take(ENTRIES_MAX) {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|file| number_of(file, name));
        found.extend(number.map(|number| Rotated {
            number,
            path: entry.path(),
        }));
    }
    found.sort();
    Ok(found)
}

fn number_of(file: &str, name: &str) -> Option<u64> {
    let rest = file.strip_prefix(name)?.strip_prefix('.')?;
    let (number, rest) = rest.split_once('.')?;
    let time = rest.strip_suffix(PART).or(rest.strip_suffix(GZ)).unwrap_or(rest);
    let is_ours = number.len() == 8 && time.len() == 16 && time.ends_with('Z');
    number.parse().ok().filter(|_| is_ours)
}

/// The name that the file gets now.
pub(super) fn next_name(active: &Path, wall: SystemTime) -> io::Result<PathBuf> {
    let last = list(active)?.last().map_or(0, |last| last.number);
    let text = log_record::timestamp::text(wall);
    let seconds = text.split('.').next().unwrap_or_default();
    let stamp: String = seconds.chars().filter(|one| !matches!(one, '-' | ':')).collect();
    let mut name = active.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:08}.{stamp}Z", last + 1));
    Ok(active.with_file_name(name))
}
