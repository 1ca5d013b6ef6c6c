//! HTTP over real sockets: good clients, hostile clients, clients that go away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::Shutdown;
use std::time::{Duration, Instant};

use http::{Request, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::TokioIo;

use super::*;
use crate::fixture::{Client, Event, LIMITS, PATIENCE, Stage, http_listener, until};

mod framing;
mod unserved;

fn refused(stage: &Stage, request: impl AsRef<[u8]>, status: &str, refusal: Refusal) {
    let request = request.as_ref();
    let answer = stage.talk(request);
    let shown = String::from_utf8_lossy(request).chars().take(200).collect::<String>();
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{shown:?} got {answer:?}"
    );
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shown:?} got {answer:?}");
    stage.wait_for(&Event::Refused(refusal));
}

#[test]
fn keep_alive_serves_one_request_after_another() {
    let stage = Stage::web();
    let mut client = stage.client();
    for _ in 0..3 {
        let answer = client.get("/");
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"),
            "{answer}"
        );
        assert!(!answer.contains("connection:"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("\r\nserver:"), "{answer}");
    }
    assert_eq!(stage.workers.listeners()[0].accepted, 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let stage = Stage::web();
    let mut client = stage.client();
    let requests = "GET /worker HTTP/1.1\r\nHost: x\r\n\r\n\
                    POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\
                    POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n\
                    GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    client.send(requests);
    for body in ["0", "abc", "de"] {
        assert!(client.response().ends_with(&format!("\r\n\r\n{body}")));
    }
    let last = client.rest();
    assert!(
        last.contains("connection: close") && last.ends_with("\r\n\r\nok"),
        "{last}"
    );
}

#[test]
fn a_date_is_said_once() {
    let stage = Stage::web();
    let mut client = stage.client();
    assert_eq!(client.get("/").matches("date: ").count(), 1);
    let answer = client.get("/date");
    assert_eq!(answer.matches("date: ").count(), 1);
    assert!(answer.contains("date: Thu, 01 Jan 1970 00:00:00 GMT"), "{answer}");
}

#[test]
fn http_1_0_closes_and_needs_no_host() {
    let answer = Stage::web().talk("GET / HTTP/1.0\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("ok"),
        "{answer}"
    );
}

#[test]
fn continue_is_said_when_the_body_is_asked_for_and_not_otherwise() {
    let stage = Stage::web();
    let mut client = stage.client();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    assert!(client.response().ends_with("abc"));
    let answer = stage.talk("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn an_answer_before_the_body_reaches_a_client_that_still_sends() {
    let stage = Stage::web();
    let mut client = stage.client();
    client.send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
    // Without lingering, the unread bytes would make the kernel reset the connection under the answer.
    client.send(vec![b'x'; 400_000]);
    assert_eq!(client.rest(), "ok");
}

#[test]
fn a_head_that_does_not_end_gets_408() {
    let limits = Limits {
        header_timeout: Duration::from_millis(300),
        ..LIMITS
    };
    let stage = Stage::start(1, &[http_listener()], limits);
    let mut slow = stage.client();
    slow.send("GET / HTTP/1.1\r\nHo");
    let mut second = stage.client();
    second.get("/");
    second.send("GET / HTTP/1.1\r\nHo");
    let mut pipelined = stage.client();
    pipelined.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT");
    pipelined.response();
    let mut chunked = stage.client();
    chunked.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    chunked.response();
    chunked.send("GET");
    let mut preface = stage.client();
    preface.send("PRI * HT");
    let mut idle = stage.client();
    idle.get("/");
    for client in [&mut slow, &mut second, &mut pipelined, &mut chunked, &mut preface] {
        assert!(client.rest().starts_with("HTTP/1.1 408 "));
    }
    assert!(
        idle.get("/").starts_with("HTTP/1.1 200 "),
        "an idle connection was closed"
    );
    let timeouts = stage.workers.listeners()[0]
        .refused
        .iter()
        .find(|(why, _)| *why == Refusal::HeaderTimeout)
        .unwrap()
        .1;
    assert_eq!(timeouts, 5);
}

#[test]
fn a_client_that_closes_its_side_still_gets_its_answer() {
    let stage = Stage::web();
    let mut client = stage.client();
    client.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
    client.0.shutdown(Shutdown::Write).unwrap();
    stage.wait_for(&Event::Began("/hang".into()));
    stage.release();
    assert!(client.rest().ends_with("released"));
}

#[test]
fn an_exchange_whose_client_is_gone_is_dropped() {
    let stage = Stage::web();
    let mut client = stage.client();
    client.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
    stage.wait_for(&Event::Began("/hang".into()));
    let since = Instant::now();
    drop(client);
    stage.wait_for(&Event::Ended("/hang".into()));
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[test]
fn an_upload_that_breaks_off_is_noticed_at_once() {
    let stage = Stage::web();
    for head in [
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
    ] {
        let mut client = stage.client();
        client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{head}"));
        stage.wait_for(&Event::Began("/echo".into()));
        drop(client);
        stage.wait_for(&Event::Ended("/echo".into()));
    }
}

#[test]
fn a_panic_ends_one_connection_and_is_counted() {
    let stage = Stage::web();
    let mut bystander = stage.client();
    bystander.get("/");
    assert_eq!(stage.talk("GET /panic HTTP/1.1\r\nHost: x\r\n\r\n"), "");
    assert!(bystander.get("/").starts_with("HTTP/1.1 200 "));
    until(|| stage.workers.panics() == [1]);
    assert!(stage.workers.lost().is_empty());
}

#[test]
fn an_aborted_exchange_closes_without_a_response() {
    assert_eq!(Stage::web().talk("GET /abort HTTP/1.1\r\nHost: x\r\n\r\n"), "");
}

#[test]
fn connections_beyond_the_limit_are_closed_at_once() {
    let stage = Stage::start(
        1,
        &[http_listener()],
        Limits {
            connections_max: 2,
            ..LIMITS
        },
    );
    let mut kept = [stage.client(), stage.client()];
    kept.iter_mut().for_each(|client| drop(client.get("/")));
    assert_eq!(stage.client().rest(), "");
    assert!(kept[0].get("/").starts_with("HTTP/1.1 200 "));
    let report = &stage.workers.listeners()[0];
    assert_eq!((report.accepted, report.full, report.open), (3, 1, 2));
    drop(kept);
    until(|| stage.workers.listeners()[0].open == 0);
    assert!(stage.client().get("/").starts_with("HTTP/1.1 200 "));
}

fn http2<F: Future>(
    stage: &Stage,
    talk: impl FnOnce(hyper::client::conn::http2::SendRequest<Full<bytes::Bytes>>) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = stage.address();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let executor = hyper_util::rt::TokioExecutor::new();
        let (sender, connection) = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        tokio::time::timeout(PATIENCE, talk(sender)).await.unwrap()
    })
}

fn request(path: &str, body: &'static str) -> Request<Full<bytes::Bytes>> {
    Request::post(format!("http://x{path}")).body(Full::from(body)).unwrap()
}

#[test]
fn http2_is_spoken_by_prior_knowledge_on_the_same_port() {
    let stage = Stage::web();
    assert!(stage.client().get("/").starts_with("HTTP/1.1 200 "));
    http2(&stage, |mut sender| async move {
        let (one, two) = tokio::join!(
            sender.clone().send_request(request("/echo", "a")),
            sender.send_request(request("/stream", "b"))
        );
        for (answer, body) in [(one.unwrap(), "a"), (two.unwrap(), "b")] {
            assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
            assert_eq!(answer.headers().get_all("date").iter().count(), 1);
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body);
        }
    });
}

#[test]
fn http2_refuses_a_host_that_differs_from_the_authority() {
    let stage = Stage::web();
    http2(&stage, |mut sender| async move {
        let mut wrong = request("/", "");
        wrong.headers_mut().insert("host", "y".parse().unwrap());
        let answer = sender.send_request(wrong).await.unwrap();
        assert_eq!(answer.status(), 400);
        let mut many = request("/", "");
        for number in 0..30 {
            many.headers_mut().insert(
                http::HeaderName::try_from(format!("x-{number}")).unwrap(),
                "v".parse().unwrap(),
            );
        }
        assert_eq!(sender.send_request(many).await.unwrap().status(), 431);
        let mut large = request("/", "");
        large.headers_mut().insert("x", "v".repeat(20_000).parse().unwrap());
        assert_eq!(sender.send_request(large).await.unwrap().status(), 431);
        assert_eq!(sender.send_request(request("/", "")).await.unwrap().status(), 200);
    });
}

#[test]
fn a_panic_ends_one_http2_stream_only() {
    let stage = Stage::web();
    http2(&stage, |mut sender| async move {
        sender.send_request(request("/panic", "")).await.unwrap_err();
        sender.send_request(request("/abort", "")).await.unwrap_err();
        assert_eq!(sender.send_request(request("/", "")).await.unwrap().status(), 200);
    });
    until(|| stage.workers.panics() == [1]);
}

#[test]
fn a_cancelled_http2_stream_drops_its_exchange() {
    let stage = Stage::web();
    http2(&stage, |mut sender| async move {
        let hanging = tokio::time::timeout(Duration::from_millis(1), sender.send_request(request("/hang", "")));
        hanging.await.unwrap_err();
        sender.send_request(request("/", "")).await.unwrap();
    });
    stage.wait_for(&Event::Ended("/hang".into()));
}

#[test]
fn half_a_preface_is_no_http2() {
    let stage = Stage::web();
    let mut client = stage.client();
    client.send("PRI * HT");
    client.send("TP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.rest().starts_with("HTTP/1.1 400 "));
}

#[test]
fn bodies_stream_in_both_directions_at_once() {
    let stage = Stage::web();
    let mut client = stage.client();
    client.send("POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    assert!(client.head().contains("transfer-encoding: chunked"));
    let mut echoed = [0; 7];
    io::Read::read_exact(&mut client.0, &mut echoed).unwrap();
    assert_eq!(&echoed, b"2\r\nab\r\n");
    client.send("2\r\ncd\r\n");
    io::Read::read_exact(&mut client.0, &mut echoed).unwrap();
    assert_eq!(&echoed, b"2\r\ncd\r\n");
    client.send("0\r\n\r\n");
    let mut end = [0; 5];
    io::Read::read_exact(&mut client.0, &mut end).unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
    assert!(client.get("/").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_head_request_has_no_body() {
    let stage = Stage::web();
    let mut client: Client = stage.client();
    client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.head().contains("content-length: 2\r\n"));
    assert!(client.get("/empty").starts_with("HTTP/1.1 200 "));
    let _: Empty<bytes::Bytes> = Empty::new();
}
