//! Side doors: functions by name, numbers of queues, shared keys, metrics, contexts.

use std::sync::Arc;

use plug_abi::Abi;
use plug_grant::{Access, Grant, Names};
use plug_host::{Plugin, PluginSpec};
use serde_json::{Value, json};

use super::{answers, calls, play_granted};
use crate::guests::probe;
use crate::session::{said_in, spec};

fn foreign(name: &str, arguments: Value) -> Value {
    json!({"op": "call_foreign_function", "name": name, "arguments": arguments})
}

#[test]
fn functions_by_name_do_nothing_that_is_not_granted_by_its_own_line() {
    let grant = Grant {
        foreign_functions: [
            "set_envoy_filter_state",
            "inject_encoded_data_to_filter_chain_on_header",
            "expr_create",
            "expr_evaluate",
        ]
        .into_iter()
        .collect(),
        properties: Access {
            read: Names::default(),
            write: ["mine"].into_iter().collect(),
        },
        ..calls(&["foreign", "property"])
    };
    let steps = json!([
        // `{ path = 1: "evil", value = 2: "x" }` and the same for `mine`.
        foreign("set_envoy_filter_state", json!({"hex": "0a046576696c120178"})),
        foreign("set_envoy_filter_state", json!({"hex": "0a046d696e65120178"})),
        foreign(
            "inject_encoded_data_to_filter_chain_on_header",
            json!({"hex": "0a046576696c"})
        ),
        foreign("clear_route_cache", json!("")),
        foreign("compress", json!("x")),
        foreign("CLEAR_ROUTE_CACHE", json!("")),
        foreign("expr_create", json!("request.path")),
        foreign("expr_evaluate", json!({"hex": "00000000"}))
    ]);
    let script = json!({ "request_headers": steps });
    play_granted(Abi::V0_2_1, grant, &script, async |session| {
        let path = plug_abi::property::PropertyValue::fixed("secret");
        session
            .world
            .properties
            .borrow_mut()
            .insert("request.path".to_owned(), path);
        session.start().await;
        let stream = session.exchange().await;
        let lines = said_in("request_headers", &session.said());
        let status = |line: &String| line.split(" -> ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let statuses: Vec<String> = lines.iter().map(status).collect();
        assert_eq!(statuses[..7], ["0", "0", "2", "1", "1", "1", "0"], "{lines:?}");
        assert!(!lines[7].contains("secret"), "{lines:?}");
        let exchange = &stream.context().exchange;
        let state = exchange.state.borrow();
        assert_eq!(
            state
                .keys()
                .map(|key| String::from_utf8_lossy(key).into_owned())
                .collect::<Vec<_>>(),
            ["mine"]
        );
        assert!(!exchange.route_stale.get() && stream.context().response.injected.borrow().is_empty());
    });
}

#[test]
fn queues_are_used_by_names_that_are_granted_and_not_by_numbers_that_are_guessed() {
    let victim = json!({"configure": [{"op": "register_shared_queue", "name": "theirs"}, {"op": "enqueue_shared_queue", "queue": 1, "value": "secret"}]});
    let guesses: Vec<Value> = (0..8)
        .map(|number| json!({"op": "dequeue_shared_queue", "queue": number}))
        .collect();
    let pushes: Vec<Value> = (0..8)
        .map(|number| json!({"op": "enqueue_shared_queue", "queue": number, "value": "evil"}))
        .collect();
    let resolves = json!([
        {"op": "resolve_shared_queue", "vm_id": "victim", "name": "theirs"},
        {"op": "resolve_shared_queue", "vm_id": "", "name": "theirs"},
        {"op": "register_shared_queue", "name": "theirs"}
    ]);
    let mut steps = resolves.as_array().cloned().unwrap_or_default();
    steps.extend([guesses, pushes].concat());
    let attacker = json!({ "request_headers": steps });
    let grant = Grant {
        queues: ["mine"].into_iter().collect(),
        ..calls(&["shared_queue"])
    };
    let named = |name: &str, script: &Value, grant: Option<Grant>| PluginSpec {
        name: name.to_owned(),
        vm_id: name.to_owned(),
        grant: grant.map(Arc::new),
        ..spec(script)
    };
    let module = probe(Abi::V0_2_1);
    let plugins = [
        Plugin::new(named("victim", &victim, None), Arc::clone(&module), 1, 1),
        Plugin::new(named("probe", &attacker, Some(grant)), module, 1, 1),
    ];
    crate::session::play_plugins(&plugins, async |session| {
        session.start().await;
        session.exchange().await;
        let lines = said_in("request_headers", &session.said());
        assert!(lines.iter().all(|line| !line.contains("secret")), "{lines:?}");
        assert_eq!(lines[..2], ["resolve_shared_queue -> 1"; 2]);
        assert!(lines[2].starts_with("register_shared_queue -> 0"));
        assert_eq!(lines[3..11], ["dequeue_shared_queue -> 7"; 8]);
        assert_eq!(lines[11..], ["enqueue_shared_queue -> 1"; 8]);
    });
}

#[test]
fn keys_of_shared_data_and_names_of_metrics_are_those_that_are_granted() {
    let grant = Grant {
        shared_data: Access {
            read: ["team.*"].into_iter().collect(),
            write: ["team.mine"].into_iter().collect(),
        },
        metrics: ["team_*"].into_iter().collect(),
        ..calls(&["shared_data", "metric"])
    };
    let set = |key: &str| json!({"op": "set_shared_data", "key": key, "value": "v"});
    let get = |key: &str| json!({"op": "get_shared_data", "key": key});
    let steps = json!([
        set("team.mine"), set("team.other"), set("other"), get("team.mine"), get("team.other"), get("other"), get("TEAM.mine"),
        {"op": "define_metric", "type": 0, "name": "team_requests", "save": "good"},
        {"op": "define_metric", "type": 0, "name": "other_requests", "ids": true},
        {"op": "increment_metric", "metric": "${good}", "offset": 2},
        {"op": "increment_metric", "metric": 0, "offset": 2},
        {"op": "get_metric", "metric": "${good}"}
    ]);
    let lines = answers(Abi::V0_2_1, grant, steps);
    let expected = [
        "set_shared_data -> 0",
        "set_shared_data -> 0",
        "set_shared_data -> 0",
        r#"get_shared_data -> 0 value="v""#,
        "get_shared_data -> 1",
        "get_shared_data -> 1",
        "get_shared_data -> 1",
        "define_metric -> 0",
        "define_metric -> 0 metric=0",
        "increment_metric -> 0",
        "increment_metric -> 0",
        "get_metric -> 0 value=2",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn contexts_of_a_plugin_with_another_grant_are_in_another_instance() {
    let shared = |grant: Option<Grant>| {
        let spec = PluginSpec {
            vm_id: "one".to_owned(),
            grant: grant.map(Arc::new),
            ..spec(&json!({}))
        };
        Plugin::new(spec, probe(Abi::V0_2_1), 1, 1)
    };
    let (all, log, more) = (shared(None), shared(Some(calls(&[]))), shared(Some(calls(&["map"]))));
    assert!(log.shares_instance_with(&shared(Some(calls(&[])))));
    assert!(!log.shares_instance_with(&more) && !log.shares_instance_with(&all) && !all.shares_instance_with(&more));
    let steps: Vec<Value> = [1, 2, 3, 99]
        .iter()
        .map(|context| json!({"op": "set_effective_context", "context": context}))
        .collect();
    let lines = answers(Abi::V0_2_1, calls(&[]), json!(steps));
    // Its own root and its own exchange; others are not there.
    assert_eq!(lines.last().map(String::as_str), Some("set_effective_context -> 2"));
}
