//! An exchange that LLDB looks at: in an instance of its own, made for the debugger, while all others go on as ever.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::spawn_local;

use super::PluginHandle;
use crate::allowance::Allowance;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::instance::{Hold, Instance};
use crate::outside::{DebugNews, Saying};
use crate::plugin::Plugin;
use crate::stream::PluginStream;

impl PluginHandle {
    /// A context for `exchange` in an instance that LLDB looks at, once it is there; after `wait`, and while another exchange is
    /// debugged, as [`PluginHandle::open`] makes it.
    ///
    /// # Errors
    /// As [`PluginHandle::open`], and when the instance for the debugger does not start.
    pub async fn open_debugged(&self, exchange: &Rc<Exchange>, wait: Duration) -> Result<PluginStream, Fault> {
        let Some(twin) = self.plugin.debugged.get() else {
            return self.open(exchange).await;
        };
        let Some(hold) = self.hold_debugged(twin, wait).await? else {
            return self.open(exchange).await;
        };
        let root = hold.instance.roots.first().copied().unwrap_or_default();
        Ok(self.stream(hold, root, twin, exchange))
    }

    async fn hold_debugged(&self, twin: &Arc<Plugin>, wait: Duration) -> Result<Option<Hold>, Fault> {
        let Some(debugging) = &twin.debugging else {
            return Ok(None);
        };
        let Some(seat) = debugging.reserve() else {
            return Ok(None);
        };
        let attached = debugging.debugger().attached();
        if tokio::time::timeout(wait, attached).await.is_err() {
            self.say(DebugNews::NobodyThere(wait));
            return Ok(None);
        }
        self.say(DebugNews::Begins);
        // It is taken when the start is first polled, which is now.
        debugging.give(seat);
        let plugins = [Arc::clone(twin)];
        let services = self.vm.services.clone();
        // Its own: while it stands, its thread computes for others.
        let allowances: Rc<[_]> = Rc::new([Allowance::new(twin, &services)]);
        let started = Instance::start(&plugins, &allowances, &services, None).await;
        let instance = started.inspect_err(|fault| {
            services.outside.say(Saying::Fault(fault));
        })?;
        if let Some(stats) = self.plugin.workers.get(services.worker) {
            stats.debugged.fetch_add(1, Ordering::Relaxed);
        }
        let hold = Hold::new(Rc::clone(&instance));
        let (debugging, name) = (Arc::clone(debugging), Rc::clone(&self.name));
        spawn_local(async move {
            instance.close().await;
            let news = DebugNews::Ended(debugging.passed());
            services.outside.say(Saying::Debug { plugin: &name, news });
        });
        Ok(Some(hold))
    }

    fn say(&self, news: DebugNews) {
        let plugin = &self.name;
        self.vm.services.outside.say(Saying::Debug { plugin, news });
    }
}
