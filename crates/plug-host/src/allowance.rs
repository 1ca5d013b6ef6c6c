//! What a plugin may still use on one worker. It outlives instances: one that dies takes none of it along.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use plug_abi::LogLevel;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use crate::burst::{Burst, Trouble};
use crate::limit::Limit;
use crate::lines::{BURST, Line, Lines};
use crate::outside::{Outside, Saying};
use crate::plugin::{Plugin, PluginStats};
use crate::services::Services;
use crate::share::Share;

/// What one plugin may still use on one worker.
pub(crate) struct Allowance {
    plugin: Arc<Plugin>,
    worker: usize,
    outside: Rc<dyn Outside>,
    lines: RefCell<Lines>,
    /// None when its share is all of the worker.
    share: Option<RefCell<Share>>,
    /// None when nothing is a burst.
    burst: Option<RefCell<Burst>>,
    /// A level in place of the usual one, and until when.
    floor: Cell<Option<(LogLevel, Instant)>>,
}

impl Allowance {
    /// All that `plugin` may use.
    pub(crate) fn new(plugin: &Arc<Plugin>, services: &Services) -> Rc<Self> {
        let limits = &plugin.spec.limits;
        let percent = limits.cpu_share_percent_max;
        Rc::new(Self {
            plugin: Arc::clone(plugin),
            worker: services.worker,
            outside: Rc::clone(&services.outside),
            lines: RefCell::new(Lines::new(limits.log_lines_per_s_max)),
            burst: plugin.spec.burst.map(|policy| RefCell::new(Burst::new(policy))),
            floor: Cell::default(),
            share: (percent < 100).then(|| RefCell::new(Share::new(percent))),
        })
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// The plugin reached a limit.
    pub(crate) fn reached(&self, limit: Limit) {
        if let Some(stats) = self.stats() {
            stats.reached.add(limit);
        }
    }

    fn stats(&self) -> Option<&PluginStats> {
        self.plugin.workers.get(self.worker)
    }

    /// Whether the plugin may write one more line. Of those that it may not write, their number is said, a second after the first.
    pub(crate) fn may_write_line(self: &Rc<Self>) -> bool {
        let line = self.lines.borrow_mut().next(Instant::now());
        if line == Line::Written {
            return true;
        }
        self.reached(Limit::LogLines);
        if line == Line::FirstLeftOut {
            let allowance = Rc::clone(self);
            spawn_local(async move {
                sleep(BURST).await;
                let lines = allowance.lines.borrow_mut().take_left_out();
                let plugin = &allowance.plugin.spec.name;
                allowance.outside.say(Saying::LeftOut { plugin, lines });
            });
        }
        false
    }

    /// The level from which on lines of the plugin are written now.
    pub(crate) fn log_level(&self) -> LogLevel {
        let floor = self.floor.get().filter(|(_, until)| Instant::now() < *until);
        let usual = floor.map_or(self.plugin.spec.log_level, |(level, _)| level);
        let of_burst = self
            .burst
            .as_ref()
            .map(|burst| burst.borrow().level(usual, Instant::now()));
        of_burst.unwrap_or(usual)
    }

    /// Gives the plugin another level than its usual one until a moment; none takes it back.
    pub(crate) fn set_floor(&self, floor: Option<(LogLevel, Instant)>) {
        self.floor.set(floor);
    }

    /// Trouble that may be one too many.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        let Some(burst) = &self.burst else { return };
        let begins = burst.borrow_mut().note(trouble, Instant::now());
        if begins {
            self.outside.say(Saying::Burst {
                plugin: &self.plugin.spec.name,
                of: trouble,
                policy: burst.borrow().policy(),
            });
        }
    }

    /// Whether the exchange that ends now is to be recorded.
    pub(crate) fn records(&self) -> bool {
        let burst = self.burst.as_ref();
        burst.is_some_and(|burst| burst.borrow_mut().records(Instant::now()))
    }

    /// Whether the plugin's CPU time is measured.
    pub(crate) fn is_measured(&self) -> bool {
        self.share.is_some()
    }

    /// The plugin has computed.
    pub(crate) fn spend(&self, time: Duration) {
        if let Some(share) = &self.share {
            share.borrow_mut().spend(time, Instant::now());
        }
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> Duration {
        self.share.as_ref().unwrap().borrow().used()
    }

    /// How long the plugin has to wait until it may begin something new; none when it may now. A wait counts as the limit reached.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let wait = self.share.as_ref()?.borrow_mut().wait(Instant::now());
        if wait.is_some() {
            self.reached(Limit::CpuShare);
        }
        wait
    }
}
