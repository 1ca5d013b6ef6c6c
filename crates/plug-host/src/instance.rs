//! A running module on one worker: how callbacks enter it and how it dies.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::task::{AbortHandle, JoinHandle};
use wasmtime::{Store, Trap};

use crate::allowance::Allowance;
use crate::bell::Bell;
use crate::burst::Trouble;
use crate::debug;
use crate::entry::Entry;
use crate::exchange::StreamContext;
use crate::exports::{Exports, Stack};
use crate::fault::{Fault, FaultKind};
use crate::growth::Growth;
use crate::guest::{Current, Guest, OnWorker, Visit};
use crate::limit::Limit;
use crate::orphans::Orphans;
use crate::outside::{LocalFuture, Saying};
use crate::plugin::{Isolation, Plugin, PluginStats};
use crate::record;
use crate::services::Services;
use crate::turn::{self, Turns};

/// The right to enter a guest: callbacks take turns. Empty once the guest is dead.
pub(crate) type Turn = turn::Turn<Option<Store<OnWorker>>>;

/// A running module on one worker.
pub(crate) struct Instance {
    pub(crate) store: Rc<Turns<Option<Store<OnWorker>>>>,
    pub(crate) exports: Exports,
    pub(crate) dead: Cell<bool>,
    /// It is dead by a fault.
    pub(crate) died: Cell<bool>,
    /// Bytes of its memory that its plugins count.
    pub(crate) memory_noted: Cell<u64>,
    pub(crate) rebuild: Cell<bool>,
    pub(crate) growth: Growth,
    /// Rung when it dies.
    pub(crate) death: Rc<Bell>,
    /// The last context id given out; ids are never given out twice.
    pub(crate) context_last: Cell<u32>,
    /// Context ids of the plugins in it, in the order in which they were given.
    pub(crate) roots: Vec<u32>,
    pub(crate) plugins: Vec<Arc<Plugin>>,
    /// What they may still use, in the same order.
    pub(crate) allowances: Rc<[Rc<Allowance>]>,
    pub(crate) services: Services,
    pub(crate) ticks: RefCell<HashMap<u32, JoinHandle<()>>>,
    pub(crate) queue_task: RefCell<Option<JoinHandle<()>>>,
    /// Tasks that wait for callouts, by token.
    pub(crate) waiting: RefCell<HashMap<u32, AbortHandle>>,
    pub(crate) orphans: Rc<Orphans>,
    pub(crate) keeper: JoinHandle<()>,
    /// Open contexts of exchanges.
    pub(crate) users: Cell<usize>,
    /// Rung when there are none any more, and when a root context is done.
    pub(crate) quiet: Bell,
}

impl Instance {
    /// Whether nothing can be asked of it any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.get()
    }

    /// Whether the plugin asked for a fresh instance (Higress's `wasm_need_rebuild`), or has nearly no memory left.
    pub(crate) fn wants_rebuild(&self) -> bool {
        self.rebuild.get() || self.growth.wants_a_successor()
    }

    /// An id for a new context. The last one there is makes room for a fresh instance.
    pub(crate) fn next_context(&self) -> u32 {
        let id = self.context_last.get().saturating_add(1);
        self.context_last.set(id);
        if id == u32::MAX {
            self.rebuild.set(true);
        }
        id
    }

    /// Waits until no callback is in progress.
    pub(crate) async fn turn(&self) -> Turn {
        self.store.take().await
    }

    /// Runs `set` on the guest's state, waiting for a callback in progress to end; none when the guest is dead.
    pub(crate) async fn with_guest<R>(&self, set: impl FnOnce(&mut Guest) -> R) -> Option<R> {
        self.turn().await.as_mut().map(|store| set(&mut store.data_mut().0))
    }

    /// Enters the guest when its turn comes. A caller that goes away before has called nothing.
    pub(crate) async fn enter(self: &Rc<Self>, visit: Visit) -> Result<u32, Fault> {
        let turn = self.turn().await;
        self.visit(turn, visit).await
    }

    /// Enters the guest now. A caller that goes away leaves the callback running to its end: a guest stopped in the middle is dead.
    pub(crate) async fn visit(self: &Rc<Self>, mut turn: Turn, visit: Visit) -> Result<u32, Fault> {
        if may_use_worker_stack(&turn) {
            return self.on_worker_stack(&mut turn, visit);
        }
        let instance = Rc::clone(self);
        let call = async move { instance.on_own_stack(turn, visit).await };
        let running = Running {
            call: Some(Box::pin(call)),
            orphans: Rc::clone(&self.orphans),
        };
        running.await
    }

    /// Enters the guest, if its turn is free and it may run on the worker's stack: nearly always, so without a future.
    pub(crate) fn enter_now(self: &Rc<Self>, stream: &Rc<StreamContext>, entry: Entry) -> Option<Result<u32, Fault>> {
        let mut turn = self.store.take_if(may_use_worker_stack)?;
        let visit = Visit::new(Current::Stream(Rc::clone(stream)), entry);
        Some(self.on_worker_stack(&mut turn, visit))
    }

    /// The callback on the worker's stack. It cannot be left half done, for all of it happens here.
    fn on_worker_stack(self: &Rc<Self>, turn: &mut Turn, visit: Visit) -> Result<u32, Fault> {
        let entry = visit.entry;
        let store = self.begin(turn, Stack::Worker, visit)?;
        let ran = self.exports.call(entry).on_worker_stack(store);
        self.ended(turn, entry, ran)
    }

    /// The callback on the guest's own stack.
    async fn on_own_stack(self: &Rc<Self>, mut turn: Turn, visit: Visit) -> Result<u32, Fault> {
        let entry = visit.entry;
        let store = self.begin(&mut turn, Stack::Own, visit)?;
        debug::before(store).await;
        let ran = self.exports.call(entry).on_own_stack(store).await;
        debug::after(store);
        self.ended(&mut turn, entry, ran)
    }

    fn begin<'turn>(
        &self,
        turn: &'turn mut Turn,
        stack: Stack,
        visit: Visit,
    ) -> Result<&'turn mut Store<OnWorker>, Fault> {
        let Some(store) = turn.as_mut() else {
            return Err(Fault::new(self.name(), visit.entry.callback(), FaultKind::InstanceLost));
        };
        let guest = &mut store.data_mut().0;
        guest.entering(visit);
        guest.pace.begin(stack);
        guest.begin_measuring();
        let deadline = guest.begin_look();
        store.set_epoch_deadline(deadline);
        Ok(store)
    }

    fn ended(self: &Rc<Self>, turn: &mut Turn, entry: Entry, ran: wasmtime::Result<u32>) -> Result<u32, Fault> {
        if let Some(store) = turn.as_mut() {
            let guest = &mut store.data_mut().0;
            guest.end_measuring();
            guest.note_time();
            guest.end_look();
        }
        let answer = match ran {
            Ok(answer) => answer,
            Err(why) => return Err(self.die(turn, &why)),
        };
        let Some(store) = turn.as_mut() else { return Ok(answer) };
        let guest = &mut store.data_mut().0;
        guest.pace.end();
        let ended = entry.deletes().then(|| guest.entered.clone());
        guest.leaving(entry, answer);
        if let Some(ended) = ended {
            self.exchange_ended(store, &ended);
        }
        let guest = &mut store.data_mut().0;
        self.note_memory(guest.limits.memory_bytes);
        if !guest.effects.is_empty() {
            let effects = std::mem::take(&mut guest.effects);
            self.apply(effects);
        }
        Ok(answer)
    }

    /// The exchange of a context has ended.
    fn exchange_ended(&self, store: &Store<OnWorker>, context: &Current) {
        let Some((stream, allowance)) = context.stream().zip(store.data().0.allowance(context)) else {
            return;
        };
        if stream.exchange.has_failed() {
            allowance.trouble(Trouble::Error);
        }
        if allowance.records()
            && let Some(recording) = record::of_exchange(store, stream)
        {
            self.services.outside.say(Saying::Recorded(&Arc::new(recording)));
        }
    }

    /// Writes into the guest's memory.
    #[cfg(test)]
    pub(crate) async fn put(&self, at: usize, bytes: &[u8]) {
        let mut turn = self.turn().await;
        let store = turn.as_mut().unwrap();
        let memory = store.data().0.memory.unwrap();
        memory.write(store, at, bytes).unwrap();
    }

    fn name(&self) -> &str {
        self.plugins.first().map_or("", |plugin| plugin.spec.name.as_str())
    }

    /// What this worker counts for each plugin.
    pub(crate) fn stats(&self) -> impl Iterator<Item = &PluginStats> {
        self.plugins
            .iter()
            .filter_map(|plugin| plugin.workers.get(self.services.worker))
    }

    pub(crate) fn note_memory(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.memory_noted.replace(bytes);
        if bytes == before {
            return;
        }
        if bytes > before && before > 0 {
            self.note_growth(bytes, bytes.wrapping_sub(before));
        }
        for stats in self.stats() {
            // Only this worker writes, and wrapping around twice is right again.
            stats
                .memory_bytes
                .fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    fn note_growth(&self, bytes: u64, more: u64) {
        for stats in self.stats() {
            stats.grew(more);
        }
        // An instance for one exchange is replaced by itself, and would be told of with each of them.
        let lasts = |plugin: &&Arc<Plugin>| plugin.spec.isolation == Isolation::Worker;
        let Some(first) = self.plugins.first().filter(lasts) else {
            return;
        };
        let (bytes_max, full_at) = (first.spec.memory_bytes_max, first.spec.restart.full_at_percent);
        if self.growth.grew(bytes, bytes_max, full_at) {
            let roots = u32::try_from(self.roots.len()).unwrap_or(u32::MAX);
            self.services.outside.say(Saying::Growth {
                plugin: &first.spec.name,
                bytes,
                bytes_at_start: self.growth.at_start(),
                bytes_max,
                exchanges: self.context_last.get().saturating_sub(roots),
            });
        }
    }

    /// Nothing can be asked of it from now on.
    pub(crate) fn end(&self) {
        if !self.dead.replace(true) {
            self.note_memory(0);
            self.stats().for_each(PluginStats::ended);
        }
    }

    /// Marks the instance dead, gives its memory back and tells everybody who waits for it.
    fn die(&self, turn: &mut Turn, why: &wasmtime::Error) -> Fault {
        self.end();
        let Some(mut store) = turn.take() else {
            return Fault::new(self.name(), "", FaultKind::InstanceLost);
        };
        let fault = record::fault(&mut store, why);
        let guest = &store.data().0;
        if why.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
            guest.reached(Limit::Stack);
        }
        for stream in guest.streams.values() {
            stream.dead.set(true);
            stream.exchange.ring();
        }
        // Callouts, messages and memory of the guest end here, whoever still holds the instance.
        drop(store);
        self.stop_tasks();
        for stats in self.stats() {
            stats.faulted(&fault);
        }
        for allowance in &*self.allowances {
            allowance.trouble(Trouble::Fault);
        }
        self.services.outside.say(Saying::Fault(&fault));
        self.died.set(true);
        self.death.ring();
        fault
    }

    pub(crate) fn stop_tasks(&self) {
        for (_, tick) in self.ticks.borrow_mut().drain() {
            tick.abort();
        }
        if let Some(task) = self.queue_task.borrow_mut().take() {
            task.abort();
        }
        for (_, callout) in self.waiting.borrow_mut().drain() {
            callout.abort();
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
        self.stop_tasks();
        self.keeper.abort();
    }
}

fn may_use_worker_stack(store: &Option<Store<OnWorker>>) -> bool {
    store
        .as_ref()
        .is_some_and(|store| store.data().0.may_use_worker_stack())
}

/// An exchange's hold on an instance.
pub(crate) struct Hold {
    pub(crate) instance: Rc<Instance>,
}

impl Hold {
    pub(crate) fn new(instance: Rc<Instance>) -> Self {
        instance.users.set(instance.users.get().saturating_add(1));
        Self { instance }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let users = self.instance.users.get().saturating_sub(1);
        self.instance.users.set(users);
        if users == 0 {
            self.instance.quiet.ring();
        }
    }
}

/// A callback on its way; dropped before its end, it goes on by itself.
pub(crate) struct Running {
    call: Option<LocalFuture<Result<u32, Fault>>>,
    orphans: Rc<Orphans>,
}

impl Future for Running {
    type Output = Result<u32, Fault>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(call) = self.call.as_mut() else {
            return Poll::Pending;
        };
        let ready = call.as_mut().poll(task);
        if ready.is_ready() {
            self.call = None;
        }
        ready
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.orphans.adopt(Box::pin(async move {
                // A fault has been said; nobody waits for the answer.
                let _ = call.await;
            }));
        }
    }
}
