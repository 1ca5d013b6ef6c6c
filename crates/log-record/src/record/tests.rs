//! Golden lines of the access log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use expect_test::{Expect, expect};

use super::*;

fn check(record: &Record<'_>, golden: &Expect) {
    let mut out = Vec::new();
    record.write_json(&mut out);
    let line = String::from_utf8(out).unwrap();
    let value: serde_json::Value = serde_json::from_str(&line).expect("the line is no JSON");
    for key in value.as_object().unwrap().keys() {
        assert!(
            field::ALL.iter().any(|field| field.name == key),
            "`{key}` is not in the table"
        );
    }
    golden.assert_eq(&line);
}

fn moment() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_793_257_689_123_456)
}

fn full() -> Record<'static> {
    Record {
        time: moment(),
        request_id: b"7f1c"[..].into(),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        span_id: "00f067aa0ba902b7".into(),
        listener: "web".into(),
        route: "api".into(),
        method: b"POST"[..].into(),
        scheme: "https".into(),
        authority: b"shop.example:8443"[..].into(),
        path: b"/orders/7?dry=1&x=\"?\""[..].into(),
        protocol: Protocol::Http2,
        status: Some(503),
        flags: "UF,URX".into(),
        details: "upstream.connect_timeout".into(),
        request_bytes: 1024,
        response_bytes: 91,
        duration: Duration::from_micros(5_012_345),
        upstream: "orders".into(),
        endpoint: Some("[2001:db8::1]:9001".parse().unwrap()),
        upstream_duration: Some(Duration::from_micros(5_000_001)),
        client: Some("203.0.113.9".parse().unwrap()),
        user_agent: b"curl/8 \xff\x07"[..].into(),
        plugins: vec![
            PluginVerdict {
                plugin: "auth".into(),
                verdict: "paused".into(),
            },
            PluginVerdict {
                plugin: "mask".into(),
                verdict: "plugin.slice_exceeded".into(),
            },
        ]
        .into(),
        custom: vec![CustomField {
            name: "tenant".into(),
            value: b"a\nb"[..].into(),
        }]
        .into(),
    }
}

#[test]
fn a_full_record_carries_every_field_in_the_order_of_the_table() {
    check(
        &full(),
        &expect![[
            r#"{"timestamp":"2026-10-29T07:08:09.123456Z","request_id":"7f1c","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","cofferdam.listener":"web","cofferdam.route":"api","http.request.method":"POST","url.scheme":"https","http.request.authority":"shop.example:8443","url.path":"/orders/7","url.query":"dry=1&x=\"?\"","network.protocol.version":"2","http.response.status_code":503,"cofferdam.response_flags":"UF,URX","cofferdam.response_details":"upstream.connect_timeout","http.request.body.size":1024,"http.response.body.size":91,"cofferdam.duration_ms":5012.345,"cofferdam.upstream":"orders","cofferdam.endpoint":"[2001:db8::1]:9001","cofferdam.upstream_duration_ms":5000.001,"client.address":"203.0.113.9","user_agent.original":"curl/8 �\u0007","cofferdam.plugins":[{"plugin":"auth","verdict":"paused"},{"plugin":"mask","verdict":"plugin.slice_exceeded"}],"cofferdam.fields":{"tenant":"a\nb"}}"#
        ]],
    );
    let mut out = Vec::new();
    full().write_json(&mut out);
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let table: Vec<&str> = field::ALL
        .iter()
        .map(|field| field.name)
        .filter(|name| ![field::DROPPED.name, field::SANDBOX.name].contains(name))
        .collect();
    assert_eq!(keys, table);
}

#[test]
fn what_is_absent_is_left_out() {
    check(
        &Record {
            time: moment(),
            listener: "raw".into(),
            protocol: Protocol::Tcp,
            ..Record::default()
        },
        &expect![[
            r#"{"timestamp":"2026-10-29T07:08:09.123456Z","cofferdam.listener":"raw","network.protocol.version":"tcp","http.request.body.size":0,"http.response.body.size":0,"cofferdam.duration_ms":0.000}"#
        ]],
    );
}

#[test]
fn a_gap_line_counts_what_was_lost() {
    let mut out = Vec::new();
    write_gap(moment(), 17, &mut out);
    expect![[r#"{"timestamp":"2026-10-29T07:08:09.123456Z","cofferdam.records_dropped":17}"#]]
        .assert_eq(std::str::from_utf8(&out).unwrap());
}

#[test]
fn names_of_fields_are_unique() {
    for (index, field) in field::ALL.iter().enumerate() {
        assert!(
            field::ALL[index + 1..].iter().all(|other| other.name != field.name),
            "`{}` twice",
            field.name
        );
        assert_eq!(field.key, format!("\"{}\":", field.name));
    }
}
