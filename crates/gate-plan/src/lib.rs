//! **gate-plan** turns configuration text into a checked, immutable [`Plan`].
//!
//! Here live the YAML reader, the wire structs with their reference (also as a JSON Schema), every check of a configuration, the
//! texts of its errors, the types of the plan, and the order of routes.
//!
//! Never enters: a socket, a file, a clock, a thread. Whether a named file exists or a name resolves is found by the room that
//! uses it. No other room knows YAML.
//!
//! From `cofferdam` (or whoever has read a file) comes the text; to `gate-serve`, `gate-upstream`, `gate-flow`, `plug-host` and
//! `console` goes the plan, whole and for good. A text with an error gives no plan but [`Findings`]: all errors at once.

mod begun;
mod describe;
pub mod document;
pub mod documents;
mod findings;
mod grants;
mod lower;
mod nearest;
mod place;
mod plan;
mod route;
mod schema;
mod shape;
mod tree;
mod wire;
mod word;

pub use crate::begun::begin;
pub use crate::findings::{Finding, Findings, Severity};
pub use crate::grants::check_grants;
pub use crate::plan::{
    AccessLog, Action, Admin, Audit, AuditToolchain, Balance, Bootstrap, Burst, CertificateFiles, ClientCertificates,
    ClientTls, Compile, CrashReports, Drain, EndpointSpec, Fetch, FixedResponse, Forwarding, Grants, HeaderEdits,
    Isolation, Limits, LineLevel, Listener, Machine, OnFault, Plan, Plugin, PluginDebug, PluginLimits, PluginPhase,
    Protocol, Pull, Recordings, Redirect, Restart, Rollout, RolloutAnalysis, RolloutBound, RolloutMetric,
    RolloutShadow, RolloutStep, RolloutWaves, RolloutsFrom, Route, ServerTls, Signatures, Signer, SignerIdentity,
    Source, Sticky, Store, StoreBackend, StoreLogin, StorePlace, StoreSecret, Target, Timeouts, Upstream,
    UpstreamProtocol, WaveGateways, logs, tracing,
};
pub use crate::route::{ExchangeMatch, Matched, RouteKey, RouteTable};
pub use crate::schema::{bootstrap_schema, schema};
pub use crate::word::ImagePattern;

use crate::findings::{Lines, Report};
use crate::place::Span;
use crate::tree::{Node, Value};

/// Checks the text of a configuration. `origin` is what messages call it, usually the file's path.
///
/// # Errors
/// Everything that is wrong with the text, sorted by position. A plan may still carry warnings.
pub fn check(text: &str, origin: &str) -> Result<Plan, Findings> {
    check_for(text, origin, None)
}

/// As [`check`], for a text out of a store: what belongs to the machine is given, and not in the text.
///
/// # Errors
/// As [`check`].
pub fn check_delivered(text: &str, origin: &str, machine: &Machine) -> Result<Plan, Findings> {
    check_for(text, origin, Some(machine))
}

/// What a file with `store` says; none when it has no such key, and so is a configuration.
///
/// # Errors
/// Everything that is wrong with it, sorted by position.
pub fn bootstrap(text: &str, origin: &str) -> Option<Result<Bootstrap, Findings>> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut report = Report::default();
    let tree = tree::read(text, "store", &mut report)?;
    tree.get("store")?;
    shape::check(&tree, schema::bootstrap_root(), &mut report);
    let bootstrap = lower::store::bootstrap(&tree, &mut report);
    let findings = report.seal(origin, &Lines::new(text, Vec::new()));
    Some(match bootstrap {
        Some(bootstrap) if !findings.has_errors() => Ok(bootstrap),
        _ => Err(findings),
    })
}

fn check_for(text: &str, origin: &str, machine: Option<&Machine>) -> Result<Plan, Findings> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut report = Report::default();
    let tree = tree::read(text, "listeners", &mut report);
    let plan = tree.as_ref().and_then(|tree| {
        let spoiled = shape::check(tree, schema::root(), &mut report);
        let mut plan = lower::lower(tree, &tree.without(&spoiled), &mut report)?;
        if let Some(machine) = machine {
            lower::store::furnish(&mut plan, machine, tree, &mut report);
        }
        Some(plan)
    });
    let secrets = tree.as_ref().map(secrets).unwrap_or_default();
    let findings = report.seal(origin, &Lines::new(text, secrets));
    match plan {
        Some(plan) if !findings.has_errors() => Ok(Plan {
            warnings: findings,
            ..plan
        }),
        _ => Err(findings),
    }
}

/// Values that excerpts do not show: configurations, environments and guarded URLs of plugins, and headers that a route sets.
fn secrets(tree: &Node) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut veil = |node: Option<&Node>| {
        if let Some(node) = node {
            let written = |leaf: &Node| leaf.value != Value::Null;
            node.leaves(&mut |leaf| spans.extend(written(leaf).then_some(leaf.span)));
        }
    };
    for plugin in tree.list("plugins") {
        ["config", "vm_config", "environment", "default_config"]
            .iter()
            .for_each(|key| veil(plugin.get(key)));
        // Of a URL, what stands in front of `@` and behind `?` may let somebody in.
        let url = plugin.at("source").get("http");
        veil(url.filter(|url| url.text().is_some_and(|text| text.contains(['@', '?']))));
        plugin
            .list("match_rules")
            .iter()
            .for_each(|rule| veil(rule.get("config")));
    }
    for route in tree.list("routes") {
        for edits in ["request_headers", "response_headers"] {
            ["set", "add"].iter().for_each(|key| veil(route.at(edits).get(key)));
        }
        veil(route.at("respond").get("headers"));
    }
    let logs = tree.get("logs");
    for key in ["words", "patterns"] {
        veil(logs.and_then(|logs| logs.get("mask")?.get(key)));
    }
    let sinks = logs.map_or(&[][..], |logs| logs.list("sinks"));
    let of_sinks = sinks
        .iter()
        .flat_map(|sink| ["http", "loki", "otlp"].map(|key| sink.get(key)));
    let of_spans = tree
        .get("tracing")
        .and_then(|tracing| tracing.get("spans")?.get("otlp"));
    for other in of_sinks.chain([of_spans]).flatten() {
        veil(other.get("headers"));
        let url = other.get("url");
        veil(url.filter(|url| url.text().is_some_and(|text| text.contains(['@', '?']))));
    }
    for guest in logs
        .and_then(|logs| logs.get("sandbox"))
        .map_or(&[][..], |sandbox| sandbox.list("plugins"))
    {
        veil(guest.get("config"));
    }
    spans
}
