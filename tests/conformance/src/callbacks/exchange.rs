//! The callbacks of an HTTP exchange, in order, with their arguments and the meaning of their answers.

use bytes::Bytes;
use plug_abi::{Abi, BodyAction, HeadersAction, TrailersAction};
use plug_host::{Direction, PluginSpec};
use serde_json::{Value, json};

use crate::guests::probe;
use crate::session::{Session, play, play_module, said, spec};

/// Starts a script that answers each callback with a number of its own.
async fn answering(session: &Session) -> plug_host::PluginStream {
    session.start().await;
    session.open().await
}

fn answer(callback: &str, code: i64) -> Value {
    json!({callback: [{"op": "return", "action": code}]})
}

/// What a header callback's number is taken for.
fn headers_actions(abi: Abi, allow: Option<bool>, callback: &str) -> Vec<HeadersAction> {
    let action = |code: i64| {
        let spec = PluginSpec {
            allow_on_headers_stop_iteration: allow,
            ..spec(&answer(callback, code))
        };
        play_module(probe(abi), spec, async |session| {
            let stream = answering(session).await;
            let action = stream.request_headers(false).await.unwrap();
            if callback == "request_headers" {
                action
            } else {
                stream.response_headers(false).await.unwrap()
            }
        })
    };
    [0, 1, 2, 3, 4, 5, -1].map(action).to_vec()
}

fn header_actions_are_read_per_version(callback: &str) {
    use HeadersAction::{
        Continue, ContinueAndEndStream, StopAllIterationAndBuffer, StopAllIterationAndWatermark, StopIteration,
    };
    let rest = [
        ContinueAndEndStream,
        StopAllIterationAndBuffer,
        StopAllIterationAndWatermark,
        StopAllIterationAndWatermark,
        StopAllIterationAndWatermark,
    ];
    for abi in Abi::ALL {
        for allow in [None, Some(true), Some(false)] {
            let literal = allow.unwrap_or(abi == Abi::V0_2_100);
            let pause = if literal {
                StopIteration
            } else {
                StopAllIterationAndWatermark
            };
            let expected = [[Continue, pause].as_slice(), &rest].concat();
            assert_eq!(headers_actions(abi, allow, callback), expected, "{abi} {allow:?}");
        }
    }
}

fn body_actions_are_read(callback: &'static str, direction: Direction) {
    use BodyAction::{Continue, StopIterationAndBuffer, StopIterationAndWatermark, StopIterationNoBuffer};
    for abi in Abi::ALL {
        let action = |code: i64| {
            play(abi, &answer(callback, code), async |session| {
                let stream = answering(session).await;
                stream.request_headers(false).await.unwrap();
                stream.body(direction, true).await.unwrap()
            })
        };
        let expected = [
            Continue,
            StopIterationAndBuffer,
            StopIterationAndWatermark,
            StopIterationNoBuffer,
            StopIterationNoBuffer,
            StopIterationNoBuffer,
        ];
        assert_eq!([0, 1, 2, 3, 4, -1].map(action), expected);
    }
}

fn trailer_actions_are_read(callback: &'static str, direction: Direction) {
    for abi in Abi::ALL {
        let action = |code: i64| {
            play(abi, &answer(callback, code), async |session| {
                let stream = answering(session).await;
                stream.request_headers(false).await.unwrap();
                stream.trailers(direction).await.unwrap()
            })
        };
        let expected = [
            TrailersAction::Continue,
            TrailersAction::StopIteration,
            TrailersAction::StopIteration,
        ];
        assert_eq!([0, 1, -1].map(action), expected);
    }
}

mod proxy_on_request_headers {
    use super::*;

    #[test]
    fn an_exchange_takes_its_course() {
        for abi in Abi::ALL {
            let end = if abi == Abi::V0_1_0 { "" } else { " end=0" };
            let expected = [
                "context_create()".to_owned(),
                format!("request_headers(count=8{end})"),
                "request_body(size=8 end=0)".to_owned(),
                "request_trailers(count=1)".to_owned(),
                format!("response_headers(count=2{end})"),
                "response_body(size=6 end=0)".to_owned(),
                "response_trailers(count=1)".to_owned(),
                "log()".to_owned(),
                "done()".to_owned(),
                "delete()".to_owned(),
            ];
            let lines = said(abi, &json!({"trace": true}));
            assert_eq!(lines[1..], expected, "{abi}");
        }
    }

    #[test]
    fn its_answer_is_read_as_the_version_or_the_configuration_says() {
        header_actions_are_read_per_version("request_headers");
    }

    #[test]
    fn the_end_of_a_request_without_a_body_is_told_but_in_0_1_0() {
        for abi in Abi::ALL {
            play(
                abi,
                &json!({"request_headers": [{"op": "log", "text": "end ${end}"}]}),
                async |session| {
                    session.start().await;
                    session.open().await.request_headers(true).await.unwrap();
                    assert_eq!(session.said(), [if abi == Abi::V0_1_0 { "end " } else { "end 1" }]);
                },
            );
        }
    }
}

mod proxy_on_request_body {
    use super::*;

    #[test]
    fn its_answer_is_read() {
        body_actions_are_read("request_body", Direction::Request);
    }

    #[test]
    fn it_comes_with_the_size_of_what_can_be_read_and_the_end() {
        for abi in Abi::ALL {
            play(
                abi,
                &json!({"request_body": [{"op": "log", "text": "${size} ${end}"}]}),
                async |session| {
                    session.start().await;
                    let stream = session.open().await;
                    stream.request_headers(false).await.unwrap();
                    for (piece, end) in [("abc", false), ("de", false), ("", true)] {
                        stream.context().request.body.borrow_mut().push(Bytes::from(piece));
                        stream.body(Direction::Request, end).await.unwrap();
                    }
                    assert_eq!(session.said(), ["3 0", "5 0", "5 1"]);
                },
            );
        }
    }
}

mod proxy_on_request_trailers {
    use super::*;

    #[test]
    fn its_answer_is_read() {
        trailer_actions_are_read("request_trailers", Direction::Request);
    }

    #[test]
    fn it_comes_with_the_number_of_trailers() {
        for abi in Abi::ALL {
            assert_eq!(
                said(abi, &json!({"request_trailers": [{"op": "log", "text": "${count}"}]})),
                ["1"]
            );
        }
    }
}

mod proxy_on_response_headers {
    use super::*;

    #[test]
    fn its_answer_is_read_as_the_version_or_the_configuration_says() {
        header_actions_are_read_per_version("response_headers");
    }

    #[test]
    fn a_plugin_that_the_request_never_reached_does_not_hear_the_response() {
        for abi in Abi::ALL {
            play(abi, &json!({"trace": true}), async |session| {
                session.start().await;
                session.said();
                let stream = session.open().await;
                assert_eq!(stream.response_headers(true).await.unwrap(), HeadersAction::Continue);
                stream.end().await;
                assert!(session.said().is_empty());
            });
        }
    }
}

mod proxy_on_response_body {
    use super::*;

    #[test]
    fn its_answer_is_read() {
        body_actions_are_read("response_body", Direction::Response);
    }
}

mod proxy_on_response_trailers {
    use super::*;

    #[test]
    fn its_answer_is_read() {
        trailer_actions_are_read("response_trailers", Direction::Response);
    }
}

mod proxy_on_log {
    use super::*;

    #[test]
    fn it_comes_once_and_before_the_others_also_for_an_exchange_that_was_broken_off() {
        for abi in Abi::ALL {
            play(abi, &json!({"trace": true}), async |session| {
                session.start().await;
                session.said();
                let stream = session.open().await;
                stream.request_headers(false).await.unwrap();
                stream.end().await;
                stream.end().await;
                assert_eq!(session.said()[2..], ["log()", "done()", "delete()"]);
            });
        }
    }
}

mod proxy_on_done {
    use super::*;

    #[test]
    fn an_exchange_ends_whatever_it_answers() {
        for abi in Abi::ALL {
            for code in [0, 1] {
                let lines = said(
                    abi,
                    &json!({"done": [{"op": "log", "text": "done"}, {"op": "return", "action": code}], "delete": [{"op": "log", "text": "delete"}]}),
                );
                assert_eq!(lines, ["done", "delete"]);
            }
        }
    }

    #[test]
    fn a_root_context_is_asked_when_its_plugin_goes() {
        for abi in Abi::ALL {
            play(abi, &json!({"trace": true}), async |session| {
                session.start().await;
                session.said();
                session.plugins.close().await;
                assert_eq!(session.said(), ["root_done()", "root_delete()"]);
            });
        }
    }
}

mod proxy_on_delete {
    use super::*;

    #[test]
    fn nothing_comes_after_it() {
        for abi in Abi::ALL {
            play(abi, &json!({"trace": true}), async |session| {
                session.start().await;
                let stream = session.exchange().await;
                session.said();
                stream.response_headers(true).await.unwrap();
                stream.body(Direction::Request, true).await.unwrap();
                stream.trailers(Direction::Response).await.unwrap();
                drop(stream);
                session.settle().await;
                assert!(session.said().is_empty());
            });
        }
    }
}
