//! Orders about traces, from whoever runs the gateway to one worker.

use std::rc::Rc;
use std::sync::Arc;

use log_trace::{Floors, Notice, Table};

use super::Flow;
use crate::tracing::{Tracing, Untold};

impl Flow {
    pub(crate) fn tracing(&self) -> &Rc<Tracing> {
        &self.tracing
    }

    /// From now on that is kept, until another configuration comes into force. What an exchange was told of before stays true.
    pub fn sample(&self, table: Arc<Table>) {
        self.tracing.sample(table);
    }

    /// Gives plugins levels for a time; those that are not named have their usual ones again. The numbers are those of the plan in force;
    /// a plugin that a later plan has by the same name keeps its level.
    pub fn floors(&self, floors: &Floors) {
        let serving = self.serving();
        let plugins = &serving.plan.plugins;
        self.tracing.set_floors(floors, |number| {
            let plugin = plugins.get(usize::try_from(number).ok()?)?;
            Some(&plugin.name)
        });
        serving.set_floors(&self.tracing);
    }

    /// Records of which no other tells, so far.
    #[must_use]
    pub fn untold(&self) -> Untold {
        self.tracing.untold()
    }

    /// What is said of an exchange that is over for a debug window, asked for where [`Ended::wants_debug`](crate::Ended): `pack` writes it,
    /// masked, and `emit` gets it when a window is open and has room; else it is kept for the next one. When one has just opened, `emit`
    /// gets first what was kept before, each record in up to two pieces and with its time by [`crate::now_ns`].
    pub fn debug(&self, pack: impl FnOnce(&mut Vec<u8>), emit: impl FnMut(&Notice, u64, &[u8], &[u8])) {
        self.tracing.debug(pack, emit);
    }

    /// Looks whether a debug window has opened that this worker has not heard of, for no exchange came since; `emit` gets what was kept for
    /// it, each record in up to two pieces and with its time by [`crate::now_ns`].
    pub fn look_for_window(&self, emit: impl FnMut(&Notice, u64, &[u8], &[u8])) {
        self.tracing.look(emit);
    }
}
