//! Whether something of a plan is as it was in another, its plugins apart.

use super::{Action, Listener, Plan, Protocol, Target};

impl Plan {
    /// Whether exchanges of a route go where they went in `before` on the same grounds, whatever plugins stand in the way.
    #[must_use]
    pub fn route_differs_in_chain_only(&self, before: &Self, name: &str) -> bool {
        let rule = |plan: &Self| plan.routes.rules().iter().find(|rule| rule.route.name == name).cloned();
        let (Some(new), Some(old)) = (rule(self), rule(before)) else {
            return false;
        };
        let mut route = (*new.route).clone();
        route.plugins.clone_from(&old.route.plugins);
        let is_same = new.hosts == old.hosts && new.path == old.path && new.conditions == old.conditions;
        is_same && route == *old.route && self.action_leads_where_it_did(before, &route.action)
    }

    /// The same for the connections of a TCP listener.
    #[must_use]
    pub fn listener_differs_in_chain_only(&self, before: &Self, name: &str) -> bool {
        let parts = |plan: &Self| {
            let listener = plan.listeners.iter().find(|listener| listener.name == name)?;
            let Protocol::Tcp { upstream, .. } = &listener.protocol else {
                return None;
            };
            let without_chain = Listener {
                protocol: Protocol::Http,
                ..(**listener).clone()
            };
            Some((without_chain, upstream.clone()))
        };
        match (parts(self), parts(before)) {
            (Some(new), Some(old)) => new == old && self.has_upstream_of(before, &new.1),
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
