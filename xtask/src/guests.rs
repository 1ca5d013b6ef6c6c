//! Builds our own plugins for `wasm32-wasip1`, by whichever route this machine allows.

mod assemblyscript;
mod go;
mod route;
mod split;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::command::find;
use crate::{peers, place};
use route::Route;

/// LIMIT: bytes of a guest that is shipped, as it is loaded: without names and lines.
const SHIPPED_BYTES_MAX: usize = 400_000;

/// How to build the guests.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Build by this route only, instead of the first that works
    #[arg(long, value_enum)]
    route: Option<Route>,
    /// Build the AssemblyScript guest too; needs node and npm
    #[arg(long)]
    assemblyscript: bool,
    /// Build the guest in Go too; fetches Go's compiler
    #[arg(long)]
    go: bool,
}

impl Options {
    /// By the first route that works; the AssemblyScript guest too where npm is, and the one in Go where its compiler can be had.
    pub(crate) fn all_possible() -> Self {
        Self {
            route: None,
            assemblyscript: find("npm").is_some(),
            go: peers::go().is_ok(),
        }
    }
}

/// Builds all guests and puts them into `target/guests`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let built = match options.route {
        Some(route) => route.build().with_context(|| format!("route `{route}`"))?,
        None => route::first_that_works()?,
    };
    fs::create_dir_all(place::guests()).context("cannot make target/guests")?;
    let mut names = Vec::new();
    for file in modules(&built.join("release"))? {
        names.push(publish(&file, "")?);
    }
    for file in modules(&built.join(route::SMALL))? {
        check_size(&file)?;
        names.push(publish(&file, "")?);
    }
    for file in modules(&built.join(route::UNOPTIMISED))? {
        names.push(publish(&file, "-unoptimised")?);
    }
    if options.assemblyscript {
        ensure!(
            find("npm").is_some(),
            "the AssemblyScript guest needs node and npm: apt-get install nodejs npm"
        );
        names.push(publish(&assemblyscript::build()?, "")?);
    }
    if options.go {
        names.push(publish(&go::build(&peers::go()?)?, "")?);
    }
    names.sort();
    println!("{}: {}", place::guests().display(), names.join(" "));
    Ok(())
}

/// Lints the guests, where the compiler has the target: Debian's cannot be joined with this clippy.
pub(crate) fn lint() -> Result<()> {
    route::lint()
}

/// Tests what is shipped natively, beside other implementations.
pub(crate) fn test() -> Result<()> {
    route::test(&peers::guests_python()?)
}

fn check_size(built: &Path) -> Result<()> {
    let whole = fs::read(built).with_context(|| format!("cannot read `{}`", built.display()))?;
    let bytes = split::without(&whole, |_| true)?.len();
    println!("{}: {bytes} bytes stripped", built.display());
    ensure!(
        bytes <= SHIPPED_BYTES_MAX,
        "`{}` has {bytes} bytes stripped, more than {SHIPPED_BYTES_MAX}",
        built.display()
    );
    Ok(())
}

fn modules(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "wasm") {
            files.push(file);
        }
    }
    ensure!(!files.is_empty(), "cargo built no module in `{}`", folder.display());
    Ok(files)
}

/// Puts a module to where tests look, under its crate's name and `suffix`: without lines of source, which lie beside it in `NAME.debug.wasm`, where a
/// crash report finds them. The guest that dies is there once more as `NAME-stripped.wasm`, without names too, as many are shipped.
fn publish(built: &Path, suffix: &str) -> Result<String> {
    let stem = built
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .replace('_', "-")
        + suffix;
    let whole = fs::read(built).with_context(|| format!("cannot read `{}`", built.display()))?;
    let name = format!("{stem}.wasm");
    put(&name, &split::without(&whole, |section| section.starts_with(".debug"))?)?;
    put(&format!("{stem}.debug.wasm"), &whole)?;
    if stem == "die" {
        put("die-stripped.wasm", &split::without(&whole, |_| true)?)?;
    }
    Ok(name)
}

/// Writes a module, unless it is there already: one that did not change keeps its time, so that nobody takes it for a new one.
fn put(name: &str, bytes: &[u8]) -> Result<()> {
    let target = place::guests().join(name);
    if fs::read(&target).ok().as_deref() != Some(bytes) {
        fs::write(&target, bytes).with_context(|| format!("cannot write `{}`", target.display()))?;
    }
    Ok(())
}
