//! Higress's calls: Redis, body injection, upstream hosts.

use bytes::Bytes;
use plug_abi::Abi;
use plug_abi::tokens::CalloutKind;
use serde_json::{Value, json};

use crate::session::{answers, play, said_in};

const HIGRESS: Abi = Abi::V0_2_100;

fn init(upstream: &str) -> Value {
    json!({"op": "redis_init", "upstream": upstream, "user": "me", "password": "secret", "timeout": 250})
}

mod proxy_redis_init {
    use super::*;

    #[test]
    fn a_client_is_kept_with_what_stands_behind_the_upstreams_name() {
        let script = json!({"configure": [init("known?db=3&buffer_flush_timeout=1")],
            "request_headers": [{"op": "redis_call", "upstream": "known", "query": "*1\r\n$4\r\nPING\r\n"}]});
        play(HIGRESS, &script, async |session| {
            session.start().await;
            session.exchange().await;
            let (client, query) = session.world.redis_calls.borrow_mut().remove(0);
            assert_eq!(
                (
                    client.upstream.as_str(),
                    client.username.as_str(),
                    client.password.as_str()
                ),
                ("known", "me", "secret")
            );
            assert_eq!((client.database, client.timeout.as_millis()), (3, 250));
            assert_eq!(query, "*1\r\n$4\r\nPING\r\n");
            assert_eq!(said_in("configure", &session.said()), ["redis_init -> 0"]);
        });
    }

    #[test]
    fn an_unknown_upstream_is_a_bad_argument() {
        assert_eq!(
            answers(HIGRESS, json!([init("unknown"), init("")])),
            ["redis_init -> 2", "redis_init -> 2"]
        );
    }
}

mod proxy_redis_call {
    use super::*;

    #[test]
    fn the_raw_reply_comes_in_its_callback() {
        let then = json!([{"op": "get_redis_response"}, {"op": "get_status"}, {"op": "log", "text": "${status} ${size} ${token}"}]);
        let script = json!({"configure": [init("known")],
            "request_headers": [{"op": "redis_call", "upstream": "known?db=9", "query": "x", "then": then}]});
        play(HIGRESS, &script, async |session| {
            session.start().await;
            session.said();
            session
                .world
                .redis_replies
                .borrow_mut()
                .push_back(Some(Bytes::from_static(b"+PONG\r\n")));
            session.exchange().await;
            let mut lines = session.said();
            let told = lines.pop().unwrap();
            let expected = [
                "request_headers: redis_call -> 0",
                r#"redis_call_response: get_redis_response -> 0 value="+PONG\r\n""#,
                r#"redis_call_response: get_status -> 0 code=0 message="""#,
            ];
            assert_eq!(lines, expected);
            let token = told.strip_prefix("0 7 ").unwrap().parse().unwrap();
            assert_eq!(CalloutKind::of(token), CalloutKind::Redis);
        });
    }

    #[test]
    fn a_connection_that_fails_is_told_by_the_status() {
        let then =
            json!([{"op": "get_redis_response"}, {"op": "get_status"}, {"op": "log", "text": "${status} ${size}"}]);
        let script = json!({"configure": [init("known")],
            "request_headers": [{"op": "redis_call", "upstream": "known", "query": "x", "then": then, "quiet": true}]});
        play(HIGRESS, &script, async |session| {
            session.start().await;
            session.said();
            session.world.redis_replies.borrow_mut().push_back(None);
            session.exchange().await;
            let expected = [
                "redis_call_response: get_redis_response -> 1",
                r#"redis_call_response: get_status -> 0 code=11 message="reset""#,
                "1 0",
            ];
            assert_eq!(session.said(), expected);
        });
    }

    #[test]
    fn a_client_that_was_not_prepared_is_a_bad_argument() {
        assert_eq!(
            answers(
                HIGRESS,
                json!([{"op": "redis_call", "upstream": "known", "query": "x"}])
            ),
            ["redis_call -> 2"]
        );
    }
}

mod proxy_inject_encoded_data_to_filter_chain {
    use super::*;

    #[test]
    fn pieces_go_towards_the_client_in_order() {
        let inject = |body: &str, end: i64| json!({"op": "inject_encoded_data_to_filter_chain", "body": body, "end_stream": end});
        play(
            HIGRESS,
            &json!({"response_body": [inject("one", 0), inject("", 0), inject("two", 1)]}),
            async |session| {
                session.start().await;
                let stream = session.exchange().await;
                let injected = stream.context().response.injected.take();
                assert_eq!(
                    injected,
                    [("one".into(), false), ("".into(), false), ("two".into(), true)]
                );
                assert!(stream.context().request.injected.borrow().is_empty());
            },
        );
    }

    #[test]
    fn it_wakes_the_response() {
        let script = json!({
            "response_headers": [{"op": "set", "name": "stream", "value": "${self}", "scope": "root"},
                {"op": "set_tick_period_milliseconds", "period": 10, "quiet": true}],
            "tick": [{"op": "set_tick_period_milliseconds", "period": 0, "quiet": true},
                {"op": "set_effective_context", "context": "${stream}", "quiet": true}, {"op": "inject_encoded_data_to_filter_chain", "body": "x"}]});
        play(HIGRESS, &script, async |session| {
            session.start().await;
            let stream = session.open().await;
            stream.request_headers(true).await.unwrap();
            stream.response_headers(false).await.unwrap();
            stream.context().exchange.response_bell.heard().await;
            assert_eq!(stream.context().response.injected.borrow().len(), 1);
        });
    }

    #[test]
    fn outside_an_exchange_it_is_a_bad_argument() {
        play(
            HIGRESS,
            &json!({"configure": [{"op": "inject_encoded_data_to_filter_chain", "body": "x"}]}),
            async |session| {
                session.start().await;
                assert_eq!(
                    said_in("configure", &session.said()),
                    ["inject_encoded_data_to_filter_chain -> 2"]
                );
            },
        );
    }
}

mod proxy_get_upstream_hosts {
    use super::*;

    #[test]
    fn addresses_come_with_what_is_known_of_them() {
        play(
            HIGRESS,
            &json!({"request_headers": [{"op": "get_upstream_hosts"}]}),
            async |session| {
                session.start().await;
                let host = |address: &str, about: &str| (address.to_owned(), about.to_owned());
                *session.world.hosts.borrow_mut() = vec![
                    host("10.0.0.1:80", r#"{"health_status":"Healthy"}"#),
                    host("10.0.0.2:80", "{}"),
                ];
                session.exchange().await;
                let expected = r#"get_upstream_hosts -> 0 hosts=[["10.0.0.1:80","{\"health_status\":\"Healthy\"}"],["10.0.0.2:80","{}"]]"#;
                assert_eq!(said_in("request_headers", &session.said()), [expected]);
            },
        );
    }

    #[test]
    fn without_any_the_map_is_empty_and_outside_an_exchange_not_found() {
        let step = json!([{"op": "get_upstream_hosts"}]);
        play(
            HIGRESS,
            &json!({"configure": step, "request_headers": step}),
            async |session| {
                session.start().await;
                assert_eq!(said_in("configure", &session.said()), ["get_upstream_hosts -> 1"]);
                session.exchange().await;
                assert_eq!(
                    said_in("request_headers", &session.said()),
                    ["get_upstream_hosts -> 0 hosts=[]"]
                );
            },
        );
    }
}

mod proxy_set_upstream_override_host {
    use super::*;

    #[test]
    fn the_exchange_goes_where_the_plugin_says() {
        let set = |address: &str| json!({"op": "set_upstream_override_host", "address": address});
        play(
            HIGRESS,
            &json!({"configure": [set("10.0.0.1:80")], "request_headers": [set("10.0.0.1:80"), set("[::1]:81")]}),
            async |session| {
                session.start().await;
                assert_eq!(
                    said_in("configure", &session.said()),
                    ["set_upstream_override_host -> 2"]
                );
                let stream = session.exchange().await;
                assert_eq!(
                    stream.context().exchange.endpoint_override.borrow().as_deref(),
                    Some("[::1]:81")
                );
                let expected = ["set_upstream_override_host -> 0", "set_upstream_override_host -> 0"];
                assert_eq!(said_in("request_headers", &session.said()), expected);
            },
        );
    }

    #[test]
    fn what_cannot_be_an_address_is_a_bad_argument() {
        let steps = json!([{"op": "set_upstream_override_host", "address": {"repeat": "1", "times": 65}}]);
        assert_eq!(answers(HIGRESS, steps), ["set_upstream_override_host -> 2"]);
    }
}
