//! Grants: from the words of the wire to what the host asks, and what in one of them comes to nothing.

use std::sync::Arc;

use plug_abi::{Family, HOST_CALLS, call_number};
use plug_grant::{Access, Body, Bounds, CallSet, Folder, Grant, Mode, Name, Names, Profile, Redis};

use super::Lowering;
use crate::findings::{Draft, Report};
use crate::plan::{Grants, Plugin};
use crate::tree::Node;
use crate::wire::{self, BodyAccess, GrantMode, GrantOrName, GrantProfile};
use crate::word::{HostCallWord, NamePattern, Written};

impl Lowering<'_> {
    /// The grants that stand under a name.
    pub(super) fn grants(&mut self, written: wire::Grants) -> Grants {
        let tree = self.tree;
        let named = tree.at("grants").at("named");
        let known = written.named.0.into_iter().map(|(name, grant)| {
            let lowered = grant_of(grant, named.at(&name.0), self.report);
            (name.0, Arc::new(lowered))
        });
        Grants {
            named: known.collect(),
            file: written.file.map(|file| file.word.0),
            store: written.store,
            open_files_max: written.open_files,
            written_bytes_max: written.written.word.0,
        }
    }

    /// Gives a plugin what it is granted, as far as this text says it.
    pub(super) fn granted(&mut self, plugin: &mut Plugin, written: Option<GrantOrName>, node: &Node) {
        match written {
            None => {}
            Some(GrantOrName::Own(grant)) => {
                let grant = grant_of(*grant, node.at("grant"), self.report);
                self.within(&grant.bounds, node);
                plugin.grant(Arc::new(grant));
            }
            Some(GrantOrName::Named(name)) => plugin.grant_name = Some(name.0),
        }
    }

    /// A grant by name, when this text has it; the name of one that a file has stays.
    pub(super) fn named_grants(&mut self, plugins: &mut [Plugin], grants: &Grants) {
        let tree = self.tree;
        let nodes = tree.list("plugins");
        for plugin in plugins {
            let Some(grant) = plugin.grant_name.as_ref().and_then(|name| grants.named.get(name)) else {
                continue;
            };
            let own = |node: &&Node| node.get("name").and_then(Node::text) == Some(plugin.name.as_str());
            if let Some(node) = nodes.iter().find(own) {
                self.within(&grant.bounds, node);
            }
            plugin.grant(Arc::clone(grant));
        }
    }

    /// Limits that are written wider than the grant bounds them.
    fn within(&mut self, bounds: &Bounds, node: &Node) {
        let Some(limits) = node.get("limits") else { return };
        let written = serde_json::from_value::<wire::PluginLimits>(limits.to_json());
        let Ok(written) = written else { return };
        let slice = u64::try_from(written.cpu_slice.word.as_nanos()).unwrap_or(u64::MAX);
        let slice_max = bounds
            .cpu_slice_max
            .map(|most| u64::try_from(most.as_nanos()).unwrap_or(u64::MAX));
        let share = written.cpu_share.word.0;
        let pairs = [
            ("memory", written.memory.word.0, bounds.memory_bytes_max),
            ("stack", written.stack.word.0, bounds.stack_bytes_max),
            ("cpu_slice", slice, slice_max),
            ("cpu_share", share, bounds.cpu_share_percent_max.map(u64::from)),
        ];
        for (key, wanted, most) in pairs {
            let Some(value) = limits.get(key) else { continue };
            if most.is_some_and(|most| wanted > most) {
                let message = format!("`limits.{key}` is wider than the plugin's grant lets it be");
                let draft = Draft::error(value.span, message);
                self.error(draft.help("make it as tight as the grant's `limits`, leave it out, or grant more"));
            }
        }
    }
}

/// A grant as the host asks it.
pub(crate) fn grant_of(written: wire::Grant, node: &Node, report: &mut Report) -> Grant {
    let profile = written.profile.map(|profile| match profile {
        GrantProfile::Validator => Profile::Validator,
        GrantProfile::RateLimiter => Profile::RateLimiter,
        GrantProfile::LogRedactor => Profile::LogRedactor,
        GrantProfile::Observer => Profile::Observer,
    });
    let mut grant = profile.map(Profile::grant).unwrap_or_default();
    grant.mode = match written.mode {
        GrantMode::Enforce => Mode::Enforce,
        GrantMode::Report => Mode::Report,
    };
    let wasi = written.wasi.iter().map(|word| word.word.0);
    grant.join(Grant {
        calls: wasi.fold(calls(&written.calls), CallSet::with),
        unneeded: calls(&written.unneeded),
        upstreams: names(written.upstreams),
        request_headers: headers(written.request_headers),
        response_headers: headers(written.response_headers),
        trailers: headers(written.trailers),
        properties: access(written.properties),
        bodies: plug_grant::Bodies {
            request: body(written.bodies.request),
            response: body(written.bodies.response),
        },
        metrics: names(written.metrics),
        shared_data: access(written.shared_data),
        queues: names(written.queues),
        queues_of: written
            .queues_of
            .0
            .into_iter()
            .map(|(vm_id, queues)| (vm_id.0, names(queues)))
            .collect(),
        redis: Redis {
            commands: written.redis.commands.into_iter().map(|word| word.word.0).collect(),
            keys: names(written.redis.keys),
            databases: databases(&written.redis.databases),
        },
        foreign_functions: written.foreign_functions.into_iter().map(|word| word.word.0).collect(),
        environment: names(written.environment),
        folders: written.folders.into_iter().map(folder).collect(),
        bounds: bounds(&written.limits),
        ..Grant::default()
    });
    comes_to_nothing(&grant, node, report);
    grant
}

fn calls(written: &[Written<HostCallWord>]) -> CallSet {
    written
        .iter()
        .map(|word| word.word.0)
        .fold(CallSet::NONE, CallSet::with)
}

fn names(written: Vec<Written<NamePattern>>) -> Names {
    written.into_iter().map(|name| name.word.0).collect::<Names>()
}

fn databases(written: &[u32]) -> Names {
    let name = |number: &u32| Name::Exact(number.to_string());
    written.iter().map(name).collect()
}

fn access(written: wire::NameAccess) -> Access {
    Access {
        read: names(written.read),
        write: names(written.write),
    }
}

fn headers(written: wire::HeaderAccess) -> Access {
    let names = |list: Vec<Written<crate::word::HeaderPattern>>| {
        // A request's `host` is `:authority`; in other maps nothing has that name.
        let name = |name: Name| match name {
            Name::Exact(host) if host == "host" => vec![Name::Exact(":authority".to_owned()), Name::Exact(host)],
            other => vec![other],
        };
        list.into_iter().flat_map(|word| name(word.word.0)).collect()
    };
    Access {
        read: names(written.read),
        write: names(written.write),
    }
}

fn body(written: BodyAccess) -> Body {
    Body {
        read: matches!(written, BodyAccess::Read | BodyAccess::ReadWrite),
        write: matches!(written, BodyAccess::Write | BodyAccess::ReadWrite),
    }
}

fn folder(written: wire::Folder) -> Folder {
    Folder {
        path: written.path.word.0,
        name: written.name.word.0,
        write: written.write,
    }
}

fn bounds(written: &wire::GrantLimits) -> Bounds {
    Bounds {
        memory_bytes_max: written.memory.as_ref().map(|size| size.word.0),
        stack_bytes_max: written.stack.as_ref().map(|size| size.word.0),
        cpu_slice_max: written.cpu_slice.as_ref().map(|span| span.word),
        cpu_share_percent_max: written
            .cpu_share
            .as_ref()
            .map(|share| u8::try_from(share.word.0).unwrap_or(100)),
    }
}

/// What is listed without the call that would use it, and the other way round.
fn comes_to_nothing(grant: &Grant, node: &Node, report: &mut Report) {
    let has = |families: &[Family]| {
        let mut of_families = HOST_CALLS.iter().filter(|call| families.contains(&call.family));
        of_families.any(|call| grant.calls.has(call_number(call.name)))
    };
    let some = |access: &Access| !(access.read.is_empty() && access.write.is_empty());
    let body = |body: Body| body.read || body.write;
    let callouts = [Family::HttpCall, Family::GrpcCall, Family::Redis];
    let rows: [(&str, &[Family], bool); 12] = [
        ("upstreams", &callouts, !grant.upstreams.is_empty()),
        (
            "request_headers",
            &[Family::Map, Family::Property],
            some(&grant.request_headers),
        ),
        (
            "response_headers",
            &[Family::Map, Family::Property],
            some(&grant.response_headers),
        ),
        ("trailers", &[Family::Map, Family::Property], some(&grant.trailers)),
        (
            "properties",
            &[Family::Property, Family::Foreign],
            some(&grant.properties),
        ),
        (
            "bodies",
            &[Family::Buffer, Family::Inject],
            body(grant.bodies.request) || body(grant.bodies.response),
        ),
        ("metrics", &[Family::Metric], !grant.metrics.is_empty()),
        ("shared_data", &[Family::SharedData], some(&grant.shared_data)),
        ("queues", &[Family::SharedQueue], !grant.queues.is_empty()),
        ("queues_of", &[Family::SharedQueue], !grant.queues_of.is_empty()),
        ("redis", &[Family::Redis], !grant.redis.commands.is_empty()),
        (
            "foreign_functions",
            &[Family::Foreign],
            !grant.foreign_functions.is_empty(),
        ),
    ];
    for (key, families, is_listed) in rows {
        if is_listed && node.get(key).is_some() && !has(families) {
            let words: Vec<&str> = families.iter().map(|family| family.word()).collect();
            let draft = Draft::warning(
                node.key_span(key),
                format!("`{key}` comes to nothing: no call is granted that uses it"),
            );
            report.add(draft.help(format!(
                "add `{}` to `calls`, or a call of that family",
                words.join("` or `")
            )));
        }
    }
    unreached(grant, node, report, has(&callouts));
}

/// Folders that nothing opens, and callouts that reach nothing.
fn unreached(grant: &Grant, node: &Node, report: &mut Report, has_callouts: bool) {
    let files = plug_abi::WASI_CALLS
        .iter()
        .any(|call| call.name == "path_open" && grant.calls.has(call_number(call.name)));
    if !grant.folders.is_empty() && !files {
        let draft = Draft::warning(
            node.key_span("folders"),
            "`folders` comes to nothing: no function is granted that opens a file",
        );
        report.add(draft.help("add `files` to `wasi`"));
    }
    if has_callouts && grant.upstreams.is_empty() && node.get("calls").is_some() {
        let draft = Draft::warning(
            node.key_span("calls"),
            "callouts are granted, and no upstream that they may reach",
        );
        report.add(draft.help("list them: `upstreams: [NAME]`"));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
