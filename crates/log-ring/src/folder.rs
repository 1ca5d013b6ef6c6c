//! The folder of rings: who may read and write there, and the files in it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, mkdir, open, openat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::fault::RingFault;

/// How the file of a ring ends.
const SUFFIX: &str = ".ring";
/// LIMIT: files that are looked at in a folder.
const FILES_MAX: usize = 4_096;
/// LIMIT: letters of a ring's name.
const NAME_LETTERS_MAX: usize = 64;

/// A folder that belongs to this user alone.
#[derive(Clone, Debug)]
pub struct Folder {
    handle: Arc<OwnedFd>,
    path: PathBuf,
}

impl Folder {
    /// Opens it, and makes it with mode 0700 if it is missing; the folder that it is in must be there.
    ///
    /// # Errors
    /// When it is no folder, is a link, or somebody else owns it or may look into it.
    pub fn open(path: &Path) -> Result<Self, RingFault> {
        match mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(why) => return Err(system("folder cannot be made", path, why)),
        }
        Self::existing(path)
    }

    /// Opens one that is there.
    pub(crate) fn existing(path: &Path) -> Result<Self, RingFault> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = open(path, flags, Mode::empty()).map_err(|why| system("folder does not open", path, why))?;
        let about = fstat(&handle).map_err(|why| system("folder does not open", path, why))?;
        if let Some(why) = distrust(about.st_uid, about.st_mode, geteuid().as_raw()) {
            return Err(RingFault::Untrusted {
                path: path.display().to_string(),
                why,
            });
        }
        Ok(Self {
            handle: Arc::new(handle),
            path: path.to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file with mode 0600, if nobody has one by this name, and locks it.
    pub(crate) fn create(&self, name: &str) -> Result<Option<File>, RingFault> {
        let path = self.path.join(name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => file,
            Err(Errno::EXIST) => return Ok(None),
            Err(why) => return Err(system("file cannot be made", &path, why)),
        };
        // Between its making and its lock, who recovers may find it unfinished and take it away. Then another name is tried.
        let is_ours = lock(&file) && self.is_there(name, &file);
        Ok(is_ours.then(|| File::from(file)))
    }

    /// Opens and locks a file that is there: none if it is gone.
    pub(crate) fn claim(&self, name: &str) -> Result<Option<File>, RingFault> {
        let path = self.path.join(name);
        // Nobody waits for who is at the other end of a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(untrusted(&path, "it is a link")),
            Err(why) => return Err(system("file does not open", &path, why)),
        };
        let about = fstat(&file).map_err(|why| system("file does not open", &path, why))?;
        if let Some(why) = distrust_file(&about) {
            return Err(untrusted(&path, why));
        }
        if !lock(&file) {
            return Err(RingFault::Alive(path.display().to_string()));
        }
        Ok(self.is_there(name, &file).then(|| File::from(file)))
    }

    /// Takes a file away that this process has locked.
    pub(crate) fn remove(&self, name: &str, file: &File) -> Result<(), RingFault> {
        if !self.is_there(name, file) {
            return Ok(());
        }
        unlinkat(&self.handle, name, AtFlags::empty())
            .map_err(|why| system("file cannot be removed", &self.path.join(name), why))
    }

    /// Names of files that are rings by their ending, in order.
    pub(crate) fn names(&self) -> Result<Vec<String>, RingFault> {
        let fail = |why| system("folder cannot be read", &self.path, why);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle).map_err(fail)?.take(FILES_MAX) {
            let entry = entry.map_err(fail)?;
            if let Ok(name) = entry.file_name().to_str()
                && name.ends_with(SUFFIX)
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Whether the name still leads to this file.
    fn is_there(&self, name: &str, file: impl AsFd) -> bool {
        let (Ok(there), Ok(here)) = (statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW), fstat(file)) else {
            return false;
        };
        (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
    }
}

/// The lock that a living writer holds, or that who recovers takes. The system gives it back when the last process that has the file open ends,
/// however it ends.
fn lock(file: impl AsFd) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Names of the files of a ring; another for each try.
pub(crate) fn file_name(name: &str, process: u32, attempt: u32) -> Result<String, RingFault> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > NAME_LETTERS_MAX || !name.bytes().all(is_plain) {
        return Err(RingFault::Name(name.to_owned()));
    }
    Ok(format!("{name}.{process}.{attempt}{SUFFIX}"))
}

pub(crate) fn system(what: &'static str, path: &Path, why: impl Into<io::Error>) -> RingFault {
    RingFault::System {
        what,
        path: path.display().to_string(),
        source: why.into(),
    }
}

fn untrusted(path: &Path, why: &'static str) -> RingFault {
    RingFault::Untrusted {
        path: path.display().to_string(),
        why,
    }
}

fn distrust_file(about: &Stat) -> Option<&'static str> {
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
        return Some("it is no regular file");
    }
    if about.st_nlink > 1 {
        return Some("it has a second name somewhere");
    }
    distrust(about.st_uid, about.st_mode, geteuid().as_raw())
}

/// Why what belongs to this owner with this mode is not ours alone.
fn distrust(owner: u32, mode: u32, user: u32) -> Option<&'static str> {
    if owner != user {
        Some("another user owns it")
    } else if mode & 0o077 != 0 {
        Some("others may read or write it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_user_owns_or_others_may_touch_is_not_trusted() {
        assert_eq!(distrust(7, 0o100_600, 7), None);
        assert_eq!(distrust(7, 0o100_600, 8), Some("another user owns it"));
        assert_eq!(distrust(0, 0o100_600, 8), Some("another user owns it"));
        for mode in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601] {
            assert_eq!(distrust(7, mode, 7), Some("others may read or write it"), "{mode:o}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["", "..", "a/b", "a.b", "a b", "ä", &"a".repeat(65)] {
            assert!(matches!(file_name(name, 1, 0), Err(RingFault::Name(_))), "{name}");
        }
        assert_eq!(file_name("worker-0", 12, 3).unwrap(), "worker-0.12.3.ring");
    }
}
