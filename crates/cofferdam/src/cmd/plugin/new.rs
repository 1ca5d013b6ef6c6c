//! `cofferdam plugin new`: a project that builds, with a test, a schema, a configuration to run it, and the steps for CI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::voice::{fail, print};

/// What is made.
#[derive(Args)]
pub(crate) struct Options {
    /// In which language
    #[arg(long, value_enum)]
    lang: Language,
    /// Its name, and that of its folder: lower-case letters, digits and `-`
    name: String,
}

/// Languages with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    Go,
    #[value(name = "assemblyscript")]
    AssemblyScript,
    Cpp,
}

/// A file of a template: where it goes, and its text.
type File = (&'static str, &'static str);

/// Files that are the same in every language.
const COMMON: &[File] = &[
    ("tests.yaml", include_str!("../../../templates/tests.yaml")),
    ("schema.json", include_str!("../../../templates/schema.json")),
    ("gateway.yaml", include_str!("../../../templates/gateway.yaml")),
    ("README.md", include_str!("../../../templates/README.md")),
    (
        ".github/workflows/plugin.yaml",
        include_str!("../../../templates/ci.yaml"),
    ),
];

impl Language {
    fn files(self) -> &'static [File] {
        match self {
            Self::Rust => &[
                ("Cargo.toml", include_str!("../../../templates/rust/Cargo.toml")),
                ("src/lib.rs", include_str!("../../../templates/rust/src/lib.rs")),
                (".gitignore", "target/\ndist/\n"),
            ],
            Self::Go => &[
                ("go.mod", include_str!("../../../templates/go/go.mod")),
                ("main.go", include_str!("../../../templates/go/main.go")),
                ("proxywasm.go", include_str!("../../../templates/go/proxywasm.go")),
                (".gitignore", "dist/\n"),
            ],
            Self::AssemblyScript => &[
                (
                    "package.json",
                    include_str!("../../../templates/assemblyscript/package.json"),
                ),
                (
                    "assembly/index.ts",
                    include_str!("../../../templates/assemblyscript/assembly/index.ts"),
                ),
                (".gitignore", "node_modules/\nbuild/\ndist/\n"),
            ],
            Self::Cpp => &[
                ("Makefile", include_str!("../../../templates/cpp/Makefile")),
                ("plugin.cc", include_str!("../../../templates/cpp/plugin.cc")),
                ("proxy_wasm.h", include_str!("../../../templates/cpp/proxy_wasm.h")),
                (".gitignore", "build/\ndist/\n"),
            ],
        }
    }

    /// What building needs, for the README.
    fn needs(self) -> &'static str {
        match self {
            Self::Rust => "Building needs Rust with its target for WebAssembly: `rustup target add wasm32-wasip1`.",
            Self::Go => "Building needs Go 1.24 or later: older ones cannot export functions.",
            Self::AssemblyScript => "Building needs Node.js with npm, which fetches the compiler and the SDK.",
            Self::Cpp => {
                "Building needs make and a clang with a C++ library for WASI: the wasi-sdk (set `WASI_SDK_PATH`), or on Debian and Ubuntu\n\
                 `apt-get install make clang-19 lld-19 libc++-19-dev-wasm32 libclang-rt-19-dev-wasm32`."
            }
        }
    }

    /// The step of CI that installs it.
    fn setup(self) -> &'static str {
        match self {
            Self::Rust => "      - run: rustup target add wasm32-wasip1",
            Self::Go => "      - uses: actions/setup-go@v5\n        with: {go-version: '1.24'}",
            Self::AssemblyScript => "      - uses: actions/setup-node@v4\n        with: {node-version: '22'}",
            Self::Cpp => {
                "      - run: sudo apt-get update && sudo apt-get install -y make clang-19 lld-19 libc++-19-dev-wasm32 libclang-rt-19-dev-wasm32"
            }
        }
    }
}

/// 0 made, 1 not, 2 usage.
pub(crate) fn run(options: &Options) -> ExitCode {
    if let Err(why) = check_name(&options.name) {
        fail(&format!("error: {why}"));
        return ExitCode::from(2);
    }
    let folder = PathBuf::from(&options.name);
    match make(options, &folder) {
        Ok(()) => {
            print(&format!(
                "made {}\nnext: cd {} && cofferdam plugin build && cofferdam plugin test\n",
                folder.display(),
                folder.display()
            ));
            ExitCode::SUCCESS
        }
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// A name that is one for a crate, a Go module, a package of npm, a plugin of a configuration, and a file.
fn check_name(name: &str) -> Result<(), String> {
    let is_made_of = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let begins_well = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    // LIMIT: as long as npm's names at most would be 214; nobody reads that.
    if begins_well && name.chars().all(is_made_of) && !name.ends_with('-') && name.len() <= 64 {
        return Ok(());
    }
    Err(format!(
        "`{name}` cannot be a name: it has lower-case letters, digits and `-`, and begins with a letter"
    ))
}

fn make(options: &Options, folder: &Path) -> Result<(), String> {
    let unwritable = |path: &Path, why: std::io::Error| format!("`{}` cannot be written: {why}", path.display());
    if folder.exists() {
        return Err(format!("`{}` is there already", folder.display()));
    }
    for (name, text) in COMMON.iter().chain(options.lang.files()) {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|why| unwritable(parent, why))?;
        }
        let text = text
            .replace("{{name}}", &options.name)
            .replace("{{needs}}", options.lang.needs())
            .replace("{{setup}}", options.lang.setup());
        fs::write(&path, text).map_err(|why| unwritable(&path, why))?;
    }
    Ok(())
}
