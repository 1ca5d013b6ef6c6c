//! Packages of PyPI that are programs' libraries: a Python of its own in the user's cache, with pinned versions, and nothing installed anywhere else.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{find, output};
use crate::{place, system};

/// What makes tokens, signatures, ciphertexts, numbers and databases for our guests, and judges them; and what receives logs and spans over OTLP.
const PACKAGES: &[&str] = &[
    "PyJWT==2.15.1",
    "cryptography==50.0.2",
    "gmssl==3.2.2",
    "grpcio==1.85.1",
    "joserfc==1.8.0",
    "maxminddb==3.2.0",
    "mmdb-writer==0.2.7",
    "opentelemetry-proto==1.45.2",
    "python-stdnum==2.2",
];

/// The Python that has them, after installing what was never installed.
pub(super) fn fetch() -> Result<PathBuf> {
    let name = PACKAGES.join("-").replace("==", "-");
    let folder = place::cache().join(format!("python-{name}"));
    let (python, done) = (folder.join("bin/python3"), folder.join("installed"));
    if done.exists() {
        return Ok(python);
    }
    if find("python3").is_none() || output(Command::new("python3").args(["-c", "import ensurepip"])).is_err() {
        system::install(&["python3", "python3-venv"]).context("Python's venv is needed")?;
    }
    fs::create_dir_all(place::cache()).context("cannot make the cache")?;
    output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    println!("    pip install {}", PACKAGES.join(" "));
    output(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
            .args(PACKAGES),
    )?;
    // Written at the end, so that an installation that was broken off is done again.
    fs::write(&done, PACKAGES.join("\n")).with_context(|| format!("cannot write `{}`", done.display()))?;
    Ok(python)
}
