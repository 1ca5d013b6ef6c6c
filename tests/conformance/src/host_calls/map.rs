//! Headers and trailers as maps.

use plug_abi::Abi;
use serde_json::{Value, json};

use crate::session::{answers, play, said, said_in};

const REQUEST: &str = r#"[[":authority","example.org"],[":path","/path?query=1"],[":method","POST"],[":scheme","https"],["x-one","1"],["x-two","2"],["x-two","3"],["x-empty",""]]"#;
const RESPONSE: &str = r#"[[":status","200"],["x-response","r"]]"#;

/// Every callback of an exchange, with the maps that can be read in it by their numbers.
const READABLE: [(&str, &[usize]); 10] = [
    ("context_create", &[]),
    ("request_headers", &[0]),
    ("request_body", &[]),
    ("request_trailers", &[1]),
    ("response_headers", &[2]),
    ("response_body", &[]),
    ("response_trailers", &[3]),
    ("log", &[0, 2, 3]),
    ("done", &[]),
    ("delete", &[]),
];

fn in_each_callback(abi: Abi, steps: &Value) -> impl Iterator<Item = (&'static str, &'static [usize], Vec<String>)> {
    let script: serde_json::Map<_, _> = READABLE
        .iter()
        .map(|(callback, _)| ((*callback).to_owned(), steps.clone()))
        .collect();
    let lines = said(abi, &Value::Object(script));
    READABLE
        .into_iter()
        .map(move |(callback, readable)| (callback, readable, said_in(callback, &lines)))
}

mod proxy_get_header_map_pairs {
    use super::*;

    #[test]
    fn each_map_is_there_in_its_own_phases_and_empty_in_others() {
        let shown = [
            REQUEST,
            r#"[["x-request-trailer","t"]]"#,
            RESPONSE,
            r#"[["x-response-trailer","u"]]"#,
        ];
        let steps: Vec<_> = (0..8)
            .map(|map| json!({"op": "get_header_map_pairs", "map": map}))
            .collect();
        for abi in Abi::ALL {
            for (callback, readable, lines) in in_each_callback(abi, &json!(steps)) {
                let expected: Vec<_> = (0..8)
                    .map(|map| if readable.contains(&map) { shown[map] } else { "[]" })
                    .map(|pairs| format!("get_header_map_pairs -> 0 pairs={pairs}"))
                    .collect();
                assert_eq!(lines, expected, "{abi} {callback}");
            }
        }
    }

    #[test]
    fn an_unknown_map_is_a_bad_argument() {
        for abi in Abi::ALL {
            assert_eq!(
                answers(abi, json!([{"op": "get_header_map_pairs", "map": 8}])),
                ["get_header_map_pairs -> 2"]
            );
        }
    }

    #[test]
    fn headers_that_are_held_can_be_read_in_later_callbacks_until_the_plugin_lets_go() {
        let script = |resume: Value| {
            json!({
                "request_headers": [{"op": "return", "action": 3}],
                "request_body": [{"op": "get_request_header", "key": "x-one"}, resume, {"op": "get_request_header", "key": "x-one"}]})
        };
        for abi in Abi::ALL {
            let lines = said(abi, &script(json!({"op": "continue_request", "quiet": true})));
            let gone = if abi == Abi::V0_1_0 { r#"0 value="""# } else { "1" };
            let expected = [
                r#"get_request_header -> 0 value="1""#.to_owned(),
                format!("get_request_header -> {gone}"),
            ];
            assert_eq!(said_in("request_body", &lines), expected);
        }
    }
}

mod proxy_get_header_map_value {
    use super::*;

    #[test]
    fn the_first_value_is_read_whatever_the_case_of_the_name() {
        for abi in Abi::ALL {
            let get = |key: &str| json!({"op": "get_request_header", "key": key});
            let steps = json!([
                get("x-two"),
                get("X-ONE"),
                get("x-empty"),
                get(":path"),
                get("host"),
                get("Host"),
                get(":authority")
            ]);
            let expected = [
                "2",
                "1",
                "",
                "/path?query=1",
                "example.org",
                "example.org",
                "example.org",
            ];
            assert_eq!(
                answers(abi, steps),
                expected.map(|value| format!("get_request_header -> 0 value={value:?}"))
            );
        }
    }

    #[test]
    fn a_missing_header_is_not_found_but_empty_in_0_1_0() {
        for abi in Abi::ALL {
            let expected = if abi == Abi::V0_1_0 {
                r#"get_request_header -> 0 value="""#
            } else {
                "get_request_header -> 1"
            };
            for key in ["x-none", ":none", "", "not a name"] {
                assert_eq!(
                    answers(abi, json!([{"op": "get_request_header", "key": key}])),
                    [expected]
                );
            }
        }
    }

    #[test]
    fn a_map_that_is_not_there_is_not_found() {
        // Envoy answers BAD_ARGUMENT outside the log phase, which kills Rust plugins (envoy#26485).
        let steps: Vec<_> = (0..8)
            .map(|map| json!({"op": "get_header_map_value", "map": map, "key": "x"}))
            .collect();
        for abi in Abi::ALL {
            let expected = if abi == Abi::V0_1_0 {
                r#"get_header_map_value -> 0 value="""#
            } else {
                "get_header_map_value -> 1"
            };
            for (callback, _, lines) in in_each_callback(abi, &json!(steps)) {
                assert_eq!(lines, [expected; 8], "{abi} {callback}");
            }
        }
    }

    #[test]
    fn an_unknown_map_is_a_bad_argument() {
        for abi in Abi::ALL {
            let steps = json!([{"op": "get_header_map_value", "map": 8, "key": "x"}]);
            assert_eq!(answers(abi, steps), ["get_header_map_value -> 2"]);
        }
    }
}

mod proxy_get_header_map_size {
    use super::*;

    #[test]
    fn it_is_the_bytes_of_names_and_values_of_a_map_that_may_be_changed() {
        let sizes = [
            (":authority:path:method:scheme".len() + "example.org/path?query=1POSThttps".len())
                + ("x-one1x-two2x-two3x-empty".len()),
            "x-request-trailert".len(),
            ":status200x-responser".len(),
            "x-response-traileru".len(),
        ];
        let steps: Vec<_> = (0..9)
            .map(|map| json!({"op": "get_header_map_size", "map": map}))
            .collect();
        for abi in Abi::ALL {
            for (callback, readable, lines) in in_each_callback(abi, &json!(steps)) {
                let there = |map: &usize| callback != "log" && readable.contains(map);
                let expected: Vec<_> = (0..9)
                    .map(|map| {
                        if there(&map) {
                            format!("0 size={}", sizes[map])
                        } else {
                            "2".to_owned()
                        }
                    })
                    .map(|answer| format!("get_header_map_size -> {answer}"))
                    .collect();
                assert_eq!(lines, expected, "{abi} {callback}");
            }
        }
    }
}

/// Runs steps over the request's headers and shows these afterwards.
fn edited(abi: Abi, steps: Vec<Value>) -> (Vec<String>, String) {
    let count = steps.len();
    let mut steps = steps;
    steps.push(json!({"op": "get_request_headers"}));
    let mut lines = answers(abi, json!(steps));
    let shown = lines.remove(lines.len() - 1);
    assert_eq!(lines.len(), count);
    (
        lines,
        shown
            .strip_prefix("get_request_headers -> 0 pairs=")
            .unwrap()
            .to_owned(),
    )
}

/// The last pairs of the request's headers, behind those that it came with.
fn added(abi: Abi, step: Value) -> String {
    let (lines, shown) = edited(abi, vec![step]);
    assert!(lines[0].ends_with(" -> 0"), "{lines:?}");
    shown
}

/// Every callback in which a map may be changed, with that map.
fn statuses_in_each_callback(abi: Abi, step: impl Fn(usize) -> Value) {
    let steps: Vec<_> = (0..9).map(step).collect();
    for (callback, readable, lines) in in_each_callback(abi, &json!(steps)) {
        let may = |map: usize| callback != "log" && readable.contains(&map);
        let statuses: Vec<_> = lines
            .iter()
            .map(|line| line.rsplit(' ').next().unwrap().to_owned())
            .collect();
        let expected: Vec<_> = (0..9).map(|map| if may(map) { "0" } else { "2" }).collect();
        assert_eq!(statuses, expected, "{abi} {callback}");
    }
}

mod proxy_add_header_map_value {
    use super::*;

    fn add(key: &str, value: &str) -> Value {
        json!({"op": "add_request_header", "key": key, "value": value})
    }

    #[test]
    fn values_of_one_name_are_all_there_in_order() {
        for abi in Abi::ALL {
            assert!(added(abi, add("X-Two", "4")).contains(r#"["x-two","2"],["x-two","3"],["x-two","4"]"#));
            assert!(added(abi, add("x-new", "")).ends_with(r#"["x-new",""]]"#));
        }
    }

    #[test]
    fn only_maps_of_this_phase_may_be_changed() {
        for abi in Abi::ALL {
            statuses_in_each_callback(
                abi,
                |map| json!({"op": "add_header_map_value", "map": map, "key": "x", "value": "y"}),
            );
        }
    }

    #[test]
    fn what_would_split_a_message_is_left_out_and_said() {
        // Envoy keeps it and fails later, when it writes the message.
        for abi in Abi::ALL {
            for (key, value) in [
                ("x-line", "a\r\nx-evil: 1"),
                ("bad name", "1"),
                ("", "1"),
                (":unknown", "1"),
                ("x\r\ny", "1"),
            ] {
                let (lines, shown) = play(
                    abi,
                    &json!({"request_headers": [add(key, value), {"op": "get_request_headers"}]}),
                    async |session| {
                        session.start().await;
                        session.exchange().await;
                        let mut lines = session.said();
                        let shown = lines.pop().unwrap();
                        (lines, shown)
                    },
                );
                assert!(
                    lines[0].ends_with("left out: name or value is not allowed in a message"),
                    "{lines:?}"
                );
                assert_eq!(lines[1], "request_headers: add_request_header -> 0");
                assert_eq!(
                    shown,
                    format!("request_headers: get_request_headers -> 0 pairs={REQUEST}")
                );
            }
        }
    }

    #[test]
    fn trailers_may_be_made_in_the_callback_of_the_last_body_bytes_and_not_before() {
        let step = json!({"op": "add_header_map_value", "map": "request_trailers", "key": "x-made", "value": "1"});
        for abi in Abi::ALL {
            play(abi, &json!({ "request_body": [step] }), async |session| {
                session.start().await;
                let stream = session.open().await;
                stream.request_headers(false).await.unwrap();
                stream.body(plug_host::Direction::Request, false).await.unwrap();
                assert!(stream.context().exchange.request_trailers.borrow().is_none());
                stream.body(plug_host::Direction::Request, true).await.unwrap();
                let lines = session.said();
                assert_eq!(
                    said_in("request_body", &lines),
                    ["add_header_map_value -> 2", "add_header_map_value -> 0"]
                );
                let trailers = stream.context().exchange.request_trailers.borrow();
                assert_eq!(trailers.as_ref().unwrap()["x-made"], "1");
            });
        }
    }
}

mod proxy_replace_header_map_value {
    use super::*;

    fn replace(key: &str, value: &str) -> Value {
        json!({"op": "replace_request_header", "key": key, "value": value})
    }

    #[test]
    fn one_value_takes_the_place_of_all() {
        for abi in Abi::ALL {
            let shown = added(abi, replace("x-two", "new"));
            assert!(
                shown.contains(r#"["x-two","new"]"#) && !shown.contains(r#""2""#) && !shown.contains(r#""3""#),
                "{shown}"
            );
            assert!(added(abi, replace("x-new", "1")).ends_with(r#"["x-new","1"]]"#));
        }
    }

    #[test]
    fn pseudo_headers_are_replaced_where_the_request_is_still_one() {
        for abi in Abi::ALL {
            for (key, value) in [
                (":method", "PUT"),
                (":path", "/new"),
                (":authority", "new.example:81"),
                (":scheme", "http"),
            ] {
                assert!(added(abi, replace(key, value)).contains(&format!("[{key:?},{value:?}]")));
            }
            assert!(added(abi, replace("host", "new.example")).contains(r#"[":authority","new.example"]"#));
            for (key, value) in [
                (":method", "two words"),
                (":path", "no-slash"),
                (":authority", "a b"),
                (":scheme", "1:"),
            ] {
                assert_eq!(added(abi, replace(key, value)), REQUEST);
            }
        }
    }

    #[test]
    fn a_status_stays_one() {
        let set = |value: &str| json!({"op": "replace_response_header", "key": ":status", "value": value});
        for abi in Abi::ALL {
            for (value, status) in [("404", "404"), ("fine", "200"), ("101", "200"), ("", "200")] {
                let lines = said(
                    abi,
                    &json!({"response_headers": [set(value), {"op": "get_response_header", "key": ":status"}]}),
                );
                assert_eq!(
                    *lines.last().unwrap(),
                    format!("response_headers: get_response_header -> 0 value={status:?}")
                );
            }
        }
    }

    #[test]
    fn a_change_of_request_headers_makes_the_route_stale() {
        for abi in Abi::ALL {
            for (step, stale) in [
                (replace("x-one", "2"), true),
                (json!({"op": "get_request_header", "key": "x-one"}), false),
            ] {
                play(abi, &json!({ "request_headers": [step] }), async |session| {
                    session.start().await;
                    let stream = session.open().await;
                    stream.request_headers(true).await.unwrap();
                    assert_eq!(stream.context().exchange.route_stale.get(), stale);
                });
            }
        }
    }

    #[test]
    fn only_maps_of_this_phase_may_be_changed() {
        for abi in Abi::ALL {
            statuses_in_each_callback(
                abi,
                |map| json!({"op": "replace_header_map_value", "map": map, "key": "x", "value": "y"}),
            );
        }
    }
}

mod proxy_remove_header_map_value {
    use super::*;

    #[test]
    fn all_values_go() {
        for abi in Abi::ALL {
            let shown = added(abi, json!({"op": "remove_request_header", "key": "X-Two"}));
            assert!(!shown.contains("x-two"), "{shown}");
            assert_eq!(
                added(abi, json!({"op": "remove_request_header", "key": "x-none"})),
                REQUEST
            );
        }
    }

    #[test]
    fn a_request_keeps_its_method_scheme_and_path() {
        // Envoy lets them go and then answers 404 or 503.
        for abi in Abi::ALL {
            for key in [":method", ":scheme", ":path"] {
                assert_eq!(added(abi, json!({"op": "remove_request_header", "key": key})), REQUEST);
            }
            assert!(!added(abi, json!({"op": "remove_request_header", "key": ":authority"})).contains("example.org"));
        }
    }

    #[test]
    fn only_maps_of_this_phase_may_be_changed() {
        for abi in Abi::ALL {
            statuses_in_each_callback(
                abi,
                |map| json!({"op": "remove_header_map_value", "map": map, "key": "x"}),
            );
        }
    }
}

mod proxy_set_header_map_pairs {
    use super::*;

    #[test]
    fn the_whole_map_is_replaced() {
        for abi in Abi::ALL {
            let step = json!({"op": "set_request_headers", "pairs": [[":method", "GET"], [":path", "/new"], [":scheme", "http"],
                [":authority", "new.example"], ["x-a", "1"], ["x-a", "2"]]});
            let expected = r#"[[":authority","new.example"],[":path","/new"],[":method","GET"],[":scheme","http"],["x-a","1"],["x-a","2"]]"#;
            assert_eq!(added(abi, step), expected);
        }
    }

    #[test]
    fn an_empty_map_may_be_nothing_one_zero_byte_or_a_count_of_zero() {
        for abi in Abi::ALL {
            for empty in ["", "00", "00000000"] {
                let shown = added(abi, json!({"op": "set_request_headers", "pairs": {"hex": empty}}));
                assert_eq!(
                    shown,
                    r#"[[":path","/path?query=1"],[":method","POST"],[":scheme","https"]]"#
                );
            }
        }
    }

    #[test]
    fn bytes_that_are_no_map_change_nothing() {
        // Envoy reads them as the empty map and loses all headers.
        for abi in Abi::ALL {
            for bytes in [
                "01000000ffffffff00000000",
                "ffffffff",
                "0100",
                "01000000010000000100000061006200ff",
            ] {
                let (lines, shown) = edited(abi, vec![json!({"op": "set_request_headers", "pairs": {"hex": bytes}})]);
                assert_eq!(
                    (lines[0].as_str(), shown.as_str()),
                    ("set_request_headers -> 2", REQUEST),
                    "{bytes}"
                );
            }
        }
    }

    #[test]
    fn only_maps_of_this_phase_may_be_changed() {
        for abi in Abi::ALL {
            statuses_in_each_callback(
                abi,
                |map| json!({"op": "set_header_map_pairs", "map": map, "pairs": [["x", "y"]]}),
            );
        }
    }
}
