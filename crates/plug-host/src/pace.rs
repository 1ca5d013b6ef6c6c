//! How quick a guest has been, and on which stack it therefore runs.
//!
//! On a stack of its own a guest gives way to the other tasks of its worker, at the price of a switch, a future and some allocations for
//! each entry. On the worker's stack an entry is a call, but one that computes holds the worker until it returns or its slice is over.
//! So a guest begins on its own stack, moves to the worker's when its callbacks have been quick many times in a row, and goes back for
//! minutes when one of them was not: a guest that computes holds up a worker once in a long while, for one slice at most.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Trap, UpdateDeadline};

use crate::engine::TICK;
use crate::exports::Stack;
use crate::guest::{Current, Guest};

/// CPU time of one entry on the worker's stack, after its first tick, from which on it counts as slow. Ticks alone would not tell a guest
/// that computes from a thread that waits for a processor.
const SLOW: Duration = Duration::from_millis(2);
/// How long a guest stays on its own stack after an entry was slow.
const WARY: Duration = Duration::from_secs(600);

/// How quick a guest has been since it was made.
pub(crate) struct Pace {
    /// Quick entries in a row after which it runs on the worker's stack; never when 0.
    trusted_after: u32,
    /// Quick entries in a row.
    quick: u32,
    /// Where the entry in progress runs.
    stack: Stack,
    /// Whether it was still running at a tick.
    slow: bool,
    /// The thread's CPU time at the first tick of an entry on the worker's stack.
    first_tick: Option<Duration>,
}

impl Pace {
    pub(crate) fn new(trusted_after: u32) -> Self {
        Self {
            trusted_after,
            quick: 0,
            stack: Stack::Own,
            slow: false,
            first_tick: None,
        }
    }

    /// An entry begins.
    pub(crate) fn begin(&mut self, stack: Stack) {
        self.stack = stack;
        self.slow = false;
        self.first_tick = None;
    }

    /// The entry has ended.
    pub(crate) fn end(&mut self) {
        self.quick = if self.slow { 0 } else { self.quick.saturating_add(1) };
    }

    fn is_trusted(&self) -> bool {
        self.trusted_after > 0 && self.quick >= self.trusted_after
    }

    /// A tick on the worker's stack; whether the entry has turned out to be slow.
    fn tick(&mut self) -> bool {
        let now = cpu_time();
        let since = *self.first_tick.get_or_insert(now);
        self.slow = now.saturating_sub(since) >= SLOW;
        self.slow
    }
}

/// Until when a plugin's guests stay on their own stacks, as a tick of its engine; it outlives the instance that was slow.
#[derive(Debug, Default)]
pub(crate) struct Wary(AtomicU64);

impl Wary {
    fn begin(&self, now: u64) {
        let ticks = u64::try_from(WARY.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(now.saturating_add(ticks), Ordering::Relaxed);
    }

    fn is_over(&self, now: u64) -> bool {
        now >= self.0.load(Ordering::Relaxed)
    }
}

impl Guest {
    /// Whether the next entry may run on the worker's stack: the guest has been quick, and there is room for all that it may use.
    pub(crate) fn may_use_worker_stack(&self) -> bool {
        let engine = &self.first.module.engine;
        let wary = self.first.workers.get(self.worker).map(|stats| &stats.wary);
        self.pace.is_trusted()
            && wary.is_some_and(|wary| wary.is_over(engine.now()))
            && stacker::remaining_stack().is_some_and(|room| room >= engine.entry_stack_bytes)
    }

    /// The engine's tick was noticed in an entry: what the guest does now.
    pub(crate) fn at_tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.first.module.engine.alert();
        let goes_on = self.slice.tick(cpu_time());
        let own = self.pace.stack == Stack::Own;
        if own {
            self.pace.slow = true;
        } else if self.pace.tick() || !goes_on {
            let now = self.first.module.engine.now();
            if let Some(stats) = self.first.workers.get(self.worker) {
                stats.wary.begin(now);
            }
        }
        if !goes_on {
            return Err(Trap::Interrupt.into());
        }
        Ok(if own {
            UpdateDeadline::YieldCustom(1, self.give_way())
        } else {
            UpdateDeadline::Continue(1)
        })
    }
}

impl Guest {
    /// Gives way, and is not measured meanwhile.
    fn give_way(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let way = self.slice.give_way();
        if !self.meter.runs() {
            return way;
        }
        let resumed = self.meter.pause(cpu_time());
        Box::pin(async move {
            way.await;
            resumed.set(cpu_time());
        })
    }

    /// An entry begins: its CPU time is measured if the plugin may have but a share.
    pub(crate) fn begin_measuring(&mut self) {
        let allowance = self.allowance(&self.entered);
        if allowance.is_some_and(|allowance| allowance.is_measured()) {
            self.meter.begin(cpu_time());
        }
    }

    /// The entry has ended: how long it computed is counted for the plugin that was entered.
    pub(crate) fn note_time(&self) {
        let stats = match &self.entered {
            Current::Stream(stream) => stream.owner.workers.get(self.worker),
            Current::Root(root) => self
                .roots
                .get(root)
                .and_then(|root| root.plugin.workers.get(self.worker)),
            Current::Nothing => None,
        };
        if let Some(stats) = stats {
            stats.tally.computed(self.slice.ticks());
        }
    }

    /// The entry has ended: its time was that of the plugin that was entered, whosever context it made effective.
    pub(crate) fn end_measuring(&mut self) {
        if !self.meter.runs() {
            return;
        }
        let used = self.meter.end(cpu_time());
        if let Some(allowance) = self.allowance(&self.entered) {
            allowance.spend(used);
        }
    }
}

/// CPU time of this thread.
pub(crate) fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
