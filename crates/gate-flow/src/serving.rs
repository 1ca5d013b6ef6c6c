//! A configuration in force on one worker: its plan, its plugins, its chains. Exchanges end under the one they began with.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use gate_plan::{Plan, PluginDebug};
use gate_upstream::Upstreams;
use plug_host::{Plugin, Services, WorkerPlugins};

use crate::chain::{Link, Links};

/// A configuration in force on one worker.
pub struct Serving {
    pub(crate) plan: Arc<Plan>,
    pub(crate) plugins: WorkerPlugins,
    pub(crate) upstreams: Rc<Upstreams>,
    chains: HashMap<String, Links>,
    tcp_chains: HashMap<String, Links>,
    nothing: Links,
}

impl Serving {
    /// Arranges a plan's plugins in chains; instances of plugins that did not change stay.
    #[must_use]
    pub fn arrange(
        plan: Arc<Plan>,
        plugins: &[Arc<Plugin>],
        upstreams: Rc<Upstreams>,
        services: &Services,
        before: Option<&Self>,
    ) -> Self {
        let plugins = WorkerPlugins::arrange(plugins, services, before.map(|before| &before.plugins));
        let chains = plan
            .routes
            .iter()
            .map(|route| (route.name.clone(), links(&plan, &plugins, &route.plugins, debugged)))
            .collect();
        let tcp = plan.listeners.iter().filter_map(|listener| match &listener.protocol {
            gate_plan::Protocol::Tcp { plugins: names, .. } => {
                Some((listener.name.clone(), links(&plan, &plugins, names, |_| None)))
            }
            gate_plan::Protocol::Http => None,
        });
        let tcp_chains = tcp.collect();
        let nothing = links(&plan, &plugins, &[], debugged);
        Self {
            plan,
            plugins,
            upstreams,
            chains,
            tcp_chains,
            nothing,
        }
    }

    /// The plugins, for starting them before the first exchange.
    #[must_use]
    pub fn plugins(&self) -> &WorkerPlugins {
        &self.plugins
    }

    /// The chain of a route; empty when no route matched.
    pub(crate) fn chain(&self, route: Option<&str>) -> Links {
        route
            .and_then(|route| self.chains.get(route))
            .unwrap_or(&self.nothing)
            .clone()
    }

    /// The chain of a TCP listener.
    pub(crate) fn tcp_chain(&self, listener: &str) -> Links {
        self.tcp_chains.get(listener).unwrap_or(&self.nothing).clone()
    }
}

/// Which exchanges of HTTP LLDB sees; a connection of TCP has nothing that could match.
fn debugged(plugin: &gate_plan::Plugin) -> Option<PluginDebug> {
    plugin.debug.clone()
}

fn links(
    plan: &Plan,
    plugins: &WorkerPlugins,
    names: &[String],
    debug: impl Fn(&gate_plan::Plugin) -> Option<PluginDebug>,
) -> Links {
    let mut body_bytes_max = 0;
    let links = names.iter().filter_map(|name| {
        let spec = plan.plugins.iter().find(|plugin| plugin.name == *name)?;
        body_bytes_max = body_bytes_max.max(spec.limits.body_bytes_max);
        Some(Link {
            name: name.as_str().into(),
            handle: plugins.find(name).cloned(),
            on_fault: spec.on_fault,
            while_restarting: spec.while_restarting,
            debug: debug(spec),
        })
    });
    let links = links.collect();
    Links { links, body_bytes_max }
}
