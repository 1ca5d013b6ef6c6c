//! Where the things are that a test starts: the target folder, guests, the gateway, peers.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::OnceCell;

/// The target folder that holds the running test: `TARGET/PROFILE/deps/TEST`.
///
/// # Errors
/// When the test's own path is not known or not of that form.
pub fn target_dir() -> Result<PathBuf> {
    let test = env::current_exe().context("the path of the running test is not known")?;
    let folder = test
        .ancestors()
        .nth(3)
        .context("the running test is not in a target folder")?;
    Ok(folder.to_owned())
}

/// A guest by the name of its crate, as `cargo xtask guests` builds it.
///
/// # Errors
/// When it is not built.
pub fn guest(name: &str) -> Result<PathBuf> {
    let path = target_dir()?.join("guests").join(format!("{name}.wasm"));
    ensure!(
        path.is_file(),
        "`{}` is missing\nhint: run `cargo xtask guests`",
        path.display()
    );
    Ok(path)
}

/// A peer by its key in `target/peers.json`, which `cargo xtask peers` writes.
///
/// # Errors
/// When the file, the key or the peer is missing.
pub fn peer(key: &str) -> Result<PathBuf> {
    let list = target_dir()?.join("peers.json");
    let hint = "hint: run `cargo xtask peers`";
    let text = std::fs::read_to_string(&list).with_context(|| format!("cannot read `{}`\n{hint}", list.display()))?;
    let peers: serde_json::Value = serde_json::from_str(&text).context("`peers.json` is not JSON")?;
    let Some(path) = peers.get(key).and_then(serde_json::Value::as_str) else {
        bail!("`{}` does not name `{key}`\n{hint}", list.display());
    };
    ensure!(Path::new(path).exists(), "`{path}` is missing\n{hint}");
    Ok(PathBuf::from(path))
}

/// The gateway: what `COFFERDAM_BIN` names, else built once for each test program, in the profile of the test.
///
/// # Errors
/// When it cannot be built.
pub async fn cofferdam() -> Result<PathBuf> {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT.get_or_try_init(|| async { build() }).await.cloned()
}

fn build() -> Result<PathBuf> {
    if let Some(path) = env::var_os("COFFERDAM_BIN") {
        return Ok(PathBuf::from(path));
    }
    let profile = target_dir()?.join(profile()?);
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--quiet", "--workspace", "--bin", "cofferdam", "--target-dir"])
        .arg(target_dir()?);
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "`cargo build --bin cofferdam` failed");
    Ok(profile.join("cofferdam"))
}

fn profile() -> Result<std::ffi::OsString> {
    let test = env::current_exe().context("the path of the running test is not known")?;
    let folder = test.ancestors().nth(2).and_then(Path::file_name);
    Ok(folder.context("the running test is not in a target folder")?.to_owned())
}
