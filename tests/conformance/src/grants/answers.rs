//! What a denied call answers: for each row the status that plugins of every SDK survive, and zeroes.

use plug_abi::{Abi, Family, HOST_CALLS, HostCall, Status};
use plug_grant::{CallSet, Grant, Mode};
use serde_json::{Value, json};

use super::{answers, calls, play_granted};
use crate::session::said_in;

/// Rows that are the plugin's own, or that a test of their own has.
fn is_apart(row: &HostCall) -> bool {
    matches!(row.family, Family::Context | Family::Emscripten)
        || ["proxy_log", "proxy_get_configuration"].contains(&row.name)
}

/// A call with arguments that would do something.
fn step(row: &HostCall) -> Value {
    let word = row.name.trim_start_matches("proxy_");
    json!({"op": word, "map": 0, "key": "x-one", "value": "1", "buffer": 0, "upstream": "known", "headers": [[":method", "GET"], [":path", "/"],
        [":authority", "a"]], "service": "s", "method": "m", "name": "compress", "path": ["request", "path"], "query": "PING", "type": 0,
        "metric": 7, "queue": 7, "address": "127.0.0.1:1", "stream": 0, "period": 1000, "body": "b", "offset": 1})
}

/// The versions in which the probe imports a row.
fn versions(row: &HostCall) -> impl Iterator<Item = Abi> {
    let (since, until) = (row.since, row.until);
    let is_higress = matches!(row.family, Family::Redis | Family::Inject | Family::UpstreamHosts);
    Abi::ALL
        .into_iter()
        .filter(move |abi| *abi >= since && until.is_none_or(|until| *abi <= until))
        .filter(move |abi| !is_higress || *abi == Abi::V0_2_100)
}

#[test]
fn each_row_answers_its_status_and_the_plugin_lives_on() {
    for row in HOST_CALLS.iter().filter(|row| !is_apart(row)) {
        for abi in versions(row) {
            let steps = json!([step(row), {"op": "set_effective_context", "context": "${self}"}]);
            let lines = answers(abi, calls(&[]), steps);
            let word = row.name.trim_start_matches("proxy_");
            let empty_of_old = row.name == "proxy_get_header_map_value" && abi == Abi::V0_1_0;
            let status = if empty_of_old { Status::Ok } else { row.denied };
            let answer = match row.results.is_empty() {
                true => word.to_owned(),
                false => format!("{word} -> {}", status.raw()),
            };
            assert!(lines[0].starts_with(&answer), "{abi} {}: {lines:?}", row.name);
            assert_eq!(
                lines.last().map(String::as_str),
                Some("set_effective_context -> 0"),
                "{abi} {}: {lines:?}",
                row.name
            );
        }
    }
}

#[test]
fn zeroes_stand_where_answers_would_be() {
    let steps = json!([
        {"op": "get_current_time_nanoseconds"},
        {"op": "get_header_map_pairs", "map": 0},
        {"op": "get_header_map_size", "map": 0},
        {"op": "define_metric", "type": 0, "name": "m", "ids": true},
        {"op": "register_shared_queue", "name": "q", "ids": true},
        {"op": "get_log_level"}
    ]);
    let expected = [
        "get_current_time_nanoseconds -> 0 time=0",
        "get_header_map_pairs -> 0 pairs=[]",
        "get_header_map_size -> 0 size=0",
        "define_metric -> 0 metric=0",
        "register_shared_queue -> 0 queue=0",
    ];
    let lines = answers(Abi::V0_2_1, calls(&[]), steps);
    assert_eq!(lines[..5], expected);
}

#[test]
fn lines_of_the_log_are_lost_without_it() {
    let script = json!({"request_headers": [{"op": "log", "text": "a secret"}, {"op": "print", "text": "another\n"}]});
    let mut only_random = CallSet::NONE;
    only_random.add_wasi("random").unwrap();
    let grant = Grant {
        calls: only_random,
        ..calls(&[])
    };
    play_granted(Abi::V0_2_1, grant, &script, async |session| {
        session.start().await;
        session.exchange().await;
        assert_eq!(session.said(), [""; 0]);
        assert!(session.world.faults.borrow().is_empty());
    });
}

#[test]
fn what_is_the_plugins_own_needs_no_line() {
    let steps = json!([
        {"op": "get_property", "path": ["plugin_root_id"]},
        {"op": "set_effective_context", "context": "${self}"},
        {"op": "get_buffer_bytes", "buffer": "vm_configuration"}
    ]);
    let lines = answers(Abi::V0_2_1, calls(&[]), steps);
    assert_eq!(lines[0], r#"get_property -> 0 value="the-root""#);
    assert_eq!(lines[1], "set_effective_context -> 0");
    assert!(lines[2].starts_with("get_buffer_bytes -> 0"), "{lines:?}");
}

#[test]
fn a_grant_that_reports_lets_through_what_it_counts() {
    let script = json!({"request_headers": [{"op": "get_request_header", "key": "x-one"}, {"op": "get_request_header", "key": "x-one"}]});
    let grant = Grant {
        mode: Mode::Report,
        ..calls(&[])
    };
    play_granted(Abi::V0_2_1, grant, &script, async |session| {
        session.start().await;
        session.exchange().await;
        let lines = said_in("request_headers", &session.said());
        assert_eq!(
            lines,
            [r#"get_header_map_value -> 0 value="1""#; 2]
                .map(|line| line.replace("get_header_map_value", "get_request_header"))
        );
        let plugin = session.plugins.find("probe").unwrap();
        let counted: Vec<_> = plugin.plugin().workers[0].denied_calls().collect();
        assert_eq!(
            counted.iter().find(|(call, _)| *call == "proxy_get_header_map_value"),
            Some(&("proxy_get_header_map_value", 2))
        );
        // Of several in one second one is said.
        assert_eq!(session.world.denied.borrow().len(), 1);
    });
}

#[test]
fn a_clock_that_is_denied_stands_still_and_variables_are_not_there() {
    let steps = json!([{"op": "clock"}, {"op": "environment", "name": "KEY"}]);
    let mut grant = calls(&[]);
    ["clock_time_get", "clock_res_get"]
        .iter()
        .for_each(|name| grant.calls.remove(plug_abi::call_number(name)));
    assert_eq!(
        answers(Abi::V0_2_1, grant, steps.clone()),
        ["clock -> false", "environment KEY -> None"]
    );
    let mut grant = calls(&[]);
    grant.calls.add_wasi("environment").unwrap();
    grant.environment = ["KE*"].into_iter().collect();
    assert_eq!(
        answers(Abi::V0_2_1, grant, steps),
        ["clock -> true", r#"environment KEY -> Some("value")"#]
    );
}
