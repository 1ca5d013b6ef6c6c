//! The recording of a guest's end, or of an exchange's: what its tape holds, with what is needed to run it again.

use std::sync::Arc;

use plug_report::recording::{End, Head, MemoryNote, Recording, steps};
use wasmtime::Store;

use crate::exchange::StreamContext;
use crate::fault::Fault;
use crate::guest::OnWorker;
use crate::scene;
use crate::tape::Recorded;

/// LIMIT: bytes of memory whose digest a worker takes; more would hold its other exchanges up.
const DIGESTED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The fault behind an engine's error, with a recording where one is made.
pub(crate) fn fault(store: &mut Store<OnWorker>, why: &wasmtime::Error) -> Fault {
    let fault = Fault::of(&mut store.data_mut().0, why);
    with_recording(store, fault)
}

/// The fault with a recording, where one is made.
pub(crate) fn with_recording(store: &Store<OnWorker>, mut fault: Fault) -> Fault {
    let guest = &store.data().0;
    let Some((scene, recorded)) = fault.scene.as_deref().zip(guest.tape.recorded()) else {
        return fault;
    };
    let head = Head {
        at_ms: scene.at_ms,
        plugin: scene.plugin.clone(),
        generation: scene.generation,
        module: scene.module.clone(),
        exchange: scene.exchange.clone(),
        fault: Some(End {
            code: scene.code.clone(),
            summary: scene.summary.clone(),
            callback: scene.callback.name.clone(),
            frames: scene.frames.clone(),
        }),
        ..head(store)
    };
    fault.recording = Some(Arc::new(made(head, recorded)));
    fault
}

/// The recording of an exchange that ended well; none where nothing is recorded.
pub(crate) fn of_exchange(store: &Store<OnWorker>, stream: &StreamContext) -> Option<Recording> {
    let recorded = store.data().0.tape.recorded()?;
    let owner = &stream.owner;
    let head = Head {
        at_ms: scene::now_ms(),
        plugin: owner.spec.name.clone(),
        generation: owner.generation,
        module: scene::module_note(owner),
        exchange: Some(scene::exchange(stream)),
        ..head(store)
    };
    Some(made(head, recorded))
}

fn made(head: Head, recorded: Recorded) -> Recording {
    Recording {
        head: Head {
            forgotten: recorded.forgotten,
            is_cut: recorded.is_cut,
            ..head
        },
        steps: recorded.steps,
    }
}

fn head(store: &Store<OnWorker>) -> Head {
    let guest = &store.data().0;
    let spec = &guest.first.spec;
    Head {
        made_by: concat!("cofferdam ", env!("CARGO_PKG_VERSION")).to_owned(),
        memory_bytes_max: spec.memory_bytes_max,
        table_entries_max: u64::try_from(spec.limits.table_entries_max).unwrap_or(u64::MAX),
        stack_bytes_max: spec.stack_bytes_max,
        call_depth_max: spec.limits.call_depth_max,
        slice_us: u64::try_from(spec.cpu_slice.as_micros()).unwrap_or(u64::MAX),
        memory: guest.memory.and_then(|memory| note(memory.data(store))),
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
