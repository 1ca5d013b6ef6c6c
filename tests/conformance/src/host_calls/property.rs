//! Attributes of the exchange and the plugin.

use bytes::Bytes;
use plug_abi::Abi;
use plug_abi::property::PropertyValue;
use serde_json::{Value, json};

use crate::session::{answers, play, said_in};

fn get(path: &[&str]) -> Value {
    json!({"op": "get_property", "path": path, "as": "hex"})
}

fn text(path: &[&str]) -> Value {
    json!({"op": "get_property", "path": path})
}

fn set(path: &[&str], value: &str) -> Value {
    json!({"op": "set_property", "path": path, "value": value})
}

mod proxy_get_property {
    use super::*;

    #[test]
    fn each_type_has_envoys_bytes() {
        let pair = |key: &'static str, value: &'static str| (Bytes::from(key), Bytes::from(value));
        let values = [
            (PropertyValue::text("text"), "0x74657874"),
            (PropertyValue::Bytes(Bytes::from_static(&[0, 255])), "0x00ff"),
            (PropertyValue::Int(-2), "0xfeffffffffffffff"),
            (PropertyValue::Uint(258), "0x0201000000000000"),
            (PropertyValue::Double(1.0), "0x000000000000f03f"),
            (PropertyValue::Bool(true), "0x01"),
            (PropertyValue::Bool(false), "0x00"),
            (PropertyValue::Timestamp(1), "0x0100000000000000"),
            (PropertyValue::Duration(1_000_000_000), "0x00ca9a3b00000000"),
            (
                PropertyValue::Map(vec![pair("k", "vw")]),
                "0x0100000001000000020000006b00767700",
            ),
            (
                PropertyValue::List(vec![Bytes::from_static(b"e")]),
                "0x01000000010000000000000065000",
            ),
            (PropertyValue::Map(Vec::new()), "0x00000000"),
        ];
        for abi in Abi::ALL {
            for (value, shown) in &values {
                play(
                    abi,
                    &json!({"request_headers": [get(&["some", "thing"])]}),
                    async |session| {
                        session.start().await;
                        session
                            .world
                            .properties
                            .borrow_mut()
                            .insert("some.thing".to_owned(), value.clone());
                        session.exchange().await;
                        let line = said_in("request_headers", &session.said()).remove(0);
                        let expected = format!("get_property -> 0 value={shown}");
                        // The list ends with two zero bytes: of its element, and of the element's empty value.
                        assert!(
                            line.starts_with(&expected) && line.len() - expected.len() <= 3,
                            "{line} is not {expected}"
                        );
                    },
                );
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_not_found() {
        for abi in Abi::ALL {
            let steps = json!([get(&["none"]), get(&["request", "none"])]);
            assert_eq!(answers(abi, steps), ["get_property -> 1"; 2]);
        }
    }

    #[test]
    fn an_empty_path_names_what_has_no_bytes() {
        // As for a map of things: Envoy's `SERIALIZATION_FAILURE`.
        for abi in Abi::ALL {
            let steps = json!([set(&[""], "x"), get(&[""]), get(&[])]);
            assert_eq!(answers(abi, steps)[1..], ["get_property -> 3"; 2]);
        }
    }

    #[test]
    fn a_plugin_knows_itself_also_outside_an_exchange() {
        let steps = json!([
            text(&["plugin_name"]),
            text(&["plugin_root_id"]),
            text(&["plugin_vm_id"]),
            text(&["request", "path"])
        ]);
        let expected = [r#"0 value="probe""#, r#"0 value="the-root""#, r#"0 value="""#, "1"]
            .map(|answer| format!("get_property -> {answer}"));
        for abi in Abi::ALL {
            play(abi, &json!({"configure": steps}), async |session| {
                session.start().await;
                assert_eq!(said_in("configure", &session.said()), expected);
            });
        }
    }

    #[test]
    fn the_root_id_is_there_while_the_root_context_is_created() {
        // The C++ and AssemblyScript SDKs read it then, and need OK also for an empty one.
        for abi in Abi::ALL {
            let mut spec = crate::session::spec(&json!({}));
            let script = json!({"root_create": [text(&["plugin_root_id"])]});
            spec.environment = vec![("PROBE".to_owned(), script.to_string())];
            spec.root_id = String::new();
            crate::session::play_module(crate::guests::probe(abi), spec, async |session| {
                session.start().await;
                assert_eq!(session.said(), [r#"root_create: get_property -> 0 value="""#]);
            });
        }
    }

    #[test]
    fn higress_plugins_can_read_how_much_memory_they_have() {
        for abi in Abi::ALL {
            let steps = json!([{"op": "get_property", "path": ["plugin_vm_memory"], "as": "u64"}]);
            let line = answers(abi, steps).remove(0);
            let bytes: u64 = line.strip_prefix("get_property -> 0 value=").unwrap().parse().unwrap();
            assert!(bytes >= 65_536 && bytes.is_multiple_of(65_536), "{bytes}");
        }
    }
}

mod proxy_set_property {
    use super::*;

    #[test]
    fn what_is_set_is_part_of_the_filter_state_too() {
        for abi in Abi::ALL {
            let steps = json!([
                set(&["own"], "1"),
                text(&["filter_state", "wasm.own"]),
                text(&["filter_state", "own"])
            ]);
            let expected = [r#"get_property -> 0 value="1""#, "get_property -> 1"];
            assert_eq!(answers(abi, steps)[1..], expected);
        }
    }

    #[test]
    fn what_is_set_can_be_read_in_later_callbacks_under_the_same_path() {
        for abi in Abi::ALL {
            let script = json!({
                "request_headers": [set(&["own"], "1"), set(&["own", "deep"], "2"), text(&["own"]), text(&["own", "deep"]), text(&["deep"])],
                "log": [text(&["own"]), set(&["own"], "3")],
                "delete": [text(&["own"])]});
            let lines = crate::session::said(abi, &script);
            let expected = [
                "set_property -> 0",
                "set_property -> 0",
                r#"get_property -> 0 value="1""#,
                r#"get_property -> 0 value="2""#,
                "get_property -> 1",
            ];
            assert_eq!(said_in("request_headers", &lines), expected);
            assert_eq!(
                said_in("log", &lines),
                [r#"get_property -> 0 value="1""#, "set_property -> 0"]
            );
            assert_eq!(said_in("delete", &lines), [r#"get_property -> 0 value="3""#]);
        }
    }

    #[test]
    fn the_zero_byte_that_the_cpp_sdk_leaves_behind_a_path_does_not_count() {
        for abi in Abi::ALL {
            let steps = json!([
                {"op": "set_property", "path": {"hex": "6f776e00"}, "value": "1"}, text(&["own"]), {"op": "get_property", "path": {"hex": "6f776e00"}}]);
            let expected = [
                "set_property -> 0",
                r#"get_property -> 0 value="1""#,
                r#"get_property -> 0 value="1""#,
            ];
            assert_eq!(answers(abi, steps), expected);
        }
    }

    #[test]
    fn what_the_gateway_knows_cannot_be_put_before_other_plugins_eyes() {
        for abi in Abi::ALL {
            play(
                abi,
                &json!({"request_headers": [set(&["source", "address"], "forged"), text(&["source", "address"])]}),
                async |session| {
                    session.start().await;
                    session
                        .world
                        .properties
                        .borrow_mut()
                        .insert("source.address".to_owned(), PropertyValue::text("true"));
                    session.exchange().await;
                    let expected = ["set_property -> 0", r#"get_property -> 0 value="true""#];
                    assert_eq!(said_in("request_headers", &session.said()), expected);
                },
            );
        }
    }

    #[test]
    fn outside_an_exchange_it_is_not_found() {
        for abi in Abi::ALL {
            play(abi, &json!({"configure": [set(&["own"], "1")]}), async |session| {
                session.start().await;
                assert_eq!(said_in("configure", &session.said()), ["set_property -> 1"]);
            });
        }
    }

    #[test]
    fn higresss_magic_properties_do_what_they_say() {
        for abi in Abi::ALL {
            let steps = json!([
                set(&["clear_route_cache"], "off"),
                set(&["set_decoder_buffer_limit"], "1234"),
                set(&["set_encoder_buffer_limit"], " 5678 "),
                set(&["set_decoder_buffer_limit"], "many")
            ]);
            play(abi, &json!({ "request_headers": steps }), async |session| {
                session.start().await;
                let stream = session.open().await;
                stream.request_headers(true).await.unwrap();
                let exchange = &stream.context().exchange;
                assert!(exchange.route_pinned.get());
                assert_eq!(
                    (
                        exchange.request_body_bytes_max.get(),
                        exchange.response_body_bytes_max.get()
                    ),
                    (1_234, 5_678)
                );
                let expected = [
                    "set_property -> 0",
                    "set_property -> 0",
                    "set_property -> 0",
                    "set_property -> 2",
                ];
                assert_eq!(said_in("request_headers", &session.said()), expected);
            });
        }
    }
}
