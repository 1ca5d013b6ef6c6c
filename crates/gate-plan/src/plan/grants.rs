//! What plugins of a plan may do, and how a grant out of a file comes to the plugin that names it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use plug_grant::{Grant, Name};

use super::{Plan, Plugin, Upstream};

/// What plugins may do, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Grants {
    /// Those of the configuration itself.
    pub named: BTreeMap<String, Arc<Grant>>,
    /// A file with more of them.
    pub file: Option<PathBuf>,
    /// Whether those beside the text in its store come before the file.
    pub store: bool,
    /// Files and folders of granted folders open at a time in the process. Default 1,024.
    pub open_files_max: u32,
    /// Bytes that all plugins together may write into granted folders. Default 16 GiB.
    pub written_bytes_max: u64,
}

impl Plan {
    /// Gives each plugin whose grant a file has what the file says. A grant of the configuration comes before one of the file.
    ///
    /// # Errors
    /// Names of grants that are nowhere, and of upstreams in them that are not there.
    pub fn take_grants(&mut self, file: &BTreeMap<String, Arc<Grant>>) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        for plugin in &mut self.plugins {
            let Some(name) = plugin.grant_name.as_ref().filter(|_| plugin.grant.is_none()) else {
                continue;
            };
            match file.get(name) {
                Some(grant) => {
                    wrong
                        .extend(unknown(grant, &self.upstreams).map(|upstream| {
                            format!("grant `{name}`: there is no upstream with the name `{upstream}`")
                        }));
                    Arc::make_mut(plugin).grant(resolved(grant, &self.upstreams));
                }
                None => wrong.push(format!(
                    "plugin `{}`: there is no grant with the name `{name}`, neither under `grants` nor in its file",
                    plugin.name
                )),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

impl Plugin {
    /// Gives it a grant, and holds its limits to it.
    pub(crate) fn grant(&mut self, grant: Arc<Grant>) {
        let (limits, bounds) = (&mut self.limits, &grant.bounds);
        let least = |own: u64, most: Option<u64>| most.map_or(own, |most| own.min(most));
        limits.memory_bytes_max = least(limits.memory_bytes_max, bounds.memory_bytes_max);
        limits.stack_bytes_max = least(limits.stack_bytes_max, bounds.stack_bytes_max);
        let slice = bounds.cpu_slice_max.unwrap_or(limits.cpu_slice);
        limits.cpu_slice = limits.cpu_slice.min(slice);
        let share = bounds.cpu_share_percent_max.unwrap_or(limits.cpu_share_percent_max);
        limits.cpu_share_percent_max = limits.cpu_share_percent_max.min(share);
        self.grant = Some(grant);
    }
}

fn find<'a>(upstreams: &'a [Arc<Upstream>], name: &str) -> Option<&'a Arc<Upstream>> {
    let is_meant =
        |upstream: &&Arc<Upstream>| upstream.name == name || upstream.aliases.iter().any(|alias| alias == name);
    upstreams.iter().find(is_meant)
}

fn unknown<'a>(grant: &'a Grant, upstreams: &'a [Arc<Upstream>]) -> impl Iterator<Item = &'a str> {
    grant.upstreams.iter().filter_map(move |name| match name {
        Name::Exact(name) if find(upstreams, name).is_none() => Some(name.as_str()),
        _ => None,
    })
}

/// The grant with each alias of an upstream as the upstream's own name, against which callouts are held.
pub(crate) fn resolved(grant: &Arc<Grant>, upstreams: &[Arc<Upstream>]) -> Arc<Grant> {
    let own = |name: &Name| match name {
        Name::Exact(name) => Name::Exact(find(upstreams, name).map_or(name, |upstream| &upstream.name).clone()),
        prefix => prefix.clone(),
    };
    let upstreams = grant.upstreams.iter().map(own).collect();
    if upstreams == grant.upstreams {
        return Arc::clone(grant);
    }
    Arc::new(Grant {
        upstreams,
        ..Grant::clone(grant)
    })
}
