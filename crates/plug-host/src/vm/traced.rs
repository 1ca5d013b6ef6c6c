//! A plugin whose memory is looked at: its exchanges go to instances of a twin that tells of its allocations.

use std::sync::Arc;

use tokio::task::spawn_local;

use super::{PluginHandle, Vm, WorkerPlugins};
use crate::instance::Hold;
use crate::plugin::Plugin;

impl WorkerPlugins {
    /// From now on exchanges of the plugin of that name go to instances of `twin`, which [`Plugin::traced`] made; to its own again when
    /// there is none. Exchanges that have begun end where they are.
    pub fn trace(&self, name: &str, twin: Option<Arc<Plugin>>) {
        let Some(handle) = self.find(name) else { return };
        let traced = twin.map(|twin| Vm::new(vec![twin], handle.vm.services.clone()));
        if let Some(before) = handle.traced.replace(traced) {
            spawn_local(async move { before.close().await });
        }
    }
}

impl PluginHandle {
    /// The hold on an instance that tells of its allocations, with the twin that it is of, while somebody looks. None also when the twin does
    /// not start or waits after its faults: nobody who looks takes a plugin from its exchanges.
    pub(super) async fn hold_traced(&self) -> Option<(Hold, Arc<Plugin>)> {
        let traced = self.traced.borrow().clone()?;
        let twin = traced.plugins.first()?;
        let hold = traced.hold(&self.name).await.ok()?;
        if let Some(tracing) = &twin.tracing {
            tracing.came(traced.services.worker);
        }
        Some((hold, Arc::clone(twin)))
    }
}
