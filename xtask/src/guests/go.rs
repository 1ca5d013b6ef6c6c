//! The guest in Go, with the compiler among the peers. It needs no module but itself, so that nothing is fetched for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command::output;
use crate::place;

/// Builds the guest, as far as Go's own cache does not have it; gives the module.
pub(super) fn build(go: &Path) -> Result<PathBuf> {
    let folder = place::cargo_target().join("guests-build/go");
    let module = folder.join("go-dies.wasm");
    let mut command = Command::new(go);
    // Neither the builder's folder nor the state of the work tree may be in what reports show.
    command.args(["build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-o"]);
    command.arg(&module).arg(".");
    command.current_dir(place::root().join("plugins/go-dies"));
    for settings in ["GOROOT", "GOFLAGS", "GOWASM", "GODEBUG", "GOEXPERIMENT"] {
        command.env_remove(settings);
    }
    command.envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("CGO_ENABLED", "0")]);
    command.envs([
        ("GOENV", "off"),
        ("GOWORK", "off"),
        ("GOPROXY", "off"),
        ("GOTOOLCHAIN", "local"),
    ]);
    command.env("GOCACHE", folder.join("cache"));
    command.env("GOPATH", folder.join("path"));
    output(&mut command)?;
    Ok(module)
}
