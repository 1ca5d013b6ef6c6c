//! A plugin: a module with its configuration, shared by all workers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use plug_abi::LogLevel;
use plug_grant::Grant;
use plug_report::profile::MemoryProfile;

use crate::burst::BurstPolicy;
use crate::debug::Debugging;
use crate::fault::{Fault, FaultKind};
use crate::file_counts::FileCount;
use crate::folders::Folders;
use crate::granted::{Denied, Told};
use crate::ledger::Tracing;
use crate::limit::{Limit, Limits, Reached};
use crate::metrics::{OwnMetrics, Reading};
use crate::module::Module;
use crate::pace::Wary;
use crate::profile::Watch;
use crate::restart::RestartPolicy;
use crate::tally::{Computed, Tally, add};

/// How many slices a callback may compute in code that is made for a debugger, once the debugger has gone; before, it may for ever.
const DEBUGGED_SLICES: u32 = 10;
/// How many slices a callback may compute that tells of its allocations: each is told in some microseconds.
const TRACED_SLICES: u32 = 20;

/// Who shares an instance of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All exchanges of a worker, as in Envoy.
    Worker,
    /// Nobody: each exchange has one of its own, which ends with it.
    Exchange {
        /// Instances at a time on one worker; over it an exchange has none.
        instances_max: u32,
    },
}

/// What a plugin is made of, beside its module.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginSpec {
    /// Unique name.
    pub name: String,
    /// Bytes for `proxy_on_configure`.
    pub config: Bytes,
    /// Bytes for `proxy_on_vm_start`.
    pub vm_config: Bytes,
    /// Plugins of one `vm_id`, module and `vm_config` share an instance; empty for an instance of its own.
    pub vm_id: String,
    /// Who shares an instance.
    pub isolation: Isolation,
    /// Name of the root context inside the module.
    pub root_id: String,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// What it may do; everything when absent.
    pub grant: Option<Arc<Grant>>,
    /// Folders of its grant, opened.
    pub folders: Option<Arc<Folders>>,
    /// Bound on linear memory.
    pub memory_bytes_max: u64,
    /// CPU time of one callback.
    pub cpu_slice: Duration,
    /// Stack of the guest.
    pub stack_bytes_max: u64,
    /// Quick callbacks in a row after which it runs on the worker's stack, where it cannot give way; never when 0.
    pub trusted_after: u32,
    /// What else it may use.
    pub limits: Limits,
    /// A header callback's `StopIteration` is taken literally; the ABI decides when absent.
    pub allow_on_headers_stop_iteration: Option<bool>,
    /// How it is brought back when it faults.
    pub restart: RestartPolicy,
    /// How long exchanges may stay in an instance after another generation took over.
    pub retire_after: Duration,
    /// Lines below are not written.
    pub log_level: LogLevel,
    /// When more is written down of it; never when absent.
    pub burst: Option<BurstPolicy>,
    /// Bytes that an instance keeps of what it saw and asked last; nothing is recorded when 0.
    pub recording_bytes_max: u64,
}

impl PluginSpec {
    /// The same for an instance that is looked at: it has so many slices for each callback, and a stack of its own.
    fn slowed(mut self, slices: u32) -> Self {
        self.cpu_slice = self.cpu_slice.saturating_mul(slices);
        self.trusted_after = 0;
        self
    }
}

/// A plugin of one generation.
pub struct Plugin {
    /// What it is made of.
    pub spec: PluginSpec,
    /// Its module.
    pub module: Arc<Module>,
    /// Counts configured versions of this plugin, from 1.
    pub generation: u64,
    /// What each worker counts.
    pub workers: Vec<PluginStats>,
    /// Who looks at its instances, one at a time; its module is made for that.
    pub(crate) debugging: Option<Arc<Debugging>>,
    /// The same plugin as it is debugged.
    pub(crate) debugged: OnceLock<Arc<Self>>,
    /// Who looks at what it computes.
    pub(crate) watch: Watch,
    /// When its denials were said last.
    pub(crate) told: Told,
    /// What is left of its grant, since something was taken of it while it serves.
    narrowed: Mutex<Option<Arc<Grant>>>,
    /// Files that all its instances have open, and what they have written.
    pub(crate) files: Arc<FileCount>,
    /// What its instances' allocators gave out; its module tells of that.
    pub(crate) tracing: Option<Tracing>,
}

impl Plugin {
    /// A plugin for `workers` workers.
    #[must_use]
    pub fn new(spec: PluginSpec, module: Arc<Module>, generation: u64, workers: usize) -> Arc<Self> {
        Arc::new(Self::made(spec, module, (generation, workers)))
    }

    fn made(spec: PluginSpec, module: Arc<Module>, (generation, workers): (u64, usize)) -> Self {
        let files = spec.limits.files;
        Self {
            spec,
            module,
            generation,
            workers: (0..workers).map(|_| PluginStats::default()).collect(),
            debugging: None,
            debugged: OnceLock::new(),
            watch: Watch::default(),
            told: Told::default(),
            narrowed: Mutex::default(),
            files: Arc::new(FileCount::new(files)),
            tracing: None,
        }
    }

    /// A plugin of `generation` for `workers` whose instances can be looked at by a debugger. Its module is one of
    /// [`Engines::for_debugger`]; while a debugger is there it computes as long as it likes.
    ///
    /// [`Engines::for_debugger`]: crate::Engines::for_debugger
    #[must_use]
    pub fn debugged(spec: PluginSpec, module: Arc<Module>, like: (u64, usize), debugging: Arc<Debugging>) -> Arc<Self> {
        let mut spec = spec.slowed(DEBUGGED_SLICES);
        spec.limits.cpu_share_percent_max = 100;
        // LLDB shall see the module as it is.
        spec.limits.call_depth_max = None;
        Arc::new(Self {
            debugging: Some(debugging),
            ..Self::made(spec, module, like)
        })
    }

    /// A plugin of `generation` for `workers` whose instances tell of their allocations. Its module was loaded with the changes for that;
    /// telling takes time, so that it may compute for longer.
    #[must_use]
    pub fn traced(spec: PluginSpec, module: Arc<Module>, like: (u64, usize)) -> Arc<Self> {
        Arc::new(Self {
            tracing: Some(Tracing::new(like.1)),
            ..Self::made(spec.slowed(TRACED_SLICES), module, like)
        })
    }

    /// What it may do now: its grant, or what is left of it. None is everything.
    #[must_use]
    pub fn grant(&self) -> Option<Arc<Grant>> {
        self.narrowed.lock().clone().or_else(|| self.spec.grant.clone())
    }

    /// What is left of its grant, since something was taken of it.
    #[must_use]
    pub fn narrowed(&self) -> Option<Arc<Grant>> {
        self.narrowed.lock().clone()
    }

    /// Holds it to `left` from its next callback on, on every worker, or to its own grant again; whether that is something new. Who narrows says
    /// so to the process: [`Process::narrowed`].
    ///
    /// [`Process::narrowed`]: crate::Process::narrowed
    pub fn narrow(&self, left: Option<Arc<Grant>>) -> bool {
        let twin = self.debugged.get();
        let mut narrowed = self.narrowed.lock();
        if *narrowed == left {
            return false;
        }
        if let Some(twin) = twin {
            twin.narrowed.lock().clone_from(&left);
        }
        *narrowed = left;
        true
    }

    /// Nobody looks at it any more, if [`Plugin::traced`] made it: exchanges go to the plugin's own instances, whatever else is in the way.
    pub fn end_tracing(&self) {
        if let Some(tracing) = &self.tracing {
            tracing.end();
        }
    }

    /// What lives in the instances that were made last, if [`Plugin::traced`] made it. They tell no more afterwards.
    #[must_use]
    pub fn kept(&self) -> Option<MemoryProfile> {
        Some(self.tracing.as_ref()?.profile(self))
    }

    /// Lets exchanges be debugged in instances of `twin`, which [`Plugin::debugged`] made.
    pub fn debug_as(&self, twin: Arc<Self>) {
        // Whoever comes second has nothing to add.
        let _ = self.debugged.set(twin);
    }

    /// Where LLDB attaches to exchanges of this plugin, if it may.
    #[must_use]
    pub fn debugging(&self) -> Option<&Arc<Debugging>> {
        self.debugged.get()?.debugging.as_ref()
    }

    /// Whether two plugins may live in one instance: the same code with the same VM configuration, as in Envoy, and what the instance
    /// has only once must be the same too.
    #[must_use]
    pub fn shares_instance_with(&self, other: &Self) -> bool {
        let bounds = |spec: &PluginSpec| {
            let bytes = (spec.memory_bytes_max, spec.stack_bytes_max);
            let counts = (spec.limits.table_entries_max, spec.limits.callouts_max);
            let code = spec.limits.changes();
            (bytes, counts, code, spec.cpu_slice, spec.trusted_after, spec.restart)
        };
        let shared = |spec: &PluginSpec| spec.isolation == Isolation::Worker && !spec.vm_id.is_empty();
        shared(&self.spec)
            && shared(&other.spec)
            && self.spec.vm_id == other.spec.vm_id
            && self.spec.vm_config == other.spec.vm_config
            && self.spec.environment == other.spec.environment
            && self.spec.grant == other.spec.grant
            && self.spec.folders == other.spec.folders
            && bounds(&self.spec) == bounds(&other.spec)
            && self.module.digest == other.module.digest
    }

    /// The id under which shared data and queues are kept. All plugins without one share them, as in Envoy: plugins that are deployed
    /// twice, such as Higress's load balancer, count on it.
    #[must_use]
    pub fn vm_id(&self) -> &str {
        &self.spec.vm_id
    }
}

/// State of a plugin on one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i64)]
pub enum PluginState {
    /// No instance has been made yet.
    #[default]
    NotStarted = 0,
    /// It serves.
    Running = 1,
    /// It died and waits to be started again.
    Restarting = 2,
    /// It died too often and is set aside.
    Quarantined = 3,
}

impl PluginState {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What one worker counts for one plugin; written by the worker alone, read by the admin listener.
#[derive(Default)]
pub struct PluginStats {
    state: AtomicI64,
    /// Faults since the start.
    pub faults: AtomicU64,
    /// Instances made since the start.
    pub starts: AtomicU64,
    /// Bytes of linear memory now, of all its instances.
    pub memory_bytes: AtomicU64,
    /// Bytes by which its instances have grown, one after the other.
    pub memory_grown_bytes: AtomicU64,
    /// Instances that live now; more than one while exchanges end in one that was replaced, or when each exchange has its own.
    pub instances: AtomicU64,
    /// Callbacks that began, those that the module does not export included.
    pub callbacks: AtomicU64,
    /// How often it was set aside since the start.
    pub quarantines: AtomicU64,
    /// Exchanges that passed.
    pub exchanges: AtomicU64,
    /// Exchanges that a debugger looked at.
    pub debugged: AtomicU64,
    /// Lines that it logged as errors, written or not.
    pub error_lines: AtomicU64,
    last_error: Mutex<Option<String>>,
    /// Faults by the callback in which they happened.
    faults_by_callback: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) tally: Tally,
    pub(crate) metrics: OwnMetrics,
    pub(crate) wary: Wary,
    pub(crate) reached: Reached,
    pub(crate) denied: Denied,
    /// Faults in the order of [`Fault::DEATHS`].
    faults_by_code: [AtomicU64; Fault::DEATHS.len()],
}

impl PluginStats {
    /// What this generation of the plugin made of a metric that it defined; none when it did not.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<Reading> {
        self.metrics.read(name)
    }

    /// State now.
    #[must_use]
    pub fn state(&self) -> PluginState {
        match self.state.load(Ordering::Relaxed) {
            1 => PluginState::Running,
            2 => PluginState::Restarting,
            3 => PluginState::Quarantined,
            _ => PluginState::NotStarted,
        }
    }

    /// The last fault's text.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().clone()
    }

    /// Faults since the start, by code.
    pub fn faults_by_code(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.faults_by_code.iter().map(|count| count.load(Ordering::Relaxed));
        Fault::DEATHS.into_iter().zip(counts)
    }

    /// Faults since the start, by the callback in which they happened.
    #[must_use]
    pub fn faults_by_callback(&self) -> BTreeMap<&'static str, u64> {
        self.faults_by_callback.lock().clone()
    }

    /// Host calls since the start, by name.
    pub fn host_calls(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.tally.calls()
    }

    /// Host calls that its grant lacks and it made since the start, by name.
    pub fn denied_calls(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.denied.counts()
    }

    /// How long its callbacks computed.
    #[must_use]
    pub fn computed(&self) -> Computed {
        self.tally.time()
    }

    /// How often each limit was reached since the start.
    pub fn limits_reached(&self) -> impl Iterator<Item = (Limit, u64)> + '_ {
        self.reached.counts()
    }

    pub(crate) fn started(&self) {
        self.is_now(PluginState::Running);
        self.starts.fetch_add(1, Ordering::Relaxed);
        self.instances.fetch_add(1, Ordering::Relaxed);
    }

    /// Says in which state it is.
    pub(crate) fn is_now(&self, state: PluginState) {
        self.state.store(state as i64, Ordering::Relaxed);
    }

    pub(crate) fn set_aside(&self) {
        self.is_now(PluginState::Quarantined);
        self.quarantines.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.instances.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn grew(&self, bytes: u64) {
        add(&self.memory_grown_bytes, bytes);
    }

    pub(crate) fn called(&self) {
        add(&self.callbacks, 1);
    }

    pub(crate) fn passed(&self) {
        add(&self.exchanges, 1);
    }

    pub(crate) fn faulted(&self, fault: &Fault) {
        self.is_now(PluginState::Restarting);
        self.faults.fetch_add(1, Ordering::Relaxed);
        let mut by_callback = self.faults_by_callback.lock();
        let count = by_callback.entry(fault.callback).or_default();
        *count = count.saturating_add(1);
        let mut counts = Fault::DEATHS.iter().zip(&self.faults_by_code);
        if let Some((_, count)) = counts.find(|(code, _)| **code == fault.code()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        match fault.kind {
            FaultKind::SliceExceeded { .. } => self.reached.add(Limit::CpuSlice),
            FaultKind::CallDepthExceeded { .. } => self.reached.add(Limit::CallDepth),
            _ => {}
        }
        *self.last_error.lock() = Some(fault.to_string());
    }
}
