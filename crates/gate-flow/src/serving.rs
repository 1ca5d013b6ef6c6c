//! A configuration in force on one worker: its plan, its plugins, its chains. Exchanges end under the one they began with.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use gate_plan::{Listener, Plan, PluginDebug, Protocol};
use gate_upstream::Upstreams;
use plug_host::{Fault, Services, WorkerPlugins};

use crate::arms::Arms;
use crate::callouts::Callouts;
use crate::chain::{Link, Links};
use crate::flow::Change;
use crate::shadow::Shadow;
use crate::trace_settings::TraceSettings;
use crate::tracing::Tracing;

/// A configuration in force on one worker.
pub struct Serving {
    pub(crate) plan: Arc<Plan>,
    pub(crate) plugins: WorkerPlugins,
    /// Generations that are tried beside them.
    candidates: WorkerPlugins,
    arms: Vec<Rc<Arms>>,
    /// Candidates that run aside, and the instances in which they do.
    shadows: Vec<Rc<Shadow>>,
    asides: Vec<WorkerPlugins>,
    pub(crate) upstreams: Rc<Upstreams>,
    /// Counted on this worker alone.
    pub(crate) tracing: Rc<TraceSettings>,
    /// The numbers of routes, in the order of the plan.
    route_numbers: HashMap<String, u32>,
    chains: HashMap<String, Links>,
    tcp_chains: HashMap<String, Links>,
    nothing: Links,
}

impl Serving {
    /// Arranges a plan's plugins in chains; instances of plugins that did not change stay.
    #[must_use]
    pub fn arrange(
        change: &Change,
        (upstreams, callouts): (Rc<Upstreams>, &Rc<Callouts>),
        services: &Services,
        before: Option<&Self>,
    ) -> Self {
        let plan = Arc::clone(&change.plan);
        let parts = before.map(|before| [&before.plugins, &before.candidates]);
        let parts = parts.iter().flatten().copied().collect::<Vec<_>>();
        let plugins = WorkerPlugins::arrange_after(&change.plugins, services, &parts);
        let tried: Vec<_> = change.trials.iter().map(|trial| Arc::clone(&trial.plugin)).collect();
        let candidates = WorkerPlugins::arrange_after(&tried, services, &parts);
        let (mut shadows, mut asides) = (Vec::new(), Vec::new());
        let aside = before.map_or((&[][..], &[][..]), |before| (&before.shadows, &before.asides));
        let place = (services.worker, before.map_or(&[][..], |before| before.arms.as_slice()));
        let mut arms: Vec<Rc<Arms>> = Vec::new();
        for trial in &change.trials {
            let arranged = Shadow::arrange(trial, (services, callouts), aside);
            let shadow = arranged.map(|(shadow, plugins)| {
                asides.push(plugins);
                shadows.push(Rc::clone(&shadow));
                shadow
            });
            arms.extend(Arms::new(trial, (&candidates, shadow), place));
        }
        let chains = plan
            .routes
            .iter()
            .map(|route| {
                let arms: Vec<_> = arms.iter().filter(|arms| arms.concerns(&route.name)).cloned().collect();
                (
                    route.name.clone(),
                    links((&plan, &plugins), &arms, &route.plugins, debugged),
                )
            })
            .collect();
        let numbered = (0..).zip(plan.routes.iter());
        let route_numbers = numbered.map(|(number, route)| (route.name.clone(), number)).collect();
        let tcp = plan.listeners.iter().filter_map(|listener| match &listener.protocol {
            Protocol::Tcp { plugins: names, .. } => {
                Some((listener.name.clone(), links((&plan, &plugins), &[], names, |_| None)))
            }
            Protocol::Http => None,
        });
        let tcp_chains = tcp.collect();
        let nothing = links((&plan, &plugins), &[], &[], debugged);
        Self {
            plan,
            plugins,
            candidates,
            arms,
            shadows,
            asides,
            upstreams,
            tracing: Rc::new(TraceSettings::clone(&change.tracing)),
            route_numbers,
            chains,
            tcp_chains,
            nothing,
        }
    }

    /// Starts all plugins, so that the first exchange finds them running.
    ///
    /// # Errors
    /// The faults of those that did not start.
    pub(crate) async fn warm(&self) -> Result<(), Vec<Fault>> {
        self.plugins.warm().await?;
        self.candidates.warm().await?;
        for aside in &self.asides {
            aside.warm().await?;
        }
        Ok(())
    }

    /// Ends what no later configuration took over.
    pub(crate) async fn close(&self) {
        self.shadows.iter().for_each(|shadow| shadow.leave());
        let asides = futures_util::future::join_all(self.asides.iter().map(|aside| aside.close()));
        // At once, so that the bound on their last exchanges counts once.
        tokio::join!(self.plugins.close(), self.candidates.close(), asides);
    }

    /// Where two generations serve.
    pub(crate) fn arms(&self) -> impl Iterator<Item = &Rc<Arms>> {
        self.arms.iter()
    }

    /// The plugins, for starting them before the first exchange.
    #[must_use]
    pub fn plugins(&self) -> &WorkerPlugins {
        &self.plugins
    }

    /// The number by which spans and rules know a route.
    pub(crate) fn route_number(&self, name: &str) -> Option<u32> {
        self.route_numbers.get(name).copied()
    }

    /// The same for a plugin.
    pub(crate) fn plugin_number(&self, name: &str) -> Option<u32> {
        number(self.plan.plugins.iter().position(|plugin| plugin.name == name))
    }

    /// The same for an upstream.
    pub(crate) fn upstream_number(&self, name: &str) -> Option<u32> {
        number(self.plan.upstreams.iter().position(|upstream| upstream.name == name))
    }

    /// Gives plugins of any generation the levels that they have for a time.
    pub(crate) fn set_floors(&self, tracing: &Tracing) {
        for plugin in &self.plan.plugins {
            tracing.with_floor(&plugin.name, |floor| {
                self.plugins.set_floor(&plugin.name, floor);
                self.candidates.set_floor(&plugin.name, floor);
            });
        }
    }

    /// The chain of a route; empty when no route matched.
    pub(crate) fn chain(&self, route: Option<&str>) -> Links {
        route
            .and_then(|route| self.chains.get(route))
            .unwrap_or(&self.nothing)
            .clone()
    }

    /// The chain of a TCP listener.
    ///
    /// None when the socket on which a connection came is not this plan's: while a plan comes into force, a socket may be older or newer than
    /// it, and what was behind that one is not to be reached through other plugins, or none.
    pub(crate) fn tcp_chain(&self, came_on: &Listener) -> Option<(Links, &str)> {
        let is_it = |here: &&Arc<Listener>| {
            (&here.name, here.listen, &here.tls) == (&came_on.name, came_on.listen, &came_on.tls)
        };
        let listener = self.plan.listeners.iter().find(is_it)?;
        let Protocol::Tcp { upstream, .. } = &listener.protocol else {
            return None;
        };
        Some((self.tcp_chains.get(&listener.name)?.clone(), upstream))
    }

    /// The chain of what never reaches a plugin.
    pub(crate) fn nothing(&self) -> Links {
        self.nothing.clone()
    }
}

/// Which exchanges of HTTP LLDB sees; a connection of TCP has nothing that could match.
fn debugged(plugin: &gate_plan::Plugin) -> Option<PluginDebug> {
    plugin.debug.clone()
}

fn number(position: Option<usize>) -> Option<u32> {
    position.and_then(|position| u32::try_from(position).ok())
}

fn links(
    (plan, plugins): (&Plan, &WorkerPlugins),
    arms: &[Rc<Arms>],
    names: &[String],
    debug: impl Fn(&gate_plan::Plugin) -> Option<PluginDebug>,
) -> Links {
    let mut body_bytes_max = 0;
    let links = names.iter().filter_map(|name| {
        let position = plan.plugins.iter().position(|plugin| plugin.name == *name)?;
        let spec = plan.plugins.get(position)?;
        body_bytes_max = body_bytes_max.max(spec.limits.body_bytes_max);
        let arms = arms.iter().find(|arms| *arms.plugin == **name).cloned();
        let candidate = arms.as_ref().map_or(0, |arms| arms.body_bytes_max);
        body_bytes_max = body_bytes_max.max(candidate);
        Some(Link {
            name: name.as_str().into(),
            number: number(Some(position)).unwrap_or(u32::MAX),
            handle: plugins.find(name).cloned(),
            on_fault: spec.on_fault,
            while_restarting: spec.while_restarting,
            debug: debug(spec),
            arms,
        })
    });
    let links = links.collect();
    Links { links, body_bytes_max }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
