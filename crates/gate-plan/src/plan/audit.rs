//! What every plugin's module must be.

use std::time::Duration;

use plug_abi::Capability;
use plug_grant::{CallSet, Names};

/// What every plugin's module must be; everything is allowed that is not named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// SHA-256 of those that may be loaded; any when absent.
    pub digests: Option<Vec<[u8; 32]>>,
    /// Signers of whom one must have signed it; whoever may sign when absent.
    pub signers: Option<Vec<String>>,
    /// What it may import functions for; anything when absent.
    pub capabilities: Option<Vec<Capability>>,
    /// What it may not import functions for.
    pub forbidden_capabilities: Vec<Capability>,
    /// Imports that it may not have.
    pub forbidden_imports: CallSet,
    /// Exports that it may have beside those of the ABI; any when absent.
    pub exports: Option<Vec<String>>,
    /// Exports that it may not have.
    pub forbidden_exports: Names,
    /// Bytes of its file.
    pub file_bytes_max: Option<u64>,
    /// Toolchains that may have built it; any when absent.
    pub toolchains: Option<Vec<AuditToolchain>>,
    /// How long ago its file may have been written.
    pub age_max: Option<Duration>,
}

/// A toolchain that builds plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditToolchain {
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

impl AuditToolchain {
    /// Its word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Go => "go",
            Self::TinyGo => "tinygo",
            Self::Cpp => "cpp",
            Self::AssemblyScript => "assemblyscript",
            Self::Unknown => "unknown",
        }
    }
}
