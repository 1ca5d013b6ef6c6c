//! A start with what served before: plugins that cannot run as they are wanted run as they did.

use std::path::Path;
use std::sync::Arc;

use gate_plan::Plan;
use plug_host::Plugin;

use super::Loader;
use crate::last_good::LastGood;
use crate::loaded::{Loaded, Refused, Runs, Tried};
use crate::signing::Signers;
use crate::text::Wrong;

impl Loader {
    /// Lets plugins that cannot run as they are wanted run as they did before the gateway was started.
    pub(super) fn recall(&mut self, loaded: &mut Loaded, main: &Path, signers: Option<&Signers>) -> Result<(), Wrong> {
        if loaded.is_as_wanted() {
            return Ok(());
        }
        if let Some(mut kept) = kept(loaded, main) {
            loop {
                loaded.recall(&kept);
                let Some(name) = loaded.unmade() else { break };
                let made = self.again((&kept, &name), &loaded.plan, signers, &[]);
                match made {
                    Ok(runs) => {
                        let sha256 = &runs.provenance.sha256;
                        crate::voice::say_own(&format!("plugin recalled plugin={name} sha256={sha256}"));
                        loaded.recalled(runs);
                    }
                    Err(why) => {
                        crate::voice::warn(&format!("warning: plugin `{name}` cannot run as it did last: {why}"));
                        kept.forget(&name);
                    }
                }
            }
            loaded.note_kept(&kept);
        }
        match loaded.unforeseen() {
            texts if texts.is_empty() => Ok(()),
            texts => Err(Wrong::of(texts, &loaded.files)),
        }
    }

    /// Finds the generations again that served before the start, of plugins whose changes come into force by a rollout.
    pub(super) fn recall_controls(&mut self, loaded: &mut Loaded, main: &Path, signers: Option<&Signers>) {
        let wanted = loaded.rolled_out();
        if wanted.is_empty() {
            return;
        }
        let Some(kept) = kept(loaded, main) else { return };
        for wanted in wanted {
            let name = &wanted.spec.name;
            if !kept.has(name) {
                continue;
            }
            let before = [Arc::clone(&wanted.plugin)];
            match self.again((&kept, name), &loaded.plan, signers, &before) {
                Ok(runs) => loaded.remember(runs, &kept.plan),
                Err(why) => crate::voice::warn(&format!(
                    "warning: plugin `{name}` is changed without a rollout, for it cannot run as it did last: {why}"
                )),
            }
        }
    }

    /// A plugin as it served before the start, started once and aside.
    fn again(
        &mut self,
        (kept, name): (&LastGood, &str),
        plan: &Plan,
        signers: Option<&Signers>,
        before: &[Arc<Plugin>],
    ) -> Result<Runs, String> {
        let (spec, text, had) = kept.had(name)?;
        let made = self.make((&spec, &text), (had, plan), signers, before);
        let outcome = made.map_err(|text| Refused { text, may_pass: false });
        let mut made = [Tried {
            name: name.to_owned(),
            outcome,
        }];
        self.try_out(plan, &mut made, before);
        let [made] = made;
        made.outcome.map_err(|refused| refused.text)
    }
}

fn kept(loaded: &Loaded, main: &Path) -> Option<LastGood> {
    let folder = crate::last_good::folder(&loaded.plan, main)?;
    let read = LastGood::read(&folder);
    read.unwrap_or_else(|why| {
        crate::voice::warn(&format!("warning: what served last is not known: {why}"));
        None
    })
}
