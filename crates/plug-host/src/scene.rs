//! What the worker sees of a death, taken while the guest is still there.

use std::time::{Duration, SystemTime};

use plug_report::profile::Spot;
use plug_report::{Argument, Callback, Exchange, Figures, Frame, ModuleNote, Scene};
use wasmtime::{FrameInfo, WasmBacktrace};

use crate::entry::Entry;
use crate::exchange::StreamContext;
use crate::fault::Fault;
use crate::guest::{Current, Guest};
use crate::module::Module;
use crate::plugin::Plugin;

/// The scene of `fault`, with the frames of the engine's error.
pub(crate) fn of(guest: &Guest, fault: &Fault, why: Option<&wasmtime::Error>) -> Scene {
    let plugin = guest.plugin();
    let stream = match &guest.entered {
        Current::Stream(stream) => Some(stream),
        Current::Nothing | Current::Root(_) => None,
    };
    Scene {
        at_ms: now_ms(),
        code: fault.code().to_owned(),
        summary: fault.to_string(),
        plugin: plugin.spec.name.clone(),
        generation: plugin.generation,
        worker: plugin.workers.get(guest.worker).map(|_| guest.worker),
        module: module_note(plugin),
        callback: Callback {
            name: fault.callback.to_owned(),
            arguments: guest.entry.map(arguments).unwrap_or_default(),
        },
        exchange: stream.map(|stream| exchange(stream)),
        frames: why.map(|why| frames_of(why, &plugin.module)).unwrap_or_default(),
        last_words: guest.last_words.told(),
        figures: Figures {
            memory_bytes: u64::try_from(guest.limits.memory_bytes).unwrap_or(u64::MAX),
            memory_bytes_max: u64::try_from(guest.limits.memory_bytes_max).unwrap_or(u64::MAX),
            computed_us: microseconds(guest.slice.used()),
            slice_us: microseconds(guest.slice.length()),
        },
        host_calls: guest.trail.told(),
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a report says of a plugin's module.
#[must_use]
pub fn module_note(plugin: &Plugin) -> ModuleNote {
    let facts = &plugin.module.facts;
    let producer = |producer: &plug_audit::Producer| match producer.version.as_str() {
        "" => producer.name.clone(),
        version => format!("{} {version}", producer.name),
    };
    ModuleNote {
        sha256: plugin.module.digest.clone(),
        code_sha256: crate::cache::hex(&facts.code_sha256),
        toolchain: facts.toolchain.name().to_owned(),
        producers: facts.producers.iter().map(producer).collect(),
        has_names: facts.has_names,
        has_dwarf: facts.has_dwarf,
    }
}

/// The exchange as it was received: its request's head may be in somebody's hands.
pub(crate) fn exchange(stream: &StreamContext) -> Exchange {
    let head = stream.exchange.request.try_borrow();
    let header = |name: &str| {
        let value = head.as_ref().ok()?.headers.get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    Exchange {
        context: stream.id,
        request_id: header("x-request-id"),
        // Version, trace id, parent id and flags, separated by hyphens.
        trace_id: header("traceparent").and_then(|value| Some(value.split('-').nth(1)?.to_owned())),
    }
}

/// The guest's frames of an engine's error, innermost first, without those of the host's own code.
pub(crate) fn frames<'a>(why: &'a wasmtime::Error, module: &'a Module) -> impl Iterator<Item = &'a FrameInfo> {
    let backtrace = why.downcast_ref::<WasmBacktrace>();
    backtrace
        .into_iter()
        .flat_map(|backtrace| of_the_guest(backtrace, module))
}

fn of_the_guest<'a>(backtrace: &'a WasmBacktrace, module: &'a Module) -> impl Iterator<Item = &'a FrameInfo> {
    let shim = module.engine.shim.module();
    // Not by its name, which a guest may have too.
    let of_the_guest = |frame: &&FrameInfo| !wasmtime::Module::same(frame.module(), shim);
    backtrace.frames().iter().filter(of_the_guest)
}

/// The places of the guest's frames in its code section, innermost first.
pub(crate) fn spots(backtrace: &WasmBacktrace, module: &Module) -> Box<[Spot]> {
    of_the_guest(backtrace, module)
        .map(|frame| spot(frame, module))
        .collect()
}

/// The place of a frame in the module's file, whatever was compiled.
fn spot(frame: &FrameInfo, module: &Module) -> Spot {
    let origin = module.origin(frame);
    Spot {
        index: frame.func_index(),
        offset: origin.and_then(|origin| origin.nearest().checked_sub(module.facts.code_at)),
    }
}

fn frames_of(why: &wasmtime::Error, module: &Module) -> Vec<Frame> {
    let frame = |frame: &FrameInfo| {
        let Spot { index, offset } = spot(frame, module);
        Frame {
            index,
            offset,
            function: frame.func_name().map(str::to_owned),
            places: Vec::new(),
        }
    };
    frames(why, module).map(frame).collect()
}

/// What an entry gives to its callback, by the names of the ABI.
fn arguments(entry: Entry) -> Vec<Argument> {
    let argument = |(name, value): (&&str, &u32)| Argument {
        name: (*name).to_owned(),
        value: u64::from(*value),
    };
    let (names, values) = of_exchange(entry).or_else(|| of_root(entry)).unwrap_or_default();
    names.iter().zip(&values).map(argument).collect()
}

type Named = (&'static [&'static str], Vec<u32>);

fn of_exchange(entry: Entry) -> Option<Named> {
    Some(match entry {
        Entry::Begin {
            context,
            root,
            headers,
            end,
        } => (
            &["context_id", "root_context_id", "num_headers", "end_of_stream"],
            vec![context, root, headers, end],
        ),
        Entry::ContextCreate { context, root } => (&["context_id", "root_context_id"], vec![context, root]),
        Entry::ResponseHeaders { context, headers, end } => (
            &["context_id", "num_headers", "end_of_stream"],
            vec![context, headers, end],
        ),
        Entry::Body { context, size, end, .. } => (
            &["context_id", "body_buffer_length", "end_of_stream"],
            vec![context, size, end],
        ),
        Entry::Trailers { context, trailers, .. } => (&["context_id", "num_trailers"], vec![context, trailers]),
        Entry::End { context } | Entry::EndTcp { context } | Entry::NewConnection { context } => {
            (&["context_id"], vec![context])
        }
        Entry::Data { context, size, end, .. } => {
            (&["context_id", "data_size", "end_of_stream"], vec![context, size, end])
        }
        Entry::ConnectionClose { context, peer, .. } => (&["context_id", "close_type"], vec![context, peer]),
        _ => return None,
    })
}

fn of_root(entry: Entry) -> Option<Named> {
    Some(match entry {
        Entry::VmStart { root, size } => (&["root_context_id", "vm_configuration_size"], vec![root, size]),
        Entry::Configure { root, size } => (&["root_context_id", "plugin_configuration_size"], vec![root, size]),
        Entry::Tick { root } | Entry::RootDone { root } | Entry::RootDelete { root } => {
            (&["root_context_id"], vec![root])
        }
        Entry::QueueReady { root, queue } => (&["root_context_id", "queue_id"], vec![root, queue]),
        Entry::HttpCallResponse {
            root,
            token,
            headers,
            size,
            trailers,
        } => (
            &["root_context_id", "call_id", "num_headers", "body_size", "num_trailers"],
            vec![root, token, headers, size, trailers],
        ),
        Entry::GrpcInitialMetadata { root, token, entries } | Entry::GrpcTrailingMetadata { root, token, entries } => (
            &["root_context_id", "call_id", "num_entries"],
            vec![root, token, entries],
        ),
        Entry::GrpcReceive { root, token, size } => {
            (&["root_context_id", "call_id", "message_size"], vec![root, token, size])
        }
        Entry::GrpcClose { root, token, status } => (
            &["root_context_id", "call_id", "status_code"],
            vec![root, token, status],
        ),
        Entry::RedisResponse {
            root,
            token,
            status,
            size,
        } => (
            &["root_context_id", "call_id", "status", "response_size"],
            vec![root, token, status, size],
        ),
        _ => return None,
    })
}
