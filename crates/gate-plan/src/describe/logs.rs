//! Logs, described: of headers and of what is masked only names and numbers.

use serde_json::{Map, Value, json};

use super::{describe_bytes, sinks, span};
use crate::plan::logs::{
    DebugWindows, Faults, FieldFrom, Keep, Level, Logs, Mask, Masking, Named, Rate, RateEach, Sampling, SamplingRule,
    Sandbox, Statuses, Tail, Trigger,
};

pub(super) fn describe(logs: &Logs) -> Value {
    let field = |from: &FieldFrom| match from {
        FieldFrom::RequestHeader(name) => ("request_header", json!(name.as_str())),
        FieldFrom::ResponseHeader(name) => ("response_header", json!(name.as_str())),
        FieldFrom::Property(path) => ("property", json!(path)),
    };
    let fields = logs.fields.iter().map(|one| {
        let (key, from) = field(&one.from);
        json!({"name": one.name, key: from})
    });
    json!({
        "rings": {"dir": logs.rings.dir, "bytes": logs.rings.bytes},
        "level": logs.level.word(),
        "mask": logs.mask.as_ref().map_or(json!("off"), describe_mask),
        "fields": fields.collect::<Vec<_>>(),
        "tenant": logs.tenant.as_ref().map(|name| json!({"request_header": name.as_str()})),
        "sampling": describe_sampling(&logs.sampling),
        "debug": logs.debug.as_ref().map(describe_debug),
        "sandbox": logs.sandbox.as_ref().map(describe_sandbox),
        "sinks": logs.sinks.iter().map(sinks::describe).collect::<Vec<_>>(),
    })
}

/// What is looked for may itself be secret: words and patterns are counted.
fn describe_mask(mask: &Mask) -> Value {
    use log_mask::rules::Action;
    let action = |masking: &Masking| match masking {
        Masking::Off => json!("off"),
        Masking::Action(Action::Redact(text)) => json!({"replace": text}),
        Masking::Action(Action::Drop) => json!("drop"),
        Masking::Action(Action::Partial { first, last }) => json!({"keep": {"first": first, "last": last}}),
        Masking::Action(Action::Hash) => json!("hash"),
        Masking::Action(Action::Network) => json!("network"),
    };
    let classes = mask
        .classes
        .iter()
        .map(|(class, masking)| (class.name().to_owned(), action(masking)));
    json!({
        "packs": mask.packs,
        "classes": classes.collect::<Map<_, _>>(),
        "names": mask.names,
        "headers": mask.headers,
        "query": mask.query,
        "paths": mask.paths,
        "skip_paths": mask.skip_paths,
        "words": mask.words.len(),
        "match_case": mask.match_case,
        "patterns": mask.patterns.len(),
        "hash": mask.hash.as_ref().map(sinks::describe_hash),
    })
}

fn describe_sampling(sampling: &Sampling) -> Value {
    json!({
        "keep": keep(sampling.keep),
        "always_from": sampling.always_from.word(),
        "rules": sampling.rules.iter().map(describe_rule).collect::<Vec<_>>(),
        "tail": describe_tail(&sampling.tail),
    })
}

fn describe_rule(rule: &SamplingRule) -> Value {
    json!({
        "levels": rule.levels.iter().map(|level| Level::word(*level)).collect::<Vec<_>>(),
        "route": rule.route.as_ref().map(|route| &route.name),
        "tenant": rule.tenant,
        "plugin": rule.plugin.as_ref().map(|plugin| &plugin.name),
        "keep": keep(rule.keep),
        "rate": rule.rate.as_ref().map(describe_rate),
    })
}

fn describe_tail(tail: &Tail) -> Value {
    let statuses = tail.statuses.iter().map(|statuses| match statuses {
        Statuses::One(status) => status.to_string(),
        Statuses::Class(class) => format!("{class}xx"),
    });
    let slow = tail.slow_routes.iter();
    json!({
        "statuses": statuses.collect::<Vec<_>>(),
        "faults": match &tail.faults {
            Faults::None => json!([]),
            Faults::Codes(codes) => json!(codes),
            Faults::Any => json!(["any"]),
        },
        "slow": tail.slow.map(span),
        "slow_routes": slow.map(|(route, from)| (route.name.clone(), json!(span(*from)))).collect::<Map<_, _>>(),
        "rate": tail.rate.as_ref().map(describe_rate),
    })
}

fn describe_rate(rate: &Rate) -> Value {
    let each = rate.each.iter().map(|each| match each {
        RateEach::Level => "level",
        RateEach::Route => "route",
        RateEach::Tenant => "tenant",
        RateEach::Plugin => "plugin",
    });
    json!({"count": rate.count, "per": span(rate.per), "burst": rate.burst, "each": each.collect::<Vec<_>>()})
}

fn describe_debug(debug: &DebugWindows) -> Value {
    let trigger = |trigger: &Trigger| {
        json!({
            "events": trigger.events_min,
            "share": percent(trigger.share_ppm),
            "calm": percent(trigger.calm_ppm),
        })
    };
    let slow = debug.slow.as_ref().map(|slow| {
        let mut described = trigger(&slow.trigger);
        super::put(&mut described, "from", json!(span(slow.from)));
        described
    });
    json!({
        "triggers": {
            "too_many_requests": debug.too_many_requests.as_ref().map(trigger),
            "server_errors": debug.server_errors.as_ref().map(trigger),
            "faults": debug.faults.as_ref().map(trigger),
            "slow": slow,
        },
        "sight": span(debug.sight),
        "lasts": span(debug.lasts),
        "per_hour": debug.per_hour,
        "rate": describe_rate(&debug.rate),
        "bytes": debug.bytes_max,
        "before": {"lasts": span(debug.before.lasts), "bytes": debug.before.bytes_max},
        "bodies": debug.bodies.as_ref().map(|bodies| json!({
            "routes": bodies.routes.iter().map(|Named { name, .. }| name).collect::<Vec<_>>(),
            "bytes": bodies.bytes_max,
            "bytes_of_window": bodies.bytes_of_window_max,
        })),
        "tell_clients": debug.tells_clients,
    })
}

fn describe_sandbox(sandbox: &Sandbox) -> Value {
    let plugins = sandbox.plugins.iter().map(|plugin| {
        let files = plugin.files.iter().map(|(name, path)| (name.clone(), json!(path)));
        json!({
            "name": plugin.name,
            "module": plugin.module,
            "config": describe_bytes(&plugin.config),
            "files": files.collect::<Map<_, _>>(),
            "memory": plugin.memory_bytes_max,
        })
    });
    json!({
        "plugins": plugins.collect::<Vec<_>>(),
        "batch": sandbox.batch_records_max,
        "slice": span(sandbox.slice),
    })
}

pub(super) fn keep(keep: Keep) -> String {
    match keep {
        Keep::All => "all".to_owned(),
        Keep::Nothing => "none".to_owned(),
        Keep::Part(part) => percent(part),
    }
}

/// Parts per million as a percentage.
fn percent(parts: u32) -> String {
    format!("{}%", f64::from(parts) / 10_000.0)
}
