//! What plugins share or keep: shared data, queues, metrics, timers, foreign functions, effective contexts.

use serde_json::{Value, json};
use testkit::client::Request;

use crate::case::{Case, Plugin};

pub(super) fn cases() -> Vec<Case> {
    let mut all = data();
    all.extend(queues());
    all.extend(metrics());
    all.extend(others());
    all
}

fn twice(case: Case) -> Case {
    case.send(Request::get("/")).send(Request::get("/"))
}

fn data() -> Vec<Case> {
    let set = |key: &str, value: &str| json!({"op": "set_shared_data", "key": key, "value": value});
    let get = |key: &str| json!({"op": "get_shared_data", "key": key});
    vec![
        Case::new("shared-data", json!({"request_headers": [
            get("k"), set("k", "1"), get("k"), set("k", ""), get("k"), get("other"), set("", "empty"), get("")]})),
        twice(Case::new("shared-data-across-requests", json!({"request_headers": [get("k"), set("k", "kept")]}))),
        Case::new("shared-data-cas", json!({"request_headers": [
            {"op": "set_shared_data", "key": "c", "value": "1", "cas": 55},
            {"op": "get_shared_data", "key": "c", "save": {"cas": "seen"}},
            {"op": "set_shared_data", "key": "c", "value": "2", "cas": "${seen}"},
            {"op": "set_shared_data", "key": "c", "value": "3", "cas": "${seen}"},
            get("c")]})),
        Case::with("shared-data-of-one-vm-id", vec![
            Plugin::probe(json!({"request_headers": [set("k", "from a")]})).vm_id("shared-vm-1").root_id("one"),
            Plugin::probe(json!({"request_headers": [get("k")]})).vm_id("shared-vm-1").root_id("two")]),
        Case::with("shared-data-of-two-vm-ids", vec![
            Plugin::probe(json!({"request_headers": [set("k", "from a")]})).vm_id("shared-vm-2"),
            Plugin::probe(json!({"request_headers": [get("k")]})).vm_id("shared-vm-3")]),
        Case::with("one-vm-two-roots", vec![
            Plugin::probe(json!({"request_headers": [{"op": "set", "name": "x", "value": "1", "scope": "root"}, {"op": "log", "text": "${x} ${self}"}]})).vm_id("shared-vm-4").root_id("one"),
            Plugin::probe(json!({"request_headers": [{"op": "log", "text": "${x} ${self}"}]})).vm_id("shared-vm-4").root_id("two")]),
    ]
}

fn queues() -> Vec<Case> {
    let queue = |name: &str| json!({"op": "register_shared_queue", "name": name, "save": {"queue": "q"}});
    let take = || json!({"op": "dequeue_shared_queue", "queue": "${q}"});
    let put = |value: &str| json!({"op": "enqueue_shared_queue", "queue": "${q}", "value": value});
    vec![
        Case::new("queue", json!({"request_headers": [queue("q"), take(), put("one"), put("two"), put(""), take(), take(), take(), take()]})),
        Case::new("queue-unknown", json!({"request_headers": [
            {"op": "resolve_shared_queue", "vm_id": "nobody", "name": "q"}, {"op": "resolve_shared_queue", "vm_id": "", "name": "q"},
            {"op": "enqueue_shared_queue", "queue": 0, "value": "x"}, {"op": "dequeue_shared_queue", "queue": 0},
            {"op": "enqueue_shared_queue", "queue": 99999, "value": "x"}, {"op": "dequeue_shared_queue", "queue": 99999}]})),
        Case::new("queue-resolved", json!({"request_headers": [queue("q"),
            {"op": "resolve_shared_queue", "vm_id": "queue-resolved.a", "name": "q", "save": {"queue": "r"}},
            {"op": "resolve_shared_queue", "vm_id": "", "name": "q"},
            {"op": "enqueue_shared_queue", "queue": "${r}", "value": "x"}, take()]})),
        Case::new("queue-ready", json!({
            "request_headers": [{"op": "set_effective_context", "context": "${root}"}, {"op": "register_shared_queue", "name": "q", "save": {"queue": "q"}},
                {"op": "set", "name": "rq", "value": "${q}", "scope": "root"}, put("one")],
            "queue_ready": [{"op": "dequeue_shared_queue", "queue": "${rq}"}, {"op": "dequeue_shared_queue", "queue": "${rq}"}]}))
            .send(Request::get("/")),
    ]
}

fn metrics() -> Vec<Case> {
    let define = |kind: &str, name: &str| json!({"op": "define_metric", "type": kind, "name": name, "save": "m"});
    let get = || json!({"op": "get_metric", "metric": "${m}"});
    let add = |offset: i64| json!({"op": "increment_metric", "metric": "${m}", "offset": offset});
    let record = |value: i64| json!({"op": "record_metric", "metric": "${m}", "value": value});
    vec![
        Case::new(
            "metric-counter",
            json!({"request_headers": [define("counter", "parity_counter"), get(), add(2), add(3), get(), add(0), add(-1), get(), record(7), get()]}),
        ),
        Case::new(
            "metric-gauge",
            json!({"request_headers": [define("gauge", "parity_gauge"), get(), record(5), get(), add(3), add(-6), get(), record(-1), get()]}),
        ),
        Case::new(
            "metric-histogram",
            json!({"request_headers": [define("histogram", "parity_histogram"), record(5), get(), add(1)]}),
        ),
        Case::new(
            "metric-unknown",
            json!({"request_headers": [
            {"op": "get_metric", "metric": 4000}, {"op": "record_metric", "metric": 4001, "value": 1}, {"op": "increment_metric", "metric": 4002, "offset": 1},
            {"op": "get_metric", "metric": 4003}, {"op": "define_metric", "type": 9, "name": "bad"}, {"op": "define_metric", "type": 0, "name": ""}]}),
        ),
        Case::new(
            "metric-defined-twice",
            json!({"request_headers": [define("counter", "parity_twice"), add(1), define("counter", "parity_twice"), add(1), get()]}),
        ),
        twice(Case::new(
            "metric-across-requests",
            json!({"request_headers": [define("counter", "parity_across"), add(1), get()]}),
        )),
    ]
}

/// Texts that both read, with one value each.
const EXPRESSIONS: &[&str] = &[
    "request.method == 'GET'",
    "request.path",
    "request.url_path.startsWith('/')",
    "request.headers['x-nothing']",
    "has(request.headers.nothing)",
    "'x-nothing' in request.headers",
    "request.size",
    "request.nothing",
    "nothing",
    "request",
    "has(nothing.at)",
    "true || nothing",
    "response.code",
    "source.port > 0",
    "destination.port == source.port",
    "connection.mtls",
    "plugin_name",
    "mine",
    "mine == b'v'",
    "'a' + 'b'",
    "1 + 2 * 3",
    "7 % 4u",
    "3u",
    "0.5",
    "1 == 1.0",
    "1 / 0",
    "9223372036854775807 + 1",
    "-5 / 2",
    "b'a\\xff'",
    "duration('1h1.5s')",
    "timestamp('2023-11-14T22:13:20.5Z')",
    "timestamp(0).getFullYear()",
    "timestamp('2023-11-14T22:13:20Z').getHours('+05:30')",
    "timestamp('2023-11-14T22:13:20Z') - duration('1s')",
    "[1, 2, 3].map(x, x * 2)[1]",
    "[1, 2, 3].filter(x, x > 1)",
    "[1, 2, 3].exists_one(x, x == 2)",
    "[0, 1].exists(x, 1 / x == 1)",
    "['a', 'b'].all(x, x.matches('[ab]'))",
    "{'a': 1}",
    "{'a': 1}['b']",
    "{'a': 1}.a",
    "[]",
    "''",
    "null",
    "type(1)",
    "type(1) == int",
    "size('\u{e4}b')",
    "'abc'.contains('b') && 'abc'.endsWith('c')",
    "string(12)",
    "int('12') + int(3.9)",
    "double('1.5')",
    "uint(7)",
    "string(b'ab')",
    "bytes('ab')",
    "true ? 'y' : 'n'",
    "1 in [1, 2]",
    "'a' < 'b'",
    "!true",
    "-(-1)",
    "dyn(1)",
    "request.path.matches('^/.*')",
    "matches('abc', 'b')",
    "[1] + [2]",
    "[1, 'a', [2]]",
    "request.headers.exists(n, n == ':method')",
    "size(request.headers) > 0",
    "request.headers['X-Nothing']",
    "request.headers['USER-AGENT']",
    "has(request.headers)",
    "has(request)",
    "metadata",
    "int(timestamp(5))",
    "timestamp(1) > timestamp(0)",
    "bool('true')",
    "{1: 1, 1: 2}",
    "[1, 2] == [1.0, 2.0]",
    "1 < 1.5",
    "'a'.size()",
    "'a'.matches('(')",
    "[1, 2].map(x, x > 1, x)",
    "timestamp('9999-01-01T00:00:00Z')",
    "duration('1s') + duration('1ms')",
    "duration('90m').getHours()",
    "string(1.5)",
    "string(timestamp(1))",
    "filter_state['wasm.mine']",
    "filter_state.mine",
    "request.time > timestamp(0)",
    "connection.id > 0u",
    "request.protocol",
    "request.host == request.headers[':authority']",
    "source.address.contains(':')",
    "plugin_root_id",
    "plugin_vm_id",
    "{}",
    "{'a': [1]}",
    "[null]",
    "1 == 'a'",
    "mine == 'v'",
    "mine.size()",
    "mine + b'w'",
    "double('NaN') == double('NaN')",
    "0.0 / 0.0",
    "1.0 / 0.0",
    "int('x')",
    "int(1e300)",
    "uint(-1)",
    "'a' in {'a': 1}",
    "[1][1]",
    "[1][0.0]",
    "!1",
    "true && 1",
    "'\u{e4}'.size()",
    "string(b'\\xff')",
    "duration('x')",
    "request.headers.all(n, true)",
    "'a' > 1",
    "null == 1",
    "{'a': null}.a == null",
    "dyn([1])[0]",
    "-9223372036854775808",
    "'a\\u00e4'",
    "'''a'b'''",
    "r'\\d'",
    "1 - - 1",
    "timestamp(0).getDayOfWeek()",
    "upstream.address",
    "xds.route_name",
    "node",
    "1 +",
    "",
    "unknown(1)",
    "'a",
    "a.b(1)",
    "1 1",
    "@x",
    "a.?b",
    "has(1)",
];

/// Texts of which the two make something different.
const EXPRESSIONS_APART: &[&str] = &[
    "string(duration('1.5s'))",
    "timestamp(0).getMonth('Europe/Berlin')",
    "'a'.matches('\\\\w{500}')",
    "google.protobuf.Duration{seconds: 1}",
];

/// Each is created and evaluated; where one cannot be created, the token before it is deleted a second time.
fn expressions(texts: &[&str]) -> Vec<Value> {
    let with = |name: &str, arguments: Value| json!({"op": "call_foreign_function", "name": name, "arguments": arguments, "as": "hex"});
    let mut steps = vec![json!({"op": "set_property", "path": ["mine"], "value": "v"})];
    for text in texts {
        steps.push(json!({"op": "call_foreign_function", "name": "expr_create", "arguments": text, "as": "hex", "save": "token"}));
        steps.push(with("expr_evaluate", json!("${token}")));
        steps.push(with("expr_delete", json!("${token}")));
    }
    steps.push(with("expr_evaluate", json!("abc")));
    steps.push(with("expr_delete", json!("abc")));
    steps
}

fn others() -> Vec<Case> {
    let foreign = |name: &str, arguments: Value| json!({"op": "call_foreign_function", "name": name, "arguments": arguments, "as": "hex"});
    vec![
        Case::new("tick", json!({
            "request_headers": [{"op": "set", "name": "stream", "value": "${self}", "scope": "root"}, {"op": "set_effective_context", "context": "${root}"},
                {"op": "set_tick_period_milliseconds", "period": 10}, {"op": "return", "action": "pause"}],
            "tick": [{"op": "get_request_headers"},
                {"op": "set_tick_period_milliseconds", "period": 0, "when": {"saved": "seen", "is": "3"}},
                {"op": "set_effective_context", "context": "${stream}", "when": {"saved": "seen", "is": "3"}},
                {"op": "continue_request", "when": {"saved": "seen", "is": "3"}}]})),
        Case::new("tick-from-a-stream", json!({
            "request_headers": [{"op": "set", "name": "stream", "value": "${self}", "scope": "root"}, {"op": "set_tick_period_milliseconds", "period": 10}, {"op": "return", "action": "pause"}],
            "tick": [{"op": "set_tick_period_milliseconds", "period": 0}, {"op": "set_effective_context", "context": "${stream}"}, {"op": "continue_request"}]})),
        Case::new("foreign-functions", json!({"request_headers": [
            foreign("unknown", json!("x")), foreign("clear_route_cache", json!("")), foreign("compress", json!("aaaaaaaaaaaaaaaaaaaaaaaa")), foreign("uncompress", json!("not zlib")),
            foreign("uncompress", json!({"hex": "789c4b4c4a4e494d4b0700094f026e"})),
            foreign("expr_create", json!("request.method == 'GET'")), foreign("expr_evaluate", json!({"u32": 1})), foreign("expr_delete", json!({"u32": 1})),
            foreign("declare_property", json!("")), foreign("set_envoy_filter_state", json!("")), foreign("verify_signature", json!("")), foreign("sign", json!("")),
            foreign("get_log_level", json!("")), foreign("", json!(""))]})),
        Case::new("expressions", json!({"request_headers": expressions(EXPRESSIONS)})),
        Case::new("expressions-apart", json!({"request_headers": expressions(EXPRESSIONS_APART)})),
        Case::new("effective-context", json!({"request_headers": [
            {"op": "set_effective_context", "context": 99999}, {"op": "set_effective_context", "context": 0},
            {"op": "set_effective_context", "context": "${root}"}, {"op": "get_request_headers"}, {"op": "add_request_header", "key": "x-root", "value": "1"},
            {"op": "get_property", "path": ["request", "method"]},
            {"op": "set_effective_context", "context": "${self}"}, {"op": "add_request_header", "key": "x-self", "value": "1"}]})),
        Case::new("done", json!({"request_headers": [{"op": "done"}], "done": [{"op": "return", "action": 0}], "log": [{"op": "done"}]})),
        Case::new("log-levels", json!({"request_headers": [
            {"op": "log", "level": "trace", "text": "t"}, {"op": "log", "level": "debug", "text": "d"}, {"op": "log", "level": "info", "text": "i"},
            {"op": "log", "level": "warn", "text": "w"}, {"op": "log", "level": "error", "text": "e"}, {"op": "log", "level": "critical", "text": "c"},
            {"op": "log", "level": 6, "text": "six"}, {"op": "log", "level": -1, "text": "minus"},
            {"op": "log", "text": "two\nlines"}, {"op": "log", "text": ""}, {"op": "print", "text": "printed\n"}, {"op": "eprint", "text": "to stderr\n"},
            {"op": "get_log_level"}]})),
        Case::with("environment", vec![Plugin::probe(json!({"request_headers": [{"op": "environment", "name": "MINE"}, {"op": "environment", "name": "PATH"}, {"op": "environment", "name": "HOME"}, {"op": "clock"}]}))
            .environment("MINE", "yes")]),
        Case::with("start", vec![Plugin::probe(json!({"configure": [{"op": "get_buffer_bytes", "buffer": 7}, {"op": "get_buffer_bytes", "buffer": 6}, {"op": "get_property", "path": ["plugin_root_id"]}]}))
            .vm_configuration(json!({"trace": true, "vm_start": [{"op": "get_buffer_bytes", "buffer": 6}, {"op": "get_buffer_bytes", "buffer": 7}, {"op": "get_property", "path": ["plugin_name"]}]}))
            .environment("PROBE", &json!({"trace": true, "initialize": [{"op": "log", "text": "in initialize"}], "root_create": [{"op": "get_property", "path": ["plugin_root_id"]}, {"op": "get_buffer_bytes", "buffer": 7}]}).to_string()).root_id("first")]),
        Case::new("memory-places", json!({"request_headers": [
            {"op": "get_header_map_value", "map": 0, "key": {"ptr": -1, "len": 5}}, {"op": "get_header_map_value", "map": 0, "key": {"ptr": 0, "len": -1}},
            {"op": "add_request_header", "key": {"ptr": 2_147_483_000, "len": 100}, "value": "x"},
            {"op": "set_request_headers", "pairs": {"ptr": -8, "len": 16}}, {"op": "set_request_headers", "pairs": {"hex": "ffffff7f00"}},
            {"op": "log", "text": {"ptr": -1, "len": 10}}, {"op": "get_request_headers", "show": false}]})),
        Case::new("map-malformed", json!({"response_headers": [
            {"op": "set_response_headers", "pairs": {"hex": "01000000ffffffff00000000"}}, {"op": "get_response_headers"}]})),
        Case::new("map-empty", json!({"request_headers": [{"op": "set_request_headers", "pairs": {"hex": "00"}}, {"op": "get_request_headers"}]})),
    ]
}
