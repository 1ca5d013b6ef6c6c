//! The suite that a new generation of a plugin must pass before it serves.

use std::path::Path;
use std::sync::Arc;

use gate_plan::document::PluginSettings;
use plug_host::{Plugin, PluginSpec};

use crate::cmd::plugin::test::outcome_of;

/// Runs the suite over the plugin as it is configured, where a case says nothing else; why it does not pass.
pub(crate) fn probe(plugin: &Plugin, suite: &Path) -> Result<(), String> {
    let make = |settings: PluginSettings| {
        let spec = PluginSpec {
            config: settings.config.map_or_else(|| plugin.spec.config.clone(), Into::into),
            vm_config: match settings.vm_config.is_empty() {
                true => plugin.spec.vm_config.clone(),
                false => settings.vm_config.into(),
            },
            ..plugin.spec.clone()
        };
        Ok(Plugin::new(spec, Arc::clone(&plugin.module), 1, 1))
    };
    let shown = suite.display();
    let outcome = outcome_of(suite, &make).map_err(|why| format!("its probe `{shown}` does not run: {why}"))?;
    match outcome.has_passed() {
        true => Ok(()),
        false => Err(format!(
            "its probe `{shown}` does not pass\n{}",
            outcome.text(&shown.to_string()).trim_end()
        )),
    }
}
