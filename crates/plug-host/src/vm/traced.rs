//! A plugin whose memory is looked at: its exchanges go to instances of a twin that tells of its allocations.

use std::rc::Rc;
use std::sync::Arc;

use tokio::task::spawn_local;

use super::{PluginHandle, Vm, WorkerPlugins};
use crate::instance::Hold;
use crate::plugin::Plugin;

impl WorkerPlugins {
    /// From now on exchanges of `plugin` go to an instance of `twin`, which [`Plugin::traced`] made, once that has started; to its own again when
    /// there is none. Exchanges that have begun end where they are. A plugin that a change has replaced has no twin any more.
    pub fn trace(&self, plugin: &Arc<Plugin>, twin: Option<Arc<Plugin>>) {
        let mut handles = self.handles.iter();
        let Some(handle) = handles.find(|handle| Arc::ptr_eq(&handle.plugin, plugin)) else {
            return;
        };
        let traced = twin.map(|twin| Vm::new(vec![twin], handle.vm.services.clone()));
        if let Some(traced) = traced.clone() {
            let name = Rc::clone(&handle.name);
            // Aside: nobody waits for it, and what goes wrong is said by itself.
            spawn_local(async move {
                let _ = traced.ready(&name).await;
            });
        }
        if let Some(before) = handle.traced.replace(traced) {
            spawn_local(async move { before.close().await });
        }
    }
}

impl PluginHandle {
    /// Whether exchanges go to a twin.
    #[cfg(test)]
    pub(crate) fn is_traced(&self) -> bool {
        self.traced
            .borrow()
            .as_ref()
            .is_some_and(|traced| traced.serving().is_some())
    }

    /// The hold on an instance that tells of its allocations, with the twin that it is of, while somebody looks. None also when the twin does
    /// not serve, or has used its share of CPU time: nobody who looks takes a plugin from its exchanges.
    pub(super) fn hold_traced(&self) -> Option<(Hold, Arc<Plugin>)> {
        let traced = self.traced.borrow();
        let traced = traced.as_ref()?;
        let twin = traced.plugins.first()?;
        let tracing = twin.tracing.as_ref().filter(|tracing| !tracing.is_over())?;
        let is_spent = |allowance: &Rc<crate::allowance::Allowance>| allowance.wait().is_some();
        if traced.allowances.iter().any(is_spent) {
            return None;
        }
        let hold = Hold::new(traced.serving()?);
        tracing.came(traced.services.worker);
        Some((hold, Arc::clone(twin)))
    }
}
