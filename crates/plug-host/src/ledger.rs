//! What a guest's allocator gave out and did not get back: a ledger of an instance whose module tells of its allocations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use plug_instrument::{ALLOCATIONS, Allocator, Told};
use plug_report::profile::{Kept, MemoryProfile, Spot, WorkerKept};
use rustc_hash::FxHashMap as HashMap;
use wasmtime::{AsContextMut, Caller, Func, Ref, Store, WasmBacktrace};

use crate::guest::OnWorker;
use crate::plugin::Plugin;
use crate::scene::{now_ms, spots};

/// LIMIT: live allocations of an instance that are known one by one.
const LIVE_MAX: usize = 1_000_000;
/// LIMIT: places where they were asked for.
const SITES_MAX: usize = 10_000;

/// What lives in one instance.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Bytes and the number of the place, by address.
    live: HashMap<u32, (u32, u32)>,
    sites: Vec<Site>,
    numbers: HashMap<Site, u32>,
    allocations: u64,
    lost: u64,
    exchanges: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Site {
    callback: &'static str,
    frames: Arc<[Spot]>,
}

impl Ledger {
    fn taken(&mut self, pointer: u32, bytes: u32, site: Site) {
        self.allocations = self.allocations.saturating_add(1);
        match self.number(site).filter(|_| self.live.len() < LIVE_MAX) {
            Some(number) => {
                self.live.insert(pointer, (bytes, number));
            }
            None => self.lost = self.lost.saturating_add(1),
        }
    }

    fn given_back(&mut self, pointer: u32) {
        self.live.remove(&pointer);
    }

    fn number(&mut self, site: Site) -> Option<u32> {
        if let Some(number) = self.numbers.get(&site) {
            return Some(*number);
        }
        if self.sites.len() >= SITES_MAX {
            return None;
        }
        let number = u32::try_from(self.sites.len()).ok()?;
        self.sites.push(site.clone());
        self.numbers.insert(site, number);
        Some(number)
    }

    fn kept(&self) -> WorkerKept {
        let mut sums: HashMap<u32, (u64, u64)> = HashMap::default();
        for (bytes, number) in self.live.values() {
            let (sum, count) = sums.entry(*number).or_default();
            *sum = sum.saturating_add(u64::from(*bytes));
            *count = count.saturating_add(1);
        }
        let kept = sums.into_iter().filter_map(|(number, (bytes, count))| {
            let site = self.sites.get(usize::try_from(number).ok()?)?;
            Some(Kept {
                callback: site.callback,
                frames: Arc::clone(&site.frames),
                bytes,
                count,
            })
        });
        WorkerKept {
            kept: kept.collect(),
            allocations: self.allocations,
            lost: self.lost,
            exchanges: self.exchanges,
        }
    }
}

/// The ledgers of a plugin whose memory is looked at: on each worker that of the instance that was made last.
pub(crate) struct Tracing {
    began: Instant,
    began_ms: u64,
    latest: Vec<Mutex<Arc<Mutex<Ledger>>>>,
    /// Nobody looks any more.
    is_over: AtomicBool,
}

impl Tracing {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            began: Instant::now(),
            began_ms: now_ms(),
            latest: (0..workers).map(|_| Mutex::default()).collect(),
            is_over: AtomicBool::new(false),
        }
    }

    /// Nobody looks any more: no exchange shall come.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The ledger of a new instance.
    pub(crate) fn open(&self, worker: usize) -> Arc<Mutex<Ledger>> {
        let ledger = Arc::default();
        if let Some(latest) = self.latest.get(worker) {
            *latest.lock() = Arc::clone(&ledger);
        }
        ledger
    }

    /// One more exchange came to the instance that was made last.
    pub(crate) fn came(&self, worker: usize) {
        if let Some(latest) = self.latest.get(worker) {
            let ledger = Arc::clone(&latest.lock());
            let mut ledger = ledger.lock();
            ledger.exchanges = ledger.exchanges.saturating_add(1);
        }
    }

    pub(crate) fn profile(&self, plugin: &Plugin) -> MemoryProfile {
        let ledgers = self.latest.iter().map(|latest| Arc::clone(&latest.lock()));
        MemoryProfile {
            plugin: plugin.spec.name.clone(),
            generation: plugin.generation,
            began_ms: self.began_ms,
            lasted: self.began.elapsed(),
            // Taken and counted afterwards: the guest waits for the ledger's lock.
            workers: ledgers.map(|ledger| taken(&ledger).kept()).collect(),
        }
    }
}

/// All that a ledger has, which is empty from now on.
fn taken(ledger: &Mutex<Ledger>) -> Ledger {
    std::mem::take(&mut *ledger.lock())
}

/// Lets the instance's allocator tell the ledger, if its module does and somebody wants to know.
pub(crate) fn listen(store: &mut Store<OnWorker>, guest: &wasmtime::Instance) -> wasmtime::Result<()> {
    let state = &store.data().0;
    let Some(tracing) = &state.first.tracing else {
        return Ok(());
    };
    let ledger = tracing.open(state.worker);
    let Some(table) = guest.get_table(store.as_context_mut(), ALLOCATIONS) else {
        return Ok(());
    };
    let tell = Func::wrap(
        store.as_context_mut(),
        move |caller: Caller<'_, OnWorker>, number: u32, first: u32, second: u32, third: u32, result: u32| {
            if let Some(allocator) = Allocator::from_number(number) {
                note(&caller, &ledger, allocator.told([first, second, third], result));
            }
        },
    );
    table.set(store.as_context_mut(), 0, Ref::Func(Some(tell)))
}

fn note(caller: &Caller<'_, OnWorker>, ledger: &Mutex<Ledger>, told: Told) {
    match told {
        Told::Taken { pointer, size } => ledger.lock().taken(pointer, size, site(caller)),
        Told::TakenAt { place, size } => {
            if let Some(pointer) = word(caller, place) {
                ledger.lock().taken(pointer, size, site(caller));
            }
        }
        Told::Moved { from, to, size } => {
            let site = site(caller);
            let mut ledger = ledger.lock();
            ledger.given_back(from);
            ledger.taken(to, size, site);
        }
        Told::GivenBack { pointer } => ledger.lock().given_back(pointer),
        Told::Nothing => {}
    }
}

fn site(caller: &Caller<'_, OnWorker>) -> Site {
    let backtrace = WasmBacktrace::force_capture(caller);
    let guest = &caller.data().0;
    Site {
        callback: guest.callback,
        frames: spots(&backtrace, &guest.first.module).into(),
    }
}

/// A number in the guest's memory.
fn word(caller: &Caller<'_, OnWorker>, at: u32) -> Option<u32> {
    let memory = caller.data().0.memory?.data(caller);
    let at = usize::try_from(at).ok()?;
    let bytes = memory.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
