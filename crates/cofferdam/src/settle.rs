//! What serves when not every plugin of a configuration can: a plugin that cannot goes on as it was, and keeps nobody else from being changed.

use std::sync::Arc;

use gate_plan::{Listener, OnFault, Plan, Plugin, Protocol};

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
    /// Routes and TCP listeners whose chain stays as it was, with the plugin on which they wait.
    pub(crate) held: Vec<(String, String)>,
    /// Routes and TCP listeners of which a plugin is missing, with what becomes of their exchanges.
    pub(crate) bare: Vec<(String, String, OnFault)>,
}

/// What serves of `wanted`, of whose plugins those run that `runs` says. `former` is what served before, with its plugins that ran.
///
/// A plugin that does not run as it is wanted stays what it was. Where there is nothing that it was, a route whose chain it joins, and
/// of which nothing else changes, keeps the chain that it had; any other route has it in its chain, and gets what `on_fault` says.
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
    let mut settling = Settling {
        missing: names(&plan.plugins, &stands, Stand::Missing),
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

fn names(plugins: &[Arc<Plugin>], stands: &[Stand], stand: Stand) -> Vec<String> {
    let those = plugins.iter().zip(stands).filter(|(_, one)| **one == stand);
    those.map(|(plugin, _)| plugin.name.clone()).collect()
}

/// Chains on their way into force.
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
    fn routes(&mut self) -> gate_plan::RouteTable {
        let mut chains = Vec::new();
        for route in self.wanted.routes.iter() {
            let before = self.former.and_then(|before| {
                let old = before.routes.iter().find(|old| old.name == route.name)?;
                let is_chain_only = self.wanted.route_differs_in_chain_only(before, &route.name);
                is_chain_only.then(|| old.plugins.clone())
            });
            if let Some(chain) = self.chain(&route.name, &route.plugins, before) {
                chains.push((route.name.clone(), chain));
            }
        }
        let chain = |route: &gate_plan::Route| {
            let held = chains.iter().find(|(name, _)| *name == route.name);
            held.map(|(_, chain)| chain.clone())
        };
        self.wanted.routes.with_chains(chain)
    }

    fn listeners(&mut self) -> Vec<Arc<Listener>> {
        let mut listeners = self.wanted.listeners.clone();
        for listener in &mut listeners {
            let Protocol::Tcp { plugins, upstream } = &listener.protocol else {
                continue;
            };
            let before = self.former.and_then(|before| {
                let old = before.listeners.iter().find(|old| old.name == listener.name)?;
                let Protocol::Tcp { plugins, .. } = &old.protocol else {
                    return None;
                };
                let is_chain_only = self.wanted.listener_differs_in_chain_only(before, &listener.name);
                is_chain_only.then(|| plugins.clone())
            });
            let upstream = upstream.clone();
            if let Some(plugins) = self.chain(&listener.name, plugins, before) {
                Arc::make_mut(listener).protocol = Protocol::Tcp { upstream, plugins };
            }
        }
        listeners
    }

    /// The chain that `place` keeps, if it cannot have the one that is wanted and may keep the one before.
    fn chain(&mut self, place: &str, wanted: &[String], before: Option<Vec<String>>) -> Option<Vec<String>> {
        let absent = wanted.iter().find(|name| self.missing.contains(name))?.clone();
        let is_wanted = |name: &String| self.wanted.plugins.iter().any(|plugin| plugin.name == *name);
        let runs = |name: &String| match is_wanted(name) {
            true => !self.missing.contains(name),
            false => (self.ran)(name).is_some(),
        };
        let Some(before) = before.filter(|chain| chain.iter().all(runs)) else {
            let plugin = self.wanted.plugins.iter().find(|plugin| plugin.name == absent);
            let on_fault = plugin.map_or(OnFault::Close, |plugin| plugin.on_fault);
            self.bare.push((place.to_owned(), absent, on_fault));
            return None;
        };
        let extra: Vec<_> = before.iter().filter(|name| !is_wanted(name)).cloned().collect();
        for name in extra {
            let is_new = !self.retained.iter().any(|plugin| plugin.name == name);
            self.retained.extend((self.ran)(&name).filter(|_| is_new).cloned());
        }
        self.held.push((place.to_owned(), absent));
        Some(before)
    }
}

#[cfg(test)]
mod tests;
