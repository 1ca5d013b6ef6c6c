//! Packages of npm: pinned ones in a folder of the user's cache, and no script of theirs is run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::output;
use crate::{place, system};

/// Sigstore's own libraries in JavaScript: one makes bundles, the other verifies them.
const PACKAGES: &[&str] = &["@sigstore/sign@4.0.0", "@sigstore/verify@3.0.0"];
/// What is there when all is.
const PROOF: &str = "node_modules/@sigstore/verify/package.json";

/// The folder for `NODE_PATH`, after installing what was never installed.
pub(super) fn fetch() -> Result<PathBuf> {
    let folder = place::cache().join("sigstore-js-4.0.0-3.0.0");
    let modules = folder.join("node_modules");
    if folder.join(PROOF).exists() {
        return Ok(modules);
    }
    if crate::command::find("npm").is_none() {
        system::install(&["npm"]).context("npm is needed")?;
    }
    let work = place::cache().join(format!("fetching-sigstore-js-{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot make `{}`", work.display()))?;
    println!("    npm install {}", PACKAGES.join(" "));
    let done = output(
        Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&work)
            .args(PACKAGES),
    );
    let done = done.and_then(|_| {
        // Renamed at the end, so that an installation that was broken off leaves nothing that looks whole.
        fs::remove_dir_all(&folder).ok();
        fs::rename(&work, &folder).with_context(|| format!("cannot make `{}`", folder.display()))
    });
    fs::remove_dir_all(&work).ok();
    done?;
    ensure!(folder.join(PROOF).exists(), "npm installed no `{PROOF}`");
    Ok(modules)
}
