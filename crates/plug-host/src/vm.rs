//! The plugins of one worker: which instance serves them, and how a dead one comes back.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use plug_abi::LogLevel;
use tokio::sync::{Mutex, Notify};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::Instant;

use crate::allowance::Allowance;
use crate::bell::Bell;
use crate::exchange::{Exchange, Side, StreamContext, Visible};
use crate::fault::{Fault, FaultKind};
use crate::instance::{Hold, Instance};
use crate::outside::Saying;
use crate::plugin::{Isolation, Plugin, PluginStats};
use crate::restart::{Restarts, Wait};
use crate::seat::Seats;
use crate::services::Services;
use crate::stream::PluginStream;

mod debugged;
mod single;
mod traced;

/// One instance's place on a worker: the instance that serves now, and the plugins that live in it. With an instance for each exchange,
/// what they have in common: their number, and their faults.
struct Vm {
    plugins: Vec<Arc<Plugin>>,
    services: Services,
    /// In the order of the plugins.
    allowances: Rc<[Rc<Allowance>]>,
    current: RefCell<Option<Rc<Instance>>>,
    starting: Mutex<()>,
    restarts: Cell<Restarts>,
    started: Cell<Option<Instant>>,
    /// Rung when an operator lets it out of its quarantine.
    lifted: Rc<Bell>,
    /// The task that brings a dead instance back.
    reviver: RefCell<Option<AbortHandle>>,
    /// Arrangements that it is part of.
    homes: Cell<usize>,
    /// Instances that serve one exchange each.
    seats: Rc<Seats>,
    /// Instances that show whether such a plugin starts.
    trials: Rc<Seats>,
    /// Told to instances that serve one exchange each: they have stayed for too long.
    expired: Notify,
    /// Counts its faults when each exchange has an instance: what began before the last one does not count again.
    epoch: Cell<u64>,
}

impl Vm {
    fn new(plugins: Vec<Arc<Plugin>>, services: Services) -> Rc<Self> {
        let allowances = plugins.iter().map(|plugin| Allowance::new(plugin, &services));
        Rc::new(Self {
            allowances: allowances.collect(),
            plugins,
            services,
            current: RefCell::default(),
            starting: Mutex::default(),
            restarts: Cell::default(),
            started: Cell::default(),
            lifted: Rc::default(),
            reviver: RefCell::default(),
            homes: Cell::default(),
            seats: Rc::default(),
            trials: Rc::default(),
            expired: Notify::new(),
            epoch: Cell::default(),
        })
    }

    fn isolation(&self) -> Isolation {
        self.plugins
            .first()
            .map_or(Isolation::Worker, |plugin| plugin.spec.isolation)
    }

    /// An instance for an exchange.
    async fn hold(self: &Rc<Self>, name: &Rc<str>) -> Result<Hold, Fault> {
        match self.isolation() {
            Isolation::Worker => self.instance(name).await.map(Hold::new),
            Isolation::Exchange { instances_max } => self.single(name, &self.seats, instances_max).await,
        }
    }

    /// Sees that an exchange that comes now finds it running.
    async fn ready(self: &Rc<Self>, name: &Rc<str>) -> Result<(), Fault> {
        match self.isolation() {
            Isolation::Worker => self.instance(name).await.map(drop),
            // One instance has shown that it starts; an exchange has another.
            Isolation::Exchange { .. } if self.started.get().is_some() => Ok(()),
            Isolation::Exchange { .. } => self.trial(name).await,
        }
    }

    fn serving(&self) -> Option<Rc<Instance>> {
        let current = self.current.borrow();
        let serves = |instance: &&Rc<Instance>| !instance.is_dead() && !instance.wants_rebuild();
        current.as_ref().filter(serves).cloned()
    }

    async fn instance(self: &Rc<Self>, name: &Rc<str>) -> Result<Rc<Instance>, Fault> {
        if let Some(instance) = self.serving() {
            return Ok(instance);
        }
        // A task of its own, because a start goes on when its exchange no longer waits for it: the next one will.
        let start = spawn_local(Rc::clone(self).start(Rc::clone(name)));
        start
            .await
            .unwrap_or_else(|_| Err(Fault::new(name, "instantiate", FaultKind::Restarting)))
    }

    async fn start(self: Rc<Self>, name: Rc<str>) -> Result<Rc<Instance>, Fault> {
        let _turn = self.starting.lock().await;
        // Somebody else may have started it while this one waited.
        if let Some(instance) = self.serving() {
            return Ok(instance);
        }
        self.note_death();
        self.may_start(&name)?;
        match Instance::start(&self.plugins, &self.allowances, &self.services, None).await {
            Ok(instance) => {
                self.started.set(Some(Instant::now()));
                *self.current.borrow_mut() = Some(Rc::clone(&instance));
                self.watch(Rc::clone(&instance.death), name);
                Ok(instance)
            }
            Err(fault) => {
                self.failed_to_start(&fault);
                self.fault(Duration::ZERO);
                Err(fault)
            }
        }
    }

    fn may_start(&self, name: &Rc<str>) -> Result<(), Fault> {
        let kind = match self.wait() {
            Wait::Over => return Ok(()),
            Wait::Backoff(_) => FaultKind::Restarting,
            Wait::Quarantine(_) => FaultKind::Quarantined,
        };
        Err(Fault::new(name, "instantiate", kind))
    }

    /// Takes an instance out that no longer serves.
    fn note_death(&self) {
        let Some(before) = self.current.borrow_mut().take() else {
            return;
        };
        if !before.is_dead() {
            // It asked for a fresh one; the exchanges that it serves end with it.
            spawn_local(before.retire());
            return;
        }
        let lived = self.started.take().map_or(Duration::ZERO, |started| started.elapsed());
        self.fault(lived);
    }

    /// An instance that lived so long has died: sees when the next may come.
    fn fault(&self, lived: Duration) {
        let Some(first) = self.plugins.first() else { return };
        let policy = &first.spec.restart;
        let mut restarts = self.restarts.get();
        let set_aside = restarts.fault(policy, lived, Instant::now());
        self.restarts.set(restarts);
        if !set_aside {
            return;
        }
        self.stats().for_each(PluginStats::set_aside);
        for plugin in &self.plugins {
            self.services.outside.say(Saying::Quarantine {
                plugin: &plugin.spec.name,
                faults: restarts.in_a_row(),
                length: policy.quarantine,
            });
        }
    }

    /// How long it has to wait until it may be started again.
    fn wait(&self) -> Wait {
        self.restarts.get().wait(Instant::now())
    }

    /// Forgets its faults, so that it is started again at once, if it waits.
    fn lift(&self) {
        if self.wait() == Wait::Over {
            return;
        }
        self.restarts.set(Restarts::default());
        self.lifted.ring();
    }

    /// What this worker counts for each plugin.
    fn stats(&self) -> impl Iterator<Item = &PluginStats> {
        self.plugins
            .iter()
            .filter_map(|plugin| plugin.workers.get(self.services.worker))
    }

    fn failed_to_start(&self, fault: &Fault) {
        self.stats().for_each(|stats| stats.faulted(fault));
        self.services.outside.say(Saying::Fault(fault));
    }

    /// Brings the instance back when it dies, whether or not an exchange asks for it: timers and queues are work too.
    fn watch(self: &Rc<Self>, death: Rc<Bell>, name: Rc<str>) {
        let reviver = spawn_local(Self::revive(Rc::downgrade(self), death, name)).abort_handle();
        if let Some(before) = self.reviver.borrow_mut().replace(reviver) {
            before.abort();
        }
    }

    async fn revive(vm: Weak<Self>, death: Rc<Bell>, name: Rc<str>) {
        death.heard().await;
        loop {
            let Some(dead) = vm.upgrade() else { return };
            dead.note_death();
            let (wait, lifted) = (dead.wait().length(), Rc::clone(&dead.lifted));
            drop(dead);
            // It goes on when the wait is over, or has been ended by an operator.
            let _ = tokio::time::timeout(wait, lifted.heard()).await;
            let Some(dead) = vm.upgrade() else { return };
            if dead.start(Rc::clone(&name)).await.is_ok() {
                return;
            }
        }
    }

    /// Ends the instance; one that has to be started again for an exchange that comes late is not watched.
    async fn close(&self) {
        if let Some(reviver) = self.reviver.borrow_mut().take() {
            reviver.abort();
        }
        let current = self.current.borrow_mut().take();
        if let Some(instance) = current {
            instance.retire().await;
        }
        let bound = self.plugins.first().map(|plugin| plugin.spec.retire_after);
        if tokio::time::timeout(bound.unwrap_or_default(), self.seats.free())
            .await
            .is_err()
        {
            self.expired.notify_waiters();
            self.seats.free().await;
        }
        self.trials.free().await;
    }

    /// One arrangement less; true for the last.
    fn leave(&self) -> bool {
        let homes = self.homes.get().saturating_sub(1);
        self.homes.set(homes);
        homes == 0
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if let Some(reviver) = self.reviver.borrow_mut().take() {
            reviver.abort();
        }
    }
}

/// A plugin as a worker uses it.
pub struct PluginHandle {
    plugin: Arc<Plugin>,
    name: Rc<str>,
    vm: Rc<Vm>,
    /// Which of the instance's root contexts it is.
    position: usize,
    /// Serves instead while the plugin's memory is looked at.
    traced: RefCell<Option<Rc<Vm>>>,
}

impl PluginHandle {
    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// A context for `exchange`, in an instance that serves.
    ///
    /// # Errors
    /// When there is none and none can be started now, or the plugin has used its share of the worker's CPU time.
    pub async fn open(&self, exchange: &Rc<Exchange>) -> Result<PluginStream, Fault> {
        self.has_cpu_time()?;
        if let Some((hold, twin)) = self.hold_traced() {
            let root = hold.instance.roots.first().copied().unwrap_or_default();
            return Ok(self.stream(hold, root, &twin, exchange));
        }
        let hold = self.vm.hold(&self.name).await?;
        let root = hold.instance.roots.get(self.position).copied().unwrap_or_default();
        Ok(self.stream(hold, root, &self.plugin, exchange))
    }

    /// A context for `exchange` in an instance in which `owner` has the root context `root`.
    fn stream(&self, hold: Hold, root: u32, owner: &Arc<Plugin>, exchange: &Rc<Exchange>) -> PluginStream {
        let id = hold.instance.next_context();
        let context = Rc::new(StreamContext {
            id,
            root,
            exchange: Rc::clone(exchange),
            visible: Cell::new(Visible::NOTHING),
            request: Side::default(),
            response: Side::default(),
            created: Cell::new(false),
            ended: Cell::new(false),
            dead: Cell::new(false),
            plugin: Rc::clone(&self.name),
            owner: Arc::clone(owner),
        });
        PluginStream::new(hold, context)
    }

    fn has_cpu_time(&self) -> Result<(), Fault> {
        let allowance = self.vm.allowances.get(self.position);
        if allowance.is_none_or(|allowance| allowance.wait().is_none()) {
            return Ok(());
        }
        let kind = FaultKind::CpuShareExceeded(self.plugin.spec.limits.cpu_share_percent_max);
        Err(Fault::new(&self.name, "waiting", kind))
    }
}

/// All plugins of one worker.
pub struct WorkerPlugins {
    handles: Vec<Rc<PluginHandle>>,
    left: Cell<bool>,
}

impl WorkerPlugins {
    /// Arranges `plugins` in instances; those of `before` that are unchanged keep theirs.
    #[must_use]
    pub fn arrange(plugins: &[Arc<Plugin>], services: &Services, before: Option<&Self>) -> Self {
        Self::arrange_after(plugins, services, before.as_slice())
    }

    /// The same when those before were arranged in several parts.
    #[must_use]
    pub fn arrange_after(plugins: &[Arc<Plugin>], services: &Services, before: &[&Self]) -> Self {
        let mut groups: Vec<Vec<Arc<Plugin>>> = Vec::new();
        for plugin in plugins {
            let shares = |group: &&mut Vec<Arc<Plugin>>| group.iter().any(|other| other.shares_instance_with(plugin));
            match groups.iter_mut().find(shares) {
                Some(group) => group.push(Arc::clone(plugin)),
                None => groups.push(vec![Arc::clone(plugin)]),
            }
        }
        let mut handles = Vec::new();
        for group in groups {
            let kept = before.iter().find_map(|before| before.vm_of(&group));
            let vm = kept.unwrap_or_else(|| Vm::new(group.clone(), services.clone()));
            vm.homes.set(vm.homes.get().saturating_add(1));
            for (position, plugin) in group.into_iter().enumerate() {
                let name = plugin.spec.name.as_str().into();
                let vm = Rc::clone(&vm);
                handles.push(Rc::new(PluginHandle {
                    plugin,
                    name,
                    vm,
                    position,
                    traced: RefCell::default(),
                }));
            }
        }
        Self {
            handles,
            left: Cell::new(false),
        }
    }

    fn vm_of(&self, group: &[Arc<Plugin>]) -> Option<Rc<Vm>> {
        let same = |vm: &Rc<Vm>| {
            vm.plugins.len() == group.len() && vm.plugins.iter().zip(group).all(|(one, other)| Arc::ptr_eq(one, other))
        };
        self.handles
            .iter()
            .map(|handle| &handle.vm)
            .find(|vm| same(vm))
            .cloned()
    }

    fn vms(&self) -> impl Iterator<Item = (&Rc<Vm>, &Rc<str>)> {
        self.handles
            .iter()
            .filter(|handle| handle.position == 0)
            .map(|handle| (&handle.vm, &handle.name))
    }

    #[cfg(test)]
    pub(crate) fn instance(&self, name: &str) -> Rc<Instance> {
        self.find(name).and_then(|handle| handle.vm.serving()).unwrap()
    }

    /// Starts every plugin, so that the first exchange finds it running. One that was taken over while it waits after its faults goes on
    /// waiting: it must not keep others from being changed.
    ///
    /// # Errors
    /// The faults of those that did not start.
    pub async fn warm(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        for (vm, name) in self.vms() {
            match vm.ready(name).await {
                Ok(()) => {}
                Err(fault) if fault.kind.is_wait() => {}
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Gives a plugin another level than its usual one until a moment, also in instances that are started meanwhile; none takes it back.
    pub fn set_floor(&self, plugin: &str, floor: Option<(LogLevel, Instant)>) {
        if let Some(handle) = self.find(plugin)
            && let Some(allowance) = handle.vm.allowances.get(handle.position)
        {
            allowance.set_floor(floor);
        }
    }

    /// The plugin of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Rc<PluginHandle>> {
        self.handles.iter().find(|handle| &*handle.name == name)
    }

    /// Lets the plugin of that name out of its quarantine, or out of its wait. Plugins of the same instance come with it.
    pub fn lift(&self, name: &str) {
        if let Some(handle) = self.find(name) {
            handle.vm.lift();
        }
    }

    /// Ends every plugin that no later arrangement took over: once its last exchange has ended, `proxy_on_done`, a bounded wait for those
    /// that ask for time, and `proxy_on_delete`. For all of them at once, so the bound counts once.
    pub async fn close(&self) {
        let ending: Vec<_> = self
            .leave()
            .into_iter()
            .map(|vm| spawn_local(async move { vm.close().await }))
            .collect();
        for vm in ending {
            // A task that was given up belongs to a worker that is going away.
            let _ = vm.await;
        }
    }

    /// Gives up all places; those that nobody else has are returned.
    fn leave(&self) -> Vec<Rc<Vm>> {
        if self.left.replace(true) {
            return Vec::new();
        }
        let traced = self.handles.iter().filter_map(|handle| handle.traced.take());
        let own = self.vms().map(|(vm, _)| vm).filter(|vm| vm.leave()).cloned();
        own.chain(traced).collect()
    }
}

impl Drop for WorkerPlugins {
    fn drop(&mut self) {
        self.leave();
    }
}
