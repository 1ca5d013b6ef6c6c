//! Instances for one exchange each: made when it comes, ended when it ends, and their faults counted together.

use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::Instant;

use super::Vm;
use crate::fault::{Fault, FaultKind};
use crate::instance::{Hold, Instance};
use crate::limit::Limit;
use crate::plugin::PluginState;
use crate::restart::Wait;
use crate::seat::Seats;

impl Vm {
    /// A fresh instance, which ends when nobody holds it any more.
    pub(super) async fn single(
        self: &Rc<Self>,
        name: &Rc<str>,
        seats: &Rc<Seats>,
        instances_max: u32,
    ) -> Result<Hold, Fault> {
        self.may_start(name)?;
        let first = self.plugins.first();
        let seat = first.and_then(|first| seats.take(instances_max, &first.module.engine));
        let Some(seat) = seat else {
            self.stats().for_each(|stats| stats.reached.add(Limit::Instances));
            return Err(Fault::new(name, "instantiate", FaultKind::NoInstance));
        };
        let epoch = self.epoch.get();
        let instance = match Instance::start(&self.plugins, &self.allowances, &self.services, Some(seat)).await {
            Ok(instance) => instance,
            Err(fault) => {
                if !fault.kind.is_wait() {
                    self.failed_to_start(&fault);
                    self.mourn(name, epoch);
                }
                return Err(fault);
            }
        };
        if epoch == self.epoch.get() && self.started.get().is_none() {
            self.started.set(Some(Instant::now()));
        }
        self.say_state();
        let hold = Hold::new(Rc::clone(&instance));
        spawn_local(Rc::clone(self).see_out(instance, Rc::clone(name), epoch));
        Ok(hold)
    }

    /// Makes an instance that serves nobody, to see whether one starts. It takes no exchange's place.
    pub(super) async fn trial(self: &Rc<Self>, name: &Rc<str>) -> Result<(), Fault> {
        self.single(name, &self.trials, u32::MAX).await.map(drop)
    }

    /// Follows an instance to its end.
    async fn see_out(self: Rc<Self>, instance: Rc<Instance>, name: Rc<str>, epoch: u64) {
        let closed = async {
            tokio::select! {
                () = Rc::clone(&instance).close() => {}
                () = self.expired.notified() => instance.expire().await,
            }
            instance.death.ring();
        };
        // A death counts when it happens, although its exchange may go on for long without the plugin.
        let mourned = async {
            instance.death.heard().await;
            if instance.died.get() {
                self.mourn(&name, epoch);
            }
        };
        tokio::join!(closed, mourned);
    }

    /// One of its instances has died, or did not come to life. Of those that lived at the same time one counts, as if they had shared
    /// one; and what lived is not the instance but the plugin: since the first start after its last fault.
    fn mourn(self: &Rc<Self>, name: &Rc<str>, epoch: u64) {
        if epoch == self.epoch.get() {
            self.epoch.set(epoch.wrapping_add(1));
            let lived = self.started.take().map_or(Duration::ZERO, |started| started.elapsed());
            self.fault(lived);
            self.look_after(name);
        }
        self.say_state();
    }

    /// What one instance has said of its own start or death may not be what holds for the plugin.
    fn say_state(&self) {
        let state = match self.wait() {
            Wait::Quarantine(_) => PluginState::Quarantined,
            Wait::Over if self.started.get().is_some() => PluginState::Running,
            Wait::Over | Wait::Backoff(_) => PluginState::Restarting,
        };
        self.stats().for_each(|stats| stats.is_now(state));
    }

    /// Tries an instance out when the wait after a fault is over, so that an operator sees whether the plugin serves.
    fn look_after(self: &Rc<Self>, name: &Rc<str>) {
        let mut reviver = self.reviver.borrow_mut();
        if reviver.as_ref().is_none_or(|before| before.is_finished()) {
            let task = spawn_local(Self::try_again(Rc::downgrade(self), Rc::clone(name)));
            *reviver = Some(task.abort_handle());
        }
    }

    async fn try_again(vm: Weak<Self>, name: Rc<str>) {
        loop {
            let Some(faulty) = vm.upgrade() else { return };
            let (wait, lifted) = (faulty.wait().length(), Rc::clone(&faulty.lifted));
            drop(faulty);
            // It goes on when the wait is over, or has been ended by an operator.
            let _ = tokio::time::timeout(wait, lifted.heard()).await;
            let Some(faulty) = vm.upgrade() else { return };
            match faulty.trial(&name).await {
                Ok(()) => return,
                // Every place of the process is taken; the next exchange is the trial.
                Err(fault) if matches!(fault.kind, FaultKind::NoInstance) => return,
                Err(_) => {}
            }
        }
    }
}
