//! The guests: built when they are missing, compiled once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock, OnceLock};

use plug_abi::Abi;
use plug_host::{Engines, Module};

static ENGINES: LazyLock<Engines> = LazyLock::new(Engines::default);

/// Stack of every guest here.
pub(crate) const STACK_BYTES: u64 = 512 * 1024;

/// Compiles a module.
pub(crate) fn load(bytes: &[u8]) -> Arc<Module> {
    let engine = ENGINES.for_stack(STACK_BYTES, None).unwrap();
    Module::load(&engine, bytes, None).unwrap_or_else(|why| panic!("{why}"))
}

/// Compiles a module that is written as WebAssembly text.
pub(crate) fn load_text(text: &str) -> Arc<Module> {
    load(&wat::parse_str(text).unwrap_or_else(|why| panic!("{why}\n{text}")))
}

/// The scripted guest of one version.
pub(crate) fn probe(abi: Abi) -> Arc<Module> {
    static PROBES: [OnceLock<Arc<Module>>; Abi::ALL.len()] = [const { OnceLock::new() }; Abi::ALL.len()];
    let (at, name) = match abi {
        Abi::V0_1_0 => (0, "probe-010"),
        Abi::V0_2_0 => (1, "probe-020"),
        Abi::V0_2_1 => (2, "probe-021"),
        Abi::V0_2_100 => (3, "probe-2100"),
    };
    let probe = PROBES[at].get_or_init(|| load(&bytes(name)));
    assert_eq!(probe.abi(), abi);
    Arc::clone(probe)
}

fn bytes(name: &str) -> Vec<u8> {
    // The test is `TARGET/PROFILE/deps/TEST`.
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(3).unwrap().join("guests");
    let file = folder.join(format!("{name}.wasm"));
    static BUILT: OnceLock<()> = OnceLock::new();
    if !file.is_file() {
        BUILT.get_or_init(build);
    }
    fs::read(&file).unwrap_or_else(|why| panic!("`{}`: {why}\nhint: run `cargo xtask guests`", file.display()))
}

fn build() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["xtask", "guests"]).current_dir(root).status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the guests could not be built\nhint: run `cargo xtask guests`"
    );
}
