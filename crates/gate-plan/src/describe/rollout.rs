//! Rollouts, described.

use serde_json::{Value, json};

use super::span;
use crate::plan::{
    Rollout, RolloutAnalysis, RolloutBound, RolloutMetric, RolloutShadow, RolloutWaves, Sticky, WaveGateways,
};

pub(super) fn describe_rollout(rollout: &Rollout) -> Value {
    let steps = rollout.steps.iter().map(|step| {
        let pause = step.pause.map_or(String::from("manual"), span);
        json!({ "share": parts(f64::from(step.share) / 1_000_000.0), "pause": pause })
    });
    json!({
        "steps": steps.collect::<Vec<_>>(),
        "sticky": match &rollout.sticky {
            Sticky::Nothing => Value::Null,
            Sticky::Client => json!("client"),
            Sticky::Header(name) => json!({ "header": name.as_str() }),
            Sticky::Cookie(name) => json!({ "cookie": name }),
        },
        "routes": rollout.routes,
        "shadow": rollout.shadow.as_ref().map(shadow),
        "analysis": analysis(&rollout.analysis),
        "ends_within": span(rollout.ends_within),
        "waves": rollout.waves.as_ref().map(waves),
    })
}

fn waves(waves: &RolloutWaves) -> Value {
    let gateways = waves.gateways.iter().map(|gateways| match *gateways {
        WaveGateways::Count(count) => json!(count),
        WaveGateways::Part(part) => json!(parts(f64::from(part) / 1_000_000.0)),
    });
    json!({
        "gateways": gateways.collect::<Vec<_>>(),
        "pause": span(waves.pause),
        "gone_after": span(waves.gone_after),
    })
}

fn shadow(shadow: &RolloutShadow) -> Value {
    let ignored = shadow.ignored_headers.iter().map(http::HeaderName::as_str);
    json!({
        "share": parts(f64::from(shadow.share) / 1_000_000.0),
        "body": shadow.body_bytes_max,
        "waiting": shadow.waiting_max,
        "cpu_share": parts(f64::from(shadow.cpu_share_percent_max) / 100.0),
        "ignore_headers": ignored.collect::<Vec<_>>(),
        "show_values": shadow.shows_values,
    })
}

fn analysis(analysis: &RolloutAnalysis) -> Value {
    let of_parts =
        |bound: RolloutBound| json!({ "absolute": parts(bound.absolute), "relative": parts(bound.relative) });
    let of_micros = |bound: RolloutBound| {
        let absolute = std::time::Duration::from_secs_f64((bound.absolute / 1_000_000.0).max(0.0));
        json!({ "absolute": span(absolute), "relative": parts(bound.relative) })
    };
    json!({
        "exchanges": analysis.exchanges_min,
        "faults": of_parts(analysis.faults),
        "faults_max": parts(analysis.faults_max),
        "server_errors": of_parts(analysis.server_errors),
        "client_errors": of_parts(analysis.client_errors),
        "latency": of_micros(analysis.latency),
        "cpu": of_micros(analysis.cpu),
        "memory": { "absolute": analysis.memory.absolute, "relative": parts(analysis.memory.relative) },
        "log_errors": of_parts(analysis.log_errors),
        "metrics": analysis.metrics.iter().map(metric).collect::<Vec<_>>(),
        "differences_max": analysis.differences_max.map(parts),
    })
}

fn metric(metric: &RolloutMetric) -> Value {
    let relative = parts(metric.bound.relative);
    match metric.thousandths {
        None => json!({ "counter": metric.name, "absolute": parts(metric.bound.absolute), "relative": relative }),
        Some(thousandths) => json!({
            "histogram": metric.name,
            "quantile": parts(f64::from(thousandths) / 1_000.0),
            "absolute": metric.bound.absolute,
            "relative": relative,
        }),
    }
}

/// As it is written in a configuration.
fn parts(part: f64) -> String {
    let text = format!("{:.4}", part * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
