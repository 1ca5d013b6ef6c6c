//! The order of the plugins in a chain: phase, then priority, then as written.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::plan::{Plugin, PluginPhase};

/// Where each plugin stands in chains; plugins that are switched off stand in none.
#[derive(Debug, Default)]
pub(super) struct Chains {
    places: HashMap<String, Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    At(PluginPhase, i64),
    Nowhere,
}

impl Chains {
    pub(super) fn add(&mut self, plugin: &Plugin) {
        self.places
            .insert(plugin.name.clone(), Place::At(plugin.phase, plugin.priority));
    }

    pub(super) fn leave_out(&mut self, name: &str) {
        self.places.insert(name.to_owned(), Place::Nowhere);
    }

    /// The sort is stable, and all plugins without a phase and a priority are equal: a chain of such plugins stays as written.
    pub(super) fn sorted(&self, mut names: Vec<String>) -> Vec<String> {
        names.retain(|name| self.places.get(name) != Some(&Place::Nowhere));
        names.sort_by_key(|name| match self.places.get(name) {
            Some(Place::At(phase, priority)) => (*phase, Reverse(*priority)),
            Some(Place::Nowhere) | None => (PluginPhase::Unspecified, Reverse(0)),
        });
        names
    }
}
