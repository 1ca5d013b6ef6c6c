//! What comes by itself: timers, queues, answers of callouts.

use std::time::Duration;

use bytes::Bytes;
use plug_abi::Abi;
use plug_host::{GrpcEvent, HttpReply};
use serde_json::{Value, json};

use crate::session::{headers, play, reply};

mod proxy_on_tick {
    use super::*;

    #[test]
    fn it_comes_to_the_root_context_once_each_period() {
        for abi in Abi::ALL {
            let script = json!({"configure": [{"op": "set_tick_period_milliseconds", "period": 50, "quiet": true}], "tick": [{"op": "log", "text": "tick of ${self}"}]});
            play(abi, &script, async |session| {
                session.start().await;
                tokio::time::sleep(Duration::from_millis(125)).await;
                assert_eq!(session.said(), ["tick of 1", "tick of 1"]);
            });
        }
    }
}

mod proxy_on_queue_ready {
    use super::*;

    #[test]
    fn it_comes_to_who_registered_the_queue_once_for_each_entry() {
        for abi in Abi::ALL {
            let script = json!({
                "configure": [{"op": "register_shared_queue", "name": "q", "quiet": true, "save": {"queue": "q"}}],
                "request_headers": [{"op": "enqueue_shared_queue", "queue": "${q}", "value": "one", "quiet": true},
                    {"op": "enqueue_shared_queue", "queue": "${q}", "value": "two", "quiet": true}, {"op": "log", "text": "returning"}],
                "queue_ready": [{"op": "log", "text": "queue ${queue} of ${self}"}, {"op": "dequeue_shared_queue", "queue": "${queue}"}]});
            play(abi, &script, async |session| {
                session.start().await;
                session.exchange().await;
                let expected = [
                    "returning",
                    "queue 1 of 1",
                    r#"queue_ready: dequeue_shared_queue -> 0 value="one""#,
                    "queue 1 of 1",
                    r#"queue_ready: dequeue_shared_queue -> 0 value="two""#,
                ];
                assert_eq!(session.said(), expected);
            });
        }
    }
}

mod proxy_on_http_call_response {
    use super::*;

    fn told(abi: Abi, reply: Option<HttpReply>) -> Vec<String> {
        let step = json!({"op": "http_call", "upstream": "known", "quiet": true, "headers": [[":method", "GET"], [":path", "/"], [":authority", "a"]],
            "then": [{"op": "log", "text": "${self} ${headers} ${size} ${trailers}"}]});
        play(abi, &json!({ "request_headers": [step] }), async |session| {
            session.start().await;
            session.world.http_replies.borrow_mut().push_back(reply);
            session.exchange().await;
            session.said()
        })
    }

    #[test]
    fn it_comes_with_the_numbers_of_the_answer() {
        for abi in Abi::ALL {
            assert_eq!(told(abi, Some(reply(200, &[("x-b", "2")], "answer"))), ["1 2 6 1"]);
        }
    }

    #[test]
    fn without_headers_the_callout_has_failed() {
        for abi in Abi::ALL {
            assert_eq!(told(abi, None), ["1 0 0 0"]);
        }
    }
}

/// What a gRPC stream that brings these events tells in steps of this name.
fn of_stream(abi: Abi, field: &str, text: &str, events: Vec<GrpcEvent>) -> Vec<String> {
    let mut step = json!({"op": "grpc_stream", "upstream": "known", "service": "S", "method": "M", "quiet": true});
    step[field] = json!([{"op": "log", "text": text}]) as Value;
    play(abi, &json!({ "request_headers": [step] }), async |session| {
        session.start().await;
        session.world.grpc_events.borrow_mut().push_back(events);
        session.exchange().await;
        session.said()
    })
}

mod proxy_on_grpc_receive_initial_metadata {
    use super::*;

    #[test]
    fn it_comes_with_the_number_of_entries() {
        for abi in Abi::ALL {
            let events = vec![GrpcEvent::InitialMetadata(
                reply(200, &[("x-a", "1"), ("x-a", "2")], "").head,
            )];
            assert_eq!(of_stream(abi, "initial_metadata", "${self} ${count}", events), ["1 3"]);
        }
    }
}

mod proxy_on_grpc_receive {
    use super::*;

    #[test]
    fn it_comes_with_the_size_of_each_message() {
        for abi in Abi::ALL {
            let message = |text: &'static str| GrpcEvent::Message(Bytes::from_static(text.as_bytes()));
            assert_eq!(
                of_stream(abi, "then", "${self} ${size}", vec![message("abc"), message("")]),
                ["1 3", "1 0"]
            );
        }
    }
}

mod proxy_on_grpc_receive_trailing_metadata {
    use super::*;

    #[test]
    fn it_comes_with_the_number_of_entries() {
        for abi in Abi::ALL {
            let events = vec![GrpcEvent::TrailingMetadata(headers(&[("x-a", "1")]))];
            assert_eq!(of_stream(abi, "trailing_metadata", "${self} ${count}", events), ["1 1"]);
        }
    }
}

mod proxy_on_grpc_close {
    use super::*;

    #[test]
    fn it_comes_once_with_the_status() {
        for abi in Abi::ALL {
            let close = |status: u32| GrpcEvent::Close(status, String::new());
            assert_eq!(
                of_stream(abi, "close", "${self} ${status}", vec![close(9), close(10)]),
                ["1 9"]
            );
        }
    }
}

mod proxy_on_redis_call_response {
    use super::*;

    #[test]
    fn it_comes_with_a_status_and_a_size() {
        let step = json!({"op": "redis_call", "upstream": "known", "query": "x", "quiet": true, "then": [{"op": "log", "text": "${self} ${status} ${size}"}]});
        let script = json!({"configure": [{"op": "redis_init", "upstream": "known", "quiet": true}], "request_headers": [step, step]});
        play(Abi::V0_2_100, &script, async |session| {
            session.start().await;
            session
                .world
                .redis_replies
                .borrow_mut()
                .extend([Some(Bytes::from_static(b"+OK\r\n")), None]);
            session.exchange().await;
            assert_eq!(session.said(), ["1 0 5", "1 1 0"]);
        });
    }
}
