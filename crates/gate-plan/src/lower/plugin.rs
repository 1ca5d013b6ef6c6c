//! Plugins: where the module is, and the bytes it is configured with.

use std::collections::HashMap;
use std::time::Duration;

use super::chain::Chains;
use super::higress::Configured;
use super::{Lowering, count};
use crate::findings::Draft;
use crate::plan::{
    Burst, Fetch, Isolation, LineLevel, OnFault, Plugin, PluginDebug, PluginLimits, PluginPhase, Pull, Restart, Source,
};
use crate::route::ExchangeMatch;
use crate::tree::Node;
use crate::wire;

/// How long fetching a module may take where nothing else is said.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// By what plugins share an instance: `vm_id`, `vm_config` and module.
type Vm = (String, Vec<u8>, String);

/// Plugins that would share an instance.
struct Sharers {
    first: String,
    /// The first of them of which each exchange has its own.
    own: Option<String>,
}

impl Lowering<'_> {
    /// The plugins, and where they stand in chains.
    pub(super) fn plugins(&mut self, written: Vec<wire::Plugin>) -> (Vec<Plugin>, Chains) {
        let mut chains = Chains::default();
        let mut plugins = Vec::new();
        let mut shared = HashMap::new();
        let tree = self.tree;
        for (written, node) in written.into_iter().zip(tree.list("plugins")) {
            let name = written.name.word.0.clone();
            if let Some(plugin) = self.plugin(written, node) {
                self.shared_with(&plugin, node, &mut shared);
                chains.add(&plugin);
                plugins.push(plugin);
            } else {
                chains.leave_out(&name);
            }
        }
        (plugins, chains)
    }

    /// None when the plugin is switched off, or has no module.
    fn plugin(&mut self, mut written: wire::Plugin, node: &Node) -> Option<Plugin> {
        let source = self.source(&written.source, node.at("source"));
        let config = match self.configuration(&mut written, node) {
            Configured::Bytes(bytes) => bytes,
            Configured::Off => {
                let message = format!(
                    "the plugin `{}` is switched off: it has no default and no rule",
                    written.name.text()
                );
                let draft = Draft::warning(node.at("name").span, message);
                self.report
                    .add(draft.help("it is left out of every chain, as in Higress"));
                return None;
            }
        };
        let environment = written
            .environment
            .0
            .into_iter()
            .map(|(name, value)| (name.0, value.word.0))
            .collect();
        let debug = written.debug.take().map(|debug| self.debug(debug, node.at("debug")));
        let rollout = written.rollout.take();
        let rollout = rollout.map(|rollout| self.rollout(rollout, node.at("rollout")));
        let grant = written.grant.take();
        let mut plugin = Plugin {
            name: written.name.word.0,
            source: source?,
            config,
            vm_config: written.vm_config.map(wire::Payload::into_bytes).unwrap_or_default(),
            vm_id: written.vm_id,
            isolation: match written.isolation {
                wire::Isolation::Worker => Isolation::Worker,
                wire::Isolation::Exchange => Isolation::Exchange,
            },
            record: written.record,
            root_id: written.root_id,
            environment,
            limits: plugin_limits(&written.limits),
            restart: restart(&written.restart),
            retire_after: written.retire_after.word,
            probe: written.probe.map(|path| path.word.0),
            burst: written.burst.as_ref().map(burst),
            on_fault: on_fault(written.on_fault),
            while_restarting: on_fault(written.while_restarting.unwrap_or(written.on_fault)),
            allow_on_headers_stop_iteration: written.allow_on_headers_stop_iteration,
            phase: match written.phase {
                wire::Phase::Authn => PluginPhase::Authn,
                wire::Phase::Authz => PluginPhase::Authz,
                wire::Phase::Stats => PluginPhase::Stats,
                wire::Phase::Unspecified => PluginPhase::Unspecified,
            },
            priority: written.priority,
            debug,
            rollout,
            grant: None,
            grant_name: None,
        };
        self.granted(&mut plugin, grant, node);
        Some(plugin)
    }

    fn debug(&mut self, mut written: wire::PluginDebug, node: &Node) -> PluginDebug {
        let listen = written.listen.word;
        if !written.expose && !listen.ip().is_loopback() {
            let message = format!(
                "`{}` can be reached from other machines, and whoever attaches reads all that the plugin can",
                written.listen.text()
            );
            let draft = Draft::error(node.at("listen").span, message);
            self.error(draft.help("write `127.0.0.1:0` for LLDB on this machine, or say `expose: true` beside it"));
        }
        let hosts = self.hosts(written.matches.hosts.take(), node.at("match"));
        let (path, conditions) = self.conditions(written.matches, node.at("match"));
        PluginDebug {
            listen,
            expose: written.expose,
            matches: ExchangeMatch {
                hosts,
                path,
                conditions,
            },
            wait: written.wait.word,
        }
    }

    /// An instance that others share cannot be one exchange's own.
    fn shared_with(&mut self, plugin: &Plugin, node: &Node, shared: &mut HashMap<Vm, Sharers>) {
        if plugin.vm_id.is_empty() {
            return;
        }
        let vm = (
            plugin.vm_id.clone(),
            plugin.vm_config.clone(),
            format!("{:?}", plugin.source),
        );
        let is_own = plugin.isolation == Isolation::Exchange;
        let sharers = shared.entry(vm).or_insert_with(|| Sharers {
            first: plugin.name.clone(),
            own: None,
        });
        let is_first = sharers.first == plugin.name;
        let other = if is_own {
            Some(sharers.first.clone())
        } else {
            sharers.own.clone()
        };
        if is_own && sharers.own.is_none() {
            sharers.own = Some(plugin.name.clone());
        }
        let Some(other) = other.filter(|_| !is_first) else {
            return;
        };
        let message = format!(
            "`{}` and `{other}` cannot share an instance by their `vm_id`: with `isolation: exchange` each exchange has its own",
            plugin.name
        );
        let draft = Draft::error(node.at("vm_id").span, message);
        self.error(draft.help("give them different `vm_id`s, or let both have `isolation: worker`"));
    }

    /// One of three places, and only keys that belong to it.
    fn source(&mut self, written: &wire::Source, node: &Node) -> Option<Source> {
        let given = [
            ("file", written.file.is_some()),
            ("oci", written.oci.is_some()),
            ("http", written.http.is_some()),
        ];
        let mut given = given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key);
        let Some(place) = given.next() else {
            let draft = Draft::error(node.span, "the source names no module");
            self.absent(
                node,
                draft.help("write `source: { file: plugin.wasm }`, or `oci` or `http` with where it is"),
            );
            return None;
        };
        if let Some(second) = given.next() {
            let message = format!("the source names two modules: `{place}` and `{second}`");
            self.error(Draft::error(node.key_span(second), message).help("keep one of them"));
            return None;
        }
        self.only_keys_of(place, written, node);
        let sha256 = written.sha256.as_ref().map(|digest| digest.word.0);
        if let Some(path) = &written.file {
            let path = path.word.0.clone();
            return Some(Source::File { path, sha256 });
        }
        let fetch = Fetch {
            sha256,
            pull: written.pull.map(|pull| match pull {
                wire::Pull::IfNotPresent => Pull::IfNotPresent,
                wire::Pull::Always => Pull::Always,
            }),
            plain_http: written.plain_http,
            timeout: written.timeout.as_ref().map_or(FETCH_TIMEOUT, |timeout| timeout.word),
        };
        if let Some(url) = &written.http {
            if url.word.is_open() && !written.plain_http {
                let message = "whoever is on the way can change what comes without TLS";
                let draft = Draft::error(node.at("http").span, message);
                self.error(draft.help("write `https://`, or say `plain_http: true` beside it, and `sha256`"));
            }
            let url = url.word.0.clone();
            return Some(Source::Http { url, fetch });
        }
        Some(Source::Oci {
            name: written.oci.as_ref()?.word.0.clone(),
            digest: written.digest.as_ref().map(|digest| digest.word.0),
            credentials_file: written.credentials_file.as_ref().map(|file| file.word.0.clone()),
            fetch,
        })
    }

    fn only_keys_of(&mut self, place: &str, written: &wire::Source, node: &Node) {
        let keys = [
            ("digest", written.digest.is_some(), &["oci"][..]),
            ("credentials_file", written.credentials_file.is_some(), &["oci"]),
            ("pull", written.pull.is_some(), &["oci", "http"]),
            ("plain_http", written.plain_http, &["oci", "http"]),
            ("timeout", written.timeout.is_some(), &["oci", "http"]),
        ];
        for (key, given, places) in keys {
            if given && !places.contains(&place) {
                let message = format!("`{key}` does nothing for a source with `{place}`");
                let draft = Draft::error(node.key_span(key), message);
                self.error(match (key, place) {
                    ("digest", _) => draft.help("`sha256` is the digest of the module itself"),
                    _ => draft.help("leave it out"),
                });
            }
        }
    }
}

fn on_fault(written: wire::OnFault) -> OnFault {
    match written {
        wire::OnFault::Close => OnFault::Close,
        wire::OnFault::Open => OnFault::Open,
    }
}

fn burst(written: &wire::Burst) -> Burst {
    Burst {
        faults: written.faults,
        errors: written.errors,
        within: written.within.word,
        lasts: written.lasts.word,
        level: match written.level {
            wire::LineLevel::Trace => LineLevel::Trace,
            wire::LineLevel::Debug => LineLevel::Debug,
            wire::LineLevel::Info => LineLevel::Info,
        },
        recordings: written.recordings,
    }
}

fn restart(written: &wire::Restart) -> Restart {
    Restart {
        backoff: written.backoff.word,
        backoff_max: written.backoff_max.word,
        recovered_after: written.recovered_after.word,
        quarantine_after: written.quarantine_after,
        quarantine: written.quarantine.word,
        full_at_percent: u8::try_from(written.full_at.word.0).unwrap_or(100),
    }
}

pub(crate) fn plugin_limits(written: &wire::PluginLimits) -> PluginLimits {
    PluginLimits {
        memory_bytes_max: written.memory.word.0,
        cpu_slice: written.cpu_slice.word,
        stack_bytes_max: written.stack.word.0,
        call_depth_max: written.call_depth,
        body_bytes_max: written.body.word.0,
        table_entries_max: count(written.table),
        callouts_max: count(written.callouts),
        shared_data_bytes_max: written.shared_data.word.0,
        shared_keys_max: count(written.shared_keys),
        queue_length_max: count(written.queue_length),
        log_lines_per_s_max: written.log_lines,
        timer_min: written.timer.word,
        // The schema bounds it to 100.
        cpu_share_percent_max: u8::try_from(written.cpu_share.word.0).unwrap_or(100),
        trusted_after: written.trusted_after,
        open_files_max: written.open_files,
        written_bytes_max: written.written.word.0,
        instances_max: written.instances,
    }
}
