//! What became of records on the page of metrics: rings, masks, sampling and sinks.

use std::collections::BTreeMap;

use gate_flow::Untold;
use log_record::exposition::Exposition;
use log_record::grade::{Class, Level};
use log_record::histogram::Histogram;
use log_record::metric::{self, Metric};

use log_ship::{QueueLimits, Reason, Tally};

use super::traffic::Traffic;
use crate::assemble::House;

/// All that is counted of records.
#[derive(Debug, Default)]
pub(super) struct Logs {
    /// By worker.
    pub(super) rings: Vec<RingCounts>,
    /// Masked values by the word of what they were.
    pub(super) masked: BTreeMap<&'static str, u64>,
    /// Kept (`true`) and dropped records of exchanges, by the word of why.
    pub(super) sampled: BTreeMap<(bool, &'static str), u64>,
    /// Records of which no other tells.
    pub(super) untold: Untold,
    /// By the names of log guests.
    pub(super) guests: crate::logs::screen::Counts,
    /// In the order of the configuration.
    pub(super) sinks: Vec<SinkCounts>,
}

/// Counts of the ring of one worker.
#[derive(Debug, Default)]
pub(super) struct RingCounts {
    pub(super) worker: String,
    pub(super) bytes: u64,
    pub(super) capacity_bytes: u64,
    pub(super) records: u64,
    pub(super) gaps: u64,
    /// By level, class and the word of the reason; those that happened.
    pub(super) refused: Vec<(Level, Class, &'static str, u64)>,
}

/// Counts of one sink.
#[derive(Debug, Default)]
pub(super) struct SinkCounts {
    pub(super) name: String,
    pub(super) accepted: u64,
    pub(super) delivered: u64,
    /// By level and the word of the reason; those that happened.
    pub(super) dropped: Vec<(Level, &'static str, u64)>,
    pub(super) held: u64,
    pub(super) spooled: u64,
    pub(super) queue_bytes: u64,
    pub(super) queue_capacity_bytes: u64,
    pub(super) spool_bytes: u64,
    /// 0 without a spool.
    pub(super) spool_capacity_bytes: u64,
    pub(super) retries: u64,
    pub(super) spool_faults: u64,
    pub(super) torn: u64,
    pub(super) aside: u64,
    pub(super) quoted: u64,
    pub(super) left: u64,
    /// How long tries to deliver took.
    pub(super) tries: Histogram,
}

impl RingCounts {
    /// One for each name: workers that did not start leave rings, and those who are started in their place have their names.
    fn all(rings: Vec<log_book::RingCounts>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::with_capacity(rings.len());
        for ring in rings.into_iter().map(Self::of) {
            match all.iter_mut().find(|other| other.worker == ring.worker) {
                Some(other) => other.add(ring),
                None => all.push(ring),
            }
        }
        all
    }

    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.capacity_bytes += other.capacity_bytes;
        self.records += other.records;
        self.gaps += other.gaps;
        for refused in other.refused {
            let (level, class, reason, count) = refused;
            let same =
                |known: &&mut (Level, Class, &'static str, u64)| (known.0, known.1, known.2) == (level, class, reason);
            match self.refused.iter_mut().find(same) {
                Some(known) => known.3 += count,
                None => self.refused.push(refused),
            }
        }
    }

    fn of(ring: log_book::RingCounts) -> Self {
        let refused = ring.dropped.into_iter();
        Self {
            // The one of the threads that carry no traffic goes by its name.
            worker: ring.name.trim_start_matches("worker-").to_owned(),
            bytes: ring.used_bytes,
            capacity_bytes: ring.capacity_bytes,
            records: ring.records,
            gaps: ring.gaps,
            refused: refused
                .map(|(class, lost)| (lost.level, class, lost.reason, lost.count))
                .collect(),
        }
    }
}

impl SinkCounts {
    fn of((queue_capacity_bytes, spool_capacity_bytes): (u64, u64), name: String, tally: &Tally) -> Self {
        let cells = Level::ALL
            .into_iter()
            .flat_map(|level| Reason::ALL.map(|reason| (level, reason)));
        let dropped = cells.map(|(level, reason)| (level, reason.word(), tally.dropped_for(level, reason)));
        Self {
            name,
            accepted: tally.accepted,
            delivered: tally.delivered,
            dropped: dropped.filter(|(_, _, count)| *count > 0).collect(),
            held: tally.held,
            spooled: tally.spooled,
            queue_bytes: tally.queue_bytes as u64,
            queue_capacity_bytes,
            spool_bytes: tally.spool_bytes,
            spool_capacity_bytes,
            retries: tally.retries,
            spool_faults: tally.spool_faults,
            torn: tally.torn,
            aside: tally.aside,
            quoted: tally.misread,
            left: tally.left,
            tries: tally.tries.clone(),
        }
    }
}

/// A number of a row.
type Read<T> = fn(&T) -> u64;

impl Logs {
    /// What is counted now.
    pub(super) fn of(house: &House, traffic: &Traffic) -> Self {
        let plan = house.plan();
        let bounds = |name: &str| {
            let written = plan.logs.sinks.iter().find(|sink| sink.name == name);
            let spool = written
                .and_then(|sink| sink.spool.as_ref())
                .map_or(0, |spool| spool.bytes_max);
            let queue = written.map_or(QueueLimits::default().bytes_max, |sink| sink.queue.bytes_max);
            (queue as u64, spool)
        };
        let sinks = house.logs.tallies();
        let masked = house.logs.masked();
        Self {
            rings: RingCounts::all(house.logs.rings()),
            guests: house.logs.screened(),
            masked: masked.into_iter().map(|(class, count)| (class.name(), count)).collect(),
            sampled: traffic.sampled.clone(),
            untold: traffic.untold,
            sinks: sinks
                .into_iter()
                .map(|(name, tally)| SinkCounts::of(bounds(&name), name, &tally))
                .collect(),
        }
    }

    /// Writes it down.
    pub(super) fn tell(&self, page: &mut Exposition) {
        self.tell_sinks(page);
        self.tell_rings(page);
        let mut family = page.family(&metric::LOG_MASKED);
        for (class, count) in &self.masked {
            family.sample(&[class], *count);
        }
        let mut family = page.family(&metric::LOG_SAMPLED);
        for ((kept, why), count) in &self.sampled {
            let decision = if *kept { "kept" } else { "dropped" };
            family.sample(&[decision, why], *count);
        }
        page.family(&metric::LOG_UNACCOUNTED).sample(&[], self.untold.by_rates);
        page.family(&metric::LOG_DEBUG_REFUSED)
            .sample(&[], self.untold.by_windows);
        self.tell_guests(page);
    }

    fn tell_guests(&self, page: &mut Exposition) {
        let mut family = page.family(&metric::LOG_GUEST_RECORDS);
        for (name, guest) in &self.guests {
            family.sample(&[name, "unchanged"], guest.unchanged);
            family.sample(&[name, "changed"], guest.changed);
            family.sample(&[name, "marked"], guest.marked);
        }
        let mut family = page.family(&metric::LOG_GUEST_DEATHS);
        for (name, guest) in &self.guests {
            for (why, count) in &guest.deaths {
                family.sample(&[name, why], *count);
            }
        }
        let mut family = page.family(&metric::LOG_GUEST_QUARANTINES);
        for (name, guest) in &self.guests {
            family.sample(&[name], guest.quarantines);
        }
    }

    fn tell_sinks(&self, page: &mut Exposition) {
        let mut each = |metric, read: Read<SinkCounts>| {
            let mut family = page.family(metric);
            for sink in &self.sinks {
                family.sample(&[&sink.name], read(sink));
            }
        };
        each(&metric::LOG_SINK_ACCEPTED, |sink| sink.accepted);
        each(&metric::LOG_SINK_DELIVERED, |sink| sink.delivered);
        let mut family = page.family(&metric::LOG_SINK_DROPPED);
        for sink in &self.sinks {
            for (level, reason, count) in &sink.dropped {
                family.sample(&[&sink.name, level.word(), reason], *count);
            }
        }
        let mut family = page.family(&metric::LOG_SINK_DELIVERY);
        for sink in &self.sinks {
            family.durations(&[&sink.name], &sink.tries);
        }
        let rest: [(&'static Metric, Read<SinkCounts>); 12] = [
            (&metric::LOG_SINK_HELD, |sink| sink.held),
            (&metric::LOG_SINK_SPOOLED, |sink| sink.spooled),
            (&metric::LOG_SINK_QUEUE, |sink| sink.queue_bytes),
            (&metric::LOG_SINK_QUEUE_CAPACITY, |sink| sink.queue_capacity_bytes),
            (&metric::LOG_SINK_SPOOL, |sink| sink.spool_bytes),
            (&metric::LOG_SINK_SPOOL_CAPACITY, |sink| sink.spool_capacity_bytes),
            (&metric::LOG_SINK_RETRIES, |sink| sink.retries),
            (&metric::LOG_SINK_SPOOL_FAULTS, |sink| sink.spool_faults),
            (&metric::LOG_SINK_TORN, |sink| sink.torn),
            (&metric::LOG_SINK_ASIDE, |sink| sink.aside),
            (&metric::LOG_SINK_QUOTED, |sink| sink.quoted),
            (&metric::LOG_SINK_LEFT, |sink| sink.left),
        ];
        for (metric, read) in rest {
            let mut family = page.family(metric);
            for sink in &self.sinks {
                family.sample(&[&sink.name], read(sink));
            }
        }
    }

    fn tell_rings(&self, page: &mut Exposition) {
        let mut each = |metric, read: Read<RingCounts>| {
            let mut family = page.family(metric);
            for ring in &self.rings {
                family.sample(&[&ring.worker], read(ring));
            }
        };
        each(&metric::LOG_RING, |ring| ring.bytes);
        each(&metric::LOG_RING_CAPACITY, |ring| ring.capacity_bytes);
        each(&metric::LOG_RING_RECORDS, |ring| ring.records);
        let mut family = page.family(&metric::LOG_RING_REFUSED);
        for ring in &self.rings {
            for (level, class, reason, count) in &ring.refused {
                family.sample(&[&ring.worker, level.word(), class.word(), reason], *count);
            }
        }
        let mut family = page.family(&metric::LOG_RING_GAPS);
        for ring in &self.rings {
            family.sample(&[&ring.worker], ring.gaps);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;
    use log_record::exposition::Form;
    use log_record::packed::Lost;

    use super::*;

    #[test]
    fn rings_of_one_name_are_one_row() {
        let ring = |name: &str, records, refused: &[(Class, u64)]| log_book::RingCounts {
            name: name.to_owned(),
            capacity_bytes: 10,
            used_bytes: 1,
            records,
            gaps: 1,
            dropped: refused
                .iter()
                .map(|(class, count)| {
                    let lost = Lost {
                        level: Level::Info,
                        reason: "full",
                        count: *count,
                    };
                    (*class, lost)
                })
                .collect(),
        };
        let rings = RingCounts::all(vec![
            ring("worker-0", 3, &[(Class::Access, 1)]),
            ring("desk", 1, &[]),
            ring("worker-0", 4, &[(Class::Access, 2), (Class::Plugin, 5)]),
        ]);
        let rows: Vec<_> = rings
            .iter()
            .map(|ring| (&*ring.worker, ring.records, ring.capacity_bytes))
            .collect();
        assert_eq!(rows, [("0", 7, 20), ("desk", 1, 10)]);
        let refused = rings.first().map(|ring| ring.refused.clone());
        assert_eq!(
            refused.unwrap(),
            [
                (Level::Info, Class::Access, "full", 3),
                (Level::Info, Class::Plugin, "full", 5)
            ]
        );
    }

    fn loki() -> SinkCounts {
        let mut tries = Histogram::new();
        tries.record(Duration::from_millis(26));
        SinkCounts {
            name: "loki".to_owned(),
            accepted: 9,
            delivered: 10,
            dropped: vec![(Level::Debug, "queue_full", 11)],
            held: 12,
            spooled: 13,
            queue_bytes: 14,
            queue_capacity_bytes: 15,
            spool_bytes: 16,
            spool_capacity_bytes: 17,
            retries: 18,
            spool_faults: 19,
            torn: 20,
            aside: 21,
            quoted: 22,
            left: 23,
            tries,
        }
    }

    #[test]
    fn every_count_of_rings_and_sinks_has_its_row() {
        let logs = Logs {
            guests: crate::logs::screen::Counts::new(),
            rings: vec![RingCounts {
                worker: "0".to_owned(),
                bytes: 1,
                capacity_bytes: 2,
                records: 3,
                gaps: 4,
                refused: vec![(Level::Info, Class::Access, "full", 5)],
            }],
            masked: BTreeMap::from([("phone_cn", 6)]),
            sampled: BTreeMap::from([((true, "slow"), 7), ((false, "rate"), 8)]),
            untold: Untold {
                by_rates: 24,
                by_windows: 25,
            },
            sinks: vec![loki()],
        };
        let mut page = Exposition::new();
        logs.tell(&mut page);
        let page = String::from_utf8(page.finish(Form::Text)).unwrap();
        let is_row = |line: &&str| !line.starts_with('#') && !line.contains("_bucket{");
        let samples: Vec<&str> = page.lines().filter(is_row).collect();
        expect![[r#"
            cofferdam_log_sink_accepted_records_total{sink="loki"} 9
            cofferdam_log_sink_delivered_records_total{sink="loki"} 10
            cofferdam_log_sink_dropped_records_total{sink="loki",level="debug",reason="queue_full"} 11
            cofferdam_log_sink_delivery_duration_seconds_sum{sink="loki"} 0.026
            cofferdam_log_sink_delivery_duration_seconds_count{sink="loki"} 1
            cofferdam_log_sink_held_records{sink="loki"} 12
            cofferdam_log_sink_spooled_records{sink="loki"} 13
            cofferdam_log_sink_queue_bytes{sink="loki"} 14
            cofferdam_log_sink_queue_capacity_bytes{sink="loki"} 15
            cofferdam_log_sink_spool_bytes{sink="loki"} 16
            cofferdam_log_sink_spool_capacity_bytes{sink="loki"} 17
            cofferdam_log_sink_retries_total{sink="loki"} 18
            cofferdam_log_sink_spool_faults_total{sink="loki"} 19
            cofferdam_log_sink_torn_spools_total{sink="loki"} 20
            cofferdam_log_sink_set_aside_files_total{sink="loki"} 21
            cofferdam_log_sink_quoted_records_total{sink="loki"} 22
            cofferdam_log_sink_left_records{sink="loki"} 23
            cofferdam_log_ring_bytes{worker="0"} 1
            cofferdam_log_ring_capacity_bytes{worker="0"} 2
            cofferdam_log_ring_records_total{worker="0"} 3
            cofferdam_log_ring_refused_records_total{worker="0",level="info",class="access",reason="full"} 5
            cofferdam_log_ring_gap_records_total{worker="0"} 4
            cofferdam_log_masked_values_total{class="phone_cn"} 6
            cofferdam_log_sampled_records_total{decision="dropped",why="rate"} 8
            cofferdam_log_sampled_records_total{decision="kept",why="slow"} 7
            cofferdam_log_unaccounted_records_total 24
            cofferdam_log_debug_refused_records_total 25"#]]
        .assert_eq(&samples.join("\n"));
    }
}
