//! What a plan says of traces, sampling and debug windows, as workers follow it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gate_flow::{DebugSettings, DebugWindows, Formats, TraceHeaders, TraceSettings, tenant_number};
use gate_plan::Plan;
use gate_plan::logs::{self, Faults, Keep, Rate, RateEach, Sampling, SamplingRule, Statuses};
use gate_plan::tracing::{Parents, Spans, TraceFormat, Tracing, Trust};
use log_book::Wanted;
use log_record::grade::{Class, Level};
use log_trace::{
    Bodies, BurstSettings, Fault, Levels, Limit, Per, Rule, Settings, Slow, Table, Tail, Threshold, Trigger,
};

use super::sinks;

/// Tables of the process so far: each has a number above that of the one before.
static TABLES: AtomicU64 = AtomicU64::new(0);

/// What workers follow.
pub(crate) fn settings(plan: &Plan) -> anyhow::Result<Arc<TraceSettings>> {
    let debug = plan.logs.debug.as_ref().map(debug).transpose()?;
    let settings = TraceSettings {
        headers: plan.tracing.as_ref().map(headers),
        spans_max: spans_max(plan).into(),
        table: Arc::new(table(&plan.logs.sampling, plan.tracing.as_ref())?),
        tenant: plan.logs.tenant.clone(),
        debug,
        ..TraceSettings::default()
    };
    settings.check()?;
    Ok(Arc::new(settings))
}

/// Spans of one exchange: as many as go to the collector, or as usual where a sink of the log alone takes them.
fn spans_max(plan: &Plan) -> u16 {
    let takes_spans = || Wanted::of(&sinks::selections(plan)).has(Level::Info, Class::Span);
    match &plan.tracing {
        Some(Tracing { spans: Some(spans), .. }) => spans.per_exchange_max,
        Some(_) if takes_spans() => Spans::PER_EXCHANGE_MAX,
        _ => 0,
    }
}

/// What is kept. Where tracing has a part of its own, that is the part of exchanges that no rule is for.
pub(crate) fn table(sampling: &Sampling, tracing: Option<&Tracing>) -> Result<Table, Fault> {
    let rules: Result<Vec<Rule>, Fault> = sampling.rules.iter().map(rule).collect();
    let otherwise = tracing.and_then(|tracing| tracing.keep).unwrap_or(sampling.keep);
    Table::new(Settings {
        number: TABLES.fetch_add(1, Ordering::Relaxed).saturating_add(1),
        parents: match tracing.map(|tracing| tracing.parents) {
            Some(Parents::Obeyed) => log_trace::Parents::Obeyed,
            // Who takes no part in traces is told nothing by them.
            Some(Parents::Ignored) | None => log_trace::Parents::Ignored,
        },
        rules: rules?,
        otherwise: keep(otherwise)?,
        always_from: sampling.always_from,
        tail: tail(&sampling.tail)?,
    })
}

fn keep(written: Keep) -> Result<log_trace::Keep, Fault> {
    Ok(match written {
        Keep::All => log_trace::Keep::All,
        Keep::Nothing => log_trace::Keep::Nothing,
        Keep::Part(_) => log_trace::Keep::Ratio(Threshold::of_ratio(written.ratio().unwrap_or(1.0))?),
    })
}

fn rule(written: &SamplingRule) -> Result<Rule, Fault> {
    let limit = |written: &Rate| -> Result<Limit, Fault> {
        Ok(Limit {
            rate: rate(written)?,
            per: per(&written.each),
        })
    };
    let only = |levels: Levels, level: &Level| levels.with(*level);
    Ok(Rule {
        levels: written.levels.iter().fold(Levels::NONE, only),
        route: written.route.as_ref().map(|route| route.number),
        tenant: written.tenant.as_ref().map(|tenant| tenant_number(tenant.as_bytes())),
        plugin: written.plugin.as_ref().map(|plugin| plugin.number),
        keep: keep(written.keep)?,
        limit: written.rate.as_ref().map(limit).transpose()?,
    })
}

fn rate(written: &Rate) -> Result<log_trace::Rate, Fault> {
    log_trace::Rate::new(written.count, nanoseconds(written.per), written.burst)
}

fn per(each: &[RateEach]) -> Per {
    each.iter().fold(Per::RULE, |per, each| {
        per.and(match each {
            RateEach::Level => Per::LEVEL,
            RateEach::Route => Per::ROUTE,
            RateEach::Tenant => Per::TENANT,
            RateEach::Plugin => Per::PLUGIN,
        })
    })
}

fn tail(written: &logs::Tail) -> Result<Tail, Fault> {
    let statuses = written
        .statuses
        .iter()
        .fold(log_trace::Statuses::NONE, |all, statuses| match statuses {
            Statuses::One(status) => all.with(*status),
            Statuses::Class(class) => all.with_class(*class),
        });
    let slow = |(route, from): &(logs::Named, Duration)| (route.number, nanoseconds(*from));
    Ok(Tail {
        statuses,
        faults: match &written.faults {
            Faults::None => log_trace::Faults::None,
            Faults::Codes(codes) => log_trace::Faults::Codes(codes.clone()),
            Faults::Any => log_trace::Faults::Any,
        },
        slow: Slow {
            from_ns: written.slow.map(nanoseconds),
            routes: written.slow_routes.iter().map(slow).collect(),
        },
        rate: written.rate.as_ref().map(rate).transpose()?,
    })
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn headers(tracing: &Tracing) -> TraceHeaders {
    let trust = |holds: bool| match holds {
        true => log_trace::Trust::Callers,
        false => log_trace::Trust::Nobody,
    };
    let trusts = match &tracing.trust {
        Trust::Listeners(names) => names.iter().map(|name| (name.clone(), trust(true))).collect(),
        Trust::Nobody | Trust::Callers => Vec::new(),
    };
    TraceHeaders {
        accept: Formats {
            // Whoever sends B3 may do so in either form.
            b3_several: tracing.accept.contains(&TraceFormat::B3),
            ..formats(&tracing.accept)
        },
        send: formats(&tracing.send),
        trusts,
        trust: trust(tracing.trust == Trust::Callers),
    }
}

fn formats(written: &[TraceFormat]) -> Formats {
    Formats {
        w3c: written.contains(&TraceFormat::W3c),
        b3: written.contains(&TraceFormat::B3),
        b3_several: false,
    }
}

fn debug(written: &logs::DebugWindows) -> Result<DebugSettings, Fault> {
    let trigger = |trigger: &logs::Trigger| Trigger {
        events_min: trigger.events_min,
        share_ppm: trigger.share_ppm,
        calm_ppm: trigger.calm_ppm,
    };
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let slow = written.slow.as_ref();
    let bodies = written.bodies.as_ref();
    Ok(DebugSettings {
        burst: BurstSettings {
            sight_seconds: written.sight.as_secs(),
            triggers: [
                written.too_many_requests.as_ref().map(trigger),
                written.server_errors.as_ref().map(trigger),
                written.faults.as_ref().map(trigger),
                slow.map(|slow| trigger(&slow.trigger)),
            ],
            slow_ns: slow.map_or(u64::MAX, |slow| nanoseconds(slow.from)),
            window_seconds: written.lasts.as_secs(),
            windows_per_hour: usize::from(written.per_hour),
            rate: rate(&written.rate)?,
            bytes_max: written.bytes_max,
            body_bytes_max: bodies.map_or(0, |bodies| bodies.bytes_of_window_max),
        },
        before_bytes: bytes(written.before.bytes_max),
        before: written.before.lasts,
        bodies: Bodies {
            routes: bodies.map_or_else(Vec::new, |bodies| {
                bodies.routes.iter().map(|route| route.number).collect()
            }),
            bytes_max: bodies.map_or(0, |bodies| bytes(bodies.bytes_max)),
        },
        tells_clients: written.tells_clients,
        windows: Arc::new(DebugWindows::default()),
    })
}
