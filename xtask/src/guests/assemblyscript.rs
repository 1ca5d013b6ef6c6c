//! The guest written with the AssemblyScript SDK: npm fetches the compiler, which the lock file pins.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::output;
use crate::place;

/// What is copied into the build folder, so that npm writes nothing into the work tree.
const SOURCES: &[&str] = &["package.json", "package-lock.json", "assembly/index.ts"];

/// Builds the guest unless its sources are those of the last build; gives the module.
pub(super) fn build() -> Result<PathBuf> {
    let from = place::root().join("plugins/assemblyscript");
    let folder = place::cargo_target().join("guests-build/assemblyscript");
    let module = folder.join("build/assemblyscript.wasm");
    let mut changed = !module.is_file();
    fs::create_dir_all(folder.join("assembly")).context("cannot make the build folder of the AssemblyScript guest")?;
    for name in SOURCES {
        let text = fs::read(from.join(name)).with_context(|| format!("cannot read plugins/assemblyscript/{name}"))?;
        if fs::read(folder.join(name)).ok().as_ref() != Some(&text) {
            changed = true;
            fs::write(folder.join(name), text).with_context(|| format!("cannot write `{name}`"))?;
        }
    }
    if changed {
        // A failed build must not leave the module of an older source behind.
        fs::remove_file(&module).ok();
        npm(&folder, &["ci", "--no-audit", "--no-fund", "--loglevel=error"])?;
        npm(&folder, &["run", "build", "--loglevel=error"])?;
    }
    Ok(module)
}

fn npm(folder: &PathBuf, arguments: &[&str]) -> Result<()> {
    output(Command::new("npm").current_dir(folder).args(arguments)).map(|_| ())
}
