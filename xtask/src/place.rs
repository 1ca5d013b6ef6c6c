//! Where things are: the work tree, cargo's target folder, the user's cache.

use std::env;
use std::path::{Path, PathBuf};

/// The work tree.
pub(crate) fn root() -> PathBuf {
    // `cargo run` says it at run time; the compiled-in path would be that of whoever filled a shared target folder.
    let package =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Cargo's target folder.
pub(crate) fn cargo_target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Compiled guests, where every test looks for them.
pub(crate) fn guests() -> PathBuf {
    cargo_target().join("guests")
}

/// Says where the peers are, for every test.
pub(crate) fn peers_file() -> PathBuf {
    cargo_target().join("peers.json")
}

/// What is fetched once and kept: `$XDG_CACHE_HOME/cofferdam-dev`, or `~/.cache/cofferdam-dev`.
pub(crate) fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    base.or_else(home)
        .unwrap_or_else(|| cargo_target().join("cache"))
        .join("cofferdam-dev")
}
