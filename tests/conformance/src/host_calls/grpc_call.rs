//! gRPC callouts, unary and streaming.

use bytes::Bytes;
use plug_abi::Abi;
use plug_abi::tokens::CalloutKind;
use plug_host::{GrpcEvent, GrpcOut};
use serde_json::{Value, json};

use crate::session::{Session, answers, headers, play, reply, said_in};

fn unary(fields: Value) -> Value {
    step("grpc_call", json!({"message": "question", "timeout": 300}), fields)
}

fn stream(fields: Value) -> Value {
    step("grpc_stream", json!({}), fields)
}

fn step(op: &str, own: Value, fields: Value) -> Value {
    let mut step = json!({"op": op, "upstream": "known", "service": "pkg.Service", "method": "Method", "metadata": [["x-m", "1"]]});
    for (name, value) in own.as_object().unwrap().iter().chain(fields.as_object().unwrap()) {
        step[name] = value.clone();
    }
    step
}

fn events(status: u32) -> Vec<GrpcEvent> {
    vec![
        GrpcEvent::InitialMetadata(reply(200, &[("x-initial", "i")], "").head),
        GrpcEvent::Message(Bytes::from_static(b"answer")),
        GrpcEvent::TrailingMetadata(headers(&[("x-trailing", "t")])),
        GrpcEvent::Close(status, if status == 0 { String::new() } else { "why".to_owned() }),
    ]
}

/// What a script says when its callout brings these events.
fn brought(abi: Abi, step: Value, events: Vec<GrpcEvent>) -> Vec<String> {
    play(abi, &json!({ "request_headers": [step] }), async |session| {
        session.start().await;
        session.world.grpc_events.borrow_mut().push_back(events);
        session.exchange().await;
        session.said()
    })
}

async fn sent(session: &Session) -> Vec<Option<Bytes>> {
    let mut sent = Vec::new();
    let (_, outgoing) = &mut session.world.grpc_calls.borrow_mut()[0];
    while let Ok(out) = outgoing.try_recv() {
        sent.push(match out {
            GrpcOut::Message(message) => Some(message),
            GrpcOut::End => None,
        });
    }
    sent
}

/// Steps for each thing that may come back.
fn listening() -> Value {
    json!({
        "initial_metadata": [{"op": "get_header_map_pairs", "map": "grpc_initial_metadata"}],
        "then": [{"op": "get_grpc_message"}, {"op": "get_status"}],
        "trailing_metadata": [{"op": "get_header_map_pairs", "map": "grpc_trailing_metadata"}],
        "close": [{"op": "get_status"}, {"op": "log", "text": "closed ${status}"}]})
}

const ROWS_SAME: [&str; 2] = ["unknown", ""];

mod proxy_grpc_call {
    use super::*;

    #[test]
    fn the_message_goes_out_and_the_plugins_half_ends() {
        for abi in Abi::ALL {
            play(
                abi,
                &json!({ "request_headers": [unary(json!({}))] }),
                async |session| {
                    session.start().await;
                    session.exchange().await;
                    let question = Some(Bytes::from_static(b"question"));
                    assert_eq!(sent(session).await, [question, None]);
                    let (call, _) = &session.world.grpc_calls.borrow()[0];
                    assert_eq!(
                        (call.upstream.as_str(), call.service.as_str(), call.method.as_str()),
                        ("known", "pkg.Service", "Method")
                    );
                    assert_eq!(call.metadata["x-m"], "1");
                    assert_eq!(call.timeout.unwrap().as_millis(), 300);
                },
            );
        }
    }

    #[test]
    fn the_upstream_may_be_a_serialised_service() {
        // `GrpcService { envoy_grpc { cluster_name: "known" } }`, and the same with an authority behind the name.
        for abi in Abi::ALL {
            for upstream in ["0a070a056b6e6f776e", "0a0a0a056b6e6f776e120161"] {
                assert_eq!(
                    answers(abi, json!([unary(json!({"upstream": {"hex": upstream}}))])),
                    ["grpc_call -> 0"]
                );
            }
        }
    }

    #[test]
    fn an_unknown_upstream_is_a_parse_failure() {
        for abi in Abi::ALL {
            for upstream in ROWS_SAME {
                assert_eq!(
                    answers(abi, json!([unary(json!({"upstream": upstream}))])),
                    ["grpc_call -> 4"]
                );
            }
        }
    }

    #[test]
    fn a_message_means_status_ok_and_no_close_follows() {
        for abi in Abi::ALL {
            let lines = brought(abi, unary(listening()), events(0));
            let expected = [
                "request_headers: grpc_call -> 0",
                "grpc_receive: get_grpc_message -> 0 value=\"answer\"",
                "grpc_receive: get_status -> 0 code=0 message=\"\"",
            ];
            assert_eq!(lines, expected);
        }
    }

    #[test]
    fn another_status_is_a_close_and_no_message() {
        for abi in Abi::ALL {
            let lines = brought(abi, unary(listening()), events(7));
            let expected = [
                "request_headers: grpc_call -> 0",
                "grpc_close: get_status -> 0 code=7 message=\"why\"",
                "closed 7",
            ];
            assert_eq!(lines, expected);
        }
    }

    #[test]
    fn its_token_says_its_kind() {
        for abi in Abi::ALL {
            let lines = brought(
                abi,
                unary(json!({"then": [{"op": "log", "text": "${token}"}]})),
                events(0),
            );
            let token = lines.last().unwrap().parse().unwrap();
            assert_eq!(CalloutKind::of(token), CalloutKind::GrpcCall);
        }
    }
}

mod proxy_grpc_stream {
    use super::*;

    #[test]
    fn everything_is_heard_in_order() {
        for abi in Abi::ALL {
            let mut brings = events(5);
            brings.insert(2, GrpcEvent::Message(Bytes::new()));
            let expected = [
                "request_headers: grpc_stream -> 0",
                r#"grpc_receive_initial_metadata: get_header_map_pairs -> 0 pairs=[[":status","200"],["x-initial","i"]]"#,
                r#"grpc_receive: get_grpc_message -> 0 value="answer""#,
                r#"grpc_receive: get_status -> 0 code=0 message="""#,
                r#"grpc_receive: get_grpc_message -> 0 value="""#,
                r#"grpc_receive: get_status -> 0 code=0 message="""#,
                r#"grpc_receive_trailing_metadata: get_header_map_pairs -> 0 pairs=[["x-trailing","t"]]"#,
                r#"grpc_close: get_status -> 0 code=5 message="why""#,
                "closed 5",
            ];
            assert_eq!(brought(abi, stream(listening()), brings), expected);
        }
    }

    #[test]
    fn nothing_is_sent_until_the_plugin_sends() {
        for abi in Abi::ALL {
            play(
                abi,
                &json!({ "request_headers": [stream(json!({}))] }),
                async |session| {
                    session.start().await;
                    session.exchange().await;
                    assert_eq!(sent(session).await, []);
                    assert_eq!(session.world.grpc_calls.borrow()[0].0.timeout, None);
                },
            );
        }
    }

    #[test]
    fn an_unknown_upstream_is_a_parse_failure() {
        for abi in Abi::ALL {
            for upstream in ROWS_SAME {
                assert_eq!(
                    answers(abi, json!([stream(json!({"upstream": upstream}))])),
                    ["grpc_stream -> 4"]
                );
            }
        }
    }

    #[test]
    fn its_token_says_its_kind() {
        for abi in Abi::ALL {
            let lines = brought(
                abi,
                stream(json!({"close": [{"op": "log", "text": "${token}"}]})),
                events(0),
            );
            let token = lines.last().unwrap().parse().unwrap();
            assert_eq!(CalloutKind::of(token), CalloutKind::GrpcStream);
        }
    }

    #[test]
    fn assemblyscript_imports_it_and_the_call_without_metadata() {
        let text = r#"(module
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (import "env" "proxy_grpc_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
          (import "env" "proxy_grpc_stream" (func $stream (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "knownSMmessage")
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "malloc") (param i32) (result i32) (i32.const 4096))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (i32.store8 (i32.const 100) (i32.add (i32.const 48) (call $call (i32.const 0) (i32.const 5) (i32.const 5) (i32.const 1)
              (i32.const 6) (i32.const 1) (i32.const 7) (i32.const 7) (i32.const 50) (i32.const 200))))
            (i32.store8 (i32.const 101) (i32.add (i32.const 48) (call $stream (i32.const 0) (i32.const 5) (i32.const 5) (i32.const 1)
              (i32.const 6) (i32.const 1) (i32.const 204))))
            (drop (call $log (i32.const 2) (i32.const 100) (i32.const 2)))
            (i32.const 0)))"#;
        crate::session::play_module(
            crate::guests::load_text(text),
            crate::session::spec(&json!({})),
            async |session| {
                session.start().await;
                session.exchange().await;
                assert_eq!(session.said(), ["00"]);
                let calls = session.world.grpc_calls.borrow();
                assert_eq!(
                    (calls[0].0.service.as_str(), calls[0].0.timeout.unwrap().as_millis()),
                    ("S", 50)
                );
                assert_eq!((calls[1].0.method.as_str(), calls[1].0.metadata.len()), ("M", 0));
            },
        );
    }
}

mod proxy_grpc_send {
    use super::*;

    #[test]
    fn messages_go_out_in_order_and_the_last_may_end_the_plugins_half() {
        for abi in Abi::ALL {
            let send = |message: &str, end: i64| json!({"op": "grpc_send", "token": "${t}", "message": message, "end_stream": end});
            let steps = json!([
                stream(json!({"save": "t"})),
                send("one", 0),
                send("", 0),
                send("two", 1),
                send("three", 0)
            ]);
            play(abi, &json!({ "request_headers": steps }), async |session| {
                session.start().await;
                session.exchange().await;
                let expected = [
                    "grpc_stream -> 0",
                    "grpc_send -> 0",
                    "grpc_send -> 0",
                    "grpc_send -> 0",
                    // Behind its own end: swallowed.
                    "grpc_send -> 0",
                ];
                assert_eq!(said_in("request_headers", &session.said()), expected);
                let texts = [Some("one"), Some(""), Some("two"), None].map(|text| text.map(Bytes::from));
                assert_eq!(sent(session).await, texts);
            });
        }
    }

    #[test]
    fn only_a_stream_that_is_open_can_be_sent_on() {
        for abi in Abi::ALL {
            let send = |token: Value| json!({"op": "grpc_send", "token": token, "message": "x"});
            // Bits 2 are a stream's; the others belong to other kinds.
            let steps = json!([
                unary(json!({"save": "t"})),
                send(json!("${t}")),
                send(json!(4002)),
                send(json!(4000)),
                send(json!(0))
            ]);
            let expected = [
                "grpc_call -> 0",
                "grpc_send -> 2",
                "grpc_send -> 1",
                "grpc_send -> 2",
                "grpc_send -> 2",
            ];
            assert_eq!(answers(abi, steps), expected);
        }
    }
}

mod proxy_grpc_cancel {
    use super::*;

    #[test]
    fn nothing_is_heard_of_it_any_more() {
        for abi in Abi::ALL {
            for begin in [unary(listening()), stream(listening())] {
                let mut begin = begin;
                begin["save"] = json!("t");
                begin["quiet"] = json!(true);
                let cancel = json!({"op": "grpc_cancel", "token": "${t}"});
                play(
                    abi,
                    &json!({"request_headers": [begin, cancel, cancel]}),
                    async |session| {
                        session.start().await;
                        session.world.grpc_events.borrow_mut().push_back(events(0));
                        session.exchange().await;
                        assert_eq!(
                            session.said(),
                            ["request_headers: grpc_cancel -> 0", "request_headers: grpc_cancel -> 1"]
                        );
                    },
                );
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for abi in Abi::ALL {
            let steps = json!([{"op": "grpc_cancel", "token": 0}, {"op": "grpc_cancel", "token": 4001}, {"op": "grpc_cancel", "token": -2}]);
            assert_eq!(answers(abi, steps), ["grpc_cancel -> 1"; 3]);
        }
    }
}

mod proxy_grpc_close {
    use super::*;

    #[test]
    fn a_streams_own_half_ends_and_the_other_goes_on() {
        for abi in Abi::ALL {
            let mut begin =
                stream(json!({"close": [{"op": "log", "text": "closed"}], "then": [{"op": "log", "text": "message"}]}));
            begin["save"] = json!("t");
            begin["quiet"] = json!(true);
            let close = json!({"op": "grpc_close", "token": "${t}"});
            play(
                abi,
                &json!({"request_headers": [begin, close, close]}),
                async |session| {
                    session.start().await;
                    session.world.grpc_events.borrow_mut().push_back(events(0));
                    session.exchange().await;
                    let expected = [
                        "request_headers: grpc_close -> 0",
                        "request_headers: grpc_close -> 0",
                        "message",
                        "closed",
                    ];
                    assert_eq!(session.said(), expected);
                    assert_eq!(sent(session).await, [None]);
                },
            );
        }
    }

    #[test]
    fn a_unary_call_is_cancelled() {
        for abi in Abi::ALL {
            let mut begin = unary(listening());
            begin["save"] = json!("t");
            let close = json!({"op": "grpc_close", "token": "${t}"});
            let lines = brought(
                abi,
                json!({"op": "times", "count": 1, "steps": [begin, close, close]}),
                events(0),
            );
            let expected =
                ["grpc_call -> 0", "grpc_close -> 0", "grpc_close -> 1"].map(|line| format!("request_headers: {line}"));
            assert_eq!(lines, expected);
        }
    }
}

mod proxy_get_status {
    use super::*;

    #[test]
    fn it_tells_why_a_callout_failed_in_the_callback_that_says_so() {
        for abi in Abi::ALL {
            let script = json!({"request_headers": [{"op": "http_call", "upstream": "known", "quiet": true,
                "headers": [[":method", "GET"], [":path", "/"], [":authority", "a"]], "then": [{"op": "get_status"}]}]});
            play(abi, &script, async |session| {
                session.start().await;
                session.world.http_replies.borrow_mut().push_back(None);
                session.exchange().await;
                assert_eq!(
                    session.said(),
                    [r#"http_call_response: get_status -> 0 code=11 message="reset""#]
                );
            });
        }
    }

    #[test]
    fn elsewhere_there_is_nothing_to_tell() {
        for abi in Abi::ALL {
            assert_eq!(
                answers(abi, json!([{"op": "get_status"}])),
                [r#"get_status -> 0 code=0 message="""#]
            );
        }
    }
}
