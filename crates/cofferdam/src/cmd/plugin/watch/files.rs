//! The files of a project as they look from outside, and what changed among them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

/// Folders that tools write into.
const MADE: &[&str] = &["target", "dist", "build", "node_modules"];
/// Files that the tools of languages write while they build.
const LOCKS: &[&str] = &["Cargo.lock", "go.sum", "package-lock.json"];
/// LIMIT: files that are looked at; a project of a plugin has some dozens.
const FILES_MAX: usize = 20_000;
/// LIMIT: folders inside of one another.
const DEPTH_MAX: usize = 16;

/// What a file looks like from outside.
type Looks = (SystemTime, u64);

/// The files of a project at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    folder: PathBuf,
    looks: BTreeMap<PathBuf, Looks>,
}

impl Files {
    /// How they look now: all but hidden ones and those that tools write.
    pub(super) fn look(folder: &Path) -> Self {
        let mut looks = BTreeMap::new();
        gather(folder, DEPTH_MAX, &mut looks);
        Self {
            folder: folder.to_owned(),
            looks,
        }
    }

    /// Takes what tools wrote into their locks as if it had been so before.
    pub(super) fn forgive_locks(&mut self) {
        for name in LOCKS {
            let file = self.folder.join(name);
            match look(&file) {
                Some(looks) => self.looks.insert(file, looks),
                None => self.looks.remove(&file),
            };
        }
    }

    /// Waits until a file changed and then none changes any more; gives how they look then, and what changed in words.
    pub(super) fn wait_for_change(&self, every: Duration) -> (Self, String) {
        let mut before = self.clone();
        loop {
            let now = Self::look(&self.folder);
            // An editor writes several files, and some in several steps.
            if now == before && now != *self {
                let changed = self.changed(&now);
                return (now, changed);
            }
            before = now;
            sleep(every);
        }
    }

    /// What is different in words.
    fn changed(&self, now: &Self) -> String {
        let differs = |file: &&PathBuf| self.looks.get(*file) != now.looks.get(*file);
        let gone = self.looks.keys().filter(|file| !now.looks.contains_key(*file));
        let mut names = now.looks.keys().filter(differs).chain(gone);
        let first = names.next().map(|file| file.strip_prefix(&self.folder).unwrap_or(file));
        let first = first.unwrap_or(&self.folder).display();
        match names.count() {
            0 => format!("changed: {first}"),
            more => format!("changed: {first} and {more} more"),
        }
    }
}

fn gather(folder: &Path, depth: usize, looks: &mut BTreeMap<PathBuf, Looks>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') || looks.len() >= FILES_MAX {
            continue;
        }
        let path = entry.path();
        if kind.is_dir() {
            if depth > 0 && !MADE.contains(&&*name) {
                gather(&path, depth.saturating_sub(1), looks);
            }
        } else if let Some(seen) = look(&path) {
            looks.insert(path, seen);
        }
    }
}

/// None when it is not there, or no file.
fn look(file: &Path) -> Option<Looks> {
    let about = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    Some((about.modified().ok()?, about.len()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_an_author_writes_is_seen_and_what_tools_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, name).unwrap();
        };
        put("src/lib.rs");
        let before = Files::look(folder.path());
        for name in [
            "target/x",
            "dist/x.wasm",
            "build/x.o",
            "node_modules/a/b.js",
            ".git/HEAD",
            "src/.lib.rs.swp",
        ] {
            put(name);
        }
        assert_eq!(Files::look(folder.path()), before);
        put("src/deep/er/new.rs");
        put("tests.yaml");
        let after = Files::look(folder.path());
        assert_eq!(before.changed(&after), "changed: src/deep/er/new.rs and 1 more");
        assert_eq!(after.changed(&before), "changed: src/deep/er/new.rs and 1 more");
    }

    #[test]
    fn a_lock_that_the_tool_wrote_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::look(folder.path());
        fs::write(folder.path().join("Cargo.lock"), "of cargo").unwrap();
        assert_ne!(files, Files::look(folder.path()));
        files.forgive_locks();
        assert_eq!(files, Files::look(folder.path()));
    }

    #[test]
    fn a_change_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("main.go");
        let before = Files::look(folder.path());
        let writer = std::thread::spawn(move || fs::write(file, "package main").unwrap());
        let (now, changed) = before.wait_for_change(Duration::from_millis(1));
        writer.join().unwrap();
        assert_eq!(changed, "changed: main.go");
        assert_eq!(now, Files::look(folder.path()));
    }
}
