//! How many files are open and how many bytes were written, of one plugin over all its instances and of the whole process, against bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

/// What a file counts that is made, beside its bytes: many empty ones fill a disk, too.
const MADE_BYTES: u64 = 4 * 1024;

/// What may be open at a time, and written in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileBounds {
    /// Files and folders open at a time.
    pub open_max: u64,
    /// Bytes written since the count began.
    pub written_bytes_max: u64,
}

/// Bounds of the process until its plan has others.
impl Default for FileBounds {
    fn default() -> Self {
        Self {
            open_max: 1_024,
            written_bytes_max: 16 << 30,
        }
    }
}

/// One count against its bounds.
#[derive(Debug)]
pub(crate) struct FileCount {
    open: AtomicU64,
    open_max: AtomicU64,
    written_bytes: AtomicU64,
    written_bytes_max: AtomicU64,
}

impl Default for FileCount {
    fn default() -> Self {
        Self::new(FileBounds::default())
    }
}

impl FileCount {
    pub(crate) fn new(bounds: FileBounds) -> Self {
        let count = Self {
            open: AtomicU64::new(0),
            open_max: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            written_bytes_max: AtomicU64::new(0),
        };
        count.bound(bounds);
        count
    }

    /// Other bounds from now on; what is open stays open.
    pub(crate) fn bound(&self, bounds: FileBounds) {
        self.open_max.store(bounds.open_max, Ordering::Relaxed);
        self.written_bytes_max
            .store(bounds.written_bytes_max, Ordering::Relaxed);
    }

    fn open(&self) -> bool {
        let most = self.open_max.load(Ordering::Relaxed);
        let one_more = |open: u64| open.checked_add(1).filter(|open| *open <= most);
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
    }

    fn close(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn write(&self, bytes: u64) -> bool {
        let most = self.written_bytes_max.load(Ordering::Relaxed);
        let more = |written: u64| written.checked_add(bytes).filter(|written| *written <= most);
        self.written_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }
}

/// The counts that an instance is held to.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileCounts {
    pub(crate) plugin: Arc<FileCount>,
    pub(crate) process: Arc<FileCount>,
}

impl FileCounts {
    /// Counts one more that is open; until the answer is dropped.
    pub(crate) fn open(&self) -> Result<OpenFile, Errno> {
        if !self.plugin.open() {
            return Err(Errno::MFILE);
        }
        if !self.process.open() {
            self.plugin.close();
            return Err(Errno::NFILE);
        }
        Ok(OpenFile(self.clone()))
    }

    /// Counts bytes that are about to be written.
    pub(crate) fn write(&self, bytes: usize) -> Result<(), Errno> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if !self.plugin.write(bytes) {
            return Err(Errno::DQUOT);
        }
        match self.process.write(bytes) {
            true => Ok(()),
            false => Err(Errno::NOSPC),
        }
    }

    /// Counts a file that is about to be made.
    pub(crate) fn make(&self) -> Result<(), Errno> {
        self.write(usize::try_from(MADE_BYTES).unwrap_or(usize::MAX))
    }
}

/// Something that is open and counted as such.
#[derive(Debug)]
pub(crate) struct OpenFile(FileCounts);

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.0.plugin.close();
        self.0.process.close();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn count(open_max: u64, written_bytes_max: u64) -> Arc<FileCount> {
        Arc::new(FileCount::new(FileBounds {
            open_max,
            written_bytes_max,
        }))
    }

    #[test]
    fn what_is_open_is_bounded_over_all_instances_of_a_plugin_and_over_all_plugins() {
        let process = count(3, 0);
        let plugin = |open_max| FileCounts {
            plugin: count(open_max, 0),
            process: Arc::clone(&process),
        };
        let (one, other) = (plugin(2), plugin(9));
        let held = [one.open().unwrap(), one.clone().open().unwrap()];
        assert_eq!(one.open().unwrap_err(), Errno::MFILE);
        let last = other.open().unwrap();
        assert_eq!(other.open().unwrap_err(), Errno::NFILE);
        drop(last);
        drop(held);
        assert_eq!(process.open.load(Ordering::Relaxed), 0);
        assert!(one.open().is_ok());
    }

    #[test]
    fn what_is_written_is_bounded_and_a_file_that_is_made_counts_too() {
        let process = count(0, 10_000);
        let plugin = |most| FileCounts {
            plugin: count(0, most),
            process: Arc::clone(&process),
        };
        let one = plugin(5_000);
        assert_eq!(one.make(), Ok(()));
        assert_eq!(one.make(), Err(Errno::DQUOT));
        assert_eq!(one.write(904), Ok(()));
        assert_eq!(one.write(1), Err(Errno::DQUOT));
        let other = plugin(u64::MAX);
        assert_eq!(other.write(5_000), Ok(()));
        assert_eq!(other.write(1), Err(Errno::NOSPC));
        process.bound(FileBounds {
            open_max: 0,
            written_bytes_max: 20_000,
        });
        assert_eq!(other.write(1), Ok(()));
    }
}
