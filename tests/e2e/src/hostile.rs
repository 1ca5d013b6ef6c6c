//! Clients that send what RFC 9112 forbids: refused, closed, and nothing of it goes upstream.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testkit::client::{Request, Version, send, send_bytes};
use testkit::fields::text;

use crate::setting::{backend, forwarding_to, gateway, get};

/// How long a closed connection is waited for; a connection that stays open costs a test this much and fails it.
const SILENCE: Duration = Duration::from_secs(10);

/// What is wrong, the bytes, the status.
fn table() -> Vec<(&'static str, String, u16)> {
    let big = format!("GET / HTTP/1.1\r\nhost: a\r\nx-big: {}\r\n\r\n", "b".repeat(70 << 10));
    let many: String = (0..120).map(|number| format!("x-{number}: v\r\n")).collect();
    let head = |lines: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
    let chunked = |body: &str| head("transfer-encoding: chunked\r\n") + body;
    vec![
        ("headers too large", big, 431),
        (
            "too many headers",
            format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"),
            431,
        ),
        ("a chunk size that is no number", chunked("zz\r\nab\r\n0\r\n\r\n"), 400),
        (
            "a chunk size that is too large",
            chunked("fffffffffffffffff\r\nab\r\n0\r\n\r\n"),
            400,
        ),
        ("a chunk longer than its size", chunked("2\r\nabcd\r\n0\r\n\r\n"), 400),
        ("a negative chunk size", chunked("-1\r\nab\r\n0\r\n\r\n"), 400),
        (
            "both framings",
            head("content-length: 4\r\ntransfer-encoding: chunked\r\n") + "0\r\n\r\n",
            400,
        ),
        (
            "two lengths",
            head("content-length: 4\r\ncontent-length: 5\r\n") + "abcde",
            400,
        ),
        (
            "two lengths in one line",
            head("content-length: 4, 5\r\n") + "abcde",
            400,
        ),
        ("a length with a sign", head("content-length: +4\r\n") + "abcd", 400),
        ("a negative length", head("content-length: -1\r\n"), 400),
        (
            "an unknown coding last",
            head("transfer-encoding: chunked, gzip\r\n") + "0\r\n\r\n",
            400,
        ),
        // RFC 9112 section 6.1: a coding that is not understood is a 501.
        (
            "chunked twice",
            head("transfer-encoding: chunked, chunked\r\n") + "0\r\n\r\n",
            501,
        ),
        ("space before the colon", head("content-length : 4\r\n") + "abcd", 400),
        (
            "space before the name",
            "GET / HTTP/1.1\r\n host: a\r\n\r\n".into(),
            400,
        ),
        (
            "a folded line",
            "GET / HTTP/1.1\r\nhost: a\r\nx-a: b\r\n c\r\n\r\n".into(),
            400,
        ),
        (
            "a bare carriage return",
            "GET / HTTP/1.1\r\nhost: a\r\nx-a: b\rc\r\n\r\n".into(),
            400,
        ),
        (
            "a null byte",
            "GET / HTTP/1.1\r\nhost: a\r\nx-a: b\0c\r\n\r\n".into(),
            400,
        ),
        ("no host", "GET / HTTP/1.1\r\nx-a: b\r\n\r\n".into(), 400),
        ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".into(), 400),
        ("a host that is none", "GET / HTTP/1.1\r\nhost: a b\r\n\r\n".into(), 400),
        ("no request line", "hello\r\n\r\n".into(), 400),
        ("an unknown version", "GET / HTTP/3.7\r\nhost: a\r\n\r\n".into(), 400),
        (
            "a method that is no token",
            "G@T / HTTP/1.1\r\nhost: a\r\n\r\n".into(),
            400,
        ),
        ("a name that is no token", head("x(y): z\r\n"), 400),
    ]
}

#[tokio::test]
async fn what_is_malformed_is_refused_and_closed() -> Result<()> {
    let backend = backend()?;
    let gateway = forwarding_to(&backend).await?;
    let address = gateway.listener("web")?;
    let mut wrong = Vec::new();
    for (name, bytes, status) in table() {
        let started = std::time::Instant::now();
        // What follows on the same connection must not be taken for a request.
        let smuggled = format!("{bytes}GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
        let answer = text(&send_bytes(address, smuggled.as_bytes(), SILENCE).await?);
        if !answer.starts_with(&format!("HTTP/1.1 {status} ")) || answer.matches("HTTP/1.1 ").count() != 1 {
            wrong.push(format!("{name}: not one {status} but {answer:?}"));
        }
        if started.elapsed() >= SILENCE {
            wrong.push(format!("{name}: the connection stays open"));
        }
    }
    let records = backend.records();
    if let Some(record) = records
        .iter()
        .find(|record| record.target != "/" || record.end == testkit::backend::RecordEnd::Complete)
    {
        wrong.push(format!("the upstream saw {record:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(get(&gateway, "/").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn bare_line_feeds_are_read_or_refused_but_smuggle_nothing() -> Result<()> {
    let backend = backend()?;
    let gateway = forwarding_to(&backend).await?;
    let bytes = b"POST / HTTP/1.1\nhost: a\ncontent-length: 4\n\nabcd";
    let answer = text(&send_bytes(gateway.listener("web")?, bytes, Duration::from_millis(300)).await?);
    // RFC 9112 section 2.2: a recipient MAY take a line feed alone for a line's end.
    let good = answer.starts_with("HTTP/1.1 200 ") && backend.records().iter().all(|record| record.text() == "abcd");
    assert!(
        good || (answer.starts_with("HTTP/1.1 400 ") && backend.records().is_empty()),
        "{answer}"
    );
    let inside = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\nabcd\n0\n\n";
    let answer = text(&send_bytes(gateway.listener("web")?, inside, SILENCE).await?);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    Ok(())
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "r", "respond": {"body": "ok"}}]})).await?;
    let answer = text(&send_bytes(gateway.listener("web")?, b"GET / HTTP/1.0\r\n\r\n", SILENCE).await?);
    assert!(answer.contains(" 200 ") && answer.ends_with("\r\n\r\nok"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn http2_headers_have_the_same_bounds() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "r", "respond": {"body": "ok"}}]})).await?;
    let address = gateway.listener("web")?;
    let large = Request::get("/").field("x-big", &"b".repeat(70 << 10));
    let many = (0..120).fold(Request::get("/"), |request, number| {
        request.field(&format!("x-{number}"), "v")
    });
    for request in [large, many] {
        // A stream or connection error says it as well as a status does.
        if let Ok(answer) = send(address, Version::Http2, &request).await {
            assert_eq!(answer.status, 431);
        }
    }
    assert_eq!(send(address, Version::Http2, &Request::get("/")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_body_longer_than_promised_is_another_request() -> Result<()> {
    let backend = backend()?;
    let gateway = forwarding_to(&backend).await?;
    let bytes = b"POST /one HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nabGET /two HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = text(&send_bytes(gateway.listener("web")?, bytes, SILENCE).await?);
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
    let targets: Vec<String> = backend.records().into_iter().map(|record| record.target).collect();
    assert_eq!(targets, ["/one", "/two"]);
    Ok(())
}

#[tokio::test]
async fn silence_before_the_headers_end_is_bounded() -> Result<()> {
    let gateway = gateway(json!({
        "limits": {"header_timeout": "100ms"},
        "routes": [{"name": "r", "respond": {"body": "ok"}}],
    }))
    .await?;
    let started = std::time::Instant::now();
    let answer = text(&send_bytes(gateway.listener("web")?, b"GET / HTTP/1.1\r\nhost: a\r\n", SILENCE).await?);
    assert!(started.elapsed() < SILENCE, "the connection stays open");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    Ok(())
}
