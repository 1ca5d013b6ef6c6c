//! What is told, and what is hidden in it.

use super::head;
use crate::configuration::Configuration;
use crate::discretion::Discretion;
use crate::echo::echo;
use crate::trace::Trace;

fn discretion() -> Discretion {
    Discretion::new(&[String::from("x-tenant-pin")]).unwrap()
}

#[test]
fn values_of_secrets_are_hidden_by_their_names_and_by_their_form() {
    let table = [
        ("Authorization", "Bearer abc", "***"),
        ("cookie", "a=b", "***"),
        ("x-tenant-pin", "1234", "***"),
        ("X_Api_Key", "abc", "***"),
        ("password", "abc", "***"),
        ("x-phone", "13812345678", "138****5678"),
        ("x-forwarded-for", "203.0.113.9", "203.0.113.9"),
        (
            "referer",
            "https://a.example/?sk-a1b2c3d4e5f6a1b2c3d4e5f6",
            "https://a.example/?[REDACTED]",
        ),
        (
            ":path",
            "/a?token=abc&b=c&X-Amz-Signature=1&mail=alice@example.com",
            "/a?token=***&b=c&X-Amz-Signature=***&mail=a***@example.com",
        ),
        (":path", "/users/13812345678", "/users/138****5678"),
    ];
    for (name, value, expected) in table {
        assert_eq!(discretion().header(name, value.as_bytes()), expected, "{name}");
    }
}

#[test]
fn an_exchange_is_told_in_three_lines() {
    let mut trace = Trace::default();
    let request = head(&[
        (":method", "POST"),
        (":path", "/a?code=1"),
        (":authority", "api.example"),
        ("x-a", "b \"c\""),
        ("cookie", "d"),
    ]);
    assert_eq!(
        trace.begin(&request, &discretion(), 1_000_000_000),
        r#"request POST /a?code=*** to api.example, 2 headers of 15 bytes: x-a="b \"c\"" cookie="***""#
    );
    trace.request_piece(10, 1_001_000_000);
    trace.request_piece(5, 1_002_500_000);
    let response = head(&[(":status", "201"), ("content-type", "text/plain")]);
    assert_eq!(
        trace.answer(&response, &discretion(), 1_020_000_000),
        r#"response 201 after 20.0 ms, 1 headers of 22 bytes: content-type="text/plain""#
    );
    assert_eq!(trace.server_timing(), "request;dur=2.5, upstream;dur=17.5");
    trace.response_piece(7);
    let known = [("route", String::from("api")), ("tls", String::new())];
    assert_eq!(
        trace.end(&known, 1_030_100_000),
        "done after 30.1 ms: request 15 bytes in 2 pieces over 2.5 ms, response 7 bytes in 1 pieces over 10.1 ms; route api"
    );
    assert!(Trace::default().end(&[], 5).contains("no head of a response was seen"));
}

#[test]
fn a_line_has_an_end_whatever_came() {
    let long = "é".repeat(20_000);
    let line = Trace::default().begin(&head(&[("x-long", &long)]), &discretion(), 0);
    assert!(line.len() < 9_000, "{}", line.len());
}

#[test]
fn an_echo_shows_the_head_with_what_is_secret_hidden() {
    let request = head(&[
        (":method", "PUT"),
        (":path", "/debug?code=1"),
        ("x-a", "13812345678"),
        ("authorization", "x"),
    ]);
    let known = [("route", String::from("a")), ("tls", String::new())];
    let document: serde_json::Value = serde_json::from_str(&echo(&request, &known, &discretion())).unwrap();
    let expected = serde_json::json!({
        "method": "PUT",
        "scheme": null,
        "authority": null,
        "path": "/debug?code=***",
        "headers": [{"name": "x-a", "value": "138****5678"}, {"name": "authorization", "value": "***"}],
        "known": {"route": "a"},
    });
    assert_eq!(document, expected);
}

#[test]
fn only_the_key_opens_and_only_the_path_is_the_echo() {
    let configuration = Configuration::read(br#"{"key":"0123456789abcdef","echo_path":"/debug/echo"}"#).unwrap();
    assert!(configuration.opens(b"0123456789abcdef"));
    for wrong in [&b""[..], b"0123456789abcde", b"0123456789abcdeF", b"0123456789abcdef0"] {
        assert!(!configuration.opens(wrong));
    }
    assert!(configuration.is_echo("/debug/echo") && configuration.is_echo("/debug/echo?a=b"));
    assert!(!configuration.is_echo("/debug/echo/") && !configuration.is_echo("/debug"));
    assert!(
        !Configuration::read(br#"{"key":"0123456789abcdef"}"#)
            .unwrap()
            .is_echo("/")
    );
}
