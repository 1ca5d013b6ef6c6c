//! What a file looks like from outside, so that one that nobody touched is not read again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The kernel stamps files with the time of its last tick: two writes within one look the same.
const TICK_MAX: Duration = Duration::from_millis(50);

/// What a file looks like, renames and writes in place included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looks {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds of the last change of content, and of anything.
    written: (i64, i64),
    changed: (i64, i64),
}

impl Looks {
    /// Before the file is read; none when it is not there, or was changed so lately that it may change again and look the same.
    pub(crate) fn settled(file: &Path) -> Option<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let looks = Self::of(file)?;
        (since_epoch(looks.changed)? + TICK_MAX < now).then_some(looks)
    }

    /// Whether its content was written last before `time`.
    pub(crate) fn is_older_than(&self, time: SystemTime) -> bool {
        since_epoch(self.written).is_some_and(|written| SystemTime::UNIX_EPOCH + written < time)
    }

    /// Now.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let about = fs::metadata(file).ok()?;
        Some(Self {
            device: about.dev(),
            inode: about.ino(),
            bytes: about.len(),
            written: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

fn since_epoch((seconds, nanoseconds): (i64, i64)) -> Option<Duration> {
    Some(Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_just_written_is_not_settled_and_one_that_was_replaced_looks_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let (file, next) = (folder.path().join("file"), folder.path().join("next"));
        fs::write(&file, "same").unwrap();
        assert_eq!(Looks::settled(&file), None);
        let before = Looks::of(&file).unwrap();
        let past = SystemTime::now() - Duration::from_secs(100);
        for file in [&file, &next] {
            fs::write(file, "same").unwrap();
            fs::File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_modified(past)
                .unwrap();
        }
        assert_ne!(Looks::of(&file), Some(before));
        let before = Looks::of(&file);
        fs::rename(&next, &file).unwrap();
        assert_ne!(Looks::of(&file), before);
        assert_eq!(Looks::of(&folder.path().join("gone")), None);
    }
}
