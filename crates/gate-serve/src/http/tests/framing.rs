//! What hostile clients write: each case names who sees it, hyper or this room.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::{Event, Refusal, Stage, refused};

/// Seen by httparse and hyper, which answer 400 themselves.
#[test]
fn what_the_parser_sees_is_refused() {
    let stage = Stage::web();
    for request in [
        // RFC 9112 section 5.1: no space before the colon.
        &b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc",
        // RFC 9112 section 5.2: a folded line.
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
        // RFC 9110 section 5.5: NUL, bare CR and other controls in a value.
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
        // RFC 9112 section 6.3: lengths that differ, or are none.
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        // RFC 9112 section 6.1: chunked must be the last coding, and HTTP/1.0 has none.
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        // RFC 9112 section 3: request lines that are none.
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
        b"G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        refused(&stage, request, "400", Refusal::Malformed);
    }
}

/// Not seen by hyper, or taken for good by it.
#[test]
fn both_lengths_are_refused_in_either_order_and_spelling() {
    let stage = Stage::web();
    for (first, second) in [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 3"),
        ("tRANSFER-eNCODING: Chunked", "cONTENT-lENGTH: 3"),
        ("Transfer-Encoding: chunked", "Content-Length: 3\r\nContent-Length: 3"),
        ("Transfer-Encoding: chunked", "Content-Length: nonsense"),
        (
            "X: y\r\nTransfer-Encoding: chunked\r\nY: z",
            "Content-Length: 3\r\nA: b",
        ),
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: x\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\n");
        refused(&stage, &request, "400", Refusal::LengthAndEncoding);
        let mut client = stage.client();
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n{request}"
        ));
        assert!(client.response().ends_with("\r\n\r\nab"));
        assert!(
            client.rest().starts_with("HTTP/1.1 400 "),
            "{first} {second} behind a chunked body"
        );
    }
}

#[test]
fn a_request_hidden_behind_both_lengths_is_never_served() {
    let stage = Stage::web();
    let hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = format!(
        "POST /front HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        5 + hidden.len()
    );
    refused(&stage, request, "400", Refusal::LengthAndEncoding);
    drop(stage.workers.stop(std::time::Duration::ZERO));
    assert!(
        stage
            .events
            .try_iter()
            .all(|event| event != Event::Began("/hidden".into()))
    );
}

#[test]
fn a_content_length_inside_a_body_is_no_second_length() {
    let stage = Stage::web();
    let mut client = stage.client();
    for _ in 0..3 {
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n15\r\nContent-Length: 5\r\nab\r\n0\r\n\r\n");
        assert!(client.response().ends_with("Content-Length: 5\r\nab"));
    }
}

#[test]
fn a_bare_line_feed_is_refused() {
    let stage = Stage::web();
    for request in [
        "GET / HTTP/1.1\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\n",
        "GET / HTTP/1.1\nHost: x\n\n",
    ] {
        refused(&stage, request, "400", Refusal::BareLineFeed);
    }
    let answer = stage.talk("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 200 "),
        "empty lines in front are allowed by RFC 9112 section 2.2: {answer}"
    );
}

#[test]
fn codings_that_nobody_undoes_are_refused() {
    let stage = Stage::web();
    for coding in ["gzip, chunked", "identity\r\nTransfer-Encoding: chunked"] {
        let request = format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        refused(&stage, request, "501", Refusal::TransferEncoding);
    }
}

#[test]
fn hosts_and_targets_that_are_none_are_refused() {
    let stage = Stage::web();
    refused(&stage, "GET / HTTP/1.1\r\n\r\n", "400", Refusal::HostMissing);
    refused(
        &stage,
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        "400",
        Refusal::HostRepeated,
    );
    refused(
        &stage,
        "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
        "400",
        Refusal::HostInvalid,
    );
    refused(
        &stage,
        "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n",
        "400",
        Refusal::HostInvalid,
    );
    refused(&stage, "GET http://y/ HTTP/1.1\r\n\r\n", "400", Refusal::HostMissing);
    refused(&stage, "GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", "400", Refusal::Target);
    refused(&stage, "GET * HTTP/1.1\r\nHost: x\r\n\r\n", "400", Refusal::Target);
    refused(
        &stage,
        "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        "501",
        Refusal::Connect,
    );
}

#[test]
fn heads_that_are_too_large_get_431() {
    let stage = Stage::web();
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "b".repeat(16 * 1024));
    refused(&stage, long, "431", Refusal::HeadersTooLarge);
    let endless = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}", "b".repeat(300 * 1024));
    refused(&stage, endless, "431", Refusal::HeadersTooLarge);
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(20));
    refused(&stage, many, "431", Refusal::HeadersTooLarge);
    let just_right = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n",
        "A: b\r\n".repeat(18)
    );
    assert!(stage.talk(just_right).starts_with("HTTP/1.1 200 "));
    let fits = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: {}\r\n\r\n",
        "b".repeat(16 * 1024 - 62)
    );
    assert!(stage.talk(fits).starts_with("HTTP/1.1 200 "));
    let target = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(17 * 1024));
    refused(&stage, target, "431", Refusal::HeadersTooLarge);
}

/// Seen by hyper's body decoder: the service gets an error, and the connection is not used again.
#[test]
fn wrong_chunks_are_an_error_of_the_body_and_end_the_connection() {
    let stage = Stage::web();
    for chunks in [
        "x\r\nab\r\n0\r\n\r\n",
        "2\nab\r\n0\r\n\r\n",
        "2\r\nabc\r\n0\r\n\r\n",
        "2\r\nab\n0\r\n\r\n",
        "-2\r\nab\r\n0\r\n\r\n",
        "+2\r\nab\r\n0\r\n\r\n",
        "0x2\r\nab\r\n0\r\n\r\n",
        "\r\nab\r\n0\r\n\r\n",
        "ffffffffffffffff0\r\nab\r\n",
        "2 2\r\nab\r\n0\r\n\r\n",
        "2;a=b\nc\r\nab\r\n0\r\n\r\n",
    ] {
        let next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
        let answer = stage.talk(format!(
            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{next}"
        ));
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("bad body"),
            "{chunks:?} got {answer:?}"
        );
        stage.wait_for(&Event::Ended("/echo".into()));
    }
    drop(stage.workers.stop(std::time::Duration::ZERO));
    assert!(
        stage
            .events
            .try_iter()
            .all(|event| event != Event::Began("/next".into()))
    );
}
