//! Metrics that plugins define: one registry for the process, read by the admin listener.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;
use plug_abi::MetricKind;

/// LIMIT: metrics the process keeps for one plugin.
const METRICS_MAX: usize = 4_096;
/// Upper bounds of histogram buckets; powers of two keep the list short over the whole range plugins use.
const BUCKET_BITS: usize = 40;

/// A metric as a plugin knows it: that of all its generations on all workers, and what this one makes of it on its worker.
#[derive(Clone)]
pub(crate) struct Counted {
    /// What other plugins' guests and people see.
    pub(crate) shared: Arc<Metric>,
    /// None where nothing is counted, as where a plugin is tried out.
    pub(crate) own: Option<Arc<Metric>>,
}

impl Counted {
    /// Adds to a counter or a gauge.
    pub(crate) fn add(&self, delta: i64) {
        self.each(|metric| metric.add(delta));
    }

    /// As [`Metric::record`].
    pub(crate) fn record(&self, value: u64) {
        self.each(|metric| metric.record(value));
    }

    /// The value of a counter or gauge.
    pub(crate) fn value(&self) -> i64 {
        self.shared.value()
    }

    fn each(&self, change: impl Fn(&Metric)) {
        change(&self.shared);
        if let Some(own) = &self.own {
            change(own);
        }
    }
}

/// What one generation of a plugin makes of its metrics on one worker. As many as the registry has for it.
#[derive(Default)]
pub(crate) struct OwnMetrics {
    metrics: Mutex<BTreeMap<String, Arc<Metric>>>,
}

impl OwnMetrics {
    /// The metric of that name, made if it is new. The registry has taken it, so that its bound holds.
    pub(crate) fn define(&self, name: &str, kind: MetricKind) -> Arc<Metric> {
        let mut metrics = self.metrics.lock();
        let metric = metrics
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Metric::new(kind)));
        Arc::clone(metric)
    }

    /// What a metric says.
    pub(crate) fn read(&self, name: &str) -> Option<Reading> {
        self.metrics.lock().get(name).map(|metric| metric.read())
    }
}

/// One metric of a plugin.
pub(crate) struct Metric {
    /// Counter, gauge or histogram.
    pub(crate) kind: MetricKind,
    value: AtomicI64,
    sum: AtomicU64,
    buckets: Vec<AtomicU64>,
}

/// A histogram as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramReading {
    /// `(upper bound, number of values up to it)`, cumulative.
    pub buckets: Vec<(u64, u64)>,
    /// Sum of all values.
    pub sum: u64,
    /// Number of values.
    pub count: u64,
}

/// A metric as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(i64),
    /// Distribution.
    Histogram(HistogramReading),
}

impl Metric {
    fn new(kind: MetricKind) -> Self {
        let buckets = if kind == MetricKind::Histogram {
            BUCKET_BITS + 1
        } else {
            0
        };
        Self {
            kind,
            value: AtomicI64::new(0),
            sum: AtomicU64::new(0),
            buckets: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Adds to a counter or a gauge.
    pub(crate) fn add(&self, delta: i64) {
        self.value.fetch_add(delta, Ordering::Relaxed);
    }

    /// Sets a gauge, adds a value to a histogram; a counter is set as in Envoy, by adding.
    pub(crate) fn record(&self, value: u64) {
        match self.kind {
            MetricKind::Gauge => self.value.store(value.cast_signed(), Ordering::Relaxed),
            MetricKind::Counter => self.add(value.cast_signed()),
            MetricKind::Histogram => {
                self.sum.fetch_add(value, Ordering::Relaxed);
                self.value.fetch_add(1, Ordering::Relaxed);
                let bits = usize::try_from(u64::BITS - value.leading_zeros()).unwrap_or(BUCKET_BITS);
                if let Some(bucket) = self.buckets.get(bits.min(BUCKET_BITS)) {
                    bucket.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// The value of a counter or gauge.
    pub(crate) fn value(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }

    fn read(&self) -> Reading {
        match self.kind {
            MetricKind::Counter => Reading::Counter(self.value().cast_unsigned()),
            MetricKind::Gauge => Reading::Gauge(self.value()),
            MetricKind::Histogram => Reading::Histogram(self.read_histogram()),
        }
    }

    fn read_histogram(&self) -> HistogramReading {
        let mut seen = 0;
        let mut buckets = Vec::new();
        for (bits, bucket) in self.buckets.iter().enumerate().take(BUCKET_BITS) {
            let here = bucket.load(Ordering::Relaxed);
            seen += here;
            if here > 0 {
                buckets.push(((1_u64 << bits) - 1, seen));
            }
        }
        HistogramReading {
            buckets,
            sum: self.sum.load(Ordering::Relaxed),
            count: self.value().cast_unsigned(),
        }
    }
}

/// All metrics that plugins defined, by plugin and name.
#[derive(Default)]
pub struct MetricRegistry {
    plugins: Mutex<BTreeMap<String, BTreeMap<String, Arc<Metric>>>>,
}

impl MetricRegistry {
    /// The metric of that name, made if it is new; none at the bound or when the name has another kind.
    pub(crate) fn define(&self, plugin: &str, name: &str, kind: MetricKind) -> Option<Arc<Metric>> {
        let mut plugins = self.plugins.lock();
        if !plugins.contains_key(plugin) {
            plugins.insert(plugin.to_owned(), BTreeMap::new());
        }
        let metrics = plugins.get_mut(plugin)?;
        if let Some(metric) = metrics.get(name) {
            return (metric.kind == kind).then(|| Arc::clone(metric));
        }
        if metrics.len() >= METRICS_MAX {
            return None;
        }
        let metric = Arc::new(Metric::new(kind));
        metrics.insert(name.to_owned(), Arc::clone(&metric));
        Some(metric)
    }

    /// Everything: plugin, name, reading.
    #[must_use]
    pub fn read(&self) -> Vec<(String, String, Reading)> {
        let plugins = self.plugins.lock();
        let all = plugins
            .iter()
            .flat_map(|(plugin, metrics)| metrics.iter().map(move |metric| (plugin, metric)));
        all.map(|(plugin, (name, metric))| (plugin.clone(), name.clone(), metric.read()))
            .collect()
    }
}

/// The ids one instance gave out; the low two bits are the kind, as in Envoy.
#[derive(Default)]
pub(crate) struct MetricIds {
    by_id: HashMap<u32, (Counted, String)>,
    last: u32,
}

impl MetricIds {
    /// A new id for `metric`.
    pub(crate) fn insert(&mut self, metric: Counted, name: String) -> Option<u32> {
        // LIMIT: as many ids as metrics; Envoy gives a new one for each definition of the same name.
        if self.by_id.len() >= METRICS_MAX {
            return None;
        }
        self.last = self.last.checked_add(4)?;
        let id = self.last | metric.shared.kind.raw();
        self.by_id.insert(id, (metric, name));
        Some(id)
    }

    /// The metric behind an id.
    pub(crate) fn get(&self, id: u32) -> Option<&Counted> {
        self.by_id.get(&id).map(|(metric, _)| metric)
    }

    /// The name by which it was defined.
    pub(crate) fn name(&self, id: u32) -> Option<&str> {
        self.by_id.get(&id).map(|(_, name)| name.as_str())
    }
}
