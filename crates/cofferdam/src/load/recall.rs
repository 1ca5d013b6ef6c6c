//! A start with what served before: plugins that cannot run as they are wanted run as they did.

use std::path::Path;
use std::sync::Arc;

use super::Loader;
use crate::last_good::LastGood;
use crate::loaded::{Loaded, Refused, Tried};
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
                let made = kept.had(&name).and_then(|(spec, text, had)| {
                    crate::voice::say(&format!("plugin recalled plugin={name} sha256={}", had.digest));
                    let mut made = [Tried {
                        outcome: self
                            .make((&spec, &text), (had, &loaded.plan), signers, &[])
                            .map_err(|why| Refused {
                                text: why,
                                may_pass: false,
                            }),
                        name: name.clone(),
                    }];
                    self.try_out(&loaded.plan, &mut made, &[]);
                    let [made] = made;
                    made.outcome.map_err(|refused| refused.text)
                });
                match made {
                    Ok(runs) => loaded.recalled(runs),
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
}

impl Loader {
    /// Finds the generations again that served before the start, of plugins whose changes come into force by a rollout.
    pub(super) fn recall_controls(&mut self, loaded: &mut Loaded, main: &Path, signers: Option<&Signers>) {
        let wanted = loaded.rolled_out();
        if wanted.is_empty() {
            return;
        }
        let Some(kept) = kept(loaded, main) else { return };
        for wanted in wanted {
            let name = &wanted.spec.name;
            let Ok((spec, text, had)) = kept.had(name) else {
                continue;
            };
            let before = [Arc::clone(&wanted.plugin)];
            let mut made = [Tried {
                outcome: self
                    .make((&spec, &text), (had, &loaded.plan), signers, &before)
                    .map_err(|why| Refused {
                        text: why,
                        may_pass: false,
                    }),
                name: name.clone(),
            }];
            self.try_out(&loaded.plan, &mut made, &before);
            let [made] = made;
            match made.outcome {
                Ok(runs) => loaded.remember(runs, &kept.plan),
                Err(refused) => crate::voice::warn(&format!(
                    "warning: plugin `{name}` is changed without a rollout, for it cannot run as it did last: {}",
                    refused.text
                )),
            }
        }
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
