//! What the workers counted of exchanges and upstreams, added up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gate_flow::{Flow, RouteTally, Untold};
use gate_upstream::Upstream;
use log_record::histogram::Histogram;
use log_record::metric::code_class;
use rustix::time::{ClockId, clock_gettime};

use crate::assemble::{ANSWER_MAX, House};

/// Classes of status of exchanges that failed.
const FAILED: [&str; 2] = ["5xx", "none"];

/// Exchanges and upstreams, of all workers that answer in time.
#[derive(Default)]
pub(super) struct Traffic {
    pub(super) routes: BTreeMap<String, RouteTally>,
    pub(super) in_flight: u64,
    pub(super) upstreams: BTreeMap<String, UpstreamCounts>,
    /// Kept (`true`) and dropped records of exchanges, by the word of why.
    pub(super) sampled: BTreeMap<(bool, &'static str), u64>,
    /// Records of which no other tells.
    pub(super) untold: Untold,
    /// Each worker that answered, by number.
    pub(super) workers: Vec<WorkerCounts>,
}

/// Counts of one worker.
pub(super) struct WorkerCounts {
    pub(super) number: usize,
    /// Of all exchanges that have ended there.
    pub(super) durations: Histogram,
    /// Those that were answered with 5xx, or not at all.
    pub(super) failed: u64,
    pub(super) in_flight: u64,
    /// What its thread has computed.
    pub(super) computed: Duration,
    pub(super) lag: Histogram,
}

/// Counts of one upstream.
#[derive(Default, Clone)]
pub(super) struct UpstreamCounts {
    pub(super) opened: u64,
    pub(super) active: u64,
    pub(super) requests_active: u64,
    pub(super) retries: u64,
    /// Requests without an answer by code of the fault; those that happened.
    pub(super) failures: BTreeMap<&'static str, u64>,
    /// Answered requests by class of status.
    pub(super) answers: BTreeMap<&'static str, u64>,
    pub(super) durations: Histogram,
    /// Whether no worker passes the endpoint over.
    endpoints: BTreeMap<(SocketAddr, Option<Arc<str>>), bool>,
}

impl Traffic {
    /// Asks every worker, all at once.
    pub(super) fn of(house: &House) -> Self {
        let mut answers = Vec::new();
        if let Some(workers) = house.workers.lock().as_ref() {
            for (number, mailbox) in workers.mailboxes().enumerate() {
                let ask = mailbox.ask(move |flow| async move { Self::of_worker(number, &flow) });
                answers.extend(ask.ok());
            }
        }
        let mut all = Self::default();
        for answer in answers {
            if let Some(traffic) = answer.wait(ANSWER_MAX) {
                all.add(traffic);
            }
        }
        all
    }

    /// Called on the worker's own thread.
    fn of_worker(number: usize, flow: &Flow) -> Self {
        let (routes, in_flight) = flow.tally();
        let upstreams = flow.upstreams().iter();
        let mut durations = Histogram::new();
        for tally in routes.values() {
            durations.add(&tally.durations);
        }
        let failed = |(class, _): &(&&str, &u64)| FAILED.contains(class);
        let classes = routes.values().flat_map(|tally| tally.classes.iter().filter(failed));
        let worker = WorkerCounts {
            number,
            durations,
            failed: classes.map(|(_, count)| count).sum(),
            in_flight,
            computed: Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default(),
            lag: flow.lag(),
        };
        Self {
            workers: vec![worker],
            routes: routes.into_iter().collect(),
            in_flight,
            sampled: flow.sampled().into_iter().collect(),
            untold: flow.untold(),
            upstreams: upstreams
                .map(|upstream| (upstream.name().to_owned(), UpstreamCounts::of(&upstream)))
                .collect(),
        }
    }

    fn add(&mut self, other: Self) {
        for (route, tally) in other.routes {
            add_route(self.routes.entry(route).or_default(), &tally);
        }
        self.in_flight += other.in_flight;
        self.workers.extend(other.workers);
        for (decision, count) in other.sampled {
            *self.sampled.entry(decision).or_default() += count;
        }
        self.untold.by_rates += other.untold.by_rates;
        self.untold.by_windows += other.untold.by_windows;
        for (name, counts) in other.upstreams {
            self.upstreams.entry(name).or_default().add(counts);
        }
    }
}

fn add_route(sum: &mut RouteTally, tally: &RouteTally) {
    for (class, count) in &tally.classes {
        *sum.classes.entry(class).or_default() += count;
    }
    sum.durations.add(&tally.durations);
    sum.request_bytes += tally.request_bytes;
    sum.response_bytes += tally.response_bytes;
}

fn add_counts(sum: &mut BTreeMap<&'static str, u64>, counts: BTreeMap<&'static str, u64>) {
    for (word, count) in counts {
        *sum.entry(word).or_default() += count;
    }
}

impl UpstreamCounts {
    /// As one worker sees them.
    fn of(upstream: &Upstream) -> Self {
        let stats = upstream.stats();
        let hosts = upstream.hosts().into_iter();
        Self {
            opened: stats.connections_opened.get(),
            active: stats.connections_active.get(),
            requests_active: stats.requests_active.get(),
            retries: stats.retries.get(),
            failures: stats.failures().filter(|(_, count)| *count > 0).collect(),
            answers: stats
                .answers()
                .map(|(status, count)| (code_class(Some(status)), count))
                .collect(),
            durations: stats.durations.read(),
            endpoints: hosts.map(|host| ((host.address, host.host), host.healthy)).collect(),
        }
    }

    fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.active += other.active;
        self.requests_active += other.requests_active;
        self.retries += other.retries;
        add_counts(&mut self.failures, other.failures);
        add_counts(&mut self.answers, other.answers);
        self.durations.add(&other.durations);
        for (endpoint, healthy) in other.endpoints {
            *self.endpoints.entry(endpoint).or_insert(true) &= healthy;
        }
    }

    /// Endpoints that no worker passes over, and the others.
    pub(super) fn health(&self) -> (u64, u64) {
        let healthy = self.endpoints.values().filter(|healthy| **healthy).count() as u64;
        (healthy, self.endpoints.len() as u64 - healthy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(endpoints: &[(u16, bool)]) -> UpstreamCounts {
        let key = |port| (SocketAddr::from(([127, 0, 0, 1], port)), None);
        UpstreamCounts {
            answers: BTreeMap::from([("2xx", 1)]),
            endpoints: endpoints.iter().map(|(port, healthy)| (key(*port), *healthy)).collect(),
            ..UpstreamCounts::default()
        }
    }

    #[test]
    fn an_endpoint_counts_once_and_as_unhealthy_when_one_worker_passes_it_over() {
        let mut sum = UpstreamCounts::default();
        sum.add(seen(&[(1, true), (2, true)]));
        sum.add(seen(&[(1, false), (2, true)]));
        sum.add(seen(&[(1, true), (3, true)]));
        assert_eq!(sum.health(), (2, 1));
        assert_eq!(sum.answers, BTreeMap::from([("2xx", 3)]));
    }
}
