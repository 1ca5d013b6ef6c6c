//! What serves when not every plugin of a configuration can: a plugin that cannot goes on as it was, and keeps nobody else from being changed.

use std::sync::Arc;

use gate_plan::{Listener, OnFault, Plan, Plugin, Protocol, RouteTable};

/// How a plugin stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    /// It runs as the configuration wants it.
    Wanted,
    /// It runs as it did before; as it is wanted, it does not.
    Former,
    /// It is wanted no more, and runs for a route that stays as it was.
    Retained,
    /// It does not run, and did not before.
    Missing,
}

impl Stand {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Former => "former",
            Self::Retained => "retained",
            Self::Missing => "missing",
        }
    }
}

/// What serves.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The configuration in force: the wanted one, but for what cannot run.
    pub(crate) plan: Plan,
    /// How each of its plugins stands, in their order.
    pub(crate) stands: Vec<Stand>,
    /// Routes and TCP listeners that stay as they were, with the plugin on which they wait.
    pub(crate) held: Vec<(String, String)>,
    /// Routes and TCP listeners of which a plugin is missing, with what becomes of their exchanges.
    pub(crate) bare: Vec<(String, String, OnFault)>,
}

/// What serves of `wanted`, of whose plugins those run that `runs` says. `former` is what served before, with its plugins that ran.
///
/// A plugin that does not run as it is wanted stays what it was. Where there is nothing that it was, a route that it joins stays what it
/// was, with the plugins that it had; a route that was not there before, or of which that cannot be said, has it in its chain, and gets what
/// `on_fault` says. So nothing that served stops, and nothing new is reached past a guard that does not run.
pub(crate) fn settle(wanted: &Plan, runs: impl Fn(&str) -> bool, former: Option<(&Plan, &[Arc<Plugin>])>) -> Settled {
    let mut plan = wanted.clone();
    let ran = |name: &str| former.and_then(|(_, plugins)| plugins.iter().find(|plugin| plugin.name == name));
    let mut stands = Vec::new();
    for plugin in &mut plan.plugins {
        stands.push(match ran(&plugin.name) {
            _ if runs(&plugin.name) => Stand::Wanted,
            Some(before) => {
                *plugin = Arc::clone(before);
                Stand::Former
            }
            None => Stand::Missing,
        });
    }
    let is_missing = |(plugin, stand): (&Arc<Plugin>, &Stand)| (*stand == Stand::Missing).then(|| plugin.name.clone());
    let mut settling = Settling {
        missing: wanted.plugins.iter().zip(&stands).filter_map(is_missing).collect(),
        wanted,
        former: former.map(|(before, _)| before),
        held: Vec::new(),
        bare: Vec::new(),
        retained: Vec::new(),
        ran,
    };
    plan.routes = settling.routes();
    plan.listeners = settling.listeners();
    let Settling {
        held, bare, retained, ..
    } = settling;
    stands.extend(retained.iter().map(|_| Stand::Retained));
    plan.plugins.extend(retained);
    Settled {
        plan,
        stands,
        held,
        bare,
    }
}

/// Routes and listeners on their way into force.
struct Settling<'a, R> {
    missing: Vec<String>,
    wanted: &'a Plan,
    former: Option<&'a Plan>,
    held: Vec<(String, String)>,
    bare: Vec<(String, String, OnFault)>,
    retained: Vec<Arc<Plugin>>,
    ran: R,
}

impl<'a, R: Fn(&str) -> Option<&'a Arc<Plugin>>> Settling<'a, R> {
    fn routes(&mut self) -> RouteTable {
        let mut held = Vec::new();
        for route in self.wanted.routes.iter() {
            let before = self.former.and_then(|before| {
                let old = before.routes.iter().find(|old| old.name == route.name)?;
                let can_stay = self.wanted.can_hold_route(before, &route.name);
                can_stay.then_some(old.plugins.as_slice())
            });
            if self.stays(&route.name, &route.plugins, before) {
                held.push(route.name.clone());
            }
        }
        match self.former {
            Some(before) => self.wanted.routes.holding(&before.routes, &held),
            None => self.wanted.routes.clone(),
        }
    }

    fn listeners(&mut self) -> Vec<Arc<Listener>> {
        let mut listeners = self.wanted.listeners.clone();
        for listener in &mut listeners {
            let Protocol::Tcp { plugins, .. } = &listener.protocol else {
                continue;
            };
            let old = self.former.and_then(|before| {
                let old = before.listeners.iter().find(|old| old.name == listener.name)?;
                let can_stay = self.wanted.can_hold_listener(before, &listener.name);
                can_stay.then_some(&old.protocol)
            });
            let before = match old {
                Some(Protocol::Tcp { plugins, .. }) => Some(plugins.as_slice()),
                _ => None,
            };
            let stays = self.stays(&listener.name, plugins, before);
            if let Some(protocol) = old.filter(|_| stays) {
                Arc::make_mut(listener).protocol = protocol.clone();
            }
        }
        listeners
    }

    /// Whether `place` stays what it was: it cannot have the chain that is wanted, and all of the one `before` runs.
    fn stays(&mut self, place: &str, wanted: &[String], before: Option<&[String]>) -> bool {
        let Some(absent) = wanted.iter().find(|name| self.missing.contains(name)) else {
            return false;
        };
        let is_wanted = |name: &String| self.wanted.plugins.iter().any(|plugin| plugin.name == *name);
        let runs = |name: &String| match is_wanted(name) {
            true => !self.missing.contains(name),
            false => (self.ran)(name).is_some(),
        };
        let Some(before) = before.filter(|chain| chain.iter().all(runs)) else {
            let plugin = self.wanted.plugins.iter().find(|plugin| plugin.name == *absent);
            let on_fault = plugin.map_or(OnFault::Close, |plugin| plugin.on_fault);
            self.bare.push((place.to_owned(), absent.clone(), on_fault));
            return false;
        };
        for name in before.iter().filter(|name| !is_wanted(name)) {
            let is_new = !self.retained.iter().any(|plugin| plugin.name == *name);
            self.retained.extend((self.ran)(name).filter(|_| is_new).cloned());
        }
        self.held.push((place.to_owned(), absent.clone()));
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
