//! Plugins that go on as they were although less is granted to them: what is taken is taken at once from what runs.

use std::sync::Arc;

use plug_abi::call_number;
use plug_grant::{Change, Grant, changes, narrowed};
use plug_host::{FileBounds, Plugin, Process};

use crate::loaded::Loaded;
use crate::voice::warn;

/// Functions without which a runtime ends: taking them would end the plugin.
const KEPT: &[&str] = &["random_get"];

/// What is left of a grant.
struct Left {
    grant: Grant,
    /// What stays although it was to be taken.
    kept: Vec<&'static str>,
}

/// Holds what serves to what is wanted of it: a plugin that cannot run as it is wanted, and of which nothing but the grant and the limits is to
/// be another, may do from now on what both grants let. One that runs as it is wanted has its own grant.
pub(crate) fn narrow(loaded: &Loaded, process: &Process) {
    process.bound_files(FileBounds {
        open_max: u64::from(loaded.plan.grants.open_files_max),
        written_bytes_max: loaded.plan.grants.written_bytes_max,
    });
    let mut is_new = false;
    for runs in &loaded.running {
        let wanted = loaded.held_back(runs.name());
        let left = wanted.and_then(|wanted| left(&runs.spec, wanted, &runs.plugin));
        let has_changed = runs
            .plugin
            .narrow(left.as_ref().map(|left| Arc::new(left.grant.clone())));
        is_new |= has_changed;
        match (left, wanted) {
            (Some(left), _) if has_changed => tell(&runs.plugin, &left),
            (None, Some(wanted)) => tell_wider(&runs.plugin, wanted),
            _ => {}
        }
    }
    if is_new {
        process.narrowed();
    }
}

/// What is left of the grant of a plugin that runs; none when nothing is taken, or when its new grant is meant for something else.
fn left(spec: &gate_plan::Plugin, wanted: &gate_plan::Plugin, plugin: &Plugin) -> Option<Left> {
    let mut like = wanted.clone();
    (like.grant, like.grant_name, like.limits) = (spec.grant.clone(), spec.grant_name.clone(), spec.limits);
    // A rollout is how a plugin with one gets another grant, and goes back when that does not do.
    if like != *spec || spec.rollout.is_some() {
        return None;
    }
    let has = plugin.spec.grant.as_deref();
    let mut grant = narrowed(has, wanted.grant.as_deref())?;
    let imports = &plugin.module.facts.imports;
    let is_needed = |name: &&'static str| {
        let number = call_number(name);
        let had = has.is_none_or(|has| has.has_call(number));
        had && !grant.has_call(number) && imports.iter().any(|import| import.name() == *name)
    };
    let kept: Vec<&'static str> = KEPT.iter().copied().filter(is_needed).collect();
    kept.iter().for_each(|name| grant.calls.add(call_number(name)));
    // Nothing but what it cannot do without may have been taken.
    let takes = !changes(has, Some(&grant)).is_empty();
    takes.then_some(Left { grant, kept })
}

/// Lines that are taken from a plugin.
pub(crate) fn taken(plugin: &Plugin, left: &Grant) -> Vec<String> {
    let all = changes(plugin.spec.grant.as_deref(), Some(left));
    all.iter().map(ToString::to_string).collect()
}

fn tell(plugin: &Plugin, left: &Left) {
    let stays = |name: &&str| format!("; `{name}` stays as it was, for the module ends without it");
    warn(&format!(
        "warning: plugin `{}` goes on as generation {} with less: {}{}",
        plugin.spec.name,
        plugin.generation,
        crate::granting::shown(&taken(plugin, &left.grant)),
        left.kept.iter().map(stays).collect::<String>()
    ));
    let (name, taken) = (&plugin.spec.name, crate::granting::shown(&taken(plugin, &left.grant)));
    crate::records::grant_changed(name, plugin.generation, "", &taken);
}

/// A plugin that goes on with more than is wanted for it says so each time.
fn tell_wider(plugin: &Plugin, wanted: &gate_plan::Plugin) {
    let has = plugin.spec.grant.as_deref();
    let Some(left) = narrowed(has, wanted.grant.as_deref()) else {
        return;
    };
    let more: Vec<String> = changes(Some(&left), has)
        .iter()
        .filter(|change| matches!(change, Change::Given(_)))
        .map(ToString::to_string)
        .collect();
    warn(&format!(
        "warning: plugin `{}` goes on as generation {} with the grant that it had, which is wider: {}\nhint: take it out of its chains to \
         have it do nothing",
        plugin.spec.name,
        plugin.generation,
        crate::granting::shown(&more)
    ));
}
