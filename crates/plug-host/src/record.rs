//! The recording of a guest's end: what its tape holds, with what is needed to run it again.

use std::sync::Arc;

use plug_report::Scene;
use plug_report::recording::{End, Head, MemoryNote, Recording, steps};
use wasmtime::Store;

use crate::fault::Fault;
use crate::guest::{Guest, OnWorker};

/// LIMIT: bytes of memory whose digest a worker takes; more would hold its other exchanges up.
const DIGESTED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The fault behind an engine's error, with a recording where one is made.
pub(crate) fn fault(store: &Store<OnWorker>, why: &wasmtime::Error) -> Fault {
    let guest = &store.data().0;
    with_recording(store, Fault::of(guest, why))
}

/// The fault with a recording, where one is made.
pub(crate) fn with_recording(store: &Store<OnWorker>, mut fault: Fault) -> Fault {
    let guest = &store.data().0;
    let Some((scene, recorded)) = fault.scene.as_deref().zip(guest.tape.recorded()) else {
        return fault;
    };
    let head = Head {
        forgotten: recorded.forgotten,
        is_cut: recorded.is_cut,
        fault: Some(End {
            code: scene.code.clone(),
            summary: scene.summary.clone(),
            callback: scene.callback.name.clone(),
            frames: scene.frames.clone(),
        }),
        memory: guest.memory.and_then(|memory| note(memory.data(store))),
        ..head(guest, scene)
    };
    fault.recording = Some(Arc::new(Recording {
        head,
        steps: recorded.steps,
    }));
    fault
}

fn head(guest: &Guest, scene: &Scene) -> Head {
    let spec = &guest.first.spec;
    Head {
        made_by: concat!("cofferdam ", env!("CARGO_PKG_VERSION")).to_owned(),
        at_ms: scene.at_ms,
        plugin: scene.plugin.clone(),
        generation: scene.generation,
        module: scene.module.clone(),
        memory_bytes_max: spec.memory_bytes_max,
        table_entries_max: u64::try_from(spec.limits.table_entries_max).unwrap_or(u64::MAX),
        stack_bytes_max: spec.stack_bytes_max,
        slice_us: u64::try_from(spec.cpu_slice.as_micros()).unwrap_or(u64::MAX),
        exchange: scene.exchange.clone(),
        ..Head::default()
    }
}

/// Memory without its content, when it is small enough.
pub(crate) fn note(memory: &[u8]) -> Option<MemoryNote> {
    (memory.len() <= DIGESTED_BYTES_MAX).then(|| MemoryNote {
        bytes: u64::try_from(memory.len()).unwrap_or(u64::MAX),
        digest: steps::digest(memory),
    })
}
