//! Golden pages, and the rules of the metric table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, UNIX_EPOCH};

use expect_test::expect;

use super::*;
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
    .assert_eq(std::str::from_utf8(&page.finish(Form::Text)).unwrap());
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
    .assert_eq(std::str::from_utf8(&page.finish(Form::Text)).unwrap());
}

#[test]
fn a_name_gets_one_group_only() {
    let mut page = Exposition::new();
    page.foreign("wasm_hits", "h", Kind::Counter, &[]).sample(&[], 1);
    page.foreign("wasm.hits", "h", Kind::Gauge, &[]).sample(&[], 2);
    assert_eq!(
        page.finish(Form::Text),
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
        let standard = ["process_", "cofferdam_"];
        assert!(standard.iter().any(|prefix| metric.name.starts_with(prefix)));
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

/// What Prometheus sends: 2.42, 2.42 with native histograms, 3, and a browser.
const ACCEPTS: [(&str, Form); 4] = [
    (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        Form::OpenMetrics,
    ),
    (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        Form::Protobuf,
    ),
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        Form::OpenMetrics,
    ),
    (
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        Form::Text,
    ),
];

#[test]
fn who_asks_gets_the_form_that_it_wants_most() {
    for (accept, form) in ACCEPTS {
        assert_eq!(Form::wanted([accept]), form, "{accept}");
    }
    let (open, text) = ("application/openmetrics-text", "text/plain");
    assert_eq!(Form::wanted([]), Form::Text);
    assert_eq!(Form::wanted([text, open]), Form::Text);
    assert_eq!(
        Form::wanted([
            "text/plain;q=0.5",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; q=0.501"
        ]),
        Form::OpenMetrics
    );
    for nothing in [
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=7",
        "application/openmetrics-text;q=0.1234",
        "application/openmetrics-text;version=0.0.1",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
        "application/vnd.google.protobuf;proto=other;encoding=delimited",
        ";;,,=,q=",
    ] {
        assert_eq!(Form::wanted([nothing]), Form::Text, "{nothing}");
    }
}

#[test]
fn open_metrics_has_units_exemplars_and_an_end() {
    let mut histogram = Histogram::new();
    histogram.record_with(
        Duration::from_micros(90),
        Some(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
        UNIX_EPOCH + Duration::from_millis(1_520_879_607_789),
    );
    histogram.record_with(Duration::from_secs(70), Some(1), UNIX_EPOCH + Duration::from_secs(5));
    let mut page = Exposition::new();
    page.family(&metric::REQUEST_BYTES).sample(&["a\"b"], 7);
    page.family(&metric::EXCHANGE_DURATION).durations(&["api"], &histogram);
    page.foreign("hits", "says \"h\"", Kind::Counter, &[]).sample(&[], 1);
    page.foreign("twice", "t", Kind::Gauge, &[]).sample_float(&[], 0.5);
    page.foreign("twice_total", "t", Kind::Counter, &[]).sample(&[], 2);
    page.foreign("sizes", "s", Kind::Histogram, &[])
        .buckets(&[], &[(1.0, 1), (1e6, 2)], 3.5, 2);
    expect![[r##"
        # HELP cofferdam_request_body_bytes Body bytes received from clients.
        # TYPE cofferdam_request_body_bytes counter
        # UNIT cofferdam_request_body_bytes bytes
        cofferdam_request_body_bytes_total{route="a\"b"} 7
        # HELP cofferdam_exchange_duration_seconds From a request's headers to the response's last byte.
        # TYPE cofferdam_exchange_duration_seconds histogram
        # UNIT cofferdam_exchange_duration_seconds seconds
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.0001"} 1 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.00009 1520879607.789
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.00025"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.0005"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.001"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.0025"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.005"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.01"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.025"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.05"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.1"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.25"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="0.5"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="1.0"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="5.0"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="15.0"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="60.0"} 1
        cofferdam_exchange_duration_seconds_bucket{route="api",le="+Inf"} 2 # {trace_id="00000000000000000000000000000001"} 70 5.000
        cofferdam_exchange_duration_seconds_sum{route="api"} 70.00009
        cofferdam_exchange_duration_seconds_count{route="api"} 2
        # HELP hits says \"h\"
        # TYPE hits unknown
        hits 1
        # HELP twice t
        # TYPE twice gauge
        twice 0.5
        # HELP twice_total t
        # TYPE twice_total unknown
        twice_total 2
        # HELP sizes s
        # TYPE sizes histogram
        sizes_bucket{le="1.0"} 1
        sizes_bucket{le="1e+06"} 2
        sizes_bucket{le="+Inf"} 2
        sizes_sum 3.5
        sizes_count 2
        # EOF
    "##]].assert_eq(std::str::from_utf8(&page.finish(Form::OpenMetrics)).unwrap());
}
