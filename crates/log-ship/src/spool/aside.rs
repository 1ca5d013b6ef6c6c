//! Files of a spool that cannot be read are set aside under a name that it does not read, and not for ever.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is behind the name of a file that was set aside.
pub(super) const ASIDE: &str = ".aside";
/// LIMIT: files that are set aside in one folder.
pub(super) const FILES_MAX: usize = 16;

/// Sets a file aside, and removes the oldest of those before it that are too many, or have more than these bytes with it.
pub(super) fn set_aside(path: &Path, bytes_max: u64) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE);
    fs::rename(path, &name)?;
    let mut found: Vec<(std::time::SystemTime, PathBuf, u64)> = Vec::new();
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let path = entry?.path();
        let is_other = path.to_str().is_some_and(|path| path.ends_with(ASIDE)) && path.as_os_str() != name;
        if let Some(about) = fs::metadata(&path).ok().filter(|_| is_other) {
            found.push((about.modified()?, path, about.len()));
        }
    }
    found.sort();
    let mut bytes = fs::metadata(&name)?.len();
    for (index, (_, path, length)) in found.iter().rev().enumerate() {
        bytes = bytes.saturating_add(*length);
        if bytes > bytes_max || index + 1 >= FILES_MAX {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
