//! From a module to an instance that serves: linked, initialised, and each of its plugins started and configured.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use plug_instrument::CALL_DEPTH;
use tokio::sync::mpsc;
use wasmtime::{AsContextMut, Extern, Func, Ref, Store, Val};

use crate::allowance::Allowance;
use crate::bounds::Bounds;
use crate::budget::Budget;
use crate::calls::wasi::Exited;
use crate::debug;
use crate::engine::TABLE_ENTRIES_MAX;
use crate::entry::Entry;
use crate::exports::Exports;
use crate::expression::Expressions;
use crate::fault::{Fault, FaultKind};
use crate::file_counts::FileCounts;
use crate::files::Files;
use crate::growth::Growth;
use crate::guest::{Answer, Current, Guest, OnWorker, Root, Visit};
use crate::instance::Instance;
use crate::ledger;
use crate::meter::Meter;
use crate::metrics::MetricIds;
use crate::module::{Module, Provider};
use crate::orphans::Orphans;
use crate::pace::Pace;
use crate::plugin::Plugin;
use crate::profile::{self, Look};
use crate::record;
use crate::seat::Seat;
use crate::services::Services;
use crate::shim;
use crate::slice::{EPOCHS_BEFORE_YIELD, Slice};
use crate::tape::Tape;
use crate::trail::Trail;
use crate::turn::Turns;

/// LIMIT: wake-ups of shared queues waiting for one instance.
const QUEUE_WAKES_MAX: usize = 1_024;
/// LIMIT: slices that each step of a start may take: Go's runtime and a configuration of many rules are set up once.
pub(crate) const START_SLICES: u32 = 40;

/// An instance on its way.
struct Start {
    store: Store<OnWorker>,
    exports: Exports,
}

impl Instance {
    /// Instantiates the module of `plugins` and starts and configures each of them, in Envoy's order.
    pub(crate) async fn start(
        plugins: &[Arc<Plugin>],
        allowances: &Rc<[Rc<Allowance>]>,
        services: &Services,
        seat: Option<Seat>,
    ) -> Result<Rc<Self>, Fault> {
        let Some(first) = plugins.first() else {
            return Err(Fault::new(
                "",
                "instantiate",
                FaultKind::Instantiate("no plugin".to_owned()),
            ));
        };
        let (queue_listener, queue_wakes) = mpsc::channel(QUEUE_WAKES_MAX);
        let mut store = new_store(first, allowances, services, queue_listener);
        store.data_mut().0.seat = seat;
        store.data_mut().0.tape = Tape::new(recording_bytes_max(plugins));
        debug::before(&mut store).await;
        let made = instantiate(&mut store, &first.module).await;
        debug::after(&store);
        let exports = made.map_err(|why| record::fault(&mut store, &why))?;
        store.data_mut().0.returned(0);
        let mut start = Start { store, exports };
        let mut roots = Vec::new();
        for (id, plugin) in (1..).zip(plugins) {
            start.root(id, plugin).await?;
            roots.push(id);
        }
        let (instance, effects) = start.finish(roots, plugins, services);
        instance.apply(effects);
        instance.listen_to_queues(queue_wakes);
        Ok(instance)
    }

    /// An instance around what has been started.
    fn of(start: Start, roots: Vec<u32>, plugins: &[Arc<Plugin>], services: &Services) -> Rc<Self> {
        let allowances = Rc::clone(&start.store.data().0.allowances);
        let memory_bytes = start.store.data().0.limits.memory_bytes;
        let growth = Growth::new(u64::try_from(memory_bytes).unwrap_or(u64::MAX));
        let orphans = Rc::new(Orphans::default());
        let keeper = orphans.keep();
        Rc::new(Self {
            store: Turns::new(Some(start.store)),
            exports: start.exports,
            dead: false.into(),
            died: false.into(),
            memory_noted: Default::default(),
            rebuild: false.into(),
            growth,
            death: Rc::default(),
            context_last: Cell::new(roots.last().copied().unwrap_or_default()),
            roots,
            plugins: plugins.to_vec(),
            allowances,
            services: services.clone(),
            ticks: Default::default(),
            queue_task: Default::default(),
            waiting: Default::default(),
            orphans,
            keeper,
            users: Default::default(),
            quiet: Default::default(),
        })
    }
}

impl Start {
    /// Creates, starts and configures one plugin.
    async fn root(&mut self, root: u32, plugin: &Arc<Plugin>) -> Result<(), Fault> {
        let guest = &mut self.store.data_mut().0;
        let state = Root {
            plugin: Arc::clone(plugin),
            done_pending: false,
        };
        guest.roots.insert(root, state);
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let vm_start = Entry::VmStart {
            root,
            size: size(&plugin.spec.vm_config),
        };
        let configure = Entry::Configure {
            root,
            size: size(&plugin.spec.config),
        };
        self.step(root, Entry::ContextCreate { context: root, root: 0 }).await?;
        if self.step(root, vm_start).await? == 0 {
            return Err(self.refused(plugin, vm_start, FaultKind::VmStartRefused));
        }
        if self.step(root, configure).await? == 0 {
            return Err(self.refused(plugin, configure, FaultKind::ConfigureRefused));
        }
        Ok(())
    }

    async fn step(&mut self, root: u32, entry: Entry) -> Result<u32, Fault> {
        let guest = &mut self.store.data_mut().0;
        guest.entering(Visit::new(Current::Root(root), entry));
        let deadline = guest.begin_look();
        self.store.set_epoch_deadline(deadline);
        debug::before(&mut self.store).await;
        let ran = self.exports.call(entry).on_own_stack(&mut self.store).await;
        debug::after(&self.store);
        self.store.data_mut().0.end_look();
        let answer = ran.map_err(|why| record::fault(&mut self.store, &why))?;
        self.store.data_mut().0.returned(answer);
        Ok(answer)
    }

    fn refused(&mut self, plugin: &Plugin, entry: Entry, kind: FaultKind) -> Fault {
        let fault = Fault::new(&plugin.spec.name, entry.callback(), kind).seen(&mut self.store.data_mut().0, None);
        record::with_recording(&self.store, fault)
    }

    /// From now on an entry has one slice.
    fn finish(
        mut self,
        roots: Vec<u32>,
        plugins: &[Arc<Plugin>],
        services: &Services,
    ) -> (Rc<Instance>, Vec<crate::guest::Effect>) {
        let guest = &mut self.store.data_mut().0;
        guest.rest();
        guest.tape.started();
        guest.slice.allow(guest.first.spec.cpu_slice);
        let effects = std::mem::take(&mut guest.effects);
        let memory_bytes = guest.limits.memory_bytes;
        let instance = Instance::of(self, roots, plugins, services);
        instance.note_memory(memory_bytes);
        for stats in instance.stats() {
            stats.started();
        }
        (instance, effects)
    }
}

/// A plugin that forbids recordings forbids them for all that share its instance.
fn recording_bytes_max(plugins: &[Arc<Plugin>]) -> usize {
    let bytes = plugins.iter().map(|plugin| plugin.spec.recording_bytes_max).min();
    usize::try_from(bytes.unwrap_or_default()).unwrap_or(usize::MAX)
}

pub(crate) fn new_store(
    plugin: &Arc<Plugin>,
    allowances: &Rc<[Rc<Allowance>]>,
    services: &Services,
    queue_listener: mpsc::Sender<(u32, u32)>,
) -> Store<OnWorker> {
    let guest = new_guest(plugin, allowances, services, queue_listener);
    let mut store = Store::new(plugin.module.code.engine(), OnWorker(Box::new(guest)));
    store.limiter(|data| data);
    store.epoch_deadline_callback(|mut store| profile::at_tick(&mut store));
    store.set_epoch_deadline(EPOCHS_BEFORE_YIELD);
    debug::watch(&mut store);
    store
}

fn new_guest(
    plugin: &Arc<Plugin>,
    allowances: &Rc<[Rc<Allowance>]>,
    services: &Services,
    queue_listener: mpsc::Sender<(u32, u32)>,
) -> Guest {
    let spec = &plugin.spec;
    let grant = plugin.grant();
    Guest {
        abi: plugin.module.abi(),
        memory: None,
        limits: Bounds {
            memory_bytes_max: usize::try_from(spec.memory_bytes_max).unwrap_or(usize::MAX),
            memory_bytes: 0,
            table_entries_max: TABLE_ENTRIES_MAX,
            table_entries: 0,
        },
        process: Arc::clone(&services.process),
        outside: Rc::clone(&services.outside),
        trial: services.trial.clone(),
        worker: services.worker,
        first: Arc::clone(plugin),
        allowances: Rc::clone(allowances),
        roots: Default::default(),
        streams: Default::default(),
        current: Current::Nothing,
        entered: Current::Nothing,
        callback: "_initialize",
        answer: Answer::Nothing,
        tokens: plug_abi::tokens::Tokens::new(),
        outstanding: Default::default(),
        grpc: Default::default(),
        budget: Budget::default(),
        redis: Default::default(),
        metrics: MetricIds::default(),
        expressions: Expressions::default(),
        free: grant.as_ref().map_or(plug_grant::CallSet::ALL, |grant| grant.free()),
        grant,
        narrowings: 0,
        queues: Default::default(),
        files: spec.folders.as_ref().map(|folders| {
            let counts = FileCounts {
                plugin: Arc::clone(&plugin.files),
                process: Arc::clone(&services.process.files),
            };
            Box::new(Files::new(Arc::clone(folders), counts, services.is_aside()))
        }),
        effects: Vec::new(),
        delivery: None,
        queue_listener,
        unfinished: Default::default(),
        last_words: Default::default(),
        slice: Slice::new(
            Arc::clone(&plugin.module.engine.ticks),
            spec.cpu_slice.saturating_mul(START_SLICES),
        ),
        pace: Pace::new(spec.trusted_after),
        trail: Trail::default(),
        tape: Tape::default(),
        player: None,
        entry: None,
        meter: Meter::default(),
        look: Look::default(),
        debugged: None,
        seat: None,
    }
}

/// The shim first, then the guest linked to it, then the guest's functions into the shim's table, then the guest's own start.
pub(crate) async fn instantiate(store: &mut Store<OnWorker>, module: &Module) -> wasmtime::Result<Exports> {
    let shim_instance = module.engine.shim.instantiate_async(store.as_context_mut()).await?;
    let Guest { limits, first, .. } = &mut *store.data_mut().0;
    limits.table_entries = 0;
    limits.table_entries_max = first.spec.limits.table_entries_max.min(TABLE_ENTRIES_MAX);
    let mut imports = Vec::with_capacity(module.providers.len());
    for provider in &module.providers {
        imports.push(import(store, module, &shim_instance, provider)?);
    }
    let guest = wasmtime::Instance::new_async(store.as_context_mut(), &module.code, &imports).await?;
    store.data_mut().0.memory = guest.get_memory(store.as_context_mut(), "memory");
    fill_slots(store, &guest, &shim_instance)?;
    ledger::listen(store, &guest)?;
    initialize(store, module, &guest).await?;
    Exports::find(store, &guest, &shim_instance)
}

fn import(
    store: &mut Store<OnWorker>,
    module: &Module,
    shim_instance: &wasmtime::Instance,
    provider: &Provider,
) -> wasmtime::Result<Extern> {
    let found = match provider {
        Provider::Shim(name) => shim_instance.get_export(store.as_context_mut(), name),
        Provider::Host(from, name) => Some(module.engine.linker.get(store.as_context_mut(), from, name)?),
    };
    found.ok_or_else(|| wasmtime::format_err!("no provider for {provider:?}"))
}

fn fill_slots(
    store: &mut Store<OnWorker>,
    guest: &wasmtime::Instance,
    shim_instance: &wasmtime::Instance,
) -> wasmtime::Result<()> {
    let Some(slots) = shim_instance.get_table(store.as_context_mut(), shim::SLOTS) else {
        return Err(wasmtime::format_err!("the shim has no table"));
    };
    // The specification prefers `proxy_on_memory_allocate`; through `malloc`, memory of TinyGo's guests is never given back.
    let allocate = ["proxy_on_memory_allocate", "malloc"];
    let allocate = allocate
        .iter()
        .find_map(|name| guest.get_func(store.as_context_mut(), name));
    let mut slots_of = vec![(shim::SLOT_ALLOCATE, allocate)];
    let callbacks = [
        (shim::SLOT_CONTEXT_CREATE, "proxy_on_context_create"),
        (shim::SLOT_LOG, "proxy_on_log"),
        (shim::SLOT_DONE, "proxy_on_done"),
        (shim::SLOT_DELETE, "proxy_on_delete"),
    ];
    for (slot, name) in callbacks {
        slots_of.push((slot, guest.get_func(store.as_context_mut(), name)));
    }
    let headers = guest.get_func(store.as_context_mut(), "proxy_on_request_headers");
    let short = headers
        .as_ref()
        .is_some_and(|function: &Func| function.ty(store.as_context_mut()).params().len() == 2);
    let slot = if short {
        shim::SLOT_REQUEST_HEADERS_SHORT
    } else {
        shim::SLOT_REQUEST_HEADERS
    };
    slots_of.push((slot, headers));
    for (slot, function) in slots_of {
        if let Some(function) = function {
            slots.set(store.as_context_mut(), slot, Ref::Func(Some(function)))?;
        }
    }
    Ok(())
}

/// `_initialize` and then `main` or `__main_void` for reactors, `_start` for commands, as proxy-wasm-cpp-host does.
async fn initialize(store: &mut Store<OnWorker>, module: &Module, guest: &wasmtime::Instance) -> wasmtime::Result<()> {
    if let Ok(initialize) = guest.get_typed_func::<(), ()>(store.as_context_mut(), "_initialize") {
        initialize.call_async(store.as_context_mut(), ()).await?;
        if let Ok(main) = guest.get_typed_func::<(u32, u32), u32>(store.as_context_mut(), "main") {
            main.call_async(store.as_context_mut(), (0, 0)).await?;
        } else if let Ok(main) = guest.get_typed_func::<(), u32>(store.as_context_mut(), "__main_void") {
            main.call_async(store.as_context_mut(), ()).await?;
        }
    } else if let Ok(start) = guest.get_typed_func::<(), ()>(store.as_context_mut(), "_start") {
        match start.call_async(store.as_context_mut(), ()).await {
            // A command that ends by `proc_exit(0)` has started well.
            Err(why) if why.downcast_ref::<Exited>().is_some_and(|exited| exited.0 == 0) => {
                leave_all_frames(store, module, guest)?;
            }
            other => other?,
        }
    }
    Ok(())
}

/// Frames that an exit ended were not counted down.
fn leave_all_frames(store: &mut Store<OnWorker>, module: &Module, guest: &wasmtime::Instance) -> wasmtime::Result<()> {
    let is_counted = module.changes.call_depth_max.is_some();
    match guest
        .get_global(store.as_context_mut(), CALL_DEPTH)
        .filter(|_| is_counted)
    {
        Some(depth) => depth.set(store.as_context_mut(), Val::I32(0)),
        None => Ok(()),
    }
}
