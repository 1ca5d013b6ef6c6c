//! The page of metrics: every row of the table, in its order, and then what plugins defined.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use gate_plan::PluginLimits;
use gate_serve::worker::ListenerReport;
use log_record::exposition::Exposition;
use log_record::metric::{self, Kind, Metric};
use plug_host::{Computed, Isolation, Plugin, PluginState, PluginStats, Reading};
use plug_rollout::Arm;
use plug_shadow::Tally;

use super::traffic::Traffic;
use super::{logs, process};
use crate::assemble::House;
use crate::rollouts::shadow;

/// Gathers the page.
pub(super) fn page(house: &House) -> Exposition {
    let mut page = Exposition::new();
    let staff = Staff::of(house);
    let traffic = Traffic::of(house);
    about_process(house, &staff, &mut page);
    about_certificates(&staff, &mut page);
    about_listeners(&staff, &mut page);
    about_exchanges(&traffic, &mut page);
    about_upstreams(&traffic, &mut page);
    let plugins = house.plugins();
    about_plugins(&plugins, &mut page);
    about_limits(house, &plugins, &mut page);
    named(&mut page, &metric::PLUGIN_REFUSED, &house.standings().0, |standing| {
        (&standing.plugin, u64::from(standing.why_not.is_some()))
    });
    about_rollouts(house, &mut page);
    about_shadows(house, &mut page);
    about_lines(&mut page);
    about_workers(&traffic, &mut page);
    process::Standing::of_this().tell(&mut page);
    logs::Logs::of(house, &traffic).tell(&mut page);
    by_plugins(house, &mut page);
    page
}

/// What the workers tell of themselves and their listeners; nothing once they are stopping.
#[derive(Default)]
struct Staff {
    count: u64,
    panics: Vec<u64>,
    mailbox_refusals: Vec<u64>,
    listeners: Vec<ListenerReport>,
}

impl Staff {
    fn of(house: &House) -> Self {
        let guard = house.workers.lock();
        guard.as_ref().map_or_else(Self::default, |workers| Self {
            count: workers.count() as u64,
            panics: workers.panics(),
            mailbox_refusals: workers.mailbox_refusals(),
            listeners: workers.listeners(),
        })
    }
}

/// A metric whose only label is a name: one sample for each row.
fn named<T>(
    page: &mut Exposition,
    metric: &'static Metric,
    rows: impl IntoIterator<Item = T>,
    read: impl Fn(&T) -> (&str, u64),
) {
    let mut family = page.family(metric);
    for row in rows {
        let (name, number) = read(&row);
        family.sample(&[name], number);
    }
}

/// A metric whose only label is the worker.
fn by_worker(page: &mut Exposition, metric: &'static Metric, numbers: &[u64]) {
    let mut family = page.family(metric);
    for (worker, number) in numbers.iter().enumerate() {
        family.sample(&[&worker.to_string()], *number);
    }
}

fn about_process(house: &House, staff: &Staff, page: &mut Exposition) {
    let began_s = house
        .began
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    page.family(&metric::BUILD_INFO).sample(&[env!("CARGO_PKG_VERSION")], 1);
    page.family(&metric::START_TIME).sample(&[], began_s);
    page.family(&metric::WORKERS).sample(&[], staff.count);
    by_worker(page, &metric::WORKER_PANICS, &staff.panics);
    by_worker(page, &metric::WORKER_MAILBOX_REFUSALS, &staff.mailbox_refusals);
    page.family(&metric::CONFIG_GENERATION).sample(&[], house.generation());
    page.family(&metric::CONFIG_CHANGES)
        .sample(&["applied"], house.changes_applied.load(Ordering::Relaxed))
        .sample(&["refused"], house.changes_refused.load(Ordering::Relaxed));
    about_store(house, page);
}

/// A gateway of a plain file has no samples here.
fn about_store(house: &House, page: &mut Exposition) {
    let health = house.store.get().map(|store| store.health());
    let Some(health) = health else {
        for metric in [
            &metric::STORE_CONNECTED,
            &metric::STORE_SILENT,
            &metric::STORE_REVISION,
            &metric::STORE_RECONNECTS,
            &metric::STORE_REJECTED,
        ] {
            page.family(metric);
        }
        return;
    };
    let number = |revision: Option<control_store::Revision>| revision.map_or(0, |revision| revision.number);
    page.family(&metric::STORE_CONNECTED)
        .sample(&[], u64::from(health.connected));
    let mut silent = page.family(&metric::STORE_SILENT);
    if let Some(silent_for) = health.silent_for {
        silent.sample(&[], silent_for.as_secs());
    }
    page.family(&metric::STORE_REVISION)
        .sample(&["wanted"], number(health.wanted))
        .sample(&["serving"], number(health.serving));
    page.family(&metric::STORE_RECONNECTS).sample(&[], health.reconnects);
    page.family(&metric::STORE_REJECTED).sample(&[], health.rejected);
}

/// Listeners without TLS have no samples here.
fn about_certificates(staff: &Staff, page: &mut Exposition) {
    let with_tls = || staff.listeners.iter().filter(|report| !report.certificates.is_empty());
    let mut family = page.family(&metric::CERTIFICATE_RELOADS);
    for report in with_tls() {
        family
            .sample(&[&report.name, "applied"], report.certificates_applied)
            .sample(&[&report.name, "refused"], report.certificates_refused);
    }
    let mut family = page.family(&metric::CERTIFICATE_EXPIRY);
    for report in with_tls() {
        let mut first: BTreeMap<&str, u64> = BTreeMap::new();
        for certificate in &report.certificates {
            let expires_s = first.entry(&certificate.subject).or_insert(u64::MAX);
            *expires_s = certificate.expires_s.min(*expires_s);
        }
        for (subject, expires_s) in first {
            family.sample(&[&report.name, subject], expires_s);
        }
    }
}

fn about_listeners(staff: &Staff, page: &mut Exposition) {
    let reports = &staff.listeners;
    named(page, &metric::CONNECTIONS, reports, |report| {
        (&report.name, report.open)
    });
    named(page, &metric::CONNECTIONS_TOTAL, reports, |report| {
        (&report.name, report.accepted)
    });
    let mut family = page.family(&metric::CONNECTIONS_REFUSED);
    for report in reports {
        family
            .sample(&[&report.name, "full"], report.full)
            .sample(&[&report.name, "handshake"], report.handshakes_failed);
    }
    named(page, &metric::ACCEPT_FAILURES, reports, |report| {
        (&report.name, report.accepts_failed)
    });
    let mut family = page.family(&metric::REQUESTS_REFUSED);
    for report in reports {
        for (refusal, count) in &report.refused {
            family.sample(&[&report.name, refusal.code()], *count);
        }
    }
}

fn about_exchanges(traffic: &Traffic, page: &mut Exposition) {
    let routes = &traffic.routes;
    let mut family = page.family(&metric::EXCHANGES);
    for (route, tally) in routes {
        let mut classes: Vec<_> = tally.classes.iter().collect();
        classes.sort();
        for (class, count) in classes {
            family.sample(&[route, class], *count);
        }
    }
    page.family(&metric::EXCHANGES_IN_FLIGHT).sample(&[], traffic.in_flight);
    let mut family = page.family(&metric::EXCHANGE_DURATION);
    for (route, tally) in routes {
        family.durations(&[route], &tally.durations);
    }
    named(page, &metric::REQUEST_BYTES, routes, |(route, tally)| {
        (route, tally.request_bytes)
    });
    named(page, &metric::RESPONSE_BYTES, routes, |(route, tally)| {
        (route, tally.response_bytes)
    });
}

fn about_upstreams(traffic: &Traffic, page: &mut Exposition) {
    let upstreams = &traffic.upstreams;
    named(page, &metric::UPSTREAM_CONNECTIONS, upstreams, |(name, counts)| {
        (name, counts.active)
    });
    named(
        page,
        &metric::UPSTREAM_CONNECTIONS_TOTAL,
        upstreams,
        |(name, counts)| (name, counts.opened),
    );
    let mut family = page.family(&metric::UPSTREAM_REQUESTS);
    for (name, counts) in upstreams {
        for (class, count) in &counts.answers {
            family.sample(&[name, class], *count);
        }
    }
    named(
        page,
        &metric::UPSTREAM_REQUESTS_IN_FLIGHT,
        upstreams,
        |(name, counts)| (name, counts.requests_active),
    );
    let mut family = page.family(&metric::UPSTREAM_FAILURES);
    for (name, counts) in upstreams {
        for (code, count) in &counts.failures {
            family.sample(&[name, code], *count);
        }
    }
    named(page, &metric::UPSTREAM_RETRIES, upstreams, |(name, counts)| {
        (name, counts.retries)
    });
    let mut family = page.family(&metric::UPSTREAM_DURATION);
    for (name, counts) in upstreams {
        family.durations(&[name], &counts.durations);
    }
    let mut family = page.family(&metric::UPSTREAM_ENDPOINTS);
    for (name, counts) in upstreams {
        let (healthy, unhealthy) = counts.health();
        family
            .sample(&[name, "healthy"], healthy)
            .sample(&[name, "unhealthy"], unhealthy);
    }
}

fn about_plugins(plugins: &[Arc<Plugin>], page: &mut Exposition) {
    let sum = |page: &mut Exposition, metric, count: fn(&PluginStats) -> u64| {
        named(page, metric, plugins, |plugin| {
            (&plugin.spec.name, plugin.workers.iter().map(count).sum())
        });
    };
    sum(page, &metric::PLUGIN_INSTANCES, |stats| {
        stats.instances.load(Ordering::Relaxed)
    });
    let mut family = page.family(&metric::PLUGIN_MEMORY);
    for plugin in plugins {
        for (worker, stats) in plugin.workers.iter().enumerate() {
            family.sample(
                &[&plugin.spec.name, &worker.to_string()],
                stats.memory_bytes.load(Ordering::Relaxed),
            );
        }
    }
    sum(page, &metric::PLUGIN_MEMORY_GROWN, |stats| {
        stats.memory_grown_bytes.load(Ordering::Relaxed)
    });
    sum(page, &metric::PLUGIN_CALLBACKS, |stats| {
        stats.callbacks.load(Ordering::Relaxed)
    });
    let mut family = page.family(&metric::PLUGIN_FAULTS);
    for plugin in plugins {
        let mut faults = BTreeMap::new();
        for (code, count) in plugin.workers.iter().flat_map(PluginStats::faults_by_code) {
            *faults.entry(code).or_default() += count;
        }
        for (code, count) in faults {
            family.sample(&[&plugin.spec.name, code], count);
        }
    }
    let mut family = page.family(&metric::PLUGIN_FAULTS_BY_CALLBACK);
    for (name, callback, count) in summed(plugins, |stats| stats.faults_by_callback().into_iter().collect()) {
        family.sample(&[name, callback], count);
    }
    let mut family = page.family(&metric::PLUGIN_HOST_CALLS);
    for (name, call, count) in summed(plugins, |stats| stats.host_calls().collect()) {
        family.sample(&[name, call], count);
    }
    let mut family = page.family(&metric::PLUGIN_DENIED_CALLS);
    for (name, call, count) in summed(plugins, |stats| stats.denied_calls().collect()) {
        family.sample(&[name, call], count);
    }
    about_time(plugins, page);
    named(page, &metric::PLUGIN_RESTARTS, plugins, |plugin| {
        let replaced = |stats: &PluginStats| stats.starts.load(Ordering::Relaxed).saturating_sub(1);
        let count = match plugin.spec.isolation {
            Isolation::Worker => plugin.workers.iter().map(replaced).sum(),
            // Each is made for an exchange, none in place of another.
            Isolation::Exchange { .. } => 0,
        };
        (&plugin.spec.name, count)
    });
    sum(page, &metric::PLUGIN_DEBUGGED, |stats| {
        stats.debugged.load(Ordering::Relaxed)
    });
    sum(page, &metric::PLUGIN_QUARANTINES, |stats| {
        stats.quarantines.load(Ordering::Relaxed)
    });
    sum(page, &metric::PLUGIN_QUARANTINED, |stats| {
        u64::from(stats.state() == PluginState::Quarantined)
    });
}

/// Counts of all workers under a second name: plugin, that name, and the sum.
fn summed(
    plugins: &[Arc<Plugin>],
    count: impl Fn(&PluginStats) -> Vec<(&'static str, u64)>,
) -> impl Iterator<Item = (&str, &'static str, u64)> {
    plugins.iter().flat_map(move |plugin| {
        let mut sums = BTreeMap::new();
        for (name, count) in plugin.workers.iter().flat_map(&count) {
            *sums.entry(name).or_default() += count;
        }
        let of_plugin = |(name, sum)| (plugin.spec.name.as_str(), name, sum);
        sums.into_iter().map(of_plugin).collect::<Vec<_>>()
    })
}

fn about_time(plugins: &[Arc<Plugin>], page: &mut Exposition) {
    let mut family = page.family(&metric::PLUGIN_CALLBACK_DURATION);
    for plugin in plugins {
        let mut all = Computed::default();
        for stats in &plugin.workers {
            all.add(&stats.computed());
        }
        let bounds = all
            .cumulative
            .iter()
            .map(|(bound, count)| (bound.as_secs_f64(), *count));
        let bounds: Vec<(f64, u64)> = bounds.collect();
        family.buckets(&[&plugin.spec.name], &bounds, all.sum.as_secs_f64(), all.count);
    }
}

/// Every plugin with `rollout` has samples, also before its first one.
fn about_rollouts(house: &House, page: &mut Exposition) {
    let plan = house.plan();
    let with_rollout = plan.plugins.iter().filter(|plugin| plugin.rollout.is_some());
    let mut all: BTreeMap<&str, [(u64, u64); 2]> = with_rollout.map(|plugin| (&*plugin.name, [(0, 0); 2])).collect();
    let (shares, counted) = (house.rollouts.shares(), house.rollouts.counted());
    for (plugin, arms) in &counted {
        all.insert(plugin, *arms);
    }
    let mut family = page.family(&metric::ROLLOUT_SHARE);
    for plugin in all.keys() {
        let share = shares.iter().find(|(known, _)| known == plugin);
        family.sample_float(&[plugin], share.map_or(0.0, |(_, share)| *share));
    }
    let arms = |[control, candidate]: [(u64, u64); 2]| [(Arm::Control, control), (Arm::Candidate, candidate)];
    let mut family = page.family(&metric::ROLLOUT_EXCHANGES);
    for (plugin, counts) in &all {
        for (arm, (exchanges, _)) in arms(*counts) {
            family.sample(&[plugin, arm.word()], exchanges);
        }
    }
    let mut family = page.family(&metric::ROLLOUT_FAULTS);
    for (plugin, counts) in &all {
        for (arm, (_, faults)) in arms(*counts) {
            family.sample(&[plugin, arm.word()], faults);
        }
    }
}

/// Every plugin with `rollout.shadow` has samples, also before its first one.
fn about_shadows(house: &House, page: &mut Exposition) {
    let plan = house.plan();
    let aside = house.rollouts.aside();
    let is_aside =
        |plugin: &&Arc<gate_plan::Plugin>| plugin.rollout.as_ref().is_some_and(|rollout| rollout.shadow.is_some());
    let wanted = plan.plugins.iter().filter(is_aside);
    let mut all: BTreeMap<&str, Tally> = wanted.map(|plugin| (&*plugin.name, Tally::default())).collect();
    for (plugin, tally) in &aside {
        all.insert(plugin, tally.clone());
    }
    let mut family = page.family(&metric::ROLLOUT_SHADOWED);
    for (plugin, tally) in &all {
        let same = tally.compared.saturating_sub(tally.differed);
        let outcomes = [
            ("same", same),
            ("different", tally.differed),
            ("not_compared", tally.all_skipped()),
        ];
        for (outcome, count) in outcomes {
            family.sample(&[plugin, outcome], count);
        }
    }
    let mut family = page.family(&metric::ROLLOUT_DIFFERENCES);
    for (plugin, tally) in &all {
        for (kind, count) in shadow::counts_of(tally).0 {
            family.sample(&[plugin, kind], count);
        }
    }
    let mut family = page.family(&metric::ROLLOUT_NOT_COMPARED);
    for (plugin, tally) in &all {
        for (reason, count) in shadow::counts_of(tally).1 {
            family.sample(&[plugin, reason], count);
        }
    }
}

fn about_limits(house: &House, plugins: &[Arc<Plugin>], page: &mut Exposition) {
    let plan = house.plan();
    let mut family = page.family(&metric::PLUGIN_LIMIT);
    for plugin in plugins {
        let numbers = super::limits(&plan, plugin).map(PluginLimits::numbers);
        for (limit, number) in numbers.unwrap_or_default() {
            family.sample_float(&[&plugin.spec.name, limit], number);
        }
    }
    let mut family = page.family(&metric::PLUGIN_LIMIT_REACHED);
    for plugin in plugins {
        for (limit, count) in super::reached(plugin) {
            family.sample(&[&plugin.spec.name, limit], count);
        }
    }
}

fn about_lines(page: &mut Exposition) {
    named(page, &metric::LOG_LINES, crate::voice::lines(), |(level, count)| {
        (level, *count)
    });
}

fn about_workers(traffic: &Traffic, page: &mut Exposition) {
    let workers: Vec<_> = traffic
        .workers
        .iter()
        .map(|worker| (worker.number.to_string(), worker))
        .collect();
    named(page, &metric::WORKER_EXCHANGES, &workers, |(number, worker)| {
        (number, worker.durations.count())
    });
    named(page, &metric::WORKER_FAILED, &workers, |(number, worker)| {
        (number, worker.failed)
    });
    let mut family = page.family(&metric::WORKER_EXCHANGE_DURATION);
    for (number, worker) in &workers {
        family.durations(&[number], &worker.durations);
    }
    named(
        page,
        &metric::WORKER_EXCHANGES_IN_FLIGHT,
        &workers,
        |(number, worker)| (number, worker.in_flight),
    );
    let mut family = page.family(&metric::WORKER_CPU);
    for (number, worker) in &workers {
        family.sample_float(&[number], worker.computed.as_secs_f64());
    }
    let mut family = page.family(&metric::WORKER_LAG);
    for (number, worker) in &workers {
        family.durations(&[number], &worker.lag);
    }
}

/// Metrics that plugins defined, under Envoy's prefix; one group for each name, whoever defined it.
fn by_plugins(house: &House, page: &mut Exposition) {
    let mut by_name: BTreeMap<String, Vec<(String, Reading)>> = BTreeMap::new();
    for (plugin, name, reading) in house.process.metrics.read() {
        by_name.entry(name).or_default().push((plugin, reading));
    }
    for (name, readings) in by_name {
        let kind = match readings.first() {
            Some((_, Reading::Counter(_))) => Kind::Counter,
            Some((_, Reading::Gauge(_))) => Kind::Gauge,
            _ => Kind::Histogram,
        };
        let mut family = page.foreign(&format!("wasmcustom_{name}"), "Defined by a plugin.", kind, &["plugin"]);
        for (plugin, reading) in readings {
            match reading {
                Reading::Counter(value) => family.sample(&[&plugin], value),
                Reading::Gauge(value) => family.sample_float(&[&plugin], value as f64),
                Reading::Histogram(reading) => {
                    let buckets: Vec<(f64, u64)> = reading
                        .buckets
                        .iter()
                        .map(|(bound, count)| (*bound as f64, *count))
                        .collect();
                    family.buckets(&[&plugin], &buckets, reading.sum as f64, reading.count)
                }
            };
        }
    }
}
