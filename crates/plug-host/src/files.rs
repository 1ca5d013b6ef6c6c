//! What a guest has open: granted folders as preopened ones, and files in them, within bounds.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use plug_grant::Grant;
use rustc_hash::FxHashMap as HashMap;
use rustix::fs::{Dir, FileType, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use crate::file_counts::{FileCounts, OpenFile};
use crate::folders::{Folders, Opened, joined};
use crate::scratch::{self, Scratch};

/// The number of the first preopened folder, as WASI has it.
pub(crate) const FIRST: u32 = 3;
/// LIMIT: files and folders that one instance has open at a time, those that it began with left out.
pub(crate) const OPEN_MAX: usize = 32;
/// LIMIT: entries of a folder that are listed.
const ENTRIES_MAX: usize = 4_096;
/// LIMIT: bytes that one call reads or writes; the worker waits meanwhile.
pub(crate) const PIECE_BYTES_MAX: usize = 1024 * 1024;
/// LIMIT: bytes up to which a plugin writes a file.
pub(crate) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a number means.
#[derive(Debug)]
enum Handle {
    /// A folder, by its way from a preopened one: it is found anew each time, so that whoever moves it elsewhere opens no door.
    Folder {
        root: usize,
        path: Vec<u8>,
        _open: OpenFile,
    },
    /// A regular file.
    File {
        root: usize,
        file: OwnedFd,
        read: bool,
        write: bool,
        append: bool,
        _open: OpenFile,
    },
}

/// What may be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    /// It was taken away.
    Nothing,
    Read,
    Write,
}

/// What is asked of an open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) create: bool,
    pub(crate) directory: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) append: bool,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) follow: bool,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) kind: FileType,
    pub(crate) name: Vec<u8>,
}

/// What one instance has open.
#[derive(Debug)]
pub(crate) struct Files {
    folders: Arc<Folders>,
    /// What may be done in each of them.
    may: Vec<May>,
    open: HashMap<u32, Handle>,
    counts: FileCounts,
    /// Takes what is written, where the plugin does not serve.
    scratch: Option<Scratch>,
}

impl Files {
    /// What an instance has at its beginning. One `aside` changes nothing but copies.
    pub(crate) fn new(folders: Arc<Folders>, counts: FileCounts, aside: bool) -> Self {
        let may = |folder: &Opened| if folder.write { May::Write } else { May::Read };
        Self {
            may: folders.iter().map(may).collect(),
            folders,
            open: HashMap::default(),
            counts,
            scratch: aside.then(Scratch::default),
        }
    }

    /// From now on nothing is done that `grant` does not let, with what is open neither.
    pub(crate) fn narrow(&mut self, grant: Option<&Grant>) {
        for (may, folder) in self.may.iter_mut().zip(self.folders.iter()) {
            let granted = grant.map(|grant| grant.folders.iter().filter(|_| grant.opens_files()));
            let same = granted.map(|mut granted| granted.find(|granted| folder.is_of(granted)));
            *may = match same {
                None if folder.write => May::Write,
                Some(Some(same)) if same.write && folder.write => May::Write,
                None | Some(Some(_)) => May::Read,
                Some(None) => May::Nothing,
            };
        }
    }

    fn may(&self, root: usize) -> May {
        self.may.get(root).copied().unwrap_or(May::Nothing)
    }

    /// What the plugin calls a preopened folder.
    pub(crate) fn preopened(&self, number: u32) -> Option<&str> {
        let at = usize::try_from(number.checked_sub(FIRST)?).ok()?;
        let folder = self.folders.get(at).filter(|_| self.may(at) != May::Nothing);
        folder.map(|folder| folder.name.as_str())
    }

    /// The folder behind a number, and the way to it.
    fn folder(&self, number: u32) -> Result<(&Opened, usize, &[u8]), Errno> {
        let (root, path) = match self.open.get(&number) {
            Some(Handle::Folder { root, path, .. }) => (*root, path.as_slice()),
            Some(Handle::File { .. }) => return Err(Errno::BADF),
            None => {
                let at = number.checked_sub(FIRST).ok_or(Errno::BADF)?;
                (usize::try_from(at).map_err(|_| Errno::BADF)?, &b""[..])
            }
        };
        let opened = self.folders.get(root).filter(|_| self.may(root) != May::Nothing);
        opened.map(|opened| (opened, root, path)).ok_or(Errno::BADF)
    }

    /// Whether files may be made and changed in the folder behind a number.
    fn may_write(&self, number: u32) -> bool {
        self.folder(number)
            .is_ok_and(|(_, root, _)| self.may(root) == May::Write)
    }

    /// Opens what is beneath a folder.
    pub(crate) fn open(&mut self, number: u32, path: &[u8], wish: Wish) -> Result<u32, Errno> {
        let (_, root, base) = self.folder(number)?;
        let path = joined(base, path).ok_or(Errno::PERM)?;
        let changes = wish.create || wish.truncate || wish.write || wish.append;
        if changes && !self.may_write(number) {
            return Err(Errno::ROFS);
        }
        if self.open.len() >= OPEN_MAX {
            return Err(Errno::MFILE);
        }
        let open = self.counts.open()?;
        let aside = match &mut self.scratch {
            Some(scratch) if changes => scratch.open((folder_of(&self.folders, root)?, root), &path, wish)?,
            Some(scratch) => scratch.get(root, &path).map(scratch::again).transpose()?,
            None => None,
        };
        let found = match aside {
            Some(aside) => aside,
            // Aside, what is not written is looked at as it is.
            None if self.scratch.is_some() => {
                let wish = Wish {
                    create: false,
                    write: false,
                    truncate: false,
                    append: false,
                    ..wish
                };
                folder_of(&self.folders, root)?.find(&path, flags(wish))?
            }
            None => {
                let folder = folder_of(&self.folders, root)?;
                let look = OFlags::PATH | OFlags::CLOEXEC;
                if wish.create && folder.find(&path, look).is_err_and(|why| why == Errno::NOENT) {
                    self.counts.make()?;
                }
                folder.find(&path, flags(wish))?
            }
        };
        let about = rustix::fs::fstat(&found)?;
        let handle = match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => Handle::Folder {
                root,
                path,
                _open: open,
            },
            FileType::RegularFile if !wish.directory => Handle::File {
                root,
                file: found,
                read: wish.read,
                write: wish.write,
                append: wish.append,
                _open: open,
            },
            // A pipe or a device could hold up the worker.
            _ => return Err(Errno::ACCESS),
        };
        self.keep(handle)
    }

    fn keep(&mut self, handle: Handle) -> Result<u32, Errno> {
        let count = u32::try_from(self.folders.count()).map_err(|_| Errno::MFILE)?;
        let least = FIRST.checked_add(count).ok_or(Errno::MFILE)?;
        let most = least.saturating_add(u32::try_from(OPEN_MAX).unwrap_or(0));
        let number = (least..most)
            .find(|number| !self.open.contains_key(number))
            .ok_or(Errno::MFILE)?;
        self.open.insert(number, handle);
        Ok(number)
    }

    /// Lets go of a number; those of preopened folders stay.
    pub(crate) fn close(&mut self, number: u32) -> Result<(), Errno> {
        match self.open.remove(&number) {
            Some(_) => Ok(()),
            None => self.folder(number).map(drop),
        }
    }

    /// Reads up to so many bytes at the file's position.
    pub(crate) fn read(&self, number: u32, bytes_max: usize) -> Result<Vec<u8>, Errno> {
        match self.open.get(&number) {
            Some(Handle::File {
                root, file, read: true, ..
            }) if self.may(*root) != May::Nothing => {
                let mut bytes = vec![0; bytes_max.min(PIECE_BYTES_MAX)];
                let count = rustix::io::read(file, &mut bytes)?;
                bytes.truncate(count);
                Ok(bytes)
            }
            Some(Handle::Folder { .. }) => Err(Errno::ISDIR),
            _ => Err(Errno::BADF),
        }
    }

    /// Writes at the file's position, as much as is taken.
    pub(crate) fn write(&self, number: u32, bytes: &[u8]) -> Result<usize, Errno> {
        match self.open.get(&number) {
            Some(Handle::File {
                root,
                file,
                write: true,
                append,
                ..
            }) if self.may(*root) == May::Write => {
                let bytes = bytes.get(..PIECE_BYTES_MAX).unwrap_or(bytes);
                let length = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(u64::MAX);
                let at = match append {
                    // Copies do not know it of themselves.
                    true => rustix::fs::seek(file, SeekFrom::End(0))?,
                    false => rustix::fs::seek(file, SeekFrom::Current(0))?,
                };
                let end = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if end.max(length) > FILE_BYTES_MAX {
                    return Err(Errno::FBIG);
                }
                match &self.scratch {
                    Some(scratch) => scratch.room(end.saturating_sub(length))?,
                    None => self.counts.write(bytes.len())?,
                }
                rustix::io::write(file, bytes)
            }
            _ => Err(Errno::BADF),
        }
    }

    pub(crate) fn seek(&self, number: u32, to: SeekFrom) -> Result<u64, Errno> {
        match self.open.get(&number) {
            Some(Handle::File { file, .. }) => rustix::fs::seek(file, to),
            _ => Err(Errno::BADF),
        }
    }

    /// What is known of an open number.
    pub(crate) fn about(&self, number: u32) -> Result<Stat, Errno> {
        match self.open.get(&number) {
            Some(Handle::File { file, .. }) => rustix::fs::fstat(file),
            _ => {
                let (folder, _, path) = self.folder(number)?;
                rustix::fs::fstat(folder.find(path, OFlags::PATH | OFlags::CLOEXEC)?)
            }
        }
    }

    /// What is known of what a path names.
    pub(crate) fn about_path(&self, number: u32, path: &[u8], follow: bool) -> Result<Stat, Errno> {
        let (folder, root, base) = self.folder(number)?;
        let path = joined(base, path).ok_or(Errno::PERM)?;
        if let Some(aside) = self.scratch.as_ref().and_then(|scratch| scratch.get(root, &path)) {
            return rustix::fs::fstat(aside);
        }
        let link = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        rustix::fs::fstat(folder.find(&path, OFlags::PATH | OFlags::CLOEXEC | link)?)
    }

    /// The entries of a folder, in the order in which the system tells them.
    pub(crate) fn list(&self, number: u32) -> Result<Vec<Entry>, Errno> {
        let (folder, _, path) = self.folder(number)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let found = folder.find(path, flags)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(found.as_fd())?.take(ENTRIES_MAX) {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push(Entry {
                    number: entry.ino(),
                    kind: entry.file_type(),
                    name: name.to_vec(),
                });
            }
        }
        Ok(entries)
    }

    /// Whether a number is a folder's, and whether it may be read and written.
    pub(crate) fn kind(&self, number: u32) -> Option<(bool, bool, bool)> {
        match self.open.get(&number) {
            Some(Handle::File { read, write, .. }) => Some((false, *read, *write)),
            _ => self.folder(number).ok().map(|_| (true, true, self.may_write(number))),
        }
    }
}

fn folder_of(folders: &Folders, root: usize) -> Result<&Opened, Errno> {
    folders.get(root).ok_or(Errno::BADF)
}

fn flags(wish: Wish) -> OFlags {
    // Nothing here waits for the other end of a pipe, or makes a terminal the gateway's own.
    let mut flags = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    flags |= match (wish.read, wish.write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    };
    let asked = [
        (wish.create, OFlags::CREATE),
        (wish.exclusive, OFlags::EXCL),
        (wish.truncate && wish.write, OFlags::TRUNC),
        (wish.append, OFlags::APPEND),
        (wish.directory, OFlags::DIRECTORY),
        (!wish.follow, OFlags::NOFOLLOW),
    ];
    for (_, flag) in asked.into_iter().filter(|(is_asked, _)| *is_asked) {
        flags |= flag;
    }
    flags
}
