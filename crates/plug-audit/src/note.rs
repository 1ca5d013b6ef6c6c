//! What is worth knowing of a module that may be loaded: each a type, a code, a sentence, a next step.

use plug_abi::Abi;
use thiserror::Error;

use crate::Severity;
use crate::toolchain::Toolchain;

/// Something that is worth knowing of a module, though no reason to refuse it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Note {
    /// A backtrace will have no names.
    #[error("functions have no names: backtraces will show numbers, as the name section was stripped")]
    NoNames,
    /// An export looks like a callback and is none.
    #[error("export `{name}` is never called{}", after_colon(*.instead))]
    NeverCalled {
        /// Which.
        name: String,
        /// What was meant, or who calls it.
        instead: Option<&'static str>,
    },
    /// Both entries are exported.
    #[error("export `_start` is never called: `_initialize` is there, and comes first")]
    StartIgnored,
    /// It runs as a command, which is over when the callbacks begin.
    #[error("`_start` is the only entry, and the marker says ABI {abi}, whose SDKs export `_initialize`")]
    StartOnly {
        /// The version that the marker announces.
        abi: Abi,
        /// What built it.
        toolchain: Toolchain,
    },
    /// The marker says one thing, the types another.
    #[error("`{name}` has {found} parameters, which is not what ABI {abi} says: the type decides")]
    MarkerContradicted {
        /// The callback.
        name: &'static str,
        /// How many parameters it has.
        found: usize,
        /// The version that the marker announces.
        abi: Abi,
    },
    /// Hosts differ in which of two allocators they take.
    #[error("two allocators are exported: this gateway calls `proxy_on_memory_allocate`, and Envoy `malloc`")]
    AllocatorDoubled {
        /// What built it.
        toolchain: Toolchain,
    },
    /// Nothing of traffic reaches it.
    #[error("no callback of requests or connections is exported: the plugin will see no traffic")]
    NoTraffic,
}

impl Note {
    /// The code under which documentation and scripts know it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoNames => "module.no_names",
            Self::NeverCalled { .. } => "module.export_never_called",
            Self::StartIgnored => "module.start_ignored",
            Self::StartOnly { .. } => "module.start_only",
            Self::MarkerContradicted { .. } => "module.abi_contradicted",
            Self::AllocatorDoubled { .. } => "module.allocator_doubled",
            Self::NoTraffic => "module.no_traffic",
        }
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::StartIgnored
            | Self::NeverCalled {
                instead: Some(ENVOY_ALONE),
                ..
            } => Severity::Note,
            Self::AllocatorDoubled { .. } => Severity::Note,
            // These leave their memory as it is when `main` returns.
            Self::StartOnly {
                toolchain: Toolchain::TinyGo | Toolchain::AssemblyScript | Toolchain::Cpp,
                ..
            } => Severity::Note,
            _ => Severity::Warning,
        }
    }

    /// Whether it is the export that AssemblyScript's SDK misnames in every module, which the table of toolchains tells.
    pub(crate) fn is_misnamed_by_assemblyscript(&self) -> bool {
        matches!(self, Self::NeverCalled { name, .. } if name == "proxy_on_grpc_trailing_metadata")
    }

    /// The next step, if one is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoNames => Some(
                "leave the name section in (in Rust `strip = \"debuginfo\"`, in Go no `-s`), or keep the unstripped file beside the plugin as `NAME.debug.wasm`: `cofferdam plugin build` does that",
            ),
            Self::StartOnly {
                toolchain: Toolchain::Go,
                ..
            } => Some("build with `-buildmode=c-shared`: a command's runtime has ended when the first callback comes"),
            Self::StartOnly { .. } => Some("build a reactor, which exports `_initialize`"),
            Self::MarkerContradicted { .. } => {
                Some("other hosts refuse such a module: build with an SDK whose marker and callbacks belong together")
            }
            Self::AllocatorDoubled {
                toolchain: Toolchain::TinyGo,
            } => Some(
                "what Envoy takes from TinyGo's `malloc` is never freed: drop it, or build with `-gc=custom -tags=custommalloc` and a collector of its own",
            ),
            Self::NoTraffic => Some("let the SDK export the callbacks, and check that no later step strips exports"),
            _ => None,
        }
    }
}

/// Who calls some exports that look like callbacks.
pub(crate) const ENVOY_ALONE: &str = "only Envoy calls it";

fn after_colon(instead: Option<&str>) -> String {
    instead.map_or_else(String::new, |instead| format!(": {instead}"))
}
