//! The admin listener's pages: what the house knows, gathered from its workers.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use gate_flow::RouteTally;
use log_record::exposition::Exposition;
use log_record::metric::{self, Kind};
use plug_host::Reading;
use serde_json::{Value, json};

use crate::assemble::{ANSWER_MAX, House};

impl console::house::House for House {
    fn ready(&self) -> bool {
        self.is_ready()
    }

    fn metrics(&self) -> Vec<u8> {
        let mut page = Exposition::new();
        about_process(self, &mut page);
        about_listeners(self, &mut page);
        about_traffic(self, &mut page);
        about_plugins(self, &mut page);
        by_plugins(self, &mut page);
        page.finish()
    }

    fn config(&self) -> Value {
        json!({ "generation": self.generation(), "plan": self.plan().describe() })
    }

    fn plugins(&self) -> Value {
        let plugins = House::plugins(self);
        plugins
            .iter()
            .map(|plugin| {
                let workers: Vec<Value> = plugin
                    .workers
                    .iter()
                    .enumerate()
                    .map(|(worker, stats)| {
                        json!({
                            "worker": worker,
                            "state": stats.state().word(),
                            "memory_bytes": stats.memory_bytes.load(Ordering::Relaxed),
                            "exchanges": stats.exchanges.load(Ordering::Relaxed),
                            "starts": stats.starts.load(Ordering::Relaxed),
                            "faults": stats.faults.load(Ordering::Relaxed),
                            "last_error": stats.last_error(),
                        })
                    })
                    .collect();
                json!({
                    "name": plugin.spec.name,
                    "generation": plugin.generation,
                    "abi": plugin.module.abi().as_str(),
                    "sha256": plugin.module.digest,
                    "limits": {
                        "memory_bytes": plugin.spec.memory_bytes_max,
                        "cpu_slice_ms": u64::try_from(plugin.spec.cpu_slice.as_millis()).unwrap_or(u64::MAX),
                        "stack_bytes": plugin.spec.stack_bytes_max,
                    },
                    "workers": workers,
                })
            })
            .collect()
    }
}

fn about_process(house: &House, page: &mut Exposition) {
    page.family(&metric::BUILD_INFO).sample(&[env!("CARGO_PKG_VERSION")], 1);
    page.family(&metric::CONFIG_GENERATION).sample(&[], house.generation());
    page.family(&metric::CONFIG_CHANGES)
        .sample(&["applied"], house.changes_applied.load(Ordering::Relaxed))
        .sample(&["refused"], house.changes_refused.load(Ordering::Relaxed));
    let tally = house.access_tally();
    page.family(&metric::ACCESS_RECORDS)
        .sample(&["written"], tally.written)
        .sample(&["dropped"], tally.dropped)
        .sample(&["failed"], tally.failed);
    let guard = house.workers.lock();
    let Some(workers) = guard.as_ref() else { return };
    page.family(&metric::WORKERS).sample(&[], workers.count() as u64);
    let mut family = page.family(&metric::WORKER_PANICS);
    for (worker, panics) in workers.panics().into_iter().enumerate() {
        family.sample(&[&worker.to_string()], panics);
    }
}

/// Counts of upstreams as one worker sees them.
#[derive(Default, Clone)]
struct UpstreamCounts {
    opened: u64,
    active: u64,
    requests_active: u64,
    connect_failures: u64,
    timeouts: u64,
    resets: u64,
    retries: u64,
}

type Traffic = (BTreeMap<String, RouteTally>, u64, BTreeMap<String, UpstreamCounts>);

fn traffic(house: &House) -> Traffic {
    let mut answers = Vec::new();
    if let Some(workers) = house.workers.lock().as_ref() {
        for mailbox in workers.mailboxes() {
            let asked = mailbox.ask(|flow| async move {
                let upstreams: Vec<(String, UpstreamCounts)> = flow
                    .upstreams()
                    .iter()
                    .map(|upstream| {
                        let stats = upstream.stats();
                        let counts = UpstreamCounts {
                            opened: stats.connections_opened.get(),
                            active: stats.connections_active.get(),
                            requests_active: stats.requests_active.get(),
                            connect_failures: stats.connect_failures.get(),
                            timeouts: stats.request_timeouts.get(),
                            resets: stats.resets.get(),
                            retries: stats.retries.get(),
                        };
                        (upstream.name().to_owned(), counts)
                    })
                    .collect();
                (flow.tally(), upstreams)
            });
            answers.extend(asked.ok());
        }
    }
    let mut all = Traffic::default();
    for answer in answers {
        let Some(((routes, in_flight), upstreams)) = answer.wait(ANSWER_MAX) else {
            continue;
        };
        for (route, tally) in routes {
            add(all.0.entry(route).or_default(), &tally);
        }
        all.1 += in_flight;
        for (name, counts) in upstreams {
            add_upstream(all.2.entry(name).or_default(), &counts);
        }
    }
    all
}

fn add(sum: &mut RouteTally, tally: &RouteTally) {
    for (class, count) in &tally.classes {
        *sum.classes.entry(class).or_default() += count;
    }
    sum.durations.add(&tally.durations);
    sum.request_bytes += tally.request_bytes;
    sum.response_bytes += tally.response_bytes;
}

fn add_upstream(sum: &mut UpstreamCounts, counts: &UpstreamCounts) {
    sum.opened += counts.opened;
    sum.active += counts.active;
    sum.requests_active += counts.requests_active;
    sum.connect_failures += counts.connect_failures;
    sum.timeouts += counts.timeouts;
    sum.resets += counts.resets;
    sum.retries += counts.retries;
}

fn about_traffic(house: &House, page: &mut Exposition) {
    let (routes, in_flight, upstreams) = traffic(house);
    let mut family = page.family(&metric::EXCHANGES);
    for (route, tally) in &routes {
        let mut classes: Vec<_> = tally.classes.iter().collect();
        classes.sort();
        for (class, count) in classes {
            family.sample(&[route, class], *count);
        }
    }
    page.family(&metric::EXCHANGES_IN_FLIGHT).sample(&[], in_flight);
    let mut family = page.family(&metric::EXCHANGE_DURATION);
    for (route, tally) in &routes {
        family.durations(&[route], &tally.durations);
    }
    let mut family = page.family(&metric::REQUEST_BYTES);
    for (route, tally) in &routes {
        family.sample(&[route], tally.request_bytes);
    }
    let mut family = page.family(&metric::RESPONSE_BYTES);
    for (route, tally) in &routes {
        family.sample(&[route], tally.response_bytes);
    }
    let mut family = page.family(&metric::UPSTREAM_CONNECTIONS);
    for (name, counts) in &upstreams {
        family.sample(&[name], counts.active);
    }
    let mut family = page.family(&metric::UPSTREAM_CONNECTIONS_TOTAL);
    for (name, counts) in &upstreams {
        family.sample(&[name], counts.opened);
    }
    let mut family = page.family(&metric::UPSTREAM_REQUESTS_IN_FLIGHT);
    for (name, counts) in &upstreams {
        family.sample(&[name], counts.requests_active);
    }
    let mut family = page.family(&metric::UPSTREAM_FAILURES);
    for (name, counts) in &upstreams {
        family.sample(&[name, "upstream.connect"], counts.connect_failures);
        family.sample(&[name, "upstream.request_timeout"], counts.timeouts);
        family.sample(&[name, "upstream.reset"], counts.resets);
    }
    let mut family = page.family(&metric::UPSTREAM_RETRIES);
    for (name, counts) in &upstreams {
        family.sample(&[name], counts.retries);
    }
}

fn about_listeners(house: &House, page: &mut Exposition) {
    let reports = house
        .workers
        .lock()
        .as_ref()
        .map(|workers| workers.listeners())
        .unwrap_or_default();
    let mut family = page.family(&metric::CONNECTIONS);
    for report in &reports {
        family.sample(&[&report.name], report.open);
    }
    let mut family = page.family(&metric::CONNECTIONS_TOTAL);
    for report in &reports {
        family.sample(&[&report.name], report.accepted);
    }
    let mut family = page.family(&metric::CONNECTIONS_REFUSED);
    for report in &reports {
        family.sample(&[&report.name, "full"], report.full);
        family.sample(&[&report.name, "handshake"], report.handshakes_failed);
    }
    let mut family = page.family(&metric::ACCEPT_FAILURES);
    for report in &reports {
        family.sample(&[&report.name], report.accepts_failed);
    }
    let mut family = page.family(&metric::REQUESTS_REFUSED);
    for report in &reports {
        for (refusal, count) in &report.refused {
            family.sample(&[&report.name, refusal.code()], *count);
        }
    }
}

fn about_plugins(house: &House, page: &mut Exposition) {
    let plugins = house.plugins();
    let mut family = page.family(&metric::PLUGIN_MEMORY);
    for plugin in &plugins {
        for (worker, stats) in plugin.workers.iter().enumerate() {
            family.sample(
                &[&plugin.spec.name, &worker.to_string()],
                stats.memory_bytes.load(Ordering::Relaxed),
            );
        }
    }
    let mut family = page.family(&metric::PLUGIN_FAULTS);
    for plugin in &plugins {
        let faults = plugin
            .workers
            .iter()
            .map(|stats| stats.faults.load(Ordering::Relaxed))
            .sum();
        family.sample(&[&plugin.spec.name, "any"], faults);
    }
    let mut family = page.family(&metric::PLUGIN_RESTARTS);
    for plugin in &plugins {
        let restarts = plugin
            .workers
            .iter()
            .map(|stats| stats.starts.load(Ordering::Relaxed).saturating_sub(1))
            .sum();
        family.sample(&[&plugin.spec.name], restarts);
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
