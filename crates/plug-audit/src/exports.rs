//! Compares the exports with what the host looks for: marker, memory, allocator, entry, callbacks.

use plug_abi::{Abi, CALLBACKS, Callback, Signature, callback};

use crate::fault::printable;
use crate::imports::{type_text, value_types};
use crate::note::{ENVOY_ALONE, Note};
use crate::outline::{Outline, RawExport};
use crate::{Allocator, Entry, ExportKind, Exported, Main, MemoryFacts, Problem};

/// What the exports say.
pub(crate) struct Exports {
    pub(crate) abi: Abi,
    pub(crate) callbacks: Vec<Exported>,
    pub(crate) memory: MemoryFacts,
    pub(crate) entry: Entry,
    pub(crate) main: Option<Main>,
    pub(crate) allocator: Allocator,
    pub(crate) notes: Vec<Note>,
}

/// Reads what the exports say. Where something is missing that is a problem, and what stands in its place is never used.
pub(crate) fn check(outline: &Outline<'_>, problems: &mut Vec<Problem>) -> Exports {
    let abi = marker(outline).unwrap_or_else(|problem| {
        problems.push(problem);
        Abi::V0_2_1
    });
    let memory = memory(outline).unwrap_or_else(|problem| {
        problems.push(problem);
        NO_MEMORY
    });
    let allocator = allocator(outline).unwrap_or_else(|problem| {
        problems.push(problem);
        Allocator::Malloc
    });
    let callbacks = callbacks(outline, problems);
    let (entry, main) = entry(&callbacks);
    let notes = notes(outline, (abi, entry, allocator), &callbacks);
    Exports {
        abi,
        callbacks,
        memory,
        entry,
        main,
        allocator,
        notes,
    }
}

/// The version of the first known marker, in the order of the exports, as in proxy-wasm-cpp-host.
fn marker(outline: &Outline<'_>) -> Result<Abi, Problem> {
    let functions = || {
        outline
            .exports
            .iter()
            .filter(|export| export.kind == ExportKind::Function)
    };
    if let Some(abi) = functions().find_map(|export| Abi::from_marker(export.name)) {
        return Ok(abi);
    }
    match functions().find(|export| export.name.starts_with(Abi::MARKER_PREFIX)) {
        Some(export) => Err(Problem::AbiUnknown {
            marker: printable(export.name),
        }),
        None => Err(Problem::AbiMissing {
            toolchain: outline.toolchain(),
        }),
    }
}

fn memory(outline: &Outline<'_>) -> Result<MemoryFacts, Problem> {
    let exported = || {
        outline
            .exports
            .iter()
            .filter(|export| export.kind == ExportKind::Memory)
    };
    if !exported().any(|export| export.name == "memory") {
        return Err(Problem::MemoryMissing {
            other: exported().next().map(|export| printable(export.name)),
        });
    }
    // There is one memory at most. If it is imported, that is a problem which the imports have reported.
    let own = outline.memories.first();
    Ok(own.map_or(NO_MEMORY, |memory| MemoryFacts {
        pages_min: memory.initial,
        pages_max: memory.maximum,
    }))
}

/// What stands in the place of a memory that is not there.
const NO_MEMORY: MemoryFacts = MemoryFacts {
    pages_min: 0,
    pages_max: None,
};

fn allocator(outline: &Outline<'_>) -> Result<Allocator, Problem> {
    let exports = |name| outline.exports.iter().any(|export| export.name == name);
    match (exports("proxy_on_memory_allocate"), exports("malloc")) {
        (true, true) => Ok(Allocator::Both),
        (true, false) => Ok(Allocator::ProxyOnMemoryAllocate),
        (false, true) => Ok(Allocator::Malloc),
        (false, false) => Err(Problem::AllocatorMissing {
            toolchain: outline.toolchain(),
        }),
    }
}

/// The callbacks that are exported, each with a type that the host can call.
fn callbacks(outline: &Outline<'_>, problems: &mut Vec<Problem>) -> Vec<Exported> {
    let exports = |name| outline.exports.iter().any(|export| export.name == name);
    let mut callbacks = Vec::new();
    for callback in CALLBACKS {
        let Some(export) = outline.exports.iter().find(|export| export.name == callback.name) else {
            continue;
        };
        match shape(outline, export, callback) {
            Ok(shape) => callbacks.push(Exported { callback, shape }),
            // What is not called may have any type: a command's `main`, a second allocator.
            Err(_) if matches!(callback.name, "main" | "__main_void") && !exports("_initialize") => {}
            Err(_) if callback.name == "malloc" && exports("proxy_on_memory_allocate") => {}
            Err(problem) => problems.push(problem),
        }
    }
    callbacks
}

fn shape(
    outline: &Outline<'_>,
    export: &RawExport<'_>,
    callback: &'static Callback,
) -> Result<&'static Signature, Problem> {
    let wrong = |found| Problem::CallbackType {
        name: callback.name,
        found,
        accepted: callback.shapes.to_vec(),
    };
    let Some(found) = outline.type_of_export(export) else {
        return Err(wrong(format!("is a {}", export.kind)));
    };
    let types = value_types(found.params()).zip(value_types(found.results()));
    types
        .and_then(|(params, results)| callback.shape(&params, &results))
        .ok_or_else(|| wrong(format!("has the type `{}`", type_text(found))))
}

fn entry(callbacks: &[Exported]) -> (Entry, Option<Main>) {
    let has = |name| callbacks.iter().any(|exported| exported.callback.name == name);
    if !has("_initialize") {
        return (if has("_start") { Entry::Start } else { Entry::None }, None);
    }
    let main = match (has("main"), has("__main_void")) {
        (true, _) => Some(Main::Arguments),
        (false, true) => Some(Main::Void),
        (false, false) => None,
    };
    (Entry::Initialize, main)
}

fn notes(outline: &Outline<'_>, (abi, entry, allocator): (Abi, Entry, Allocator), callbacks: &[Exported]) -> Vec<Note> {
    let mut notes: Vec<Note> = outline.exports.iter().filter_map(never_called).collect();
    let has = |name| callbacks.iter().any(|exported| exported.callback.name == name);
    if has("_initialize") && has("_start") {
        notes.push(Note::StartIgnored);
    }
    let toolchain = outline.toolchain();
    notes.extend((entry == Entry::Start && abi != Abi::V0_1_0).then_some(Note::StartOnly { abi, toolchain }));
    notes.extend((allocator == Allocator::Both).then_some(Note::AllocatorDoubled { toolchain }));
    notes.extend(callbacks.iter().filter_map(|exported| contradiction(exported, abi)));
    if !TRAFFIC.iter().any(|name| has(name)) {
        notes.push(Note::NoTraffic);
    }
    notes
}

/// The callbacks by which traffic reaches a plugin first.
const TRAFFIC: &[&str] = &[
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_new_connection",
    "proxy_on_downstream_data",
    "proxy_on_upstream_data",
    "proxy_on_log",
];

/// Exports that look like callbacks, and what to know about each.
const MISNAMED: &[(&str, &str)] = &[
    // So in AssemblyScript's SDK.
    (
        "proxy_on_grpc_trailing_metadata",
        "the callback is named `proxy_on_grpc_receive_trailing_metadata`",
    ),
    ("proxy_on_create", "the callback is named `proxy_on_context_create`"),
    ("proxy_on_start", "the callback is named `proxy_on_vm_start`"),
    ("proxy_on_grpc_create_initial_metadata", "Envoy dropped the callback"),
    ("envoy_on_resolve_dns", ENVOY_ALONE),
    ("envoy_on_stats_update", ENVOY_ALONE),
    (
        "proxy_on_http_request_headers",
        "the callback is named `proxy_on_request_headers`",
    ),
    (
        "proxy_on_http_request_body",
        "the callback is named `proxy_on_request_body`",
    ),
    (
        "proxy_on_http_response_headers",
        "the callback is named `proxy_on_response_headers`",
    ),
    (
        "proxy_on_http_response_body",
        "the callback is named `proxy_on_response_body`",
    ),
];

fn never_called(export: &RawExport<'_>) -> Option<Note> {
    if callback(export.name).is_some() {
        return None;
    }
    let misnamed = MISNAMED.iter().find(|(name, _)| *name == export.name);
    if misnamed.is_none() && !export.name.starts_with("proxy_on_") {
        return None;
    }
    Some(Note::NeverCalled {
        name: printable(export.name),
        instead: misnamed.map(|(_, instead)| *instead),
    })
}

fn contradiction(exported: &Exported, abi: Abi) -> Option<Note> {
    let headers = matches!(
        exported.callback.name,
        "proxy_on_request_headers" | "proxy_on_response_headers"
    );
    let found = exported.shape.params.len();
    let announced = if abi == Abi::V0_1_0 { 2 } else { 3 };
    (headers && found != announced).then_some(Note::MarkerContradicted {
        name: exported.callback.name,
        found,
        abi,
    })
}
