//! Folders that plugins are granted, and files for log guests: opened once, and everything in them found beneath them, whatever the plugin or anybody else does to names.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use plug_grant::Grant;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// LIMIT: parts of a path.
const PARTS_MAX: usize = 64;
/// How often a path is looked at anew that somebody renames meanwhile.
const ATTEMPTS: usize = 4;

/// The folders of one plugin.
#[derive(Debug)]
pub struct Folders(Vec<Opened>);

/// One of them.
pub(crate) struct Opened {
    /// What the plugin calls it.
    pub(crate) name: String,
    /// Whether files may be made and changed in it.
    pub(crate) write: bool,
    path: PathBuf,
    /// Device and number: the same name may mean another folder later.
    identity: (u64, u64),
    root: Root,
}

/// What is found beneath it.
enum Root {
    Folder(OwnedFd),
    /// Single files, by what the plugin calls them: nothing that lies beside them is found.
    Files(Vec<(String, PathBuf)>),
}

impl Root {
    fn try_clone(&self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Folder(root) => Self::Folder(root.try_clone()?),
            Self::Files(files) => Self::Files(files.clone()),
        })
    }

    fn files(&self) -> &[(String, PathBuf)] {
        match self {
            Self::Folder(_) => &[],
            Self::Files(files) => files,
        }
    }
}

// Without the number under which it is open: two that mean the same folder are told as the same.
impl fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = (&self.name, self.write, &self.path, self.identity, self.root.files());
        formatter.debug_tuple("Opened").field(&what).finish()
    }
}

impl PartialEq for Folders {
    fn eq(&self, other: &Self) -> bool {
        let what = |folder: &Opened| (folder.name.clone(), folder.write, folder.path.clone(), folder.identity);
        let files = |folder: &Opened| folder.root.files().to_vec();
        self.0.iter().map(what).eq(other.0.iter().map(what)) && self.0.iter().map(files).eq(other.0.iter().map(files))
    }
}

impl Folders {
    /// Opens what a grant lists; none when it lists nothing, or no function that would open a file.
    ///
    /// # Errors
    /// Why one of them cannot be opened.
    pub fn open(grant: &Grant) -> Result<Option<Self>, String> {
        if !grant.opens_files() {
            return Ok(None);
        }
        let open = |folder: &plug_grant::Folder| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::open(&folder.path, flags, Mode::empty());
            let opened = root.and_then(|root| Ok((rustix::fs::fstat(&root)?, root)));
            let (about, root) =
                opened.map_err(|why| format!("folder `{}` cannot be opened: {why}", folder.path.display()))?;
            Ok(Opened {
                name: folder.name.clone(),
                write: folder.write,
                path: folder.path.clone(),
                identity: (about.st_dev, about.st_ino),
                root: Root::Folder(root),
            })
        };
        let folders = grant.folders.iter().map(open).collect::<Result<Vec<_>, String>>();
        folders.map(|folders| Some(Self(folders)))
    }

    /// Opens what a grant lists, and lets single files be read, which are found beneath `/`.
    ///
    /// # Errors
    /// Why one of them cannot be opened.
    pub fn with_files(grant: &Grant, files: Vec<(String, PathBuf)>) -> Result<Self, String> {
        for (_, path) in &files {
            let shown = path.display();
            let unread = |why| format!("file `{shown}` cannot be opened: {why}");
            // To open a pipe would wait for its other end.
            if !std::fs::metadata(path).map_err(unread)?.is_file() {
                return Err(format!("`{shown}` is neither a file nor a folder"));
            }
            std::fs::File::open(path).map_err(unread)?;
        }
        let mut folders = Self::open(grant)?.map(|folders| folders.0).unwrap_or_default();
        if !files.is_empty() {
            folders.push(Opened {
                name: "/".to_owned(),
                write: false,
                path: PathBuf::from("/"),
                identity: (0, 0),
                root: Root::Files(files),
            });
        }
        Ok(Self(folders))
    }

    /// The same folders once more, without the right to write.
    pub(crate) fn reopened(&self) -> std::io::Result<Self> {
        let reopened = self.0.iter().map(|folder| {
            Ok(Opened {
                name: folder.name.clone(),
                write: false,
                path: folder.path.clone(),
                identity: folder.identity,
                root: folder.root.try_clone()?,
            })
        });
        reopened.collect::<std::io::Result<_>>().map(Self)
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Opened> {
        self.0.get(at)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Opened> {
        self.0.iter()
    }
}

impl Opened {
    /// Whether a line of a grant means this folder.
    pub(crate) fn is_of(&self, granted: &plug_grant::Folder) -> bool {
        self.path == granted.path && self.name == granted.name
    }

    /// Opens what a path names beneath the folder. A link in the path is followed as long as it stays beneath.
    pub(crate) fn find(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let root = match &self.root {
            Root::Folder(root) => root.as_fd(),
            Root::Files(files) => {
                let file = files.iter().find(|(name, _)| name.as_bytes() == path);
                let (_, file) = file.ok_or(Errno::NOENT)?;
                return rustix::fs::open(file, flags, Mode::empty());
            }
        };
        let path = if path.is_empty() { b".".as_slice() } else { path };
        let mode = Mode::from_raw_mode(0o640);
        let mode = if flags.contains(OFlags::CREATE) {
            mode
        } else {
            Mode::empty()
        };
        for _ in 0..ATTEMPTS {
            match beneath(root, path, flags, mode) {
                // Somebody renamed something on the way.
                Err(Errno::AGAIN) => {}
                // An older kernel, or a sandbox that does not know the call.
                Err(Errno::NOSYS | Errno::PERM) => return walk(root, path, flags, mode),
                found => return found,
            }
        }
        Err(Errno::AGAIN)
    }
}

fn beneath(root: BorrowedFd<'_>, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, OsStr::from_bytes(path), flags, mode, resolve)
}

/// The same part by part, following no link at all.
pub(crate) fn walk(root: BorrowedFd<'_>, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let mut parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|part| *part != b".").collect();
    let last = parts.pop().unwrap_or(b".");
    let last = if last.is_empty() { b"." } else { last };
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut held: Option<OwnedFd> = None;
    for part in parts {
        let here = held.as_ref().map_or(root, AsFd::as_fd);
        held = Some(rustix::fs::openat(here, OsStr::from_bytes(part), step, Mode::empty())?);
    }
    let here = held.as_ref().map_or(root, AsFd::as_fd);
    rustix::fs::openat(here, OsStr::from_bytes(last), flags | OFlags::NOFOLLOW, mode)
}

/// A path of a guest beneath one of its folders, joined with what it asked from there; none when it leads upwards, is absolute, or says
/// what no path says.
pub(crate) fn joined(base: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    if path.starts_with(b"/") || path.contains(&0) {
        return None;
    }
    let parts = || {
        path.split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
    };
    if parts().any(|part| part == b"..") {
        return None;
    }
    let all: Vec<&[u8]> = base
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
        .chain(parts())
        .collect();
    (all.len() <= PARTS_MAX).then(|| all.join(&b'/'))
}

#[cfg(test)]
mod tests;
