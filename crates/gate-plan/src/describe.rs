//! The plan as JSON for the operator, without what may be a secret.

mod audit;
mod grant;
mod logs;
mod rollout;
mod signatures;
mod sinks;
mod tracing;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::plan::{
    AccessLog, Action, Admin, Balance, Burst, CertificateFiles, ClientCertificates, ClientTls, EndpointSpec,
    HeaderEdits, Isolation, LineLevel, Listener, OnFault, Plan, Plugin, PluginDebug, PluginLimits, PluginPhase,
    Protocol, Pull, ServerTls, Source, Target, Upstream, UpstreamProtocol,
};
use crate::route::{Condition, Conditions, HostPattern, PathPattern, Rule, Test};
use crate::word::{ImagePattern, span_text};

/// Parts of a name under which a value is taken for a credential.
const SECRET_NAMES: [&str; 8] = [
    "authorization",
    "cookie",
    "key",
    "token",
    "secret",
    "password",
    "signature",
    "credential",
];

fn describe_admin(admin: &Admin) -> Value {
    let from = admin.rollouts_from.as_ref().map(|from| {
        let images = from.images.iter().map(ImagePattern::text);
        json!({"folders": from.folders, "images": images.collect::<Vec<_>>()})
    });
    json!({"listen": admin.listen.to_string(), "rollouts_from": from})
}

impl Plan {
    /// The plan for `/config`: keys as in the configuration, defaults filled in, routes in the order of the file.
    ///
    /// Left out are the configurations of plugins (length and SHA-256 stand for them), environment values, header values that a
    /// route sets or compares with under a telling name, and bodies of fixed responses.
    #[must_use]
    pub fn describe(&self) -> Value {
        json!({
            "admin": self.admin.as_ref().map(describe_admin),
            "workers": self.workers,
            "listeners": each(&self.listeners, describe_listener),
            "upstreams": each(&self.upstreams, describe_upstream),
            "plugins": each(&self.plugins, describe_plugin),
            "signatures": self.signatures.as_ref().map(signatures::describe),
            "audit": self.audit.as_ref().map(audit::describe),
            "grants": {"named": self.grants.named.keys().collect::<Vec<_>>(), "file": self.grants.file},
            "routes": each(self.routes.rules(), describe_rule),
            "access_log": match &self.access_log {
                AccessLog::Stdout => json!("stdout"),
                AccessLog::Off => json!("off"),
                AccessLog::File(path) => json!({"file": path}),
            },
            "logs": logs::describe(&self.logs),
            "tracing": self.tracing.as_ref().map(tracing::describe),
            "drain": {"grace": span(self.drain.grace), "wait": span(self.drain.wait)},
            "cache_dir": self.cache_dir,
            "state_dir": self.state_dir,
            "start_without_plugins": self.start_without_plugins,
            "crash_reports": {
                "dir": self.crash_reports.dir,
                "size": self.crash_reports.bytes_max,
                "debug_files": self.crash_reports.debug_files,
            },
            "recordings": {
                "size": self.recordings.bytes_max,
                "sensitive_headers": self.recordings.sensitive_headers,
                "sensitive_properties": self.recordings.sensitive_properties,
            },
            "compile": {
                "memory": self.compile.memory_bytes_max,
                "cpu": span(self.compile.cpu),
                "time": span(self.compile.time),
            },
            "limits": {
                "header_bytes_max": self.limits.header_bytes_max,
                "header_count_max": self.limits.header_count_max,
                "header_timeout": span(self.limits.header_timeout),
                "http2_streams_max": self.limits.http2_streams_max,
                "connections_max": self.limits.connections_max,
            },
            "forwarding": {
                "trusted_hops": self.forwarding.trusted_hops,
                "preserve_request_id": self.forwarding.preserve_request_id,
            },
            "warnings": self.warnings.to_json().get("findings"),
        })
    }
}

fn each<T>(things: &[Arc<T>], describe: impl Fn(&T) -> Value) -> Value {
    things.iter().map(|thing| describe(thing)).collect()
}

fn span(span: Duration) -> String {
    span_text(span)
}

fn describe_listener(listener: &Listener) -> Value {
    let mut value = json!({
        "name": listener.name,
        "listen": listener.listen.to_string(),
        "tls": listener.tls.as_ref().map(describe_server_tls),
    });
    match &listener.protocol {
        Protocol::Http => put(&mut value, "protocol", "http".into()),
        Protocol::Tcp { upstream, plugins } => {
            put(&mut value, "protocol", "tcp".into());
            put(&mut value, "upstream", upstream.as_str().into());
            put(&mut value, "plugins", json!(plugins));
        }
    }
    value
}

fn describe_server_tls(tls: &ServerTls) -> Value {
    json!({
        "certificates": tls.certificates.iter().map(describe_certificate).collect::<Vec<_>>(),
        "client_certificates": match &tls.client_certificates {
            ClientCertificates::None => json!("none"),
            ClientCertificates::Optional { authorities } => json!({"optional": {"authorities": authorities}}),
            ClientCertificates::Required { authorities } => json!({"required": {"authorities": authorities}}),
        },
    })
}

fn describe_certificate(files: &CertificateFiles) -> Value {
    json!({"chain": files.chain, "key": files.key})
}

fn describe_upstream(upstream: &Upstream) -> Value {
    let endpoint = |endpoint: &EndpointSpec| match endpoint {
        EndpointSpec::Fixed(address) => address.to_string(),
        EndpointSpec::Named { host, port } => format!("{host}:{port}"),
    };
    json!({
        "name": upstream.name,
        "aliases": upstream.aliases,
        "endpoints": upstream.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "balance": match upstream.balance {
            Balance::RoundRobin => "round_robin",
            Balance::LeastRequest => "least_request",
        },
        "protocol": match upstream.protocol {
            UpstreamProtocol::Http1 => "http1",
            UpstreamProtocol::Http2 => "http2",
        },
        "tls": upstream.tls.as_ref().map(describe_client_tls),
        "timeouts": {
            "connect": span(upstream.timeouts.connect),
            "request": span(upstream.timeouts.request),
            "idle": span(upstream.timeouts.idle),
            "pool_idle": span(upstream.timeouts.pool_idle),
        },
        "idle_connections_max": upstream.idle_connections_max,
    })
}

/// The value of a limit, by what it counts.
#[derive(Clone, Copy)]
enum Amount {
    Count(usize),
    Bytes(u64),
    Span(Duration),
    Percent(u8),
    /// There is no such bound.
    Unbounded,
}

impl PluginLimits {
    /// Every limit by its key in the configuration.
    fn amounts(&self) -> [(&'static str, Amount); 17] {
        let count = |number| Amount::Count(usize::try_from(number).unwrap_or(usize::MAX));
        [
            ("memory", Amount::Bytes(self.memory_bytes_max)),
            ("cpu_slice", Amount::Span(self.cpu_slice)),
            ("stack", Amount::Bytes(self.stack_bytes_max)),
            ("call_depth", self.call_depth_max.map_or(Amount::Unbounded, count)),
            ("body", Amount::Bytes(self.body_bytes_max)),
            ("table", Amount::Count(self.table_entries_max)),
            ("callouts", Amount::Count(self.callouts_max)),
            ("shared_data", Amount::Bytes(self.shared_data_bytes_max)),
            ("shared_keys", Amount::Count(self.shared_keys_max)),
            ("queue_length", Amount::Count(self.queue_length_max)),
            ("log_lines", count(self.log_lines_per_s_max)),
            ("timer", Amount::Span(self.timer_min)),
            ("cpu_share", Amount::Percent(self.cpu_share_percent_max)),
            ("trusted_after", count(self.trusted_after)),
            ("open_files", count(self.open_files_max)),
            ("written", Amount::Bytes(self.written_bytes_max)),
            ("instances", count(self.instances_max)),
        ]
    }

    /// Every limit under its key, as the configuration would write it.
    #[must_use]
    pub fn describe(&self) -> Value {
        let written = |amount| match amount {
            Amount::Count(number) => json!(number),
            Amount::Bytes(bytes) => json!(bytes),
            Amount::Span(length) => json!(span(length)),
            Amount::Percent(percent) => json!(format!("{percent}%")),
            Amount::Unbounded => Value::Null,
        };
        let limits = self.amounts().map(|(key, amount)| (key.to_owned(), written(amount)));
        Value::Object(limits.into_iter().collect())
    }

    /// Every limit that there is under its key in base units: bytes, seconds, counts, and a share of 1.
    #[must_use]
    pub fn numbers(&self) -> Vec<(&'static str, f64)> {
        let number = |amount| match amount {
            Amount::Count(number) => Some(number as f64),
            Amount::Bytes(bytes) => Some(bytes as f64),
            Amount::Span(length) => Some(length.as_secs_f64()),
            Amount::Percent(percent) => Some(f64::from(percent) / 100.0),
            Amount::Unbounded => None,
        };
        let numbers = self.amounts().into_iter();
        numbers
            .filter_map(|(key, amount)| Some((key, number(amount)?)))
            .collect()
    }
}

fn describe_client_tls(tls: &ClientTls) -> Value {
    json!({
        "server_name": tls.server_name,
        "authorities": tls.authorities,
        "certificate": tls.certificate.as_ref().map(describe_certificate),
    })
}

fn describe_source(source: &Source) -> Value {
    let digest = |digest: &Option<[u8; 32]>| digest.map(|digest| hexadecimal(&digest));
    let (mut map, fetch) = match source {
        Source::File { path, sha256 } => return json!({"file": path, "sha256": digest(sha256)}),
        Source::Oci {
            name,
            digest: pinned,
            credentials_file,
            fetch,
        } => {
            let pinned = digest(pinned).map(|digest| format!("sha256:{digest}"));
            let map = json!({"oci": name, "digest": pinned, "credentials_file": credentials_file});
            (map, fetch)
        }
        // What follows the path may be what lets us in.
        Source::Http { url, fetch } => (json!({"http": url.split('?').next()}), fetch),
    };
    if let Some(map) = map.as_object_mut() {
        map.insert("sha256".to_owned(), json!(digest(&fetch.sha256)));
        let pull = fetch.pull.map(|pull| match pull {
            Pull::IfNotPresent => "if_not_present",
            Pull::Always => "always",
        });
        map.insert("pull".to_owned(), json!(pull));
        map.insert("plain_http".to_owned(), json!(fetch.plain_http));
        map.insert("timeout".to_owned(), json!(span_text(fetch.timeout)));
    }
    map
}

fn describe_plugin(plugin: &Plugin) -> Value {
    let environment = plugin.environment.iter().map(|(name, _)| (name.clone(), masked()));
    json!({
        "name": plugin.name,
        "source": describe_source(&plugin.source),
        "config": describe_bytes(&plugin.config),
        "vm_config": describe_bytes(&plugin.vm_config),
        "vm_id": plugin.vm_id,
        "isolation": match plugin.isolation {
            Isolation::Worker => "worker",
            Isolation::Exchange => "exchange",
        },
        "record": plugin.record,
        "root_id": plugin.root_id,
        "environment": environment.collect::<Map<_, _>>(),
        "limits": plugin.limits.describe(),
        "restart": {
            "backoff": span(plugin.restart.backoff),
            "backoff_max": span(plugin.restart.backoff_max),
            "recovered_after": span(plugin.restart.recovered_after),
            "quarantine_after": plugin.restart.quarantine_after,
            "quarantine": span(plugin.restart.quarantine),
            "full_at": format!("{}%", plugin.restart.full_at_percent),
        },
        "burst": plugin.burst.map(describe_burst),
        "on_fault": describe_on_fault(plugin.on_fault),
        "retire_after": span(plugin.retire_after),
        "probe": plugin.probe,
        "while_restarting": describe_on_fault(plugin.while_restarting),
        "allow_on_headers_stop_iteration": plugin.allow_on_headers_stop_iteration,
        "phase": match plugin.phase {
            PluginPhase::Authn => "authn",
            PluginPhase::Authz => "authz",
            PluginPhase::Stats => "stats",
            PluginPhase::Unspecified => "unspecified",
        },
        "priority": plugin.priority,
        "debug": plugin.debug.as_ref().map(describe_debug),
        "rollout": plugin.rollout.as_ref().map(rollout::describe_rollout),
        "grant": plugin.grant.as_ref().map(|granted| grant::describe(plugin.grant_name.as_deref(), granted)),
    })
}

fn describe_debug(debug: &PluginDebug) -> Value {
    let mut matches = describe_match(&debug.matches.hosts, &debug.matches.path);
    describe_conditions(&debug.matches.conditions, &mut matches);
    json!({
        "listen": debug.listen.to_string(),
        "match": matches,
        "wait": span(debug.wait),
        "expose": debug.expose,
    })
}

fn describe_match(hosts: &[HostPattern], path: &PathPattern) -> Value {
    json!({
        "hosts": hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "path": path.to_string(),
    })
}

fn describe_bytes(bytes: &[u8]) -> Value {
    json!({"bytes": bytes.len(), "sha256": hexadecimal(&Sha256::digest(bytes))})
}

fn describe_rule(rule: &Rule) -> Value {
    let route = &rule.route;
    let mut value = json!({
        "name": route.name,
        "match": describe_match(&rule.hosts, &rule.path),
        "listeners": route.listeners,
        "plugins": route.plugins,
        "request_headers": describe_edits(&route.request_headers),
        "response_headers": describe_edits(&route.response_headers),
    });
    if let Some(matches) = value.get_mut("match") {
        describe_conditions(&rule.conditions, matches);
    }
    describe_action(&route.action, &mut value);
    value
}

fn describe_conditions(conditions: &Conditions, value: &mut Value) {
    let methods: Vec<&str> = conditions.methods.iter().map(http::Method::as_str).collect();
    put(value, "methods", json!(methods));
    put(
        value,
        "headers",
        conditions.headers.iter().map(describe_condition).collect(),
    );
    put(
        value,
        "query",
        conditions.query.iter().map(describe_condition).collect(),
    );
}

fn describe_condition<N: AsRef<str>>(condition: &Condition<N>) -> Value {
    let name = condition.name.as_ref();
    let lower = name.to_ascii_lowercase();
    let secret = SECRET_NAMES.iter().any(|part| lower.contains(part));
    let shown = |text: &str| if secret { masked() } else { Value::from(text) };
    let (test, with) = match &condition.test {
        Test::Present => ("present", Value::Bool(true)),
        Test::Exact(text) => ("exact", shown(text)),
        Test::Prefix(text) => ("prefix", shown(text)),
        Test::Suffix(text) => ("suffix", shown(text)),
        Test::Contains(text) => ("contains", shown(text)),
        Test::Regex(pattern) => ("regex", shown(pattern.text())),
    };
    json!({"name": name, test: with, "invert": condition.invert})
}

fn describe_action(action: &Action, value: &mut Value) {
    match action {
        Action::Forward {
            target,
            prefix_rewrite,
            host_rewrite,
        } => {
            match target {
                Target::Upstream(name) => put(value, "upstream", name.as_str().into()),
                Target::Header(name) => put(value, "upstream_header", name.as_str().into()),
            }
            put(
                value,
                "rewrite",
                json!({"prefix": prefix_rewrite, "host": host_rewrite}),
            );
        }
        Action::Redirect(redirect) => {
            let described = json!({
                "status": redirect.status.as_u16(),
                "scheme": redirect.scheme,
                "host": redirect.host,
                "port": redirect.port,
                "path": redirect.path,
                "strip_query": redirect.strip_query,
            });
            put(value, "redirect", described);
        }
        Action::Respond(response) => {
            let headers = describe_headers(&response.headers);
            let described =
                json!({"status": response.status.as_u16(), "body_bytes": response.body.len(), "headers": headers});
            put(value, "respond", described);
        }
        Action::Echo => put(value, "echo", Value::Bool(true)),
    }
}

fn describe_edits(edits: &HeaderEdits) -> Value {
    let remove: Vec<&str> = edits.remove.iter().map(HeaderName::as_str).collect();
    json!({"remove": remove, "set": describe_headers(&edits.set), "add": describe_headers(&edits.add)})
}

fn describe_headers(headers: &[(HeaderName, HeaderValue)]) -> Value {
    let masked = headers.iter().map(|(name, _)| (name.as_str().to_owned(), masked()));
    Value::Object(masked.collect())
}

fn put(value: &mut Value, key: &str, described: Value) {
    if let Some(keys) = value.as_object_mut() {
        keys.insert(key.to_owned(), described);
    }
}

fn masked() -> Value {
    Value::from("***")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn describe_on_fault(on_fault: OnFault) -> &'static str {
    match on_fault {
        OnFault::Close => "close",
        OnFault::Open => "open",
    }
}

fn describe_burst(burst: Burst) -> Value {
    json!({
        "faults": burst.faults,
        "errors": burst.errors,
        "within": span(burst.within),
        "lasts": span(burst.lasts),
        "level": match burst.level {
            LineLevel::Trace => "trace",
            LineLevel::Debug => "debug",
            LineLevel::Info => "info",
        },
        "recordings": burst.recordings,
    })
}
