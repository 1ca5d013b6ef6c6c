//! From the wire structs to the Plan: what has the right shape is held against the rest of the file.

mod audit;
mod chain;
mod condition;
mod edits;
mod grant;
mod higress;
mod listener;
mod logs;
mod names;
mod plugin;
mod rollout;
mod route;
mod signatures;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod tracing;
mod upstream;
mod warnings;

pub(crate) use self::grant::grant_of;
pub(crate) use self::plugin::plugin_limits;

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::findings::{Draft, Findings, Report};
use crate::plan::resolved;
use crate::plan::{
    AccessLog, Admin, Compile, CrashReports, Drain, Forwarding, Limits, Listener, Plan, Plugin, Recordings,
    RolloutsFrom, Upstream,
};
use crate::tree::Node;
use crate::wire;

/// The plan of a tree whose shape was checked; `readable` is the tree without what has the wrong shape. Findings go to the
/// report; the plan is of use only when none of them is an error.
pub(crate) fn lower(tree: &Node, readable: &Node, report: &mut Report) -> Option<Plan> {
    names::check(tree, report);
    let config = match serde_json::from_value::<wire::Config>(readable.to_json()) {
        Ok(config) => config,
        Err(_) if report.has_errors() => return None,
        Err(error) => {
            report.add(Draft::error(
                readable.span,
                format!("the configuration cannot be read: {error}"),
            ));
            return None;
        }
    };
    let plan = Lowering { tree: readable, report }.plan(config);
    warnings::check(&plan, tree, report);
    Some(plan)
}

/// What the steps of lowering share.
struct Lowering<'a> {
    tree: &'a Node,
    report: &'a mut Report,
}

/// The operator's listener.
fn admin(written: wire::Admin) -> Admin {
    Admin {
        listen: written.listen.word,
        rollouts_from: written.rollouts_from.map(|from| RolloutsFrom {
            folders: from.folders.into_iter().map(|folder| folder.word.0).collect(),
            images: from.images.into_iter().map(|image| image.word).collect(),
        }),
    }
}

impl Lowering<'_> {
    fn plan(mut self, config: wire::Config) -> Plan {
        let (mut plugins, chains) = self.plugins(config.plugins);
        let grants = self.grants(config.grants);
        self.named_grants(&mut plugins, &grants);
        let listeners = self.listeners(config.listeners, config.admin.as_ref(), &chains);
        let upstreams = self.upstreams(config.upstreams);
        let routes = self.routes(config.routes, &chains);
        let signatures = self.signatures(config.signatures);
        let upstreams = upstreams.into_iter().map(Arc::new).collect::<Vec<Arc<Upstream>>>();
        for plugin in &mut plugins {
            plugin.grant = plugin.grant.as_ref().map(|grant| resolved(grant, &upstreams));
        }
        let plugins: Vec<Arc<Plugin>> = plugins.into_iter().map(Arc::new).collect();
        let mut numbers = logs::Numbers::new(&routes, &plugins);
        let logs = self.logs(config.logs, &mut numbers);
        let tracing = config.tracing.map(|tracing| self.tracing(tracing, &mut numbers));
        Plan {
            admin: config.admin.map(admin),
            workers: config
                .workers
                .and_then(|workers| NonZeroUsize::new(usize::from(workers))),
            listeners: listeners.into_iter().map(Arc::new).collect::<Vec<Arc<Listener>>>(),
            upstreams,
            plugins,
            signatures,
            audit: self.audit(config.audit),
            grants,
            routes,
            access_log: access_log(config.access_log),
            logs,
            tracing,
            drain: Drain {
                grace: config.drain.grace.word,
                wait: config.drain.wait.word,
            },
            cache_dir: config.cache_dir.map(|path| path.word.0),
            state_dir: config.state_dir.map(|path| path.word.0),
            start_without_plugins: config.start_without_plugins,
            crash_reports: CrashReports {
                dir: config.crash_reports.dir.map(|path| path.word.0),
                bytes_max: config.crash_reports.size.word.0,
                debug_files: config.crash_reports.debug_files.map(|path| path.word.0),
            },
            recordings: recordings(config.recordings),
            compile: Compile {
                memory_bytes_max: config.compile.memory.word.0,
                cpu: config.compile.cpu.word,
                time: config.compile.time.word,
            },
            limits: limits(&config.limits),
            forwarding: Forwarding {
                trusted_hops: config.forwarding.trusted_hops,
                preserve_request_id: config.forwarding.preserve_request_id,
            },
            warnings: Findings::default(),
        }
    }

    fn error(&mut self, draft: Draft) {
        self.report.add(draft);
    }

    /// Reports that something is absent, unless an error inside `node` is the likely reason.
    fn absent(&mut self, node: &Node, draft: Draft) {
        if !self.report.touches(node.span) {
            self.report.add(draft);
        }
    }
}

fn access_log(written: wire::AccessLog) -> AccessLog {
    match written {
        wire::AccessLog::Stdout => AccessLog::Stdout,
        wire::AccessLog::Off => AccessLog::Off,
        wire::AccessLog::File(path) => AccessLog::File(path.word.0),
    }
}

fn recordings(written: wire::Recordings) -> Recordings {
    let names = written.sensitive_headers.into_iter();
    Recordings {
        bytes_max: written.size.word.0,
        sensitive_headers: names.map(|name| name.word.as_str().to_owned()).collect(),
        sensitive_properties: written.sensitive_properties,
    }
}

fn limits(written: &wire::Limits) -> Limits {
    Limits {
        // The schema bounds the size far below the type's end.
        header_bytes_max: u32::try_from(written.header_bytes_max.word.0).unwrap_or(u32::MAX),
        header_count_max: written.header_count_max,
        header_timeout: written.header_timeout.word,
        http2_streams_max: written.http2_streams_max,
        connections_max: count(written.connections_max),
    }
}

fn count(written: u32) -> usize {
    usize::try_from(written).unwrap_or(usize::MAX)
}
