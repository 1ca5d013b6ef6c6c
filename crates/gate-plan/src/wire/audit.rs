//! `audit`: what a module must be before it is loaded.

use std::time::Duration;

use plug_abi::Capability;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::word::{Digest, HostCallWord, Label, NamePattern, Size, WasiWord, Written};

/// What every plugin's module must be, in the words of a policy for `cofferdam plugin check`. A module that is not is refused, and so the
/// configuration. Everything is allowed that is not named.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Audit {
    /// SHA-256 of the modules that may be loaded, and no others. Default: any.
    pub(crate) digests: Option<Vec<Written<Digest>>>,
    /// Signers, by their names under `signatures`, of whom one must have signed it. A signature that is not verified counts as none, also with
    /// `mode: warn`. Default: whoever `signatures` lets.
    pub(crate) signers: Option<Vec<Written<Label>>>,
    /// What it may import functions for.
    pub(crate) capabilities: AuditCapabilities,
    /// Host calls that it may not import, by name or family.
    pub(crate) forbidden_imports: Vec<Written<HostCallWord>>,
    /// Functions of WASI that it may not import, by name or by what they are for.
    pub(crate) forbidden_wasi: Vec<Written<WasiWord>>,
    /// Names of exports that it may have beside those of the ABI; a `*` at the end stands for any rest. Default: any.
    pub(crate) exports: Option<Vec<Written<NamePattern>>>,
    /// Names of exports that it may not have.
    pub(crate) forbidden_exports: Vec<Written<NamePattern>>,
    /// Bytes of its file. Default: any.
    pub(crate) size: Option<Written<Size>>,
    /// Toolchains that may have built it, as far as that shows. Default: any.
    pub(crate) toolchains: Option<Vec<AuditToolchain>>,
    /// How long ago its file may have been written last, or its image made, as the annotation `org.opencontainers.image.created` of its manifest
    /// has it. Of an image without it, or a module from a URL, nobody knows that: it is loaded, and said.
    #[schemars(extend("x-minimum" = "1h", "x-maximum" = "3650d"))]
    pub(crate) age: Option<Written<Duration>>,
}

/// What a module may import functions for, in the words of `cofferdam plugin inspect`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditCapabilities {
    /// These and no others. Default: all.
    pub(crate) allow: Option<Vec<Written<Capability>>>,
    /// Not these.
    pub(crate) forbid: Vec<Written<Capability>>,
}

/// A toolchain that builds plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditToolchain {
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
