//! Other names of a header or a property that may not be read or written.

use plug_abi::Abi;
use plug_abi::property::PropertyValue;
use plug_grant::{Access, Grant, Names};
use serde_json::{Value, json};

use super::{answers, calls, play_granted};
use crate::session::said_in;

fn access(read: &[&str], write: &[&str]) -> Access {
    Access {
        read: read.iter().copied().collect(),
        write: write.iter().copied().collect(),
    }
}

fn header(key: &str) -> Value {
    json!({"op": "get_request_header", "key": key})
}

#[test]
fn the_case_of_a_header_is_no_way_round() {
    let grant = || Grant {
        request_headers: access(&["x-one"], &["x-one"]),
        ..calls(&["map"])
    };
    let keys = [
        "x-two",
        "X-TWO",
        "X-two",
        "x-Two",
        "x-two ",
        " x-two",
        "x-two\0",
        "x_two",
        "x\u{2d}two",
    ];
    let lines = answers(Abi::V0_2_1, grant(), keys.iter().map(|key| header(key)).collect());
    assert!(lines.iter().all(|line| line == "get_request_header -> 1"), "{lines:?}");
    let lines = answers(Abi::V0_2_1, grant(), json!([header("X-ONE")]));
    assert_eq!(lines, [r#"get_request_header -> 0 value="1""#]);
    let writes: Vec<Value> = keys
        .iter()
        .flat_map(|key| {
            ["add", "replace"].map(|op| json!({"op": format!("{op}_request_header"), "key": key, "value": "evil"}))
        })
        .chain(
            keys.iter()
                .map(|key| json!({"op": "remove_request_header", "key": key})),
        )
        .collect();
    unchanged(grant(), &json!(writes));
}

/// No step changes the request's head.
fn unchanged(grant: Grant, steps: &Value) {
    let script = json!({ "request_headers": steps });
    play_granted(Abi::V0_2_1, grant, &script, async |session| {
        session.start().await;
        let stream = session.exchange().await;
        let head = stream.context().exchange.request.borrow();
        let before = crate::session::request();
        assert_eq!(
            (&head.headers, &head.path, &head.method),
            (&before.headers, &before.path, &before.method)
        );
        assert_eq!((&head.authority, &head.scheme), (&before.authority, &before.scheme));
    });
}

#[test]
fn the_first_line_of_a_request_is_changed_only_where_it_is_granted() {
    let grant = Grant {
        request_headers: access(&["*"], &["x-*"]),
        ..calls(&["map"])
    };
    let names = [":path", ":method", ":authority", ":scheme", "host", "Host", "HOST"];
    let steps: Vec<Value> = names
        .iter()
        .flat_map(|key| ["add", "replace"].map(|op| json!({"op": format!("{op}_request_header"), "key": key, "value": "/evil"})))
        .chain([json!({"op": "remove_request_header", "key": "host"})])
        .chain([json!({"op": "set_request_headers", "pairs": [[":path", "/evil"], [":authority", "evil"], ["host", "evil"]]})])
        .collect();
    let script = json!({ "request_headers": steps });
    play_granted(Abi::V0_2_1, grant, &script, async |session| {
        session.start().await;
        let stream = session.exchange().await;
        let head = stream.context().exchange.request.borrow();
        assert_eq!(
            (head.path.as_str(), head.authority.as_ref().unwrap().as_bytes()),
            ("/path?query=1", &b"example.org"[..])
        );
    });
}

#[test]
fn no_property_shows_a_header_that_may_not_be_read() {
    let grant = Grant {
        request_headers: access(&["x-one"], &[]),
        properties: access(&["*"], &[]),
        ..calls(&["property", "foreign"])
    };
    let paths = [
        json!(["request", "headers", "x-two"]),
        json!(["request", "headers", "X-Two"]),
        json!(["request", "path"]),
        json!(["request", "url_path"]),
        json!(["request", "query"]),
        json!(["request", "host"]),
        json!(["request", "method"]),
        json!(["request", "useragent"]),
        json!(["request", "referer"]),
        json!(["request", "id"]),
        json!(["x_request_id"]),
        json!(["response", "code"]),
    ];
    let steps: Vec<Value> = paths
        .iter()
        .map(|path| json!({"op": "get_property", "path": path}))
        .collect();
    let script =
        json!({"request_headers": steps, "log": [{"op": "get_property", "path": ["request", "headers"], "as": "map"}]});
    play_granted(Abi::V0_2_1, grant, &script, async |session| {
        let known = [
            "request.headers.x-two",
            "request.headers.X-Two",
            "request.path",
            "request.url_path",
            "request.query",
            "request.host",
            "request.method",
            "request.useragent",
            "request.referer",
            "request.id",
            "x_request_id",
            "response.code",
        ];
        for path in known {
            session
                .world
                .properties
                .borrow_mut()
                .insert(path.to_owned(), PropertyValue::fixed("secret"));
        }
        let pair = |name: &'static str, value: &'static str| {
            (
                bytes::Bytes::from_static(name.as_bytes()),
                bytes::Bytes::from_static(value.as_bytes()),
            )
        };
        let map = PropertyValue::Map(vec![pair("x-one", "1"), pair("x-two", "secret")]);
        session
            .world
            .properties
            .borrow_mut()
            .insert("request.headers".to_owned(), map);
        session.start().await;
        session.exchange().await;
        let lines = session.said();
        assert_eq!(said_in("request_headers", &lines), ["get_property -> 1"; 12]);
        let whole = said_in("log", &lines);
        assert!(whole[0].contains("x-one") && !whole[0].contains("secret"), "{whole:?}");
    });
}

#[test]
fn the_status_of_grpc_is_read_with_the_right_to_each_place_where_it_may_stand() {
    let script = json!({"log": [{"op": "get_property", "path": ["response", "grpc_status"], "as": "int"}]});
    let places = [
        (&["grpc-status"][..], &[][..], false),
        (&[], &["grpc-status", ":status"], false),
        (&["grpc-status"], &["grpc-status"], false),
        (&["grpc-status"], &["grpc-status", ":status"], true),
    ];
    for (trailers, headers, is_read) in places {
        let grant = Grant {
            trailers: access(trailers, &[]),
            response_headers: access(headers, &[]),
            properties: access(&["*"], &[]),
            ..calls(&["property"])
        };
        play_granted(Abi::V0_2_1, grant, &script, async |session| {
            let status = ("response.grpc_status".to_owned(), PropertyValue::Int(5));
            session.world.properties.borrow_mut().extend([status]);
            session.start().await;
            session.exchange().await;
            let lines = said_in("log", &session.said());
            let status = if is_read {
                "get_property -> 0"
            } else {
                "get_property -> 1"
            };
            assert!(lines[0].starts_with(status), "{trailers:?} {headers:?}: {lines:?}");
        });
    }
}

#[test]
fn other_names_of_a_property_are_the_property() {
    let grant = Grant {
        properties: access(&["colour", "route_name"], &["colour"]),
        ..calls(&["property"])
    };
    let get = |path: Value| json!({"op": "get_property", "path": path});
    let steps = json!([
        {"op": "set_property", "path": ["colour"], "value": "red"},
        {"op": "set_property", "path": ["shape"], "value": "round"},
        {"op": "set_property", "path": ["clear_route_cache"], "value": "off"},
        get(json!(["filter_state", "wasm.colour"])), get(json!(["filter_state", "wasm.shape"])), get(json!(["shape"])),
        get(json!(["xds", "cluster_name"])), get(json!(["cluster_name"])), get(json!(["colour"]))
    ]);
    let script = json!({ "request_headers": steps });
    play_granted(Abi::V0_2_1, grant, &script, async |session| {
        for path in ["xds.cluster_name", "cluster_name"] {
            session
                .world
                .properties
                .borrow_mut()
                .insert(path.to_owned(), PropertyValue::fixed("secret"));
        }
        session.start().await;
        let stream = session.exchange().await;
        let lines = said_in("request_headers", &session.said());
        assert_eq!(lines[..3], ["set_property -> 0"; 3]);
        let (red, none) = (r#"get_property -> 0 value="red""#, "get_property -> 1");
        assert_eq!(lines[3..], [red, none, none, none, none, red]);
        let exchange = &stream.context().exchange;
        assert!(!exchange.route_pinned.get() && exchange.state.borrow().len() == 1);
    });
    assert!(Names::all().is_all());
}
