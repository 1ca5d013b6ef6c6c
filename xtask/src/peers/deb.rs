//! Debian packages that are unpacked into the user's cache and installed nowhere: libraries of Go, of which there is no other registry here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::output;
use crate::place;

/// Loggers of Go with what they need.
const PACKAGES: &[&str] = &[
    "golang-github-mattn-go-colorable-dev",
    "golang-github-mattn-go-isatty-dev",
    "golang-github-pkg-errors-dev",
    "golang-github-rs-zerolog-dev",
    "golang-github-sirupsen-logrus-dev",
    "golang-go.uber-atomic-dev",
    "golang-go.uber-multierr-dev",
    "golang-go.uber-zap-dev",
    "golang-golang-x-sys-dev",
];
/// What is there when all is.
const PROOF: &str = "usr/share/gocode/src/go.uber.org/zap/zapcore";
/// Their names with versions, one a line.
const VERSIONS: &str = "versions";

/// The libraries, unpacked.
pub(crate) struct GoLibraries {
    /// For `GOPATH`.
    pub(crate) path: PathBuf,
    /// Packages with their versions, one a line.
    pub(crate) versions: String,
}

/// Gives them, after fetching what was never fetched.
pub(super) fn fetch() -> Result<GoLibraries> {
    let folder = place::cache().join("go-loggers");
    if !folder.join(PROOF).exists() {
        let work = place::cache().join(format!("fetching-go-loggers-{}", std::process::id()));
        fs::create_dir_all(&work).with_context(|| format!("cannot make `{}`", work.display()))?;
        let done = unpack(&work, &folder);
        fs::remove_dir_all(&work).ok();
        done?;
        ensure!(folder.join(PROOF).exists(), "Debian's packages have no `{PROOF}`");
    }
    let versions = fs::read_to_string(folder.join(VERSIONS)).context("the loggers of Go have no versions")?;
    Ok(GoLibraries {
        path: folder.join("usr/share/gocode"),
        versions,
    })
}

fn unpack(work: &Path, folder: &Path) -> Result<()> {
    println!("    apt-get download {}", PACKAGES.join(" "));
    output(
        Command::new("apt-get")
            .args(["-qq", "download"])
            .args(PACKAGES)
            .current_dir(work),
    )
    .context("Debian's loggers of Go cannot be had; `apt-get update` may help")?;
    let root = work.join("root");
    let mut names = Vec::new();
    for entry in fs::read_dir(work).context("cannot look at what was fetched")? {
        let package = entry?.path();
        if package.extension().is_some_and(|end| end == "deb") {
            output(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&root))?;
            let facts = Command::new("dpkg-deb").args(["-W"]).arg(&package).output()?;
            names.push(String::from_utf8_lossy(&facts.stdout).trim().replace('\t', " "));
        }
    }
    names.sort();
    fs::write(root.join(VERSIONS), names.join("\n") + "\n").context("cannot write down versions")?;
    // Renamed at the end, so that a download that was broken off leaves nothing that looks whole.
    fs::remove_dir_all(folder).ok();
    fs::rename(&root, folder).with_context(|| format!("cannot make `{}`", folder.display()))
}
