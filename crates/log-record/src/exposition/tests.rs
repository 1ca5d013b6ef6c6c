//! Golden pages, and the rules of the metric table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use expect_test::expect;

use super::*;
use crate::histogram::SharedHistogram;
use crate::metric;

#[test]
fn a_page_carries_help_type_and_samples() {
    let mut page = Exposition::new();
    page.family(&metric::BUILD_INFO).sample(&["0.1.0"], 1);
    page.family(&metric::WORKERS).sample(&[], 2);
    page.family(&metric::EXCHANGES)
        .sample(&["api", "2xx"], 7)
        .sample(&["a\"b\\c\nd", "none"], u64::MAX);
    page.foreign(
        "wasm.custom-metric",
        "line one\nline \\ two",
        Kind::Counter,
        &["plugin"],
    )
    .sample(&["p"], 3);
    page.foreign("wasm_load", "a fraction", Kind::Gauge, &["plugin"])
        .sample_float(&["p"], 1.25);
    expect![[r#"
        # HELP cofferdam_build_info Always 1; the label is the version.
        # TYPE cofferdam_build_info gauge
        cofferdam_build_info{version="0.1.0"} 1
        # HELP cofferdam_workers Worker threads that run.
        # TYPE cofferdam_workers gauge
        cofferdam_workers 2
        # HELP cofferdam_exchanges_total Ended exchanges by route and class of status; `none` when no status was sent.
        # TYPE cofferdam_exchanges_total counter
        cofferdam_exchanges_total{route="api",code_class="2xx"} 7
        cofferdam_exchanges_total{route="a\"b\\c\nd",code_class="none"} 18446744073709551615
        # HELP wasm_custom_metric line one\nline \\ two
        # TYPE wasm_custom_metric counter
        wasm_custom_metric{plugin="p"} 3
        # HELP wasm_load a fraction
        # TYPE wasm_load gauge
        wasm_load{plugin="p"} 1.25
    "#]]
    .assert_eq(std::str::from_utf8(&page.finish()).unwrap());
}

#[test]
fn a_histogram_is_cumulative_and_in_seconds() {
    let mut histogram = Histogram::new();
    for micros in [80, 100, 101, 900, 70_000_000] {
        histogram.record(Duration::from_micros(micros));
    }
    let mut page = Exposition::new();
    page.family(&metric::EXCHANGE_DURATION).durations(&["api"], &histogram);
    expect![[r#"
        # HELP cofferdam_exchange_duration_seconds From a request's headers to the response's last byte.
        # TYPE cofferdam_exchange_duration_seconds histogram
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.0001"} 2
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.00025"} 3
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.0005"} 3
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.001"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.0025"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.005"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.01"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.025"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.05"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.1"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.25"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.5"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="1"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="5"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="15"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="60"} 4
        cofferdam_exchange_duration_seconds_bucket{route="api",le="+Inf"} 5
        cofferdam_exchange_duration_seconds_sum{route="api"} 70.001181
        cofferdam_exchange_duration_seconds_count{route="api"} 5
    "#]]
    .assert_eq(std::str::from_utf8(&page.finish()).unwrap());
}

#[test]
fn histograms_of_workers_add_up() {
    let (mut one, mut two) = (Histogram::new(), Histogram::new());
    one.record(Duration::from_micros(50));
    two.record(Duration::from_micros(50));
    two.record(Duration::MAX);
    one.add(&two);
    assert_eq!((one.count(), one.sum_us()), (3, u64::MAX));
    assert_eq!(one.cumulative().next(), Some((100, 2)));
}

#[test]
fn a_histogram_that_others_read_counts_as_one_that_is_owned() {
    let (shared, mut owned) = (SharedHistogram::default(), Histogram::new());
    for duration in [Duration::ZERO, Duration::from_millis(3), Duration::MAX, Duration::MAX] {
        shared.record(duration);
        owned.record(duration);
    }
    assert_eq!(shared.read(), owned);
    assert_eq!(shared.read().count(), 4);
}

#[test]
fn a_name_gets_one_group_only() {
    let mut page = Exposition::new();
    page.foreign("wasm_hits", "h", Kind::Counter, &[]).sample(&[], 1);
    page.foreign("wasm.hits", "h", Kind::Gauge, &[]).sample(&[], 2);
    assert_eq!(
        page.finish(),
        b"# HELP wasm_hits h\n# TYPE wasm_hits counter\nwasm_hits 1\n"
    );
}

#[test]
fn names_that_the_format_forbids_are_changed() {
    assert_eq!(legal_name("9lives/of a-cat"), "_lives_of_a_cat");
    assert_eq!(legal_name(""), "_");
    assert_eq!(legal_name("größe:ok_1"), "gr__e:ok_1");
}

#[test]
fn the_table_follows_the_format_and_its_conventions() {
    for (index, metric) in metric::ALL.iter().enumerate() {
        assert_eq!(legal_name(metric.name), metric.name);
        assert!(metric.name.starts_with("cofferdam_"));
        assert_eq!(
            metric.name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "`{}`",
            metric.name
        );
        assert!(
            metric
                .labels
                .iter()
                .all(|label| legal_name(label) == *label && *label != "le")
        );
        assert!(
            metric::ALL[index + 1..].iter().all(|other| other.name != metric.name),
            "`{}` twice",
            metric.name
        );
    }
}

#[test]
fn statuses_have_classes() {
    assert_eq!(
        [
            metric::code_class(Some(204)),
            metric::code_class(Some(999)),
            metric::code_class(None)
        ],
        ["2xx", "other", "none"]
    );
}
