//! A plugin whose memory is looked at: its exchanges go to instances of a twin that tells of its allocations.

use std::rc::Rc;
use std::sync::Arc;

use tokio::task::spawn_local;

use super::{PluginHandle, Vm, WorkerPlugins};
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

impl Vm {
    /// An exchange has come to the instance that serves.
    pub(super) fn count_for_tracing(&self) {
        for tracing in self.plugins.iter().filter_map(|plugin| plugin.tracing.as_ref()) {
            tracing.came(self.services.worker);
        }
    }
}

impl PluginHandle {
    /// Whose instances serve an exchange that comes now, with the place of the plugin's root context among theirs.
    pub(super) fn home(&self) -> (Rc<Vm>, usize) {
        match &*self.traced.borrow() {
            Some(traced) => (Rc::clone(traced), 0),
            None => (Rc::clone(&self.vm), self.position),
        }
    }
}
