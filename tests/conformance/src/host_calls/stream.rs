//! Resuming and closing.

use plug_abi::StreamKind;
use plug_host::PluginStream;
use serde_json::{Value, json};

use crate::session::{SINCE_0_2_0, play, said_in};

async fn after_request_headers(session: &crate::session::Session) -> PluginStream {
    session.start().await;
    let stream = session.open().await;
    stream.request_headers(true).await.unwrap();
    stream
}

fn step(op: &str, stream: StreamKind) -> Value {
    json!({"op": op, "stream": stream.raw()})
}

mod proxy_continue_stream {
    use super::*;

    #[test]
    fn each_stream_is_resumed_on_its_own() {
        for abi in SINCE_0_2_0 {
            for (kind, request, response) in [
                (StreamKind::HttpRequest, true, false),
                (StreamKind::HttpResponse, false, true),
                (StreamKind::Downstream, true, false),
            ] {
                play(
                    abi,
                    &json!({"request_headers": [step("continue_stream", kind)]}),
                    async |session| {
                        let stream = after_request_headers(session).await;
                        let context = stream.context();
                        assert_eq!(
                            (context.request.resume.get(), context.response.resume.get()),
                            (request, response)
                        );
                        assert_eq!(said_in("request_headers", &session.said()), ["continue_stream -> 0"]);
                    },
                );
            }
        }
    }

    #[test]
    fn envoy_cannot_resume_an_upstream_and_knows_no_other_stream() {
        for abi in SINCE_0_2_0 {
            let steps = json!([step("continue_stream", StreamKind::Upstream), {"op": "continue_stream", "stream": 4}, {"op": "continue_stream", "stream": -1}]);
            play(abi, &json!({ "request_headers": steps }), async |session| {
                after_request_headers(session).await;
                let expected = ["continue_stream -> 12", "continue_stream -> 2", "continue_stream -> 2"];
                assert_eq!(said_in("request_headers", &session.said()), expected);
            });
        }
    }

    #[test]
    fn outside_an_exchange_there_is_nothing_to_resume() {
        for abi in SINCE_0_2_0 {
            let steps = json!([
                step("continue_stream", StreamKind::HttpRequest),
                step("continue_stream", StreamKind::HttpResponse)
            ]);
            play(abi, &json!({ "configure": steps }), async |session| {
                session.start().await;
                assert_eq!(
                    said_in("configure", &session.said()),
                    ["continue_stream -> 0", "continue_stream -> 0"]
                );
            });
        }
    }
}

mod proxy_close_stream {
    use super::*;

    #[test]
    fn an_exchange_is_reset_and_a_connection_closed() {
        for abi in SINCE_0_2_0 {
            for (kind, reset, request, response) in [
                (StreamKind::HttpRequest, true, false, false),
                (StreamKind::HttpResponse, true, false, false),
                (StreamKind::Downstream, false, true, false),
                (StreamKind::Upstream, false, false, true),
            ] {
                play(
                    abi,
                    &json!({"request_headers": [step("close_stream", kind)]}),
                    async |session| {
                        let stream = after_request_headers(session).await;
                        let context = stream.context();
                        assert_eq!(context.exchange.reset.get(), reset);
                        assert_eq!(
                            (context.request.close.get(), context.response.close.get()),
                            (request, response)
                        );
                        assert_eq!(said_in("request_headers", &session.said()), ["close_stream -> 0"]);
                    },
                );
            }
        }
    }

    #[test]
    fn an_unknown_stream_is_a_bad_argument_and_outside_an_exchange_there_is_nothing_to_close() {
        for abi in SINCE_0_2_0 {
            let steps = json!([{"op": "close_stream", "stream": 4}, step("close_stream", StreamKind::HttpRequest)]);
            play(abi, &json!({ "configure": steps }), async |session| {
                session.start().await;
                assert_eq!(
                    said_in("configure", &session.said()),
                    ["close_stream -> 2", "close_stream -> 0"]
                );
            });
        }
    }
}
