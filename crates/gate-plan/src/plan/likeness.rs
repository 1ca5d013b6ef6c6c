//! Whether a part of a plan can stay as it was in another: what it leads to must be there, and be the same.

use std::sync::Arc;

use super::{Action, Listener, Plan, Protocol, Target};

impl Plan {
    /// Whether a route as it is in `before` does here what it did there, plugins apart: for the same clients, who come on the same sockets, and
    /// with what went to other routes still going there.
    #[must_use]
    pub fn can_hold_route(&self, before: &Self, name: &str) -> bool {
        let Some(route) = before.routes.iter().find(|route| route.name == name) else {
            return false;
        };
        let serves_it = |listener: &&Arc<Listener>| {
            let is_named = route.listeners.is_empty() || route.listeners.contains(&listener.name);
            is_named && listener.protocol == Protocol::Http
        };
        let is_here = |listener: &String| self.listeners.iter().any(|here| here.name == *listener);
        route.listeners.iter().all(is_here)
            && self
                .listeners
                .iter()
                .filter(serves_it)
                .all(|listener| before.listeners.contains(listener))
            && self.action_leads_where_it_did(before, &route.action)
            && self.has_guarded_routes_of(before)
    }

    /// Whether every route of `before` that has plugins is here for the same requests: else those would now find another route, which must
    /// not be one that stayed behind.
    fn has_guarded_routes_of(&self, before: &Self) -> bool {
        let guarded = before
            .routes
            .rules()
            .iter()
            .filter(|rule| !rule.route.plugins.is_empty());
        guarded.into_iter().all(|old| {
            self.routes.rules().iter().any(|new| {
                new.route.name == old.route.name
                    && new.hosts == old.hosts
                    && new.path == old.path
                    && new.conditions == old.conditions
                    && new.route.listeners == old.route.listeners
            })
        })
    }

    /// Whether connections of a TCP listener go here where they went in `before`, when what it leads to is as it is there.
    #[must_use]
    pub fn can_hold_listener(&self, before: &Self, name: &str) -> bool {
        let parts = |plan: &Self| {
            let listener = plan.listeners.iter().find(|listener| listener.name == name)?;
            let Protocol::Tcp { upstream, .. } = &listener.protocol else {
                return None;
            };
            let socket = Listener {
                protocol: Protocol::Http,
                ..(**listener).clone()
            };
            Some((socket, upstream.clone()))
        };
        match (parts(self), parts(before)) {
            (Some((socket, _)), Some((old, upstream))) => socket == old && self.has_upstream_of(before, &upstream),
            _ => false,
        }
    }

    fn action_leads_where_it_did(&self, before: &Self, action: &Action) -> bool {
        match action {
            Action::Forward {
                target: Target::Upstream(name),
                ..
            } => self.has_upstream_of(before, name),
            Action::Forward {
                target: Target::Header(_),
                ..
            } => self.upstreams == before.upstreams,
            Action::Redirect(_) | Action::Respond(_) | Action::Echo => true,
        }
    }

    fn has_upstream_of(&self, before: &Self, name: &str) -> bool {
        let find = |plan: &Self| plan.upstreams.iter().find(|upstream| upstream.name == name).cloned();
        find(self).is_some_and(|upstream| find(before) == Some(upstream))
    }
}
