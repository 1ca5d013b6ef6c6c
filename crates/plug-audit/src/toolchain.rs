//! Which toolchain built a module, as far as it shows: a hint is worth more when it names the flag of that toolchain.

use crate::outline::Outline;

/// A toolchain that builds plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// `rustc`.
    Rust,
    /// The Go compiler.
    Go,
    /// TinyGo.
    TinyGo,
    /// Clang or Emscripten.
    Cpp,
    /// `asc`.
    AssemblyScript,
    /// Not to be told.
    Unknown,
}

impl Toolchain {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Go => "Go",
            Self::TinyGo => "TinyGo",
            Self::Cpp => "C++",
            Self::AssemblyScript => "AssemblyScript",
            Self::Unknown => "an unknown toolchain",
        }
    }

    /// Why a module of this toolchain has no marker, and how it gets one.
    pub(crate) fn marker_hint(self) -> &'static str {
        match self {
            Self::Rust => {
                "depend on the crate `proxy-wasm`, which exports it, build a library with `crate-type = [\"cdylib\"]`, and leave exports alone when stripping"
            }
            Self::Go => {
                "import the Proxy-Wasm Go SDK, which exports it, and build with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`"
            }
            Self::TinyGo => {
                "import the Proxy-Wasm Go SDK, which exports it, and build with `tinygo build -target=wasi -scheduler=none`"
            }
            Self::Cpp => "link the SDK's `proxy_wasm_intrinsics.cc`, which exports it",
            Self::AssemblyScript => {
                "put `export * from \"@solo-io/proxy-runtime/proxy\"` into the entry file: that exports it with all callbacks"
            }
            Self::Unknown => "an SDK exports it: check that one is linked, and that no later step strips exports",
        }
    }

    /// Why a module of this toolchain has no allocator, and how it gets one.
    pub(crate) fn allocator_hint(self) -> &'static str {
        match self {
            Self::Rust | Self::Go => {
                "the SDK exports `proxy_on_memory_allocate`: check that no later step strips exports"
            }
            Self::TinyGo => {
                "the SDK exports `proxy_on_memory_allocate`, and TinyGo `malloc`: check that no later step strips exports"
            }
            Self::Cpp => "export it: with Emscripten `-sEXPORTED_FUNCTIONS=_malloc`, with Clang `-Wl,--export=malloc`",
            Self::AssemblyScript => {
                "put `export * from \"@solo-io/proxy-runtime/proxy\"` into the entry file: that exports `malloc`"
            }
            Self::Unknown => "an SDK exports one: check that one is linked, and that no later step strips exports",
        }
    }
}

impl Outline<'_> {
    /// Tells the toolchain from the producers section, or from names that only one of them writes.
    pub(crate) fn toolchain(&self) -> Toolchain {
        let produced = |needle: &str| self.producers.iter().any(|producer| producer.name.starts_with(needle));
        let exports = |name: &str| self.exports.iter().any(|export| export.name == name);
        let imports = |name: &str| {
            self.imports
                .iter()
                .any(|import| import.module == "env" && import.name == name)
        };
        if produced("TinyGo") {
            Toolchain::TinyGo
        } else if produced("Rust") {
            Toolchain::Rust
        } else if produced("Go") || self.custom_sections.iter().any(|section| section.name == "go:buildid") {
            Toolchain::Go
        } else if imports("abort") || exports("__pin") || exports("__collect") {
            Toolchain::AssemblyScript
        } else if produced("C_plus_plus")
            || produced("C9")
            || produced("C1")
            || imports("emscripten_notify_memory_growth")
        {
            Toolchain::Cpp
        } else {
            Toolchain::Unknown
        }
    }
}
