//! Compiled code kept on disk, keyed by module and engine and authenticated, so that a changed byte is a miss and never a load.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::{digest, hmac, rand};

const TAG_BYTES: usize = 32;
const SECRET_BYTES: usize = 32;
/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;
/// LIMIT: bytes of code kept; what was not used longest goes first. A Go module of 9 MB gives about 20 MB.
const CACHE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// A folder of compiled code that only this user may read.
pub struct CodeCache {
    folder: PathBuf,
    key: hmac::Key,
}

impl CodeCache {
    /// Opens the folder, makes it and its secret when they are not there.
    ///
    /// # Errors
    /// When the folder or the secret cannot be made or read, or when the folder belongs to another user or can be written by one.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let secret = secret(&folder.join("secret"), own(folder)?)?;
        Ok(Self {
            folder: folder.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    /// The name under which code of the module with this `digest`, compiled by an engine of that `compatibility`, is kept.
    #[must_use]
    pub fn name(digest: &str, compatibility: u64) -> String {
        format!("{digest}-{compatibility:016x}")
    }

    /// Code kept under `name`; none when there is none or when it is not what was written.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let mut file = fs::File::open(self.path(name)).ok()?;
        let mut tag = [0; TAG_BYTES];
        file.read_exact(&mut tag).ok()?;
        let mut code = Vec::new();
        file.read_to_end(&mut code).ok()?;
        aws_lc_rs::constant_time::verify_slices_are_equal(self.tag(name, &code).as_ref(), &tag).ok()?;
        // Its age decides what goes first; a file system that does not keep ages costs a compilation, nothing else.
        let _ = file.set_modified(SystemTime::now());
        Some(code)
    }

    /// Keeps code under `name`, whole or not at all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let part = self.folder.join(format!("{name}.{}.part", std::process::id()));
        let written = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| {
                file.write_all(self.tag(name, code).as_ref())?;
                file.write_all(code)
            })
            .and_then(|()| fs::rename(&part, self.path(name)));
        if written.is_err() {
            // What a full disk left behind would fill it for good.
            let _ = fs::remove_file(&part);
        }
        written?;
        self.trim(CACHE_BYTES_MAX)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.code"))
    }

    /// The tag covers the digest of the code, not the code, so that a hardware SHA-256 pass is all it costs.
    fn tag(&self, name: &str, code: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(name.as_bytes());
        context.update(digest::digest(&digest::SHA256, code).as_ref());
        context.sign()
    }

    /// Removes what was not used longest until at most `bytes_max` are kept.
    fn trim(&self, bytes_max: u64) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process of ours may have removed it meanwhile.
            let Ok(about) = entry.metadata() else { continue };
            if entry.path().extension().is_some_and(|extension| extension == "code") {
                kept.push((about.modified()?, about.len(), entry.path()));
            }
        }
        kept.sort_by_key(|(age, ..)| std::cmp::Reverse(*age));
        let mut bytes = 0_u64;
        for (_, length, path) in kept {
            bytes = bytes.saturating_add(length);
            if bytes > bytes_max {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// The folder's owner, who must be this process: whoever can write here decides what machine code runs.
fn own(folder: &Path) -> io::Result<u32> {
    let about = fs::metadata(folder)?;
    let me = fs::metadata("/proc/self")?.uid();
    if about.uid() == me && about.mode() & 0o022 == 0 {
        return Ok(me);
    }
    let text = format!(
        "`{}` must belong to the user of this process and be writable by nobody else",
        folder.display()
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn secret(path: &Path, owner: u32) -> io::Result<Vec<u8>> {
    match fs::symlink_metadata(path) {
        // A secret that others could read or that they chose is none.
        Ok(about) if about.is_file() && about.uid() == owner && about.mode() & OTHERS == 0 => {
            let secret = fs::read(path)?;
            if secret.len() == SECRET_BYTES {
                return Ok(secret);
            }
            fs::remove_file(path)?;
        }
        Ok(_) => fs::remove_file(path)?,
        Err(why) if why.kind() == io::ErrorKind::NotFound => {}
        Err(why) => return Err(why),
    }
    make_secret(path)
}

fn make_secret(path: &Path) -> io::Result<Vec<u8>> {
    let mut secret = vec![0; SECRET_BYTES];
    rand::fill(&mut secret).map_err(|_| io::Error::other("no random bytes"))?;
    // Linked into place whole, so that another process of ours never reads half of it.
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    file.write_all(&secret)?;
    let linked = fs::hard_link(&part, path);
    fs::remove_file(&part)?;
    match linked {
        Ok(()) => Ok(secret),
        // Another process of ours was faster.
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => fs::read(path),
        Err(why) => Err(why),
    }
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
