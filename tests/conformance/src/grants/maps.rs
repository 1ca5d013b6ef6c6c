//! Whole maps: what is hidden in them is not read, and not deleted either.

use plug_abi::Abi;
use plug_grant::{Access, Bodies, Body, Grant};
use serde_json::json;

use super::{calls, play_granted};
use crate::session::said_in;

fn grant() -> Grant {
    Grant {
        request_headers: Access {
            read: ["x-one", "x-empty"].into_iter().collect(),
            write: ["x-one", "x-two", "x-new"].into_iter().collect(),
        },
        ..calls(&["map", "buffer"])
    }
}

#[test]
fn a_map_that_is_read_and_written_back_loses_nothing_that_was_hidden() {
    let steps = json!([
        {"op": "get_request_headers"},
        {"op": "get_header_map_size", "map": 0},
        {"op": "set_request_headers", "pairs": [["x-one", "mine"], ["X-New", "new"], ["x-empty", "evil"], ["x-other", "evil"], [":path", "/evil"]]}
    ]);
    let script = json!({ "request_headers": steps });
    play_granted(Abi::V0_2_1, grant(), &script, async |session| {
        session.start().await;
        let stream = session.exchange().await;
        let lines = said_in("request_headers", &session.said());
        assert_eq!(
            lines[0],
            r#"get_request_headers -> 0 pairs=[["x-one","1"],["x-empty",""]]"#
        );
        assert_eq!(lines[1], "get_header_map_size -> 0 size=13");
        assert_eq!(lines[2], "set_request_headers -> 0");
        let head = stream.context().exchange.request.borrow();
        let value = |name: &str| {
            head.headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (value("x-one"), value("x-two"), value("x-new")),
            (
                vec!["mine".to_owned()],
                vec!["2".to_owned(), "3".to_owned()],
                vec!["new".to_owned()]
            )
        );
        assert_eq!(
            (value("x-empty"), value("x-other").len(), head.path.as_str()),
            (vec![String::new()], 0, "/path?query=1")
        );
    });
}

#[test]
fn a_map_that_is_cleared_keeps_what_may_not_be_read_or_written() {
    let script = json!({"request_headers": [{"op": "set_request_headers", "pairs": []}]});
    play_granted(Abi::V0_2_1, grant(), &script, async |session| {
        session.start().await;
        let stream = session.exchange().await;
        let head = stream.context().exchange.request.borrow();
        let mut names: Vec<&str> = head.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["x-empty", "x-two"]);
        assert!(head.authority.is_some());
    });
}

#[test]
fn bodies_are_read_and_written_only_on_the_side_that_is_granted() {
    let read = |op: &str| json!([{"op": format!("get_{op}_body")}, {"op": format!("set_{op}_body"), "value": "evil"}]);
    let script = json!({"request_body": read("request"), "response_body": read("response")});
    let grant = Grant {
        bodies: Bodies {
            request: Body {
                read: true,
                write: false,
            },
            response: Body {
                read: false,
                write: true,
            },
        },
        ..calls(&["buffer"])
    };
    play_granted(Abi::V0_2_1, grant, &script, async |session| {
        session.start().await;
        let stream = session.exchange().await;
        let lines = session.said();
        assert_eq!(
            said_in("request_body", &lines),
            [r#"get_request_body -> 0 value="question""#, "set_request_body -> 0"]
        );
        assert_eq!(
            said_in("response_body", &lines),
            ["get_response_body -> 1", "set_response_body -> 0"]
        );
        let context = stream.context();
        assert_eq!(context.request.body.borrow_mut().read(0, 100), "question");
        assert_eq!(context.response.body.borrow_mut().read(0, 100), "evil");
    });
}

#[test]
fn a_reply_in_place_of_an_answer_needs_the_right_to_all_that_it_changes() {
    let reply = json!([{"op": "send_local_response", "status": 403, "body": "mine", "headers": [["x-mine", "1"]]}]);
    let write = Body {
        read: false,
        write: true,
    };
    let with = |body: Body, names: &[&str]| Grant {
        bodies: Bodies {
            request: Body::default(),
            response: body,
        },
        response_headers: Access {
            write: names.iter().copied().collect(),
            ..Access::default()
        },
        ..calls(&["local_response"])
    };
    let cases = [
        ("request_headers", with(Body::default(), &[]), true),
        ("response_headers", with(Body::default(), &["*"]), false),
        ("response_headers", with(write, &[]), false),
        ("response_headers", with(write, &["x-mine"]), false),
        ("response_headers", with(write, &[":status"]), false),
        ("response_headers", with(write, &[":status", "x-*"]), true),
        ("response_body", with(Body::default(), &["*"]), false),
        ("response_body", with(write, &["*"]), true),
    ];
    for (callback, grant, is_given) in cases {
        let script = json!({ callback: reply });
        play_granted(Abi::V0_2_1, grant, &script, async |session| {
            session.start().await;
            let stream = session.exchange().await;
            let lines = said_in(callback, &session.said());
            // Either way the plugin is told that it is done.
            assert_eq!(lines, ["send_local_response -> 0"], "{callback}");
            let reply = stream.context().exchange.local_reply.borrow();
            assert_eq!(reply.is_some(), is_given, "{callback}");
        });
    }
}
