//! The callbacks of a TCP connection.

use bytes::Bytes;
use plug_abi::{Abi, PeerType, StreamAction};
use plug_host::Direction;
use serde_json::{Value, json};

use crate::session::play;

/// Leads a connection with bytes both ways past the plugin; gives what was said.
fn connection(abi: Abi, script: &Value) -> Vec<String> {
    play(abi, script, async |session| {
        session.start().await;
        session.said();
        let stream = session.open().await;
        stream.new_connection().await.unwrap();
        stream
            .context()
            .request
            .body
            .borrow_mut()
            .push(Bytes::from_static(b"from the client"));
        stream.data(Direction::Request, false).await.unwrap();
        stream
            .context()
            .response
            .body
            .borrow_mut()
            .push(Bytes::from_static(b"from the upstream"));
        stream.data(Direction::Response, true).await.unwrap();
        stream.closed(Direction::Response, PeerType::Unknown).await.unwrap();
        stream.closed(Direction::Request, PeerType::Remote).await.unwrap();
        stream.end_tcp().await;
        session.said()
    })
}

fn actions(abi: Abi, callback: &str, direction: Option<Direction>) -> Vec<StreamAction> {
    let action = |code: i64| {
        play(
            abi,
            &json!({callback: [{"op": "return", "action": code}]}),
            async |session| {
                session.start().await;
                let stream = session.open().await;
                let opened = stream.new_connection().await.unwrap();
                match direction {
                    None => opened,
                    Some(direction) => stream.data(direction, false).await.unwrap(),
                }
            },
        )
    };
    [0, 1, -1].map(action).to_vec()
}

const ACTIONS: [StreamAction; 3] = [
    StreamAction::Continue,
    StreamAction::StopIteration,
    StreamAction::StopIteration,
];

mod proxy_on_new_connection {
    use super::*;

    #[test]
    fn a_connection_takes_its_course() {
        for abi in Abi::ALL {
            let expected = [
                "context_create()",
                "new_connection()",
                "downstream_data(size=15 end=0)",
                "upstream_data(size=17 end=1)",
                "upstream_close(peer=0)",
                "downstream_close(peer=2)",
                "done()",
                "log()",
                "delete()",
            ];
            assert_eq!(connection(abi, &json!({"trace": true})), expected);
        }
    }

    #[test]
    fn its_answer_is_read() {
        for abi in Abi::ALL {
            assert_eq!(actions(abi, "new_connection", None), ACTIONS);
        }
    }
}

mod proxy_on_downstream_data {
    use super::*;

    #[test]
    fn the_clients_bytes_can_be_read_and_changed() {
        for abi in Abi::ALL {
            let script = json!({"downstream_data": [
                {"op": "get_buffer_bytes", "buffer": "downstream_data"}, {"op": "get_buffer_bytes", "buffer": "upstream_data"},
                {"op": "set_buffer_bytes", "buffer": "downstream_data", "size": 4, "value": "all from"},
                {"op": "get_buffer_bytes", "buffer": "downstream_data"}]});
            let expected = [
                r#"get_buffer_bytes -> 0 value="from the client""#,
                r#"get_buffer_bytes -> 0 value="""#,
                "set_buffer_bytes -> 0",
                r#"get_buffer_bytes -> 0 value="all from the client""#,
            ];
            assert_eq!(
                connection(abi, &script),
                expected.map(|line| format!("downstream_data: {line}"))
            );
        }
    }

    #[test]
    fn its_answer_is_read() {
        for abi in Abi::ALL {
            assert_eq!(actions(abi, "downstream_data", Some(Direction::Request)), ACTIONS);
        }
    }
}

mod proxy_on_upstream_data {
    use super::*;

    #[test]
    fn the_upstreams_bytes_can_be_read_and_changed() {
        for abi in Abi::ALL {
            let script = json!({"upstream_data": [
                {"op": "set_buffer_bytes", "buffer": "upstream_data", "size": 1000, "value": "new"},
                {"op": "get_buffer_bytes", "buffer": "upstream_data"}, {"op": "get_buffer_status", "buffer": "upstream_data"}]});
            let expected = [
                "set_buffer_bytes -> 0",
                r#"get_buffer_bytes -> 0 value="new""#,
                "get_buffer_status -> 0 length=3 flags=0",
            ];
            assert_eq!(
                connection(abi, &script),
                expected.map(|line| format!("upstream_data: {line}"))
            );
        }
    }

    #[test]
    fn its_answer_is_read() {
        for abi in Abi::ALL {
            assert_eq!(actions(abi, "upstream_data", Some(Direction::Response)), ACTIONS);
        }
    }
}

mod proxy_on_downstream_connection_close {
    use super::*;

    #[test]
    fn it_says_who_closed() {
        for abi in Abi::ALL {
            assert_eq!(
                connection(abi, &json!({"downstream_close": [{"op": "log", "text": "by ${peer}"}]})),
                ["by 2"]
            );
        }
    }
}

mod proxy_on_upstream_connection_close {
    use super::*;

    #[test]
    fn it_says_who_closed() {
        for abi in Abi::ALL {
            assert_eq!(
                connection(abi, &json!({"upstream_close": [{"op": "log", "text": "by ${peer}"}]})),
                ["by 0"]
            );
        }
    }
}
