//! What a plugin writes that does not serve: copies in memory in the place of files, gone with its instance.

use std::fs::File;
use std::io::{Read, copy};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustc_hash::FxHashMap as HashMap;
use rustix::fs::{FileType, MemfdFlags, OFlags, SeekFrom};
use rustix::io::Errno;

use crate::files::{FILE_BYTES_MAX, OPEN_MAX, Wish};
use crate::folders::Opened;

/// Files that were changed aside, by the folder and the way to them.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    files: HashMap<(usize, Vec<u8>), OwnedFd>,
}

impl Scratch {
    /// What was written aside under this name; none when nothing was.
    pub(crate) fn get(&self, root: usize, path: &[u8]) -> Option<BorrowedFd<'_>> {
        self.files.get(&(root, path.to_owned())).map(AsFd::as_fd)
    }

    /// Opens a file to be written: a copy of the one that is there, or an empty one. None when there is a folder.
    pub(crate) fn open(
        &mut self,
        (folder, root): (&Opened, usize),
        path: &[u8],
        wish: Wish,
    ) -> Result<Option<OwnedFd>, Errno> {
        let key = (root, path.to_owned());
        if !self.files.contains_key(&key) {
            let Some(made) = self.made(folder, path, wish)? else {
                return Ok(None);
            };
            self.files.insert(key.clone(), made);
        } else if wish.create && wish.exclusive {
            return Err(Errno::EXIST);
        }
        let file = self.files.get(&key).ok_or(Errno::NOENT)?;
        if wish.truncate && wish.write {
            rustix::fs::ftruncate(file, 0)?;
        }
        again(file.as_fd()).map(Some)
    }

    fn made(&self, folder: &Opened, path: &[u8], wish: Wish) -> Result<Option<OwnedFd>, Errno> {
        // LIMIT: files that are written aside, and their bytes together.
        if self.files.len() >= OPEN_MAX {
            return Err(Errno::MFILE);
        }
        let look = OFlags::PATH | OFlags::CLOEXEC;
        let look = if wish.follow { look } else { look | OFlags::NOFOLLOW };
        let there = match folder.find(path, look) {
            Ok(found) => rustix::fs::fstat(&found)?,
            Err(Errno::NOENT) if wish.create => {
                let parent = path
                    .iter()
                    .rposition(|byte| *byte == b'/')
                    .and_then(|at| path.get(..at));
                folder.find(
                    parent.unwrap_or_default(),
                    OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                )?;
                return empty().map(Some);
            }
            Err(why) => return Err(why),
        };
        match FileType::from_raw_mode(there.st_mode) {
            FileType::Directory => return Ok(None),
            FileType::RegularFile if wish.create && wish.exclusive => return Err(Errno::EXIST),
            FileType::RegularFile if wish.directory => return Err(Errno::NOTDIR),
            FileType::RegularFile => {}
            FileType::Symlink => return Err(Errno::LOOP),
            _ => return Err(Errno::ACCESS),
        }
        if wish.truncate {
            return empty().map(Some);
        }
        self.room(u64::try_from(there.st_size).unwrap_or(u64::MAX))?;
        let read = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let from = folder.find(path, read)?;
        let mut made = File::from(empty()?);
        let copied = copy(&mut File::from(from).take(FILE_BYTES_MAX), &mut made);
        copied.map_err(|why| Errno::from_io_error(&why).unwrap_or(Errno::IO))?;
        Ok(Some(made.into()))
    }

    /// Whether so many bytes more may be kept in memory.
    pub(crate) fn room(&self, bytes: u64) -> Result<(), Errno> {
        let size =
            |file: &OwnedFd| rustix::fs::fstat(file).map_or(0, |about| u64::try_from(about.st_size).unwrap_or(0));
        let sizes = self.files.values().map(size);
        match sizes.fold(bytes, u64::saturating_add) <= FILE_BYTES_MAX {
            true => Ok(()),
            false => Err(Errno::FBIG),
        }
    }
}

fn empty() -> Result<OwnedFd, Errno> {
    rustix::fs::memfd_create("cofferdam-aside", MemfdFlags::CLOEXEC)
}

/// The same file once more, from its beginning.
pub(crate) fn again(file: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let again = rustix::io::fcntl_dupfd_cloexec(file, 0)?;
    rustix::fs::seek(&again, SeekFrom::Start(0))?;
    Ok(again)
}
