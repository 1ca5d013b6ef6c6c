//! What is true of a module that passed: all that is needed to link it, to call it and to show it.

use plug_abi::{Abi, Callback, HostCall, Signature, ValueType, WasiCall, WasiModule};
use wasmparser::ExternalKind;

use crate::exports::Exports;
use crate::fault::printable;
use crate::note::Note;
use crate::outline::Outline;
use crate::toolchain::Toolchain;

/// The facts of a module.
#[derive(Clone, Debug)]
pub struct ModuleFacts {
    /// The version that its marker announces; it decides semantics only.
    pub abi: Abi,
    /// Its imports, in order. One function may come several times: Go imports `fd_write` twice.
    pub imports: Vec<Import>,
    /// Its exports, in order.
    pub exports: Vec<Export>,
    /// The exports that the host calls, with the shape that each has.
    pub callbacks: Vec<Exported>,
    /// The exported memory.
    pub memory: MemoryFacts,
    /// Whether it has a start section, which runs when it is instantiated, before the entry.
    pub has_start_section: bool,
    /// What is called first.
    pub entry: Entry,
    /// What is called after `_initialize`.
    pub main: Option<Main>,
    /// Which allocators it exports.
    pub allocator: Allocator,
    /// Languages and tools that made it, as they say themselves.
    pub producers: Vec<Producer>,
    /// Its custom sections, in order.
    pub custom_sections: Vec<CustomSection>,
    /// Whether functions have names, so that a backtrace can show them.
    pub has_names: bool,
    /// Whether it has debug information, so that a backtrace can show lines.
    pub has_dwarf: bool,
    /// SHA-256 of the code section: the same for a module and its stripped twin.
    pub code_sha256: [u8; 32],
    /// Where the code section's contents begin in the file: what DWARF counts from.
    pub code_at: u64,
    /// The toolchain that built it, as far as it shows.
    pub toolchain: Toolchain,
    /// What is worth knowing, though no reason to refuse it.
    pub notes: Vec<Note>,
}

impl ModuleFacts {
    /// The shape with which the module exports a callback, if it does.
    pub fn callback(&self, name: &str) -> Option<&'static Signature> {
        self.callbacks
            .iter()
            .find(|exported| exported.callback.name == name)
            .map(|exported| exported.shape)
    }

    /// Whether the module imports a host call.
    pub fn imports_call(&self, name: &str) -> bool {
        self.imports
            .iter()
            .any(|import| matches!(import.target, Target::Host(call) if call.name == name))
    }

    /// The source languages, as the producers section has them.
    pub fn languages(&self) -> impl Iterator<Item = &Producer> {
        self.producers.iter().filter(|producer| producer.field == "language")
    }
}

/// An import of a module.
#[derive(Clone, Debug)]
pub struct Import {
    /// What it is linked to.
    pub target: Target,
    /// The types of the parameters, as the module has them.
    pub params: Vec<ValueType>,
    /// The types of the results, as the module has them.
    pub results: Vec<ValueType>,
}

impl Import {
    /// The module part of its name.
    pub fn module(&self) -> &'static str {
        match self.target {
            Target::Host(_) => plug_abi::HOST_MODULE,
            Target::Wasi(module, _) => module.name(),
        }
    }

    /// The function part of its name.
    pub fn name(&self) -> &'static str {
        match self.target {
            Target::Host(call) => call.name,
            Target::Wasi(_, call) => call.name,
        }
    }

    /// What it lets the plugin do.
    pub fn capability(&self) -> plug_abi::Capability {
        match self.target {
            Target::Host(call) => call.capability(),
            Target::Wasi(_, call) => call.capability(),
        }
    }

    /// Whether it has the type of the specification, not one of the other accepted shapes.
    pub fn is_standard(&self) -> bool {
        match self.target {
            Target::Host(call) => call.is_standard(&self.params, &self.results),
            Target::Wasi(..) => true,
        }
    }
}

/// What an import is linked to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// A host call.
    Host(&'static HostCall),
    /// A function of WASI, under one of its two module names.
    Wasi(WasiModule, &'static WasiCall),
}

/// An export of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name; unprintable characters are escaped, and a very long name is cut.
    pub name: String,
    /// What it is.
    pub kind: ExportKind,
}

/// What an export or import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// A function.
    Function,
    /// A memory.
    Memory,
    /// A table.
    Table,
    /// A global.
    Global,
    /// A tag of an exception.
    Tag,
}

impl From<ExternalKind> for ExportKind {
    fn from(kind: ExternalKind) -> Self {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Self::Function,
            ExternalKind::Memory => Self::Memory,
            ExternalKind::Table => Self::Table,
            ExternalKind::Global => Self::Global,
            ExternalKind::Tag => Self::Tag,
        }
    }
}

impl std::fmt::Display for ExportKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Function => "function",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Global => "global",
            Self::Tag => "tag",
        })
    }
}

/// A callback that a module exports.
#[derive(Clone, Copy, Debug)]
pub struct Exported {
    /// Which.
    pub callback: &'static Callback,
    /// With which type.
    pub shape: &'static Signature,
}

/// The memory of a module, in pages of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryFacts {
    /// How much it has from the beginning.
    pub pages_min: u64,
    /// How much it may ever have, if it says so.
    pub pages_max: Option<u64>,
}

/// What is called first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `_initialize`, and then [`ModuleFacts::main`].
    Initialize,
    /// `_start`: only if there is no `_initialize`.
    Start,
    /// Nothing.
    None,
}

/// What is called after `_initialize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Main {
    /// `main`, with two zeros.
    Arguments,
    /// `__main_void`: only if there is no `main`.
    Void,
}

/// Which allocators a module exports; one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// `proxy_on_memory_allocate` only.
    ProxyOnMemoryAllocate,
    /// `malloc` only.
    Malloc,
    /// Both, as TinyGo has it. What its `malloc` gave out is never freed, so the other is to be called.
    Both,
}

impl Allocator {
    /// The export to call. The specification prefers `proxy_on_memory_allocate`; proxy-wasm-cpp-host takes `malloc` first, through
    /// which TinyGo's guests leak.
    pub const fn export(self) -> &'static str {
        match self {
            Self::ProxyOnMemoryAllocate | Self::Both => "proxy_on_memory_allocate",
            Self::Malloc => "malloc",
        }
    }
}

/// A language or tool that had a part in making a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// A custom section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSection {
    /// Its name.
    pub name: String,
    /// Bytes behind the name.
    pub bytes: usize,
}

/// Puts together the facts of a module that has no problems.
pub(crate) fn gather(outline: Outline<'_>, imports: Vec<Import>, exports: Exports) -> ModuleFacts {
    let named = |raw: &crate::outline::RawExport<'_>| Export {
        name: printable(raw.name),
        kind: raw.kind,
    };
    let has_dwarf = outline
        .custom_sections
        .iter()
        .any(|section| section.name == ".debug_info");
    let mut notes = exports.notes;
    notes.extend((!outline.has_names).then_some(Note::NoNames));
    let toolchain = outline.toolchain();
    ModuleFacts {
        abi: exports.abi,
        imports,
        exports: outline.exports.iter().map(named).collect(),
        callbacks: exports.callbacks,
        memory: exports.memory,
        has_start_section: outline.has_start_section,
        entry: exports.entry,
        main: exports.main,
        allocator: exports.allocator,
        producers: outline.producers,
        custom_sections: outline.custom_sections,
        has_names: outline.has_names,
        has_dwarf,
        code_sha256: outline.code_sha256,
        code_at: outline.code_at,
        toolchain,
        notes,
    }
}
