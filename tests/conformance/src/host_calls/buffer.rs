//! Bodies, configurations and answers of callouts as byte ranges.

use bytes::Bytes;
use plug_abi::Abi;
use plug_host::Direction;
use serde_json::{Value, json};

use crate::session::{answers, play, said_in, spec};

/// Runs steps in `proxy_on_request_body` over `0123456789`; gives what they said and what the body is afterwards.
fn with_body(abi: Abi, steps: Value) -> (Vec<String>, Bytes) {
    play(abi, &json!({ "request_body": steps }), async |session| {
        session.start().await;
        let stream = session.open().await;
        stream.request_headers(false).await.unwrap();
        stream
            .context()
            .request
            .body
            .borrow_mut()
            .push(Bytes::from_static(b"01234"));
        stream
            .context()
            .request
            .body
            .borrow_mut()
            .push(Bytes::from_static(b"56789"));
        stream.body(Direction::Request, true).await.unwrap();
        let body = stream.context().request.body.borrow_mut().take();
        (said_in("request_body", &session.said()), body)
    })
}

mod proxy_get_buffer_bytes {
    use super::*;

    #[test]
    fn ranges_are_clipped_to_what_there_is() {
        for abi in Abi::ALL {
            let get = |start: i64, size: i64| json!({"op": "get_request_body", "start": start, "size": size});
            let steps = json!([
                get(0, 100),
                get(2, 3),
                get(2, -1),
                get(10, 5),
                get(11, 5),
                get(3, 0),
                get(-1, -1)
            ]);
            let shown = ["0123456789", "234", "23456789", "", "", "", ""]
                .map(|text| format!("get_request_body -> 0 value={text:?}"));
            assert_eq!(with_body(abi, steps).0, shown);
        }
    }

    #[test]
    fn each_buffer_is_there_in_its_own_phases() {
        let get: Vec<_> = (0..=10)
            .map(|buffer| json!({"op": "get_buffer_bytes", "buffer": buffer}))
            .collect();
        // A body out of its phase reads as empty, as do the buffers of gRPC and foreign functions: so in Envoy.
        let usual = |request: &str, response: &str, configuration: &str| {
            let empty = "0 value=\"\"".to_owned();
            let text = |text: &str| format!("0 value={text:?}");
            let numbers = [
                text(request),
                text(response),
                empty.clone(),
                empty.clone(),
                "1".to_owned(),
                empty.clone(),
                text("the vm"),
                configuration.to_owned(),
                empty,
                "1".to_owned(),
                "2".to_owned(),
            ];
            numbers.map(|answer| format!("get_buffer_bytes -> {answer}"))
        };
        for abi in Abi::ALL {
            for (callback, expected) in [
                ("request_headers", usual("", "", "1")),
                ("request_body", usual("question", "", "1")),
                ("request_trailers", usual("", "", "1")),
                ("response_headers", usual("", "", "1")),
                ("response_body", usual("", "answer", "1")),
                ("response_trailers", usual("", "", "1")),
                ("log", usual("", "", "1")),
                ("done", usual("", "", "1")),
                ("delete", usual("", "", "1")),
            ] {
                let mut spec = spec(&json!({ callback: get }));
                spec.vm_config = Bytes::from_static(b"the vm");
                crate::session::play_module(crate::guests::probe(abi), spec, async |session| {
                    session.start().await;
                    session.exchange().await;
                    assert_eq!(said_in(callback, &session.said()), expected, "{abi} {callback}");
                });
            }
        }
    }

    #[test]
    fn the_plugins_configuration_is_there_while_it_is_configured() {
        for abi in Abi::ALL {
            let script =
                json!({"configure": [{"op": "get_buffer_bytes", "buffer": "plugin_configuration", "as": "length"}]});
            play(abi, &script, async |session| {
                session.start().await;
                let length = script.to_string().len();
                assert_eq!(
                    session.said(),
                    [format!("configure: get_buffer_bytes -> 0 value=[{length} bytes]")]
                );
            });
        }
    }

    #[test]
    fn a_body_that_is_held_can_be_read_again_with_what_came_since() {
        for abi in Abi::ALL {
            let script = json!({"request_body": [{"op": "get_request_body"}, {"op": "return", "action": "pause", "when": "not_end"}]});
            play(abi, &script, async |session| {
                session.start().await;
                let stream = session.open().await;
                stream.request_headers(false).await.unwrap();
                for (piece, end) in [("one ", false), ("two ", false), ("three", true)] {
                    stream.context().request.body.borrow_mut().push(Bytes::from(piece));
                    stream.body(Direction::Request, end).await.unwrap();
                }
                let seen =
                    ["one ", "one two ", "one two three"].map(|text| format!("get_request_body -> 0 value={text:?}"));
                assert_eq!(said_in("request_body", &session.said()), seen);
            });
        }
    }
}

mod proxy_set_buffer_bytes {
    use super::*;

    fn set(start: i64, size: i64, value: &str) -> Value {
        json!({"op": "set_buffer_bytes", "buffer": "request_body", "start": start, "size": size, "value": value})
    }

    fn edited(abi: Abi, step: Value) -> Bytes {
        let (said, body) = with_body(abi, json!([step]));
        assert_eq!(said, ["set_buffer_bytes -> 0"]);
        body
    }

    #[test]
    fn from_the_start_it_takes_away_and_puts_in_front() {
        for abi in Abi::ALL {
            assert_eq!(edited(abi, set(0, 0, "a")), "a0123456789");
            assert_eq!(edited(abi, set(0, 3, "abcde")), "abcde3456789");
            assert_eq!(edited(abi, set(0, i64::from(i32::MAX), "all")), "all");
            assert_eq!(edited(abi, set(0, -1, "all")), "all", "Rust's `usize::MAX`");
            assert_eq!(edited(abi, set(0, -1, "")), "");
        }
    }

    #[test]
    fn from_the_end_it_appends() {
        for abi in Abi::ALL {
            assert_eq!(edited(abi, set(10, 0, "a")), "0123456789a");
            assert_eq!(edited(abi, set(-1, 5, "a")), "0123456789a");
        }
    }

    #[test]
    fn in_the_middle_it_replaces_as_the_specification_says() {
        // Envoy answers BAD_ARGUMENT, which kills Rust plugins.
        for abi in Abi::ALL {
            assert_eq!(edited(abi, set(3, 2, "abc")), "012abc56789");
            assert_eq!(edited(abi, set(3, 0, "abc")), "012abc3456789");
            assert_eq!(edited(abi, set(3, -1, "abc")), "012abc");
        }
    }

    #[test]
    fn what_cannot_be_written_is_a_bad_argument_and_what_is_not_there_is_not_found() {
        for abi in Abi::ALL {
            let steps: Vec<_> = (0..=10)
                .map(|buffer| json!({"op": "set_buffer_bytes", "buffer": buffer, "value": "x"}))
                .collect();
            let expected = [2, 2, 2, 2, 1, 2, 2, 1, 2, 1, 2].map(|status| format!("set_buffer_bytes -> {status}"));
            assert_eq!(answers(abi, json!(steps)), expected, "{abi}");
        }
    }
}

mod proxy_get_buffer_status {
    use super::*;

    #[test]
    fn it_is_the_length_without_flags() {
        for abi in Abi::ALL {
            let steps = json!([{"op": "get_buffer_status", "buffer": "request_body"}, {"op": "get_buffer_status", "buffer": "response_body"}]);
            let expected = [
                "get_buffer_status -> 0 length=10 flags=0",
                "get_buffer_status -> 0 length=0 flags=0",
            ];
            assert_eq!(with_body(abi, steps).0, expected);
        }
    }

    #[test]
    fn a_buffer_of_another_callback_is_not_found_and_an_unknown_one_a_bad_argument() {
        for abi in Abi::ALL {
            let steps: Vec<_> = [4, 7, 9, 10]
                .iter()
                .map(|buffer| json!({"op": "get_buffer_status", "buffer": buffer}))
                .collect();
            let expected = [1, 1, 1, 2].map(|status| format!("get_buffer_status -> {status}"));
            assert_eq!(answers(abi, json!(steps)), expected);
        }
    }
}
