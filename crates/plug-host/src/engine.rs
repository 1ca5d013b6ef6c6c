//! The WebAssembly engine: its settings, and the tick by which guests give way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wasmtime::{
    Config, EngineWeak, InstanceAllocationStrategy, InstancePre, Linker, OptLevel, PoolingAllocationConfig,
};

use crate::cache::CodeCache;
use crate::calls;
use crate::fault::LoadFault;
use crate::file_counts::{FileBounds, FileCount};
use crate::guest::OnWorker;
use crate::module::own_code;
use crate::shim;

/// How often a computing guest gives way, and the grain in which its slice is measured.
pub const TICK: Duration = Duration::from_micros(250);
/// Ticks at a time while no guest computes: waking a thread for each would cost some percent of a core.
pub(crate) const CALM_TICKS: u64 = 4;
const CALM: Duration = Duration::from_millis(1);
/// How many single ticks follow after a guest was met computing: it, or the next of its kind, is soon met again.
const ALERT_TICKS: u32 = 400;

/// LIMIT: host frames on a guest's stack; property lookups and map edits need a fraction of it.
const HOST_STACK_BYTES: usize = 512 * 1024;
/// LIMIT: instances alive at a time in the process (each plugin has one for each worker, and a small shim beside it).
const INSTANCES_MAX: u32 = 2_000;
/// LIMIT: those of them that serve one exchange each; what is left is for plugins whose instance serves a worker, which must always be
/// able to come back.
pub(crate) const SEATS_MAX: usize = 1_500;
/// LIMIT: linear memory of any guest; a plugin's own bound is lower.
pub const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// LIMIT: table entries of any guest; Go modules of 9 MB have about 20,000.
pub(crate) const TABLE_ENTRIES_MAX: usize = 200_000;
/// LIMIT: frames of a backtrace.
const FRAMES_MAX: usize = 48;
/// LIMIT: smallest and largest stack of a guest.
const STACK_BYTES: (usize, usize) = (64 * 1024, 16 * 1024 * 1024);

/// An engine whose guests have one size of stack, with what every module on it is linked from.
pub struct Engine {
    pub(crate) code: wasmtime::Engine,
    pub(crate) linker: Linker<OnWorker>,
    pub(crate) shim: InstancePre<OnWorker>,
    /// How many ticks there have been.
    pub(crate) ticks: Arc<AtomicU64>,
    /// How many single ticks are to come.
    alert: Arc<AtomicU32>,
    /// Instances that serve one exchange each and live now.
    pub(crate) seats: AtomicUsize,
    /// Bytes of stack that an entry may use, host calls included.
    pub(crate) entry_stack_bytes: usize,
    /// What its guests are run for.
    pub(crate) purpose: Purpose,
}

/// What guests are run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To serve.
    Serving,
    /// To be looked at by a debugger: code that is not optimised and says at each instruction where everything is.
    Debugging,
}

impl Engine {
    fn new(stack_bytes: usize, purpose: Purpose, cache: Option<&CodeCache>) -> Result<Arc<Self>, LoadFault> {
        let failed = |why: wasmtime::Error| LoadFault::Engine(format!("{why:#}"));
        let code = wasmtime::Engine::new(&config(stack_bytes, purpose)).map_err(failed)?;
        let mut linker = Linker::new(&code);
        calls::define(&mut linker).map_err(failed)?;
        let shim = own_code(&code, shim::BINARY, cache)?;
        let shim = linker.instantiate_pre(&shim).map_err(failed)?;
        let (ticks, alert) = (Arc::default(), Arc::default());
        tick(code.weak(), Arc::clone(&ticks), Arc::clone(&alert))?;
        Ok(Arc::new(Self {
            code,
            linker,
            shim,
            ticks,
            alert,
            seats: AtomicUsize::new(0),
            entry_stack_bytes: stack_bytes.saturating_add(HOST_STACK_BYTES),
            purpose,
        }))
    }

    /// The number of the last tick.
    pub(crate) fn now(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// A guest was met computing.
    pub(crate) fn alert(&self) {
        self.alert.store(ALERT_TICKS, Ordering::Relaxed);
    }
}

/// Engines by guest stack size, because the engine fixes the stack for all of its instances.
#[derive(Default)]
pub struct Engines {
    by_stack: Mutex<HashMap<(usize, Purpose), Arc<Engine>>>,
}

impl Engines {
    /// The engine whose guests have `stack_bytes_max` of stack, rounded up to a power of two so that there are few engines: each has
    /// a thread and reserves address space for all of its instances. `cache` saves compiling the little that stands before each guest,
    /// and with it some 10 MB of memory that a compiler takes.
    ///
    /// # Errors
    /// When the machine refuses that.
    pub fn for_stack(&self, stack_bytes_max: u64, cache: Option<&CodeCache>) -> Result<Arc<Engine>, LoadFault> {
        self.engine(stack_bytes_max, Purpose::Serving, cache)
    }

    /// The same for guests that a debugger looks at.
    ///
    /// # Errors
    /// As [`Engines::for_stack`].
    pub fn for_debugger(&self, stack_bytes_max: u64, cache: Option<&CodeCache>) -> Result<Arc<Engine>, LoadFault> {
        // Code that is not optimised keeps everything on the stack.
        self.engine(stack_bytes_max.saturating_mul(4), Purpose::Debugging, cache)
    }

    fn engine(
        &self,
        stack_bytes_max: u64,
        purpose: Purpose,
        cache: Option<&CodeCache>,
    ) -> Result<Arc<Engine>, LoadFault> {
        let (least, most) = STACK_BYTES;
        let stack = usize::try_from(stack_bytes_max)
            .unwrap_or(most)
            .clamp(least, most)
            .next_power_of_two();
        let mut engines = self.by_stack.lock();
        if let Some(engine) = engines.get(&(stack, purpose)) {
            return Ok(Arc::clone(engine));
        }
        let engine = Engine::new(stack, purpose, cache)?;
        engines.insert((stack, purpose), Arc::clone(&engine));
        Ok(engine)
    }
}

/// What decides how a module is compiled.
pub(crate) fn settings(purpose: Purpose) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Lines of source are looked up by who reads a report: the engine would read all debug information on the worker.
    config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    if purpose == Purpose::Debugging {
        config.guest_debug(true);
        config.cranelift_opt_level(OptLevel::None);
    }
    config
}

fn config(stack_bytes: usize, purpose: Purpose) -> Config {
    let mut config = settings(purpose);
    config.max_wasm_stack(stack_bytes);
    config.async_stack_size(stack_bytes.saturating_add(HOST_STACK_BYTES));
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(FRAMES_MAX));
    // One guest at a time is debugged: there is nothing to keep ready.
    if purpose == Purpose::Serving {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    }
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    // What a guest leaves behind is given back to the system, never kept: the next one in its place must not find it.
    pool.linear_memory_keep_resident(0);
    pool.table_keep_resident(0);
    pool.total_core_instances(INSTANCES_MAX * 2);
    pool.total_memories(INSTANCES_MAX);
    pool.total_tables(INSTANCES_MAX * 2);
    pool.total_stacks(INSTANCES_MAX);
    pool.max_memory_size(usize::try_from(MEMORY_BYTES_MAX).unwrap_or(usize::MAX));
    pool.table_elements(TABLE_ENTRIES_MAX);
    // Go modules take one slot per function that a table names: far above the default of 1 MiB.
    pool.max_core_instance_size(16 * 1024 * 1024);
    // One more than a guest may have that is not changed: what tells of allocations adds one.
    pool.max_tables_per_module(5);
    pool
}

/// Advances the engine's epoch until the engine is gone: at each tick while guests compute, else seldom.
pub(crate) fn tick(engine: EngineWeak, ticks: Arc<AtomicU64>, alert: Arc<AtomicU32>) -> Result<(), LoadFault> {
    let began = Instant::now();
    std::thread::Builder::new()
        .name("guest-tick".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                // By the clock: a sleep takes longer than it should, and the shorter it is the more so.
                let passed = began.elapsed().as_nanos() / TICK.as_nanos();
                ticks.store(u64::try_from(passed).unwrap_or(u64::MAX), Ordering::Relaxed);
                engine.increment_epoch();
                drop(engine);
                let left = alert.load(Ordering::Relaxed);
                // An alert that comes between the two is heard at the next tick that is noticed.
                alert.store(left.saturating_sub(1), Ordering::Relaxed);
                std::thread::sleep(if left > 0 { TICK } else { CALM });
            }
        })
        .map(drop)
        .map_err(|why| LoadFault::Engine(format!("no thread for the guests' tick: {why}")))
}

/// What the whole process shares among workers on behalf of plugins.
#[derive(Default)]
pub struct Process {
    /// Engines.
    pub engines: Engines,
    /// Shared data and queues.
    pub(crate) shared: crate::shared_data::SharedData,
    /// What generations of plugins leave to the next.
    pub(crate) heritage: crate::heritage::Heritage,
    /// Metrics that plugins define.
    pub metrics: crate::metrics::MetricRegistry,
    /// Files of granted folders.
    pub(crate) files: Arc<FileCount>,
    /// How often the grant of a plugin that serves was narrowed or given back.
    pub(crate) narrowings: AtomicU64,
}

impl Process {
    /// Grants of plugins were narrowed or given back: instances look at theirs before their next callback.
    pub fn narrowed(&self) {
        self.narrowings.fetch_add(1, Ordering::Release);
    }

    /// Holds all plugins together to these bounds.
    pub fn bound_files(&self, bounds: FileBounds) {
        self.files.bound(bounds);
    }

    /// Forgets what plugins handed over of which there is no next generation.
    pub fn forget_heritage(&self, is_wanted: impl Fn(&str) -> bool) {
        self.heritage.keep_only(is_wanted);
    }

    /// A generation of a plugin went back: the next takes over from the one before it.
    pub fn give_up_heritage(&self, plugin: &str, generation: u64) {
        self.heritage.give_up(plugin, generation);
    }

    /// A generation that went back is tried again.
    pub fn take_back_heritage(&self, plugin: &str, generation: u64) {
        self.heritage.take_back(plugin, generation);
    }

    /// What plugins of this `vm_id` share under a key.
    #[must_use]
    pub fn shared_value(&self, vm_id: &str, key: &[u8]) -> Option<bytes::Bytes> {
        self.shared.get(vm_id, key).map(|(value, _)| value)
    }

    /// Lets plugins of this `vm_id` find a value under a key; false when it is too large.
    pub fn share_value(&self, vm_id: &str, key: &[u8], value: &[u8]) -> bool {
        self.shared
            .set((vm_id, &crate::Limits::default()), key, value, 0)
            .is_ok()
    }

    /// Makes a queue of this `vm_id`, unless there is one, with nobody who listens; false when there are too many.
    pub fn open_queue(&self, vm_id: &str, name: &[u8]) -> bool {
        self.shared.resolve_queue(vm_id, name).is_some()
            || self.shared.register_queue(vm_id, name, Arc::new(|_| {})).is_some()
    }

    /// Appends to a queue as another plugin would, and tells who registered it.
    ///
    /// # Errors
    /// When there is no such queue, or it is full.
    pub fn put_in_queue(&self, vm_id: &str, name: &[u8], value: &[u8]) -> Result<(), QueueRefused> {
        let id = self.shared.resolve_queue(vm_id, name).ok_or(QueueRefused::NoQueue)?;
        let put = self.shared.enqueue(id, value, &crate::Limits::default());
        put.map_err(|_| QueueRefused::Full)
    }

    /// What waits in a queue, oldest first; none when nobody registered it.
    #[must_use]
    pub fn queue_items(&self, vm_id: &str, name: &[u8]) -> Option<Vec<bytes::Bytes>> {
        self.shared.queue_items(self.shared.resolve_queue(vm_id, name)?)
    }
}

/// Why nothing was put in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueRefused {
    /// Nobody registered a queue of this name.
    #[error("nobody has registered it")]
    NoQueue,
    /// A limit is reached.
    #[error("it is full")]
    Full,
}
