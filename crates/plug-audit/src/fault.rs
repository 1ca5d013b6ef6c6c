//! Why a module is refused, and what is worth knowing of one that is not: each a type, a code, a sentence, a next step.

use std::fmt;

use plug_abi::{Abi, Signature};
use thiserror::Error;
use wasmparser::WasmFeatures;

use crate::elsewhere::Owner;
use crate::toolchain::Toolchain;
use crate::{Disguise, ExportKind, MODULE_BYTES_MAX};

/// LIMIT: problems that are shown of one module.
const PROBLEMS_SHOWN_MAX: usize = 50;

/// LIMIT: characters that are shown of a name out of a module.
const NAME_CHARACTERS_MAX: usize = 80;

/// LIMIT: characters that are shown of a validator's message.
const MESSAGE_CHARACTERS_MAX: usize = 300;

/// Every reason for which a module was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFault {
    /// Boxed so that a result with this fault stays small.
    first: Box<Problem>,
    others: Vec<Problem>,
}

impl AuditFault {
    /// The fault of these problems, if there are any.
    pub(crate) fn of(problems: Vec<Problem>) -> Option<Self> {
        let mut problems = problems.into_iter();
        let first = Box::new(problems.next()?);
        Some(Self {
            first,
            others: problems.collect(),
        })
    }

    /// The problems, in the order of the file; at least one.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        std::iter::once(self.first.as_ref()).chain(&self.others)
    }

    /// The code of the first problem.
    pub fn code(&self) -> &'static str {
        self.first.code()
    }
}

impl From<Problem> for AuditFault {
    fn from(first: Problem) -> Self {
        Self {
            first: Box::new(first),
            others: Vec::new(),
        }
    }
}

impl std::error::Error for AuditFault {}

impl fmt::Display for AuditFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.others.len() {
            0 => formatter.write_str("the module was refused")?,
            others => write!(
                formatter,
                "the module was refused for {} reasons",
                others.saturating_add(1)
            )?,
        }
        for problem in self.problems().take(PROBLEMS_SHOWN_MAX) {
            write!(formatter, "\n- {problem} ({})", problem.code())?;
            if let Some(hint) = problem.hint() {
                write!(formatter, "\n  hint: {hint}")?;
            }
        }
        match self.others.len().saturating_add(1).saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            hidden => write!(formatter, "\n- and {hidden} more"),
        }
    }
}

/// One reason to refuse a module.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// It is larger than anything that makes sense.
    #[error("the file has {bytes} bytes, more than the {MODULE_BYTES_MAX} that are allowed")]
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// It is something else.
    #[error("the file is no WebAssembly module: it {0}")]
    NotWasm(Disguise),
    /// It is a component.
    #[error("the file is a WebAssembly component, and Proxy-Wasm knows only modules")]
    Component,
    /// It is of a version that does not exist yet.
    #[error("the file is of version {found} of WebAssembly's format, and only 1 is known")]
    Version {
        /// The number in its header.
        found: u32,
    },
    /// It was cut off.
    #[error("the file ends {missing} bytes before the end of its {section}")]
    Truncated {
        /// Where.
        section: &'static str,
        /// How much is missing at least.
        missing: usize,
    },
    /// It breaks the rules of WebAssembly.
    #[error("the module is not valid at byte {offset:#x}: {reason}")]
    Invalid {
        /// Where.
        offset: usize,
        /// Which rule, in the validator's words.
        reason: String,
    },
    /// It uses an extension of WebAssembly that is switched off.
    #[error("the module needs an extension of WebAssembly that is switched off: {reason} (byte {offset:#x})")]
    Feature {
        /// Where.
        offset: usize,
        /// What it does, in the validator's words.
        reason: String,
        /// How to do without.
        hint: &'static str,
    },
    /// More imports than anybody needs.
    #[error("the module has more than {allowed} imports")]
    TooManyImports {
        /// How many are allowed.
        allowed: usize,
    },
    /// It imports something else than a function.
    #[error("import `{module}.{name}` is a {kind}, and a plugin brings its own")]
    ImportKind {
        /// The module part of the name.
        module: String,
        /// The other part.
        name: String,
        /// What it is.
        kind: ExportKind,
    },
    /// It imports a function that nobody here provides.
    #[error("import `{module}.{name}` is not provided{}", owned(.owner.as_ref()))]
    ImportUnknown {
        /// The module part of the name.
        module: String,
        /// The other part.
        name: String,
        /// Who does provide it.
        owner: Option<Owner>,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// It imports a function with a type that this function does not have.
    #[error("import `{module}.{name}` has the type `{found}`, and should have `{}`", .accepted.join("` or `"))]
    ImportType {
        /// The module part of the name.
        module: String,
        /// The other part.
        name: String,
        /// Its type.
        found: String,
        /// What it may be.
        accepted: Vec<String>,
    },
    /// No export says which ABI it speaks.
    #[error(
        "the Proxy-Wasm ABI version is missing: no function is exported whose name begins with `{}`",
        Abi::MARKER_PREFIX
    )]
    AbiMissing {
        /// What built it.
        toolchain: Toolchain,
    },
    /// It speaks an ABI that is not known.
    #[error("the Proxy-Wasm ABI version is unknown: `{marker}` is exported")]
    AbiUnknown {
        /// The export that says so.
        marker: String,
    },
    /// It exports a callback with a type that the host cannot call.
    #[error("export `{name}` {found}, and should have the type `{}`", signatures(.accepted))]
    CallbackType {
        /// Which.
        name: &'static str,
        /// What it is instead.
        found: String,
        /// What it may be.
        accepted: Vec<Signature>,
    },
    /// The host cannot reach its memory.
    #[error("no memory is exported as `memory`")]
    MemoryMissing {
        /// The name under which one is exported.
        other: Option<String>,
    },
    /// The host could hand nothing over.
    #[error("no allocator is exported: neither `proxy_on_memory_allocate` nor `malloc`")]
    AllocatorMissing {
        /// What built it.
        toolchain: Toolchain,
    },
}

impl From<Disguise> for Problem {
    fn from(disguise: Disguise) -> Self {
        Self::NotWasm(disguise)
    }
}

impl Problem {
    /// What a validator says is wrong.
    pub(crate) fn invalid(reason: &wasmparser::Error) -> Self {
        let (offset, text) = (reason.offset(), printable_message(reason.message()));
        match reason.missing_wasm_feature() {
            Some(feature) => Self::Feature {
                offset,
                reason: text,
                hint: feature_hint(feature),
            },
            None => Self::Invalid { offset, reason: text },
        }
    }

    /// The code under which documentation, metrics and scripts know it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "module.too_large",
            Self::NotWasm(_) => "module.not_wasm",
            Self::Component => "module.component",
            Self::Version { .. } => "module.version",
            Self::Truncated { .. } => "module.truncated",
            Self::Invalid { .. } => "module.invalid",
            Self::Feature { .. } => "module.feature",
            Self::TooManyImports { .. } => "module.too_many_imports",
            Self::ImportKind { .. } => "module.import_kind",
            Self::ImportUnknown { .. } => "module.import_unknown",
            Self::ImportType { .. } => "module.import_type",
            Self::AbiMissing { .. } => "module.abi_missing",
            Self::AbiUnknown { .. } => "module.abi_unknown",
            Self::CallbackType { .. } => "module.callback_type",
            Self::MemoryMissing { .. } => "module.memory_missing",
            Self::AllocatorMissing { .. } => "module.allocator_missing",
        }
    }

    /// The next step, if one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotWasm(disguise) => Some(disguise.hint().to_owned()),
            Self::Component => Some(
                "build for `wasm32-wasip1`, not `wasm32-wasip2`, and leave out `wasm-tools component new`".to_owned(),
            ),
            Self::Truncated { .. } => Some("copy or download it again, and compare its SHA-256".to_owned()),
            Self::Feature { hint, .. } => Some((*hint).to_owned()),
            Self::ImportKind { kind, .. } => Some(import_kind_hint(*kind).to_owned()),
            Self::ImportUnknown { owner, nearest, .. } => Some(import_hint(owner.as_ref(), nearest.as_deref())),
            Self::ImportType { .. } => {
                Some("the declaration in the plugin or its SDK is wrong, or of another version of the ABI".to_owned())
            }
            Self::AbiMissing { toolchain } => Some(toolchain.marker_hint().to_owned()),
            Self::AbiUnknown { .. } => Some(format!(
                "known are {}: build with an SDK of one of these",
                known_versions()
            )),
            Self::CallbackType { .. } => Some(
                "let the SDK export the callbacks, and build with a release of it that speaks a known ABI".to_owned(),
            ),
            Self::MemoryMissing { other: Some(other) } => Some(format!("it is exported as `{other}`: rename that")),
            Self::MemoryMissing { other: None } => {
                Some("link with `--export-memory`, or leave out what keeps it private".to_owned())
            }
            Self::AllocatorMissing { toolchain } => Some(toolchain.allocator_hint().to_owned()),
            Self::TooLarge { .. } | Self::Version { .. } | Self::Invalid { .. } | Self::TooManyImports { .. } => None,
        }
    }
}

fn known_versions() -> String {
    Abi::ALL.map(Abi::as_str).join(", ")
}

fn owned(owner: Option<&Owner>) -> String {
    owner.map_or_else(String::new, |owner| format!(": it belongs to {}", owner.who))
}

fn import_hint(owner: Option<&Owner>, nearest: Option<&str>) -> String {
    match (owner, nearest) {
        (Some(owner), _) => owner.hint.to_owned(),
        (None, Some(nearest)) => format!("did you mean `{nearest}`?"),
        (None, None) => {
            "it may be a function that was left undefined when linking: look for `--allow-undefined`".to_owned()
        }
    }
}

fn import_kind_hint(kind: ExportKind) -> &'static str {
    match kind {
        ExportKind::Memory => "leave out `--import-memory` (in AssemblyScript `--importMemory`), and export the memory",
        ExportKind::Table => "leave out `--import-table` (in AssemblyScript `--importTable`)",
        _ => "link it statically: no `-fPIC`, `-shared`, `MAIN_MODULE` or `SIDE_MODULE`",
    }
}

fn feature_hint(feature: WasmFeatures) -> &'static str {
    if feature.intersects(WasmFeatures::THREADS.union(WasmFeatures::SHARED_EVERYTHING_THREADS)) {
        "build without threads: no `-pthread`, `+atomics` or target `wasm32-wasip1-threads`"
    } else if feature.intersects(WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS)) {
        "build without WebAssembly exceptions: `-fno-exceptions`, or in Rust `panic = \"abort\"`"
    } else if feature.intersects(WasmFeatures::MEMORY64) {
        "build for `wasm32`, not `wasm64`"
    } else if feature.intersects(WasmFeatures::GC.union(WasmFeatures::GC_TYPES)) {
        "languages that need WebAssembly's garbage collector cannot be used; in C and Rust do without `externref`"
    } else {
        "switch it off in the compiler, or give it an older target such as `-mcpu=lime1`"
    }
}

/// The types, as in "`(i32) -> (i32)` or `() -> ()`".
fn signatures(accepted: &[Signature]) -> String {
    accepted
        .iter()
        .map(Signature::to_string)
        .collect::<Vec<_>>()
        .join("` or `")
}

/// A name out of a module, fit to be printed: a module could put line breaks and control characters into a log.
pub(crate) fn printable(name: &str) -> String {
    cut(name, NAME_CHARACTERS_MAX)
}

/// A validator's message, which may quote names out of the module.
fn printable_message(message: &str) -> String {
    cut(message, MESSAGE_CHARACTERS_MAX)
}

fn cut(text: &str, characters_max: usize) -> String {
    let mut shown: String = text.chars().take(characters_max).flat_map(char::escape_debug).collect();
    if text.chars().nth(characters_max).is_some() {
        shown.push('…');
    }
    shown
}
