//! What expressions give, with which properties, and what they may not be.

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use bytes::Bytes;
use plug_abi::Status;
use plug_abi::property::PropertyValue;
use proptest::prelude::*;

use super::{Expression, Expressions};
use crate::calls::property::Found;

mod hostile;

/// A request to `/a/b?c=1` with a few headers.
fn find(path: &[&[u8]]) -> Found {
    Found::Known(match path {
        [b"request" | b"response"] => return Found::Parts,
        [b"request", b"path"] => PropertyValue::fixed("/a/b?c=1"),
        [b"request", b"size"] => PropertyValue::Int(7),
        [b"request", b"time"] => PropertyValue::Timestamp(1_700_000_000_123_456_789),
        [b"request", b"duration"] => PropertyValue::Duration(1_500_000_000),
        [b"request", b"headers"] => PropertyValue::Map(vec![
            (Bytes::from("x-a"), Bytes::from("1")),
            (Bytes::from("x-b.c"), Bytes::from("2")),
        ]),
        [b"request", b"headers", b"x-a"] => PropertyValue::fixed("1"),
        [b"request", b"headers", b"x-b.c"] => PropertyValue::fixed("2"),
        [b"connection", b"mtls"] => PropertyValue::Bool(false),
        [b"connection", b"id"] => PropertyValue::Uint(9),
        [b"plugin_name"] => PropertyValue::fixed("p"),
        [b"mine"] => return Found::Set(Bytes::from("\u{1}\u{2}")),
        _ => return Found::Absent,
    })
}

fn evaluate(text: &str) -> Result<Bytes, Status> {
    Expression::parse(text).ok_or(Status::BadArgument)?.evaluate(&find)
}

#[track_caller]
fn is(text: &str, value: PropertyValue) {
    assert_eq!(evaluate(text), Ok(value.encode()), "{text}");
}

#[track_caller]
fn holds(text: &str) {
    is(text, PropertyValue::Bool(true));
}

#[track_caller]
fn fails(text: &str, status: Status) {
    assert_eq!(evaluate(text), Err(status), "{text}");
}

#[test]
fn results_are_written_like_properties() {
    is("'a' + 'b'", PropertyValue::fixed("ab"));
    is("b'a\\xff'", PropertyValue::Bytes(Bytes::from_static(b"a\xff")));
    is("1 + 2", PropertyValue::Int(3));
    is("3u", PropertyValue::Uint(3));
    is("0.5", PropertyValue::Double(0.5));
    holds("true");
    is("duration('1.5s')", PropertyValue::Duration(1_500_000_000));
    is(
        "timestamp('1970-01-01T00:00:01Z')",
        PropertyValue::Timestamp(1_000_000_000),
    );
    is("timestamp('9999-01-01T00:00:00Z')", PropertyValue::Timestamp(i64::MAX));
    is(
        "['a', 'b']",
        PropertyValue::List(vec![Bytes::from("a"), Bytes::from("b")]),
    );
    is(
        "{'a': 1}",
        PropertyValue::Map(vec![(Bytes::from("a"), PropertyValue::Int(1).encode())]),
    );
    is("[]", PropertyValue::List(vec![]));
    is("''", PropertyValue::fixed(""));
    fails("null", Status::SerializationFailure);
    fails("type(1)", Status::SerializationFailure);
    fails("[null]", Status::SerializationFailure);
}

#[test]
fn properties_are_found_by_their_names() {
    is("request.path", PropertyValue::fixed("/a/b?c=1"));
    is("request['path']", PropertyValue::fixed("/a/b?c=1"));
    is("request.size", PropertyValue::Int(7));
    is("connection.id", PropertyValue::Uint(9));
    is("request.time", PropertyValue::Timestamp(1_700_000_000_123_456_789));
    is("request.duration", PropertyValue::Duration(1_500_000_000));
    is("plugin_name", PropertyValue::fixed("p"));
    is("mine", PropertyValue::fixed("\u{1}\u{2}"));
    holds("mine == b'\\x01\\x02'");
    holds("request.headers['x-a'] == '1' && request.headers['x-b.c'] == '2'");
    holds("request.path.startsWith('/a') && !connection.mtls && size(request.headers) == 2");
    holds("request.time < timestamp('2100-01-01T00:00:00Z') && request.time.getFullYear() == 2023");
    holds("['x-a', 'x-b.c'].all(name, name in request.headers)");
    holds("request.headers.exists(name, name == 'x-a' && request.headers[name] == '1')");
    holds("type(request.size) == int && type(request.path) == string");
}

#[test]
fn what_is_absent_fails_only_where_it_is_needed() {
    fails("request.nothing", Status::InternalFailure);
    fails("nothing", Status::InternalFailure);
    fails("nothing.at.all == 1", Status::InternalFailure);
    fails("request", Status::SerializationFailure);
    fails("request == 1", Status::InternalFailure);
    holds("true || nothing");
    holds("has(request.path) && has(request.headers) && !has(request.nothing)");
    holds("has(request.headers.nothing) ? false : true");
    fails("has(nothing.at)", Status::InternalFailure);
    holds("request.size == 7 ? true : nothing");
}

#[test]
fn variables_of_macros_hide_properties() {
    is("[1, 2].map(request, request + 1)[1]", PropertyValue::Int(3));
    holds("[1].all(plugin_name, plugin_name == 1 && .plugin_name == 'p')");
    is("[[1], [2, 3]].map(x, x.map(y, y * 2))[1][1]", PropertyValue::Int(6));
    is("[1, 2, 3].filter(x, x > 1)[0]", PropertyValue::Int(2));
    is("[1, 2, 3].map(x, x > 1, x * 10)[1]", PropertyValue::Int(30));
    holds("[1, 2, 3].exists_one(x, x == 2)");
    holds("[1, 0].exists(x, 1 / x == 1)");
    holds("{'a': 1}.all(k, k == 'a')");
}

#[test]
fn matches_finds_a_pattern_anywhere_and_refuses_large_ones() {
    holds("request.path.matches('^/a/[a-z]')");
    holds("matches(request.path, 'b.c')");
    holds("!request.path.matches('^b')");
    fails("'a'.matches('(')", Status::InternalFailure);
    fails("'a'.matches(1)", Status::InternalFailure);
    fails(r"'a'.matches('\\w{500}')", Status::InternalFailure);
    fails(&format!("'a'.matches('{}')", "a".repeat(300)), Status::InternalFailure);
}

#[test]
fn what_is_not_offered_cannot_be_made() {
    for text in [
        "",
        "1 +",
        "f(1)",
        "a.b(1)",
        "google.protobuf.Duration{seconds: 1}",
        "a.?b",
        "[?a]",
        "optional.of(1)",
        "@meter(1)",
        "`a`",
        "size.of(1)",
        "_+_(1, 2)",
        "[1].map(x.y, x)",
        "has(1)",
        "if",
        "1 1",
        "\u{e9}",
        "'a",
        "base64.encode(b'a')",
    ] {
        fails(text, Status::BadArgument);
    }
}

#[test]
fn errors_of_an_evaluation_are_failures() {
    for text in [
        "1 / 0",
        "1 % 0",
        "9223372036854775807 + 1",
        "-(-9223372036854775807 - 1)",
        "0u - 1u",
        "'a' + 1",
        "[1][1]",
        "{}['a']",
        "int('x')",
        "duration('9999999999h')",
        "timestamp('x')",
        "timestamp('9999-12-31T23:59:59Z') + duration('1h')",
        "string(b'\\xff')",
        "timestamp(0).getHours('Nowhere/X')",
        "{1: 1, 1: 2}",
        "1 < 'a'",
        "int(1e300)",
        "'a'.size(1)",
    ] {
        fails(text, Status::InternalFailure);
    }
}

fn parsed(text: &str) -> Expression {
    Expression::parse(text).unwrap()
}

#[test]
fn tokens_count_up_for_each_root_context() {
    let mut expressions = Expressions::default();
    assert_eq!(expressions.keep(1, parsed("1")), Some(0));
    assert_eq!(expressions.keep(2, parsed("2")), Some(0));
    assert_eq!(expressions.keep(1, parsed("3")), Some(1));
    expressions.remove(1, 0);
    assert!(expressions.get(1, 0).is_none() && expressions.get(2, 0).is_some());
    assert_eq!(expressions.keep(1, parsed("4")), Some(2), "a token is not given twice");
    expressions.forget(1);
    assert!(expressions.get(1, 1).is_none() && expressions.get(2, 0).is_some());
}

#[test]
fn expressions_are_bounded_by_number_and_by_text() {
    let mut expressions = Expressions::default();
    let kept = (0..2_000)
        .filter(|_| expressions.keep(1, parsed("1")).is_some())
        .count();
    assert_eq!(kept, 1_024);
    expressions.forget(1);
    let text = format!("'{}'", "x".repeat(4_000));
    let kept = (0..2_000)
        .filter(|_| expressions.keep(1, parsed(&text)).is_some())
        .count();
    assert_eq!(kept, 16);
    expressions.remove(1, 0);
    assert!(
        expressions.keep(1, parsed(&text)).is_some(),
        "what is deleted makes room"
    );
}
