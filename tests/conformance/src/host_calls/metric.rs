//! Counters, gauges, histograms.

use plug_abi::Abi;
use serde_json::{Value, json};

use crate::session::answers;

fn define(kind: &str, name: &str) -> Value {
    json!({"op": "define_metric", "type": kind, "name": name, "save": {"metric": "m"}})
}

fn increment(offset: i64) -> Value {
    json!({"op": "increment_metric", "metric": "${m}", "offset": offset})
}

fn record(value: i64) -> Value {
    json!({"op": "record_metric", "metric": "${m}", "value": value})
}

fn get() -> Value {
    json!({"op": "get_metric", "metric": "${m}"})
}

/// The answers of the steps after the definition.
fn after(kind: &str, abi: Abi, steps: &[Value]) -> Vec<String> {
    let all: Vec<_> = std::iter::once(define(kind, "a"))
        .chain(steps.iter().cloned())
        .collect();
    let mut lines = answers(abi, json!(all));
    assert_eq!(lines.remove(0), "define_metric -> 0");
    lines
}

mod proxy_define_metric {
    use super::*;

    #[test]
    fn one_name_is_one_metric_however_often_it_is_defined() {
        for abi in Abi::ALL {
            let steps = json!([
                define("counter", "a"),
                increment(1),
                define("counter", "a"),
                increment(1),
                get()
            ]);
            assert_eq!(answers(abi, steps).last().unwrap(), "get_metric -> 0 value=2");
        }
    }

    #[test]
    fn an_unknown_kind_and_another_kind_of_a_known_name_are_bad_arguments() {
        for abi in Abi::ALL {
            let steps = json!([
                {"op": "define_metric", "type": 3, "name": "a"}, {"op": "define_metric", "type": -1, "name": "a"},
                define("counter", "a"), define("gauge", "a"), define("counter", "")]);
            let expected = [2, 2, 0, 2, 0].map(|status| format!("define_metric -> {status}"));
            assert_eq!(answers(abi, steps), expected);
        }
    }

    #[test]
    fn the_low_bits_of_an_id_are_the_kind() {
        for abi in Abi::ALL {
            for (kind, bits) in [("counter", 0), ("gauge", 1), ("histogram", 2)] {
                let mut step = define(kind, "a");
                step["ids"] = json!(true);
                let line = answers(abi, json!([step])).remove(0);
                let id: u32 = line
                    .strip_prefix("define_metric -> 0 metric=")
                    .unwrap()
                    .parse()
                    .unwrap();
                assert!(id > 3 && id & 3 == bits, "{id}");
            }
        }
    }
}

mod proxy_increment_metric {
    use super::*;

    #[test]
    fn a_counter_only_grows() {
        for abi in Abi::ALL {
            let steps = [increment(3), increment(0), increment(-1), get()];
            let expected = [
                "increment_metric -> 0",
                "increment_metric -> 2",
                "increment_metric -> 2",
                "get_metric -> 0 value=3",
            ];
            assert_eq!(after("counter", abi, &steps), expected);
        }
    }

    #[test]
    fn a_gauge_goes_both_ways_and_a_histogram_none() {
        for abi in Abi::ALL {
            let expected = [
                "increment_metric -> 0",
                "increment_metric -> 0",
                "get_metric -> 0 value=18446744073709551614",
            ];
            assert_eq!(after("gauge", abi, &[increment(1), increment(-3), get()]), expected);
            assert_eq!(after("histogram", abi, &[increment(1)]), ["increment_metric -> 2"]);
        }
    }

    #[test]
    fn what_is_not_there_is_not_found_or_a_bad_argument_as_its_kind_says() {
        for abi in Abi::ALL {
            let steps: Vec<_> = (4000..4004)
                .map(|id| json!({"op": "increment_metric", "metric": id, "offset": 1}))
                .collect();
            assert_eq!(
                answers(abi, json!(steps)),
                [1, 1, 2, 2].map(|status| format!("increment_metric -> {status}"))
            );
        }
    }
}

mod proxy_record_metric {
    use super::*;

    #[test]
    fn a_gauge_is_set_a_counter_grows_and_a_histogram_takes_a_value() {
        for abi in Abi::ALL {
            assert_eq!(
                after("gauge", abi, &[record(5), record(4), get()])[2],
                "get_metric -> 0 value=4"
            );
            assert_eq!(
                after("gauge", abi, &[record(-1), get()])[1],
                "get_metric -> 0 value=18446744073709551615"
            );
            assert_eq!(
                after("counter", abi, &[record(5), record(4), get()])[2],
                "get_metric -> 0 value=9"
            );
            assert_eq!(
                after("histogram", abi, &[record(5), record(0)]),
                ["record_metric -> 0", "record_metric -> 0"]
            );
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for abi in Abi::ALL {
            let steps: Vec<_> = (4000..4003)
                .map(|id| json!({"op": "record_metric", "metric": id, "value": 1}))
                .collect();
            assert_eq!(answers(abi, json!(steps)), ["record_metric -> 1"; 3]);
        }
    }
}

mod proxy_get_metric {
    use super::*;

    #[test]
    fn counters_and_gauges_can_be_read_and_histograms_not() {
        for abi in Abi::ALL {
            assert_eq!(after("counter", abi, &[get()]), ["get_metric -> 0 value=0"]);
            assert_eq!(after("gauge", abi, &[get()]), ["get_metric -> 0 value=0"]);
            assert_eq!(after("histogram", abi, &[get()]), ["get_metric -> 2"]);
        }
    }

    #[test]
    fn what_is_not_there_is_not_found_or_a_bad_argument_as_its_kind_says() {
        for abi in Abi::ALL {
            let steps: Vec<_> = (4000..4004)
                .map(|id| json!({"op": "get_metric", "metric": id}))
                .collect();
            assert_eq!(
                answers(abi, json!(steps)),
                [1, 1, 2, 2].map(|status| format!("get_metric -> {status}"))
            );
        }
    }
}
