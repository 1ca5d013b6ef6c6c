//! The three ways to a compiler with a standard library for `wasm32-wasip1`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::command::{cargo, find, output, run};
use crate::{place, system};

const TARGET: &str = "wasm32-wasip1";

/// The profile of guests for a debugger.
pub(super) const UNOPTIMISED: &str = "unoptimised";

/// The profile of guests that are shipped, and their crates.
pub(super) const SMALL: &str = "small";
pub(super) const SHIPPED: &[&str] = &[
    "geo-headers",
    "jwt-auth",
    "log-enrich",
    "pii-mask",
    "request-debug",
    "sm-crypto",
];

/// Libraries of guests, which have tests of their own.
const LIBRARIES: &[&str] = &["curves", "guest-kit"];

/// What Debian's route needs: its own compiler, the library's source to build from, and the C library below it.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"];

/// A way to build guests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Route {
    /// The compiler at hand has the target
    Installed,
    /// `rustup target add` fetches it
    Rustup,
    /// Debian's compiler builds the standard library from Debian's source
    Debian,
}

impl fmt::Display for Route {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Installed => "installed",
            Self::Rustup => "rustup",
            Self::Debian => "debian",
        })
    }
}

impl Route {
    /// Builds by this route; gives the folder with a folder of modules for each profile.
    pub(super) fn build(self) -> Result<PathBuf> {
        match self {
            Self::Installed => {
                if !target_is_installed() {
                    bail!("the standard library for `{TARGET}` is not installed; run: rustup target add {TARGET}");
                }
                compile(cargo, "guests-build")
            }
            Self::Rustup => {
                if find("rustup").is_none() {
                    bail!("there is no `rustup`");
                }
                output(Command::new("rustup").args(["target", "add", TARGET]))?;
                compile(cargo, "guests-build")
            }
            Self::Debian => debian(),
        }
    }
}

/// Tries the routes in order; a compile error ends it, as the next route would only repeat it.
pub(super) fn first_that_works() -> Result<PathBuf> {
    if target_is_installed() {
        return Route::Installed.build();
    }
    let mut refused = Vec::new();
    for route in [Route::Rustup, Route::Debian] {
        println!("{TARGET} is not installed: trying route `{route}`");
        match route.build() {
            Ok(folder) => return Ok(folder),
            Err(error) => refused.push(format!("  route `{route}`: {error:#}")),
        }
    }
    bail!(
        "no compiler for `{TARGET}`:\n  route `installed`: the target is not there\n{}\nhint: `rustup target add {TARGET}`, or on Debian `apt-get install {}`",
        refused.join("\n"),
        DEBIAN_PACKAGES.join(" ")
    )
}

fn target_is_installed() -> bool {
    let Ok(folder) = output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET])) else {
        return false;
    };
    let has_std = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    };
    std::fs::read_dir(folder.trim()).is_ok_and(|mut entries| entries.any(has_std))
}

/// Runs clippy over `plugins/` when the target is installed.
pub(super) fn lint() -> Result<()> {
    if !target_is_installed() {
        println!("guests are not linted: {TARGET} is not installed");
        return Ok(());
    }
    let mut command = for_guests(cargo());
    command.args([
        "clippy",
        "--workspace",
        "--quiet",
        "--locked",
        "--release",
        "--target",
        TARGET,
        "--target-dir",
    ]);
    run(command
        .arg(place::cargo_target().join("guests-build"))
        .args(["--", "-D", "warnings"]))
}

/// Compiles the workspace `plugins/` into a target folder of its own, so that it never waits for the gateway's build.
fn compile(command: impl Fn() -> Command, folder: &str) -> Result<PathBuf> {
    let target = place::cargo_target().join(folder);
    let shipped = packages(SHIPPED);
    let small = [&["--profile", SMALL][..], &shipped].concat();
    for profile in [
        &["--release"][..],
        &small,
        &["--profile", UNOPTIMISED, "--package", "die"],
    ] {
        let mut command = for_guests(command());
        command.args(["build", "--quiet", "--locked", "--target", TARGET, "--target-dir"]);
        run(command.arg(&target).args(profile))?;
    }
    Ok(target.join(TARGET))
}

/// Runs the tests of what is shipped, on this machine: a guest's core speaks to no host. `python` has the packages that it is compared with.
pub(super) fn test(python: &Path) -> Result<()> {
    let mut command = for_guests(cargo());
    command.args(["test", "--quiet", "--locked", "--no-fail-fast", "--target-dir"]);
    command.arg(place::cargo_target().join("guests-native"));
    command.args(packages(LIBRARIES)).args(packages(SHIPPED));
    run(command.env("GUESTS_PYTHON", python))
}

fn packages(names: &[&'static str]) -> Vec<&'static str> {
    names.iter().flat_map(|name| ["--package", *name]).collect()
}

fn for_guests(mut command: Command) -> Command {
    // Flags meant for the gateway are none for a guest, and would hide those of this target.
    for flags in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(flags);
    }
    command.current_dir(place::root().join("plugins"));
    command
}

fn debian() -> Result<PathBuf> {
    let missing: Vec<&str> = DEBIAN_PACKAGES
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if !missing.is_empty() {
        system::install(&missing)?;
    }
    let linker = linker()?;
    let command = || {
        let mut command = Command::new("/usr/bin/cargo");
        command
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTDOC", "/usr/bin/rustdoc")
            // Building the standard library is an unstable flag, which a stable compiler takes only so.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_WASIP1_LINKER", &linker)
            .env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", "-Lnative=/usr/lib/wasm32-wasi")
            .arg("-Zbuild-std=std,panic_abort");
        command
    };
    compile(command, "guests-build-debian").context("Debian's compiler")
}

fn is_installed(package: &str) -> bool {
    let asked = output(Command::new("dpkg-query").args(["--show", "--showformat", "${db:Status-Status}", package]));
    asked.is_ok_and(|status| status == "installed")
}

/// Debian's compiler comes without a linker for Wasm; the installed toolchain's `rust-lld` does, and Debian's `lld` too.
fn linker() -> Result<PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let host = output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let own = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host.trim())
        .join("bin/rust-lld");
    if own.is_file() {
        return Ok(own);
    }
    if find("wasm-ld").is_none() {
        system::install(&["lld"]).context("no linker for Wasm: the toolchain has no `rust-lld`")?;
    }
    find("wasm-ld").context("Debian's `lld` brought no `wasm-ld`")
}
