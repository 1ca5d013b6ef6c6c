//! Builds of our own guests that differ in nothing but their bytes, and the chain in which they stand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::place;

/// Plugins of the chain.
pub(super) const LENGTH: usize = 16;

/// The guests of which builds are made, one after the other.
const GUESTS: [&str; 2] = ["hello.wasm", "probe-021.wasm"];

/// A chain whose plugins each have a file, and two builds that take turns in it.
pub(super) struct Chain {
    folder: PathBuf,
    builds: Vec<[Vec<u8>; 2]>,
}

impl Chain {
    /// Writes the first build of each plugin.
    pub(super) fn prepare(ground: &Path) -> Result<Self> {
        let folder = ground.join("change");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let mut builds = Vec::new();
        for place in 0..LENGTH {
            let guest = GUESTS.get(place % GUESTS.len()).copied().unwrap_or_default();
            let bytes = fs::read(place::guests().join(guest)).with_context(|| format!("no guest `{guest}`"))?;
            builds.push([0, 1].map(|build| built(&bytes, place, build)));
        }
        let chain = Self { folder, builds };
        for place in 0..LENGTH {
            chain.put(place, 0)?;
        }
        Ok(chain)
    }

    /// The file of a plugin.
    pub(super) fn file(&self, place: usize) -> PathBuf {
        self.folder.join(format!("plugin-{place}.wasm"))
    }

    /// Puts a build in its place at one stroke.
    pub(super) fn put(&self, place: usize, build: usize) -> Result<()> {
        let bytes = self.builds.get(place).and_then(|builds| builds.get(build));
        let part = self.folder.join("next.part");
        fs::write(&part, bytes.context("no such build")?)?;
        fs::rename(&part, self.file(place)).context("a build cannot be put in its place")
    }
}

/// The module with a custom section that says which build it is: other bytes, another digest, compiled by itself.
fn built(module: &[u8], place: usize, build: usize) -> Vec<u8> {
    let name = b"build";
    let text = format!("{place:02} {build}");
    let mut section = vec![u8::try_from(name.len()).unwrap_or_default()];
    section.extend_from_slice(name);
    section.extend_from_slice(text.as_bytes());
    let mut bytes = module.to_vec();
    bytes.push(0);
    bytes.push(u8::try_from(section.len()).unwrap_or_default());
    bytes.extend(section);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_differ_and_end_in_a_custom_section() {
        let (one, other) = (built(b"\0asm", 3, 0), built(b"\0asm", 3, 1));
        assert_ne!(one, other);
        assert_eq!(one, b"\0asm\0\x0a\x05build03 0");
    }
}
