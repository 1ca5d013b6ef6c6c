//! Upstreams by whatever name, and what is sent to Redis.

use plug_abi::Abi;
use plug_grant::{Grant, Redis};
use serde_json::{Value, json};

use super::{answers, calls, play_granted};

fn grant() -> Grant {
    Grant {
        upstreams: ["known"].into_iter().collect(),
        redis: Redis {
            commands: ["GET", "EVAL"].into_iter().collect(),
            keys: ["team:*"].into_iter().collect(),
            databases: ["2"].into_iter().collect(),
        },
        ..calls(&["http_call", "grpc_call", "redis"])
    }
}

fn http(upstream: &str, authority: &str) -> Value {
    json!({"op": "http_call", "upstream": upstream, "headers": [[":method", "GET"], [":path", "/"], [":authority", authority]]})
}

fn grpc(op: &str, upstream: Value) -> Value {
    json!({"op": op, "upstream": upstream, "service": "s", "method": "m"})
}

#[test]
fn callouts_reach_what_is_granted_by_whatever_name_and_nothing_else() {
    let steps = json!([
        http("known", "other"),
        http("alias", "x"),
        http("other", "known"),
        http("nobody", "known"),
        grpc("grpc_call", json!("known")),
        grpc("grpc_call", json!("other")),
        // A serialised `GrpcService` that names the upstream.
        grpc("grpc_stream", json!({"hex": "0a070a056f74686572"})),
        grpc("grpc_stream", json!({"hex": "0a070a056b6e6f776e"}))
    ]);
    let script = json!({ "request_headers": steps });
    play_granted(Abi::V0_2_1, grant(), &script, async |session| {
        session.start().await;
        session.exchange().await;
        let told = |line: &String| {
            line.split(" -> ")
                .nth(1)
                .map(|rest| rest.split(' ').next().unwrap_or("").to_owned())
        };
        let lines = crate::session::said_in("request_headers", &session.said());
        let statuses: Vec<String> = lines.iter().filter_map(told).collect();
        assert_eq!(statuses, ["0", "0", "2", "2", "0", "4", "4", "0"], "{lines:?}");
        let called: Vec<String> = session
            .world
            .http_calls
            .borrow()
            .iter()
            .map(|call| call.upstream.clone())
            .collect();
        assert_eq!(called, ["known", "alias"]);
        let called: Vec<String> = session
            .world
            .grpc_calls
            .borrow()
            .iter()
            .map(|(call, _)| call.upstream.clone())
            .collect();
        assert_eq!(called, ["known", "known"]);
    });
}

fn resp(words: &[&str]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()))
        .collect();
    format!("*{}\r\n{}", words.len(), words.concat())
}

/// What a step answered.
fn status(line: &str) -> u32 {
    let answer = line.split(" -> ").nth(1).unwrap();
    answer.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn redis_is_asked_one_granted_command_at_a_time_with_granted_keys() {
    let good = resp(&["get", "team:1"]);
    let queries = [
        (good.clone(), 0),
        (resp(&["GET", "other"]), 2),
        (resp(&["SET", "team:1", "x"]), 2),
        (resp(&["FLUSHALL"]), 2),
        (resp(&["SELECT", "1"]), 2),
        (resp(&["BLPOP", "team:1", "0"]), 2),
        (resp(&["COPY", "team:1", "team:2", "DB", "2"]), 2),
        (resp(&["SCRIPT", "DEBUG", "SYNC"]), 2),
        (resp(&["EVAL", "return redis.call('GET','other')", "1", "team:1"]), 2),
        // Pipelined, inline, cut off, and hidden in a value.
        (good.clone() + &resp(&["FLUSHALL"]), 2),
        (good.clone() + "FLUSHALL\r\n", 2),
        ("FLUSHALL\r\n".to_owned(), 2),
        ("*2\r\n$3\r\nGET\r\n$60\r\nteam:1\r\n".to_owned(), 2),
        (resp(&["GET", "team:\r\n*1\r\n$8\r\nFLUSHALL\r\n"]), 0),
        (String::new(), 2),
    ];
    let init = |upstream: &str| json!({"op": "redis_init", "upstream": upstream});
    let named = [
        "other",
        "other?db=1",
        "alias?db=2",
        "alias?db=1",
        "alias?x=2&db=3",
        "known",
    ];
    let mut steps: Vec<Value> = named.map(init).into();
    steps.extend(
        queries
            .iter()
            .map(|(query, _)| json!({"op": "redis_call", "upstream": "known", "query": query})),
    );
    steps.push(json!({"op": "redis_call", "upstream": "other", "query": good}));
    let script = json!({ "request_headers": steps });
    play_granted(Abi::V0_2_100, grant(), &script, async |session| {
        session.start().await;
        session.exchange().await;
        let lines = crate::session::said_in("request_headers", &session.said());
        let statuses: Vec<u32> = lines
            .iter()
            .filter(|line| line.starts_with("redis_"))
            .map(|line| status(line))
            .collect();
        let wanted: Vec<u32> = [2, 2, 0, 2, 2, 0]
            .into_iter()
            .chain(queries.iter().map(|(_, status)| *status))
            .chain([2])
            .collect();
        assert_eq!(statuses, wanted, "{lines:?}");
        let sent: Vec<String> = session
            .world
            .redis_calls
            .borrow()
            .iter()
            .map(|(_, query)| String::from_utf8_lossy(query).into_owned())
            .collect();
        assert_eq!(sent, [queries[0].0.clone(), queries[13].0.clone()]);
    });
}

#[test]
fn the_endpoint_of_an_exchange_is_chosen_only_where_it_is_granted() {
    let script = json!({"request_headers": [{"op": "set_upstream_override_host", "address": "127.0.0.1:1"}]});
    for (words, is_chosen) in [(&["http_call"][..], false), (&["upstream_hosts"], true)] {
        play_granted(Abi::V0_2_100, calls(words), &script, async |session| {
            session.start().await;
            let stream = session.exchange().await;
            assert_eq!(
                stream.context().exchange.endpoint_override.borrow().is_some(),
                is_chosen
            );
        });
    }
    assert_eq!(
        answers(Abi::V0_2_100, calls(&[]), json!([{"op": "get_upstream_hosts"}])),
        ["get_upstream_hosts -> 1"]
    );
}
