//! A grant that is narrowed while its plugin runs, and what is only told of.

use std::sync::Arc;

use plug_abi::Abi;
use plug_grant::{Access, Grant, Mode};
use serde_json::{Value, json};

use super::{calls, play_granted};
use crate::session::{Session, said_in};

/// What the steps of `proxy_on_request_headers` say now.
async fn said(session: &Session) -> Vec<String> {
    session.said();
    session.exchange().await;
    said_in("request_headers", &session.said())
}

fn narrow(session: &Session, left: Option<Grant>) -> bool {
    let plugin = session.plugins.find("probe").unwrap();
    let is_new = plugin.plugin().narrow(left.map(Arc::new));
    session.process.narrowed();
    is_new
}

fn counted(session: &Session, call: &str) -> u64 {
    let plugin = session.plugins.find("probe").unwrap();
    let mut counts = plugin.plugin().workers[0].denied_calls();
    counts.find(|(name, _)| *name == call).map_or(0, |(_, count)| count)
}

#[test]
fn what_is_taken_from_a_plugin_is_denied_from_its_next_callback_on() {
    let script = json!({
        "configure": [
            {"op": "register_shared_queue", "name": "mine"},
            {"op": "register_shared_queue", "name": "more"},
            {"op": "define_metric", "type": 0, "name": "mine", "save": "mine"},
            {"op": "define_metric", "type": 0, "name": "more", "save": "more"}
        ],
        "request_headers": [
            {"op": "get_request_header", "key": "x-one"},
            {"op": "enqueue_shared_queue", "queue": 1, "value": "v"},
            {"op": "enqueue_shared_queue", "queue": 2, "value": "v"},
            {"op": "increment_metric", "metric": "${mine}", "offset": 1},
            {"op": "increment_metric", "metric": "${more}", "offset": 1}
        ]
    });
    let wide = Grant {
        request_headers: Access {
            read: ["*"].into_iter().collect(),
            ..Access::default()
        },
        queues: ["*"].into_iter().collect(),
        metrics: ["*"].into_iter().collect(),
        ..calls(&["map", "shared_queue", "metric"])
    };
    let mut less = wide.clone();
    less.request_headers = Access::default();
    less.queues = ["mine"].into_iter().collect();
    less.metrics = ["mine"].into_iter().collect();
    play_granted(Abi::V0_2_1, wide, &script, async |session| {
        session.start().await;
        let all = said(session).await;
        let whole = [
            r#"get_request_header -> 0 value="1""#,
            "enqueue_shared_queue -> 0",
            "enqueue_shared_queue -> 0",
            "increment_metric -> 0",
            "increment_metric -> 0",
        ];
        assert_eq!(all, whole);
        assert!(narrow(session, Some(less.clone())));
        assert!(!narrow(session, Some(less)));
        let left = [
            "get_request_header -> 1",
            "enqueue_shared_queue -> 0",
            "enqueue_shared_queue -> 1",
            "increment_metric -> 0",
            // What is denied of a metric answers OK.
            "increment_metric -> 0",
        ];
        assert_eq!(said(session).await, left);
        assert_eq!(counted(session, "proxy_increment_metric"), 1);
        // And the whole of it again.
        assert!(narrow(session, None));
        assert_eq!(said(session).await, whole);
        assert!(session.world.faults.borrow().is_empty());
    });
}

#[test]
fn a_plugin_that_had_everything_is_narrowed_as_well() {
    let steps =
        json!([{"op": "get_request_header", "key": "x-one"}, {"op": "get_property", "path": ["request", "path"]}]);
    let script = json!({"request_headers": steps});
    crate::session::play(Abi::V0_2_1, &script, async |session| {
        session.start().await;
        assert_eq!(said(session).await[0], r#"get_request_header -> 0 value="1""#);
        narrow(session, Some(calls(&[])));
        assert_eq!(said(session).await, ["get_request_header -> 1", "get_property -> 1"]);
    });
}

/// Steps by which a plugin is handed less than there is, or leaves out what it may not.
fn whole_maps() -> Value {
    json!([
        {"op": "environment", "name": "KEY"},
        {"op": "get_request_headers"},
        {"op": "set_request_headers", "pairs": [["x-one", "1"]]}
    ])
}

#[test]
fn a_grant_that_reports_counts_what_it_would_hide() {
    let grant = |mode| {
        let access = Access {
            read: ["x-one"].into_iter().collect(),
            write: ["x-one"].into_iter().collect(),
        };
        Grant {
            mode,
            request_headers: access,
            ..calls(&["map"])
        }
    };
    let script = json!({ "request_headers": whole_maps() });
    play_granted(Abi::V0_2_1, grant(Mode::Report), &script, async |session| {
        session.start().await;
        let lines = said(session).await;
        assert_eq!(lines[0], r#"environment KEY -> Some("value")"#);
        assert!(lines[1].contains("x-two"), "{lines:?}");
        for call in [
            "environ_sizes_get",
            "proxy_get_header_map_pairs",
            "proxy_set_header_map_pairs",
        ] {
            assert_eq!(counted(session, call), 1, "{call}");
        }
        // Said at once, with the name.
        let denied = session.world.denied.borrow();
        assert_eq!(*denied, [("environ_sizes_get", "KEY".to_owned())]);
    });
    play_granted(Abi::V0_2_1, grant(Mode::Enforce), &script, async |session| {
        session.start().await;
        let lines = said(session).await;
        assert_eq!(lines[0], "environment KEY -> None");
        assert!(!lines[1].contains("x-two"), "{lines:?}");
        for call in ["environ_sizes_get", "proxy_get_header_map_pairs"] {
            assert_eq!(counted(session, call), 1, "{call}");
        }
        // It is what the grant is for: nobody is told each second.
        assert!(session.world.denied.borrow().is_empty());
    });
}
