//! Where debug information of a stripped module is: beside it or in a folder, known by the hash of its code section.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

/// LIMIT: bytes of a file that is read for its debug information; unstripped Go modules have some 30 MB.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// LIMIT: files of a folder that are looked into.
const FILES_MAX: usize = 10_000;

/// Where to look for files with debug information.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DebugFiles {
    /// A folder of `.wasm` files; their names do not matter.
    pub folder: Option<PathBuf>,
}

impl DebugFiles {
    /// The bytes of a file with this code: the module itself when it has debug information, else the first twin of it that has more,
    /// else the module. None when there is no file of this code.
    #[must_use]
    pub fn find(&self, module: Option<&Path>, code_sha256: &str, enough: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let own = module.and_then(|path| of_code(path, code_sha256));
        if own.as_deref().is_some_and(&enough) {
            return own;
        }
        let beside = module.into_iter().flat_map(side_files);
        let kept = self.folder.iter().flat_map(|folder| in_folder(folder, code_sha256));
        beside
            .chain(kept)
            .filter_map(|path| of_code(&path, code_sha256))
            .find(|bytes| enough(bytes))
            .or(own)
    }
}

/// `plugin.debug.wasm` and `plugin.wasm.debug` beside `plugin.wasm`.
fn side_files(module: &Path) -> Vec<PathBuf> {
    let mut appended = module.as_os_str().to_owned();
    appended.push(".debug");
    vec![module.with_extension("debug.wasm"), PathBuf::from(appended)]
}

/// Files of a folder, those that are named by the hash first.
fn in_folder(folder: &Path, code_sha256: &str) -> Vec<PathBuf> {
    let mut files = vec![folder.join(format!("{code_sha256}.wasm"))];
    let Ok(entries) = fs::read_dir(folder) else {
        return files;
    };
    let named = |path: &PathBuf| path.extension().is_some_and(|end| end == "wasm" || end == "debug");
    let paths = entries.flatten().map(|entry| entry.path()).filter(named);
    let mut others: Vec<PathBuf> = paths.take(FILES_MAX).collect();
    others.sort();
    files.extend(others);
    files
}

/// The file, if its code is that one.
fn of_code(path: &Path, wanted: &str) -> Option<Vec<u8>> {
    let about = fs::metadata(path).ok()?;
    if !about.is_file() || about.len() > FILE_BYTES_MAX {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    (code_sha256(&bytes)? == wanted).then_some(bytes)
}

/// SHA-256 of a module's code section, in hexadecimal digits; none when it is no module.
#[must_use]
pub fn code_sha256(module: &[u8]) -> Option<String> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionStart { range, .. } = payload.ok()? {
            return Some(hex(&Sha256::digest(module.get(range)?)));
        }
    }
    None
}

/// Where a module's code section begins in its file; none when it is no module.
#[must_use]
pub fn code_at(module: &[u8]) -> Option<u32> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionStart { range, .. } = payload.ok()? {
            return u32::try_from(range.start).ok();
        }
    }
    None
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
