//! A swap of all workers to another generation, and what it changed of each plugin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use plug_host::Plugin;

use super::steps::{self, Step};
use super::{State, Told, write};
use crate::assemble::House;
use crate::loaded::{Loaded, Standing};
use crate::settle::Stand;

/// A swap that goes on.
pub(crate) struct Swap {
    began: Instant,
    plugins: Vec<Arc<Plugin>>,
    standings: Vec<Standing>,
}

impl Swap {
    /// Takes note of what serves before it.
    pub(crate) fn begin(house: &House) -> Self {
        let (standings, _) = house.standings();
        Self {
            began: Instant::now(),
            plugins: house.plugins(),
            standings,
        }
    }

    /// Writes down how it ended, and what it changed.
    pub(crate) fn ended(self, house: &House, loaded: &Loaded, done: Result<(), &str>) {
        let told = Told {
            generation: Some(house.generation()),
            took: Some(self.began.elapsed()),
            message: done.err().unwrap_or_default(),
            ..Told::of(State::of(done.is_ok()))
        };
        write(&steps::GENERATION_SWAPPED, &told);
        if done.is_ok() {
            plugins(&self.plugins, &loaded.plugins());
            standings(&self.standings, &loaded.standings);
        }
    }
}

/// What serves at the start.
pub(super) fn started_with(house: &House) {
    plugins(&[], &house.plugins());
    standings(&[], &house.standings().0);
}

fn plugins(before: &[Arc<Plugin>], now: &[Arc<Plugin>]) {
    let by_name = |plugins: &[Arc<Plugin>]| -> BTreeMap<String, Arc<Plugin>> {
        let named = plugins.iter();
        named
            .map(|plugin| (plugin.spec.name.clone(), Arc::clone(plugin)))
            .collect()
    };
    let (before, now) = (by_name(before), by_name(now));
    for (name, plugin) in &now {
        match before.get(name) {
            None => write_plugin(&steps::PLUGIN_ADDED, (None, Some(plugin))),
            Some(old) if Arc::ptr_eq(old, plugin) => {}
            Some(old) => write_plugin(&steps::PLUGIN_CHANGED, (Some(old), Some(plugin))),
        }
    }
    for (_, old) in before.iter().filter(|(name, _)| !now.contains_key(*name)) {
        write_plugin(&steps::PLUGIN_REMOVED, (Some(old), None));
    }
}

fn write_plugin(step: &Step, (old, new): (Option<&Arc<Plugin>>, Option<&Arc<Plugin>>)) {
    let digest = |plugin: Option<&Arc<Plugin>>| plugin.map(|plugin| plugin.module.digest.clone()).unwrap_or_default();
    let (before, now) = (digest(old), digest(new));
    let Some(shown) = new.or(old) else { return };
    let told = Told {
        plugin: &shown.spec.name,
        plugin_generation: Some(shown.generation),
        digest: &now,
        digest_before: &before,
        ..Told::of(State::Done)
    };
    write(step, &told);
}

/// Plugins that do not run as they are wanted, once for each reason.
fn standings(before: &[Standing], now: &[Standing]) {
    for standing in now {
        let is_as_before = before
            .iter()
            .any(|old| old.plugin == standing.plugin && old.stand == standing.stand && old.why_not == standing.why_not);
        let step = match standing.stand {
            _ if is_as_before => continue,
            Stand::Wanted => continue,
            Stand::Former | Stand::Retained => &steps::PLUGIN_KEPT,
            Stand::Missing => &steps::PLUGIN_REFUSED,
        };
        let state = if standing.stand == Stand::Missing {
            State::Failed
        } else {
            State::Done
        };
        let told = Told {
            plugin: &standing.plugin,
            message: standing.why_not.as_deref().unwrap_or_default(),
            ..Told::of(state)
        };
        write(step, &told);
    }
}
