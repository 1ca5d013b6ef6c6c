//! Prometheus' messages, after `io.prometheus.client` of client_model 0.6; written by hand, so that nobody needs `protoc`.

use std::time::UNIX_EPOCH;

use prost::Message;

use super::{Buckets, Group, Number, Sample};
use crate::histogram::{self, Exemplar, Histogram};
use crate::metric::Kind;

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    #[prost(enumeration = "MetricType", optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Value>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Value>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<HistogramMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// A gauge or a counter.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct HistogramMessage {
    #[prost(uint64, optional, tag = "1")]
    count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    buckets: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    deltas: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<ExemplarMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct ExemplarMessage {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<LabelPair>,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Writes the page: each family with its length before it.
pub(super) fn page(groups: &[Group]) -> Vec<u8> {
    let mut page = Vec::new();
    for group in groups {
        page.extend(family(group).encode_length_delimited_to_vec());
    }
    page
}

fn family(group: &Group) -> MetricFamily {
    let kind = match group.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    MetricFamily {
        name: Some(group.name.clone()),
        help: Some(group.help.clone()),
        kind: Some(kind.into()),
        metrics: group.samples.iter().map(|sample| metric(group, sample)).collect(),
    }
}

fn metric(group: &Group, sample: &Sample) -> Metric {
    let mut metric = Metric {
        labels: group.pairs(sample).map(|(name, value)| label(name, value)).collect(),
        ..Metric::default()
    };
    let value = match &sample.number {
        Number::Whole(number) => *number as f64,
        Number::Float(number) => *number,
        Number::Durations(histogram) => {
            metric.histogram = Some(durations(histogram));
            return metric;
        }
        Number::Buckets(buckets) => {
            metric.histogram = Some(fixed(buckets));
            return metric;
        }
    };
    let value = Some(Value { value: Some(value) });
    match group.kind {
        Kind::Counter => metric.counter = value,
        _ => metric.gauge = value,
    }
    metric
}

fn label(name: &str, value: &str) -> LabelPair {
    LabelPair {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    }
}

/// Fixed buckets, with bounds to which nobody gave native ones.
fn fixed(buckets: &Buckets) -> HistogramMessage {
    let bounds = buckets
        .cumulative
        .iter()
        .copied()
        .chain([(f64::INFINITY, buckets.count)]);
    HistogramMessage {
        count: Some(buckets.count),
        sum: Some(buckets.sum),
        buckets: bounds.map(|(bound, count)| bucket(bound, count, None)).collect(),
        ..HistogramMessage::default()
    }
}

/// Fixed and native buckets; who reads takes those that it knows.
fn durations(histogram: &Histogram) -> HistogramMessage {
    let bounds = histogram
        .cumulative()
        .map(|(micros, count)| (micros as f64 / 1e6, count));
    let bounds = bounds.chain([(f64::INFINITY, histogram.count())]);
    let with_exemplars = bounds.zip(histogram.exemplars());
    let buckets = with_exemplars.map(|((bound, count), exemplar)| bucket(bound, count, exemplar.as_ref()));
    let (spans, deltas) = spans(histogram.native());
    HistogramMessage {
        count: Some(histogram.count()),
        sum: Some(histogram.sum_us() as f64 / 1e6),
        buckets: buckets.collect(),
        schema: Some(histogram::SCHEMA),
        zero_threshold: Some(histogram::ZERO_THRESHOLD_S),
        zero_count: Some(histogram.zeros()),
        spans,
        deltas,
    }
}

/// Runs of buckets one after another, and each bucket's count as the difference to the one before it.
fn spans(native: impl Iterator<Item = (i32, u64)>) -> (Vec<BucketSpan>, Vec<i64>) {
    let (mut spans, mut deltas): (Vec<BucketSpan>, _) = (Vec::new(), Vec::new());
    let (mut next, mut before) = (0, 0);
    for (index, count) in native {
        match spans.last_mut().filter(|_| index == next) {
            Some(span) => span.length = span.length.map(|length| length + 1),
            None => spans.push(BucketSpan {
                offset: Some(index - next),
                length: Some(1),
            }),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        deltas.push(count - before);
        (next, before) = (index + 1, count);
    }
    (spans, deltas)
}

fn bucket(bound: f64, count: u64, exemplar: Option<&Exemplar>) -> Bucket {
    Bucket {
        cumulative_count: Some(count),
        upper_bound: Some(bound),
        exemplar: exemplar.map(exemplar_message),
    }
}

fn exemplar_message(exemplar: &Exemplar) -> ExemplarMessage {
    let since = exemplar.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    ExemplarMessage {
        labels: vec![label("trace_id", &format!("{:032x}", exemplar.trace))],
        value: Some(exemplar.micros as f64 / 1e6),
        at: Some(Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_family_reads_back_with_fixed_and_native_buckets() {
        let mut histogram = Histogram::new();
        for micros in [1, 1_000_000, 1_000_001, 1_000_001, 500_000] {
            histogram.record(Duration::from_micros(micros));
        }
        histogram.record_with(
            Duration::from_secs(61),
            Some(0xabc),
            UNIX_EPOCH + Duration::from_millis(1500),
        );
        let written = durations(&histogram).encode_to_vec();
        let read = HistogramMessage::decode(written.as_slice()).unwrap();
        assert_eq!((read.count, read.zero_count, read.schema), (Some(6), Some(1), Some(3)));
        let spans: Vec<_> = read
            .spans
            .iter()
            .map(|span| (span.offset.unwrap(), span.length.unwrap()))
            .collect();
        // One at 2^-1 s, none in between, one and two from 2^0 s on, and one that ends above 61 s.
        assert_eq!(spans, [(-8, 1), (7, 2), (46, 1)]);
        assert_eq!(read.deltas, [1, 0, 1, -1]);
        assert_eq!(read.buckets.len(), histogram::BOUNDS_US.len() + 1);
        let last = read.buckets.last().unwrap();
        assert_eq!(
            (last.cumulative_count, last.upper_bound),
            (Some(6), Some(f64::INFINITY))
        );
        let exemplar = last.exemplar.as_ref().unwrap();
        assert_eq!(
            exemplar.labels[0].value.as_deref(),
            Some("00000000000000000000000000000abc")
        );
        assert_eq!(
            exemplar.at,
            Some(Timestamp {
                seconds: 1,
                nanos: 500_000_000
            })
        );
    }
}
