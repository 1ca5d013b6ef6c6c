//! HTTP callouts.

use plug_abi::Abi;
use plug_abi::tokens::CalloutKind;
use serde_json::{Value, json};

use crate::session::{answers, play, reply, said_in};

fn call(fields: Value) -> Value {
    let mut step = json!({"op": "http_call", "upstream": "known",
        "headers": [[":method", "POST"], [":path", "/ask?x=1"], [":authority", "there"], ["x-a", "1"], ["x-a", "2"]]});
    for (name, value) in fields.as_object().unwrap() {
        step[name] = value.clone();
    }
    step
}

mod proxy_http_call {
    use super::*;

    #[test]
    fn the_request_goes_out_as_the_plugin_wrote_it() {
        for abi in Abi::ALL {
            let step = call(json!({"body": "question", "trailers": [["x-t", "1"]], "timeout": 250}));
            play(abi, &json!({ "request_headers": [step] }), async |session| {
                session.start().await;
                session.exchange().await;
                let call = session.world.http_calls.borrow_mut().remove(0);
                assert_eq!(
                    (call.head.method.as_str(), call.head.path.as_str()),
                    ("POST", "/ask?x=1")
                );
                assert_eq!(call.head.authority.unwrap(), "there");
                assert_eq!(call.head.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
                assert_eq!(call.body, "question");
                assert_eq!(call.trailers["x-t"], "1");
                assert_eq!(call.timeout.unwrap().as_millis(), 250);
            });
        }
    }

    #[test]
    fn no_timeout_is_no_limit() {
        for abi in Abi::ALL {
            play(
                abi,
                &json!({ "request_headers": [call(json!({"timeout": 0}))] }),
                async |session| {
                    session.start().await;
                    session.exchange().await;
                    assert_eq!(session.world.http_calls.borrow()[0].timeout, None);
                },
            );
        }
    }

    #[test]
    fn what_is_no_request_is_a_bad_argument() {
        let without = |name: &str| {
            let mut step = call(json!({}));
            step["headers"].as_array_mut().unwrap().retain(|pair| pair[0] != name);
            step
        };
        for abi in Abi::ALL {
            for step in [
                without(":method"),
                without(":path"),
                without(":authority"),
                call(json!({"headers": []})),
                call(json!({"upstream": "unknown"})),
                call(json!({"upstream": ""})),
                call(json!({"timeout": -1})),
                call(json!({"headers": {"hex": "ffffffff"}})),
                call(json!({"trailers": {"hex": "ffffffff"}})),
                call(json!({"headers": [[":method", "GET"], [":path", "/"], [":authority", "a"], ["x", "1\r\ny: 2"]]})),
            ] {
                assert_eq!(answers(abi, json!([step])), ["http_call -> 2"], "{step}");
            }
        }
    }

    #[test]
    fn a_host_header_is_an_authority() {
        for abi in Abi::ALL {
            let step = call(json!({"headers": [[":method", "GET"], [":path", "/"], ["host", "there"]]}));
            assert_eq!(answers(abi, json!([step])), ["http_call -> 0"]);
        }
    }

    #[test]
    fn tokens_are_unique_while_outstanding_and_say_their_kind() {
        for abi in Abi::ALL {
            let step = call(json!({"save": "token", "quiet": true}));
            let script = json!({"request_headers": [{"op": "times", "count": 50, "steps": [step, {"op": "log", "text": "${token}"}]}]});
            play(abi, &script, async |session| {
                session.start().await;
                session.exchange().await;
                let mut tokens: Vec<u32> = session.said().iter().map(|text| text.parse().unwrap()).collect();
                assert!(
                    tokens
                        .iter()
                        .all(|token| *token != 0 && CalloutKind::of(*token) == CalloutKind::Http)
                );
                tokens.sort_unstable();
                tokens.dedup();
                assert_eq!(tokens.len(), 50);
            });
        }
    }

    #[test]
    fn the_answer_never_comes_inside_the_callback_that_asked() {
        for abi in Abi::ALL {
            let step = call(json!({"quiet": true, "then": [{"op": "log", "text": "answered"}]}));
            play(
                abi,
                &json!({"request_headers": [step, {"op": "log", "text": "returning"}]}),
                async |session| {
                    session.start().await;
                    session
                        .world
                        .http_replies
                        .borrow_mut()
                        .push_back(Some(reply(200, &[], "")));
                    session.exchange().await;
                    assert_eq!(session.said(), ["returning", "answered"]);
                },
            );
        }
    }

    #[test]
    fn the_answer_can_be_read_in_its_callback_and_not_changed() {
        let then = json!([
            {"op": "get_call_headers"}, {"op": "get_call_body"}, {"op": "get_call_trailers"}, {"op": "get_status"},
            {"op": "get_header_map_value", "map": "call_headers", "key": "X-B"},
            {"op": "get_header_map_size", "map": "call_headers"}, {"op": "get_buffer_status", "buffer": "call_body"},
            {"op": "add_header_map_value", "map": "call_headers", "key": "x", "value": "y"},
            {"op": "set_buffer_bytes", "buffer": "call_body", "value": "x"}]);
        let expected = [
            r#"get_call_headers -> 0 pairs=[[":status","201"],["x-b","2"]]"#,
            r#"get_call_body -> 0 value="answer""#,
            r#"get_call_trailers -> 0 pairs=[["x-call-trailer","c"]]"#,
            r#"get_status -> 0 code=0 message="""#,
            r#"get_header_map_value -> 0 value="2""#,
            "get_header_map_size -> 2",
            "get_buffer_status -> 0 length=6 flags=0",
            "add_header_map_value -> 2",
            "set_buffer_bytes -> 2",
        ];
        for abi in Abi::ALL {
            let script = json!({ "request_headers": [call(json!({"then": then}))], "response_headers": [{"op": "get_call_body"}, {"op": "get_call_headers"}] });
            play(abi, &script, async |session| {
                session.start().await;
                session
                    .world
                    .http_replies
                    .borrow_mut()
                    .push_back(Some(reply(201, &[("x-b", "2")], "answer")));
                session.exchange().await;
                let lines = session.said();
                assert_eq!(said_in("http_call_response", &lines), expected);
                let gone = ["get_call_body -> 1", "get_call_headers -> 0 pairs=[]"];
                assert_eq!(said_in("response_headers", &lines), gone, "only there");
            });
        }
    }

    #[test]
    fn the_callback_belongs_to_the_root_context_and_may_speak_for_the_exchange() {
        for abi in Abi::ALL {
            let then = json!([
                {"op": "get_request_header", "key": "x-one"},
                {"op": "set_effective_context", "context": "${origin}"},
                {"op": "get_request_header", "key": "x-one"},
                {"op": "continue_request"}]);
            let script = json!({"request_headers": [call(json!({"then": then})), {"op": "return", "action": "pause"}]});
            play(abi, &script, async |session| {
                session.start().await;
                session
                    .world
                    .http_replies
                    .borrow_mut()
                    .push_back(Some(reply(200, &[], "")));
                let stream = session.open().await;
                stream.request_headers(true).await.unwrap();
                stream.context().exchange.request_bell.heard().await;
                assert!(stream.context().request.resume.get());
                let nothing = if abi == Abi::V0_1_0 {
                    r#"get_request_header -> 0 value="""#
                } else {
                    "get_request_header -> 1"
                };
                let expected = [
                    nothing,
                    "set_effective_context -> 0",
                    r#"get_request_header -> 0 value="1""#,
                    "continue_request -> 0",
                ];
                assert_eq!(said_in("http_call_response", &session.said()), expected);
            });
        }
    }
}
