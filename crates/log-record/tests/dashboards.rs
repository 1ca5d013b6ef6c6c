//! What we give to Prometheus and Grafana beside the page: dashboards, alert rules and the reference. All of it names what the table has.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "dashboards/boards.rs"]
mod boards;
#[path = "dashboards/grafana.rs"]
mod grafana;
#[path = "dashboards/named.rs"]
mod named;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::expect_file;
use grafana::Board;
use log_record::metric::{self, Kind};
use serde_json::Value;

const ALERTS: &str = include_str!("../../../dashboards/alerts.yaml");
const ALERTS_TEST: &str = include_str!("../../../dashboards/alerts_test.yaml");

/// Written anew with `UPDATE_EXPECT=1 cargo test -p log-record`.
#[test]
fn the_dashboards_in_the_tree_are_those_that_are_described() {
    for board in boards::ALL {
        let path = format!("{}/../../dashboards/{}.json", env!("CARGO_MANIFEST_DIR"), board.name);
        expect_file![path].assert_eq(&board.json());
    }
    assert!(boards::ALL.len() >= 5);
}

#[test]
fn no_dashboard_lies_there_that_nobody_describes() {
    let folder = std::fs::read_dir(format!("{}/../../dashboards", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let lying: BTreeSet<String> = names.filter(|name| name.ends_with(".json")).collect();
    let described = boards::ALL.iter().map(|board| format!("{}.json", board.name)).collect();
    assert_eq!(lying, described);
}

/// Every string under a key, wherever it is.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                found.extend(member.as_str().filter(|_| name == key));
                under(member, key, found);
            }
        }
        Value::Array(members) => members.iter().for_each(|member| under(member, key, found)),
        _ => {}
    }
}

#[test]
fn a_dashboard_names_metrics_and_labels_that_there_are() {
    for board in boards::ALL {
        let written: Value = serde_json::from_str(&board.json()).unwrap();
        let (mut expressions, mut choices) = (Vec::new(), Vec::new());
        under(&written, "expr", &mut expressions);
        under(&written, "definition", &mut choices);
        assert!(expressions.len() >= board.panels.len());
        for expression in expressions {
            assert_eq!(named::mistakes(expression), [""; 0], "{}: {expression}", board.name);
        }
        for choice in choices {
            let (metric, label) = choice.strip_prefix("label_values(").unwrap().split_once(", ").unwrap();
            let label = label.strip_suffix(')').unwrap();
            let known = named::row(metric).unwrap().labels;
            assert!(
                known.contains(&label) || ["job", "instance"].contains(&label),
                "{choice}"
            );
        }
    }
}

#[test]
fn a_panel_says_what_it_shows_and_in_what() {
    let units = ["short", "s", "bytes", "Bps", "percentunit", "reqps", "ops", "cps"];
    for board in boards::ALL {
        let titles: BTreeSet<&str> = board.panels.iter().map(|panel| panel.title).collect();
        assert_eq!(titles.len(), board.panels.len(), "{}: a title twice", board.name);
        for panel in board.panels {
            assert!(units.contains(&panel.unit), "{}: {}", board.name, panel.unit);
            assert!(panel.description.ends_with('.'), "{}: {}", board.name, panel.title);
            assert!(!panel.queries.is_empty());
        }
    }
}

/// Metrics that no panel and no rule shows; a new one is shown, or stands here.
const UNSHOWN: [&str; 2] = [
    "cofferdam_plugin_debugged_exchanges_total",
    "cofferdam_rollout_not_compared_total",
];

#[test]
fn every_metric_is_shown_somewhere() {
    let panels = boards::ALL.iter().flat_map(|board| board.panels);
    let expressions = panels
        .flat_map(|panel| panel.queries)
        .map(|(written, _)| Board::expression(written));
    let shown = expressions.chain(rules().into_iter().map(|(_, expression)| expression));
    let names = shown.flat_map(|expression| named::names(&expression).into_keys());
    let rows: BTreeSet<&str> = names.filter_map(|name| Some(named::row(&name)?.name)).collect();
    let all = metric::ALL.iter().map(|metric| metric.name);
    let unshown: BTreeSet<&str> = all.filter(|name| !rows.contains(name)).collect();
    assert_eq!(unshown, UNSHOWN.into());
}

/// Each rule's name and expression, which stands behind `expr: |` in deeper lines, or in its line.
fn rules() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut within = None;
    for line in ALERTS.lines() {
        let depth = line.len() - line.trim_start().len();
        let text = line.trim_start();
        if within.is_some_and(|outer| depth > outer) {
            let (_, expression) = found.last_mut().unwrap();
            expression.push_str(text);
            expression.push('\n');
            continue;
        }
        within = None;
        if let Some(name) = text.strip_prefix("- alert: ") {
            found.push((name.to_owned(), String::new()));
        }
        if let Some(expression) = text.strip_prefix("expr: ") {
            match expression.trim() {
                "|" => within = Some(depth),
                whole => found.last_mut().unwrap().1 = whole.to_owned(),
            }
        }
    }
    found
}

#[test]
fn a_rule_names_metrics_and_labels_that_there_are() {
    let rules = rules();
    assert!(rules.len() >= 15, "the rules are not read well: {rules:?}");
    assert_eq!(rules.len(), ALERTS.matches("alert:").count());
    for (rule, expression) in rules {
        assert_eq!(named::mistakes(&expression), [""; 0], "{rule}: {expression}");
    }
}

#[test]
fn a_rule_says_what_is_wrong_and_what_to_do_and_is_tested() {
    let rules = rules();
    for text in ["summary: ", "description: ", "runbook: ", "severity: "] {
        assert_eq!(ALERTS.matches(text).count(), rules.len(), "{text}");
    }
    for (rule, _) in rules {
        assert!(
            ALERTS_TEST.contains(&format!("alertname: {rule}\n")),
            "{rule} has no test"
        );
    }
}

#[test]
fn names_in_expressions_are_found() {
    let expression =
        r#"sum by (route, colour) (rate(cofferdam_exchanges_total{route=~"a,b}",shape="x"}[5m])) / cofferdam_nothing"#;
    let wrong = [
        "no metric `cofferdam_nothing`",
        "`cofferdam_exchanges_total` has no label `shape`",
        "no metric of it has a label `colour`",
    ];
    // A brace in quotes ends a selector for this reader; no expression of ours has one.
    assert_eq!(named::mistakes(&expression.replace("b}", "b")), wrong);
    assert_eq!(
        named::mistakes("cofferdam_exchanges_bucket"),
        ["no metric `cofferdam_exchanges_bucket`"]
    );
    assert_eq!(named::mistakes("cofferdam_exchange_duration_seconds_sum"), [""; 0]);
    assert_eq!(named::mistakes("vector(0)"), ["names no metric"]);
}

/// The page of every metric.
fn reference() -> String {
    let mut page = String::from(include_str!("dashboards/metrics.md"));
    for metric in metric::ALL {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = match metric.kind {
            Kind::Histogram if NOT_NATIVE.contains(&metric.name) => "histogram",
            Kind::Histogram => "histogram, native too",
            kind => kind.word(),
        };
        let _ = writeln!(
            page,
            "| `{}` | {kind} | {} | {} |",
            metric.name,
            labels.join(" "),
            metric.help
        );
    }
    page
}

/// Histograms whose counts are made elsewhere, in buckets of their own.
const NOT_NATIVE: [&str; 1] = ["cofferdam_plugin_callback_duration_seconds"];

/// Written anew with `UPDATE_EXPECT=1 cargo test -p log-record`.
#[test]
fn the_reference_is_the_table() {
    let path = format!("{}/../../docs/metrics.md", env!("CARGO_MANIFEST_DIR"));
    expect_file![path].assert_eq(&reference());
}
