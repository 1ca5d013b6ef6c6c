//! Looks at what a plugin computes: while somebody wants to know, its stack is noted at each tick of the engine that falls into it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use plug_report::profile::{Profile, Sample, Spot, WorkerSamples};
use wasmtime::{StoreContextMut, UpdateDeadline, WasmBacktrace};

use crate::engine::TICK;
use crate::guest::{Guest, OnWorker};
use crate::plugin::Plugin;
use crate::scene::{now_ms, spots};
use crate::slice::EPOCHS_BEFORE_YIELD;

/// LIMIT: samples of one worker: about what a plugin gives that computes without a pause for two minutes.
const SAMPLES_MAX: usize = 500_000;
/// LIMIT: different stacks of one worker: some 25 MB when all are as deep as a backtrace may be.
const STACKS_MAX: usize = 20_000;

/// Where samples go while somebody looks.
struct Sheets {
    began: Instant,
    began_ms: u64,
    workers: Vec<Mutex<Sheet>>,
}

/// What was seen on one worker.
#[derive(Default)]
struct Sheet {
    samples: Vec<Sample>,
    lost: u64,
    /// Each stack once.
    stacks: HashSet<Arc<[Spot]>>,
}

impl Sheet {
    fn stack(&mut self, frames: Box<[Spot]>) -> Option<Arc<[Spot]>> {
        if let Some(known) = self.stacks.get(&*frames) {
            return Some(Arc::clone(known));
        }
        if self.stacks.len() >= STACKS_MAX {
            return None;
        }
        let stack: Arc<[Spot]> = frames.into();
        self.stacks.insert(Arc::clone(&stack));
        Some(stack)
    }
}

/// A plugin's place for who looks at it.
#[derive(Default)]
pub(crate) struct Watch {
    /// Asked by workers at each entry, so nothing that is locked.
    is_on: AtomicBool,
    sheets: Mutex<Option<Arc<Sheets>>>,
}

impl Watch {
    fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }
}

/// Looks at a plugin until it is asked what it saw, or dropped.
pub struct Profiler {
    plugin: Arc<Plugin>,
    sheets: Arc<Sheets>,
}

impl Profiler {
    /// Begins to look at what `plugin` computes, on all workers; none while somebody else does.
    #[must_use]
    pub fn begin(plugin: &Arc<Plugin>) -> Option<Self> {
        let mut place = plugin.watch.sheets.lock();
        if place.is_some() {
            return None;
        }
        let sheets = Arc::new(Sheets {
            began: Instant::now(),
            began_ms: now_ms(),
            workers: plugin.workers.iter().map(|_| Mutex::default()).collect(),
        });
        *place = Some(Arc::clone(&sheets));
        plugin.watch.is_on.store(true, Ordering::Relaxed);
        Some(Self {
            plugin: Arc::clone(plugin),
            sheets,
        })
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Ends it: what was seen.
    #[must_use]
    pub fn end(self) -> Profile {
        self.stop();
        let taken = |worker: &Mutex<Sheet>| {
            let sheet = std::mem::take(&mut *worker.lock());
            WorkerSamples {
                samples: sheet.samples,
                lost: sheet.lost,
            }
        };
        Profile {
            plugin: self.plugin.spec.name.clone(),
            generation: self.plugin.generation,
            began_ms: self.sheets.began_ms,
            lasted: self.sheets.began.elapsed(),
            interval: TICK,
            workers: self.sheets.workers.iter().map(taken).collect(),
        }
    }

    /// Once: whoever looks next has the place then.
    fn stop(&self) {
        let mut place = self.plugin.watch.sheets.lock();
        if place.as_ref().is_some_and(|sheets| Arc::ptr_eq(sheets, &self.sheets)) {
            self.plugin.watch.is_on.store(false, Ordering::Relaxed);
            *place = None;
        }
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What is known of the entry in progress, while somebody looks.
#[derive(Default)]
pub(crate) struct Look {
    is_on: bool,
    /// Ticks of this entry that have been told.
    told: u64,
    /// Ticks of it that went by in host calls and have not been told, and in which call the last of them did.
    in_host: u64,
    host_call: Option<&'static str>,
    /// The engine's tick when the host call began.
    call_began: u64,
}

impl Guest {
    /// An entry begins; after how many epochs it is to be looked at.
    pub(crate) fn begin_look(&mut self) -> u64 {
        let is_on = self.plugin().watch.is_on();
        if !is_on && !self.look.is_on {
            return EPOCHS_BEFORE_YIELD;
        }
        self.look = Look {
            is_on,
            ..Look::default()
        };
        if is_on { 1 } else { EPOCHS_BEFORE_YIELD }
    }

    /// A host call begins.
    pub(crate) fn look_at_call(&mut self) {
        if self.look.is_on {
            self.look.call_began = self.first.module.engine.now();
        }
    }

    /// The host call has ended.
    pub(crate) fn look_after_call(&mut self, call: &'static str) {
        if !self.look.is_on {
            return;
        }
        let ticks = self.first.module.engine.now().saturating_sub(self.look.call_began);
        if ticks > 0 {
            self.look.in_host = self.look.in_host.saturating_add(ticks);
            self.look.host_call = Some(call);
        }
    }

    /// The entry has ended: ticks that fell into it after the last look are told without frames.
    pub(crate) fn end_look(&mut self) {
        if self.look.is_on {
            self.note(Box::default());
        }
    }

    fn note(&mut self, frames: Box<[Spot]>) {
        let ticks = self.slice.ticks().saturating_sub(self.look.told);
        let in_host = self.look.in_host.min(ticks);
        let parts = [
            (ticks.saturating_sub(in_host), None),
            (in_host, self.look.host_call.take()),
        ];
        self.look.in_host = 0;
        self.look.told = self.look.told.saturating_add(ticks);
        if ticks == 0 {
            return;
        }
        let sheets = self.plugin().watch.sheets.lock().clone();
        let Some(sheets) = sheets else { return };
        let Some(worker) = sheets.workers.get(self.worker) else {
            return;
        };
        let mut sheet = worker.lock();
        let stack = sheet.stack(frames);
        for (ticks, host_call) in parts.into_iter().filter(|(ticks, _)| *ticks > 0) {
            let room = sheet.samples.len() < SAMPLES_MAX;
            let Some(frames) = stack.clone().filter(|_| room) else {
                sheet.lost = sheet.lost.saturating_add(1);
                continue;
            };
            sheet.samples.push(Sample {
                at: sheets.began.elapsed(),
                weight: TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX)),
                callback: self.callback,
                host_call,
                frames,
            });
        }
    }
}

/// The engine's tick was noticed in an entry.
pub(crate) fn at_tick(store: &mut StoreContextMut<'_, OnWorker>) -> wasmtime::Result<UpdateDeadline> {
    if !store.data().0.look.is_on {
        return store.data_mut().0.at_tick();
    }
    let backtrace = WasmBacktrace::force_capture(&*store);
    let guest = &mut store.data_mut().0;
    let frames = spots(&backtrace, &guest.plugin().module);
    guest.first.module.engine.alert();
    // Without somebody who looks, the first tick would not have been noticed.
    let is_early = guest.look.told == 0 && guest.slice.is_early();
    let goes_on = match is_early {
        true => Ok(UpdateDeadline::Continue(1)),
        false => guest.at_tick(),
    };
    // Now it is known how much of the time the thread only waited for a processor.
    guest.note(frames);
    goes_on
}

#[cfg(test)]
mod tests;
