//! Answering in place of the upstream.

use plug_abi::Abi;
use plug_host::LocalReply;
use serde_json::{Value, json};

use crate::session::{answers, play, said_in};

/// What is asked for by steps in `proxy_on_request_headers`.
fn asked_for(abi: Abi, steps: &Value) -> Option<LocalReply> {
    play(abi, &json!({ "request_headers": steps }), async |session| {
        session.start().await;
        let stream = session.open().await;
        stream.request_headers(true).await.unwrap();
        stream.context().exchange.local_reply.take()
    })
}

mod proxy_send_local_response {
    use super::*;

    #[test]
    fn it_says_status_details_body_headers_and_grpc_status() {
        for abi in Abi::ALL {
            let steps = json!([{"op": "send_local_response", "status": 418, "details": "a short\tand  stout one", "body": "tea",
                "headers": [["x-a", "1"], ["X-A", "2"]], "grpc_status": 7}]);
            let reply = asked_for(abi, &steps).unwrap();
            assert_eq!(reply.status.as_u16(), 418);
            assert_eq!(reply.details, "a_short_and_stout_one", "blanks would break log lines");
            assert_eq!(reply.body, "tea");
            assert_eq!(reply.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!(reply.grpc_status, Some(7));
            assert_eq!(&*reply.plugin, "probe");
        }
    }

    #[test]
    fn a_grpc_status_that_is_none_is_left_out() {
        for abi in Abi::ALL {
            for (given, kept) in [(-1, None), (0, Some(0)), (16, Some(16)), (17, None)] {
                let reply = asked_for(abi, &json!([{"op": "send_local_response", "grpc_status": given}])).unwrap();
                assert_eq!(reply.grpc_status, kept);
            }
        }
    }

    #[test]
    fn of_several_the_first_counts() {
        for abi in Abi::ALL {
            let steps =
                json!([{"op": "send_local_response", "status": 403}, {"op": "send_local_response", "status": 404}]);
            assert_eq!(asked_for(abi, &steps).unwrap().status.as_u16(), 403);
            assert_eq!(
                answers(abi, steps),
                ["send_local_response -> 0", "send_local_response -> 0"]
            );
        }
    }

    #[test]
    fn a_status_that_cannot_end_an_exchange_becomes_500() {
        // Envoy breaks the connection off.
        for abi in Abi::ALL {
            for (given, sent) in [
                (0, 500),
                (99, 500),
                (100, 500),
                (101, 500),
                (200, 200),
                (600, 600),
                (999, 999),
                (1000, 500),
                (-1, 500),
            ] {
                let reply = asked_for(abi, &json!([{"op": "send_local_response", "status": given}])).unwrap();
                assert_eq!(reply.status.as_u16(), sent, "{given}");
            }
        }
    }

    #[test]
    fn headers_that_may_not_stand_in_a_message_are_left_out() {
        for abi in Abi::ALL {
            let steps = json!([{"op": "send_local_response", "headers": [["x-a", "1\r\nx-b: 2"], [":path", "/"], ["x-c", "3"]]}]);
            let reply = asked_for(abi, &steps).unwrap();
            assert_eq!(reply.headers.len(), 1);
            assert_eq!(reply.headers["x-c"], "3");
            let steps = json!([{"op": "send_local_response", "status": 403, "headers": {"hex": "0100000009"}}]);
            assert_eq!(asked_for(abi, &steps).unwrap().status.as_u16(), 403);
        }
    }

    #[test]
    fn outside_an_exchange_and_when_it_is_over_nothing_is_sent() {
        // Envoy 1.40 dies of a local response from `proxy_on_log`.
        for abi in Abi::ALL {
            let send = json!([{"op": "send_local_response", "status": 403}]);
            play(
                abi,
                &json!({"configure": send, "log": send, "done": send, "delete": send}),
                async |session| {
                    session.start().await;
                    assert_eq!(said_in("configure", &session.said()), ["send_local_response -> 0"]);
                    let stream = session.exchange().await;
                    let lines = session.said();
                    for callback in ["log", "done", "delete"] {
                        assert_eq!(said_in(callback, &lines), ["send_local_response -> 0"]);
                    }
                    assert!(stream.context().exchange.local_reply.borrow().is_none());
                },
            );
        }
    }

    #[test]
    fn it_wakes_the_exchange_also_when_it_comes_from_another_callback() {
        for abi in Abi::ALL {
            let script = json!({
                "request_headers": [{"op": "set", "name": "stream", "value": "${self}", "scope": "root"},
                    {"op": "set_tick_period_milliseconds", "period": 10, "quiet": true}, {"op": "return", "action": "pause"}],
                "tick": [{"op": "set_tick_period_milliseconds", "period": 0, "quiet": true},
                    {"op": "set_effective_context", "context": "${stream}", "quiet": true}, {"op": "send_local_response", "status": 403}]});
            play(abi, &script, async |session| {
                session.start().await;
                let stream = session.open().await;
                stream.request_headers(true).await.unwrap();
                let exchange = &stream.context().exchange;
                exchange.request_bell.heard().await;
                exchange.response_bell.heard().await;
                assert_eq!(exchange.local_reply.take().unwrap().status.as_u16(), 403);
            });
        }
    }
}
