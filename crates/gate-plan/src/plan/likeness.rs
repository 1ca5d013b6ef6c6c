//! Whether a part of a plan can stay as it was in another: what it leads to must be there, and be the same.

use super::{Action, Listener, Plan, Protocol, Target};

impl Plan {
    /// Whether a route as it is in `before` does here what it did there, plugins apart.
    #[must_use]
    pub fn can_hold_route(&self, before: &Self, name: &str) -> bool {
        let Some(route) = before.routes.iter().find(|route| route.name == name) else {
            return false;
        };
        let is_here = |listener: &String| self.listeners.iter().any(|here| here.name == *listener);
        route.listeners.iter().all(is_here) && self.action_leads_where_it_did(before, &route.action)
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
