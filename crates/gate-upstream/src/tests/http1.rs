//! HTTP/1.1: the pool, what is sent again and what is not, and the form of requests.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, advance, pause, resume};

use super::peer::{Peer, fetch, get, on_worker, only, piped, read_head, send, spec, text, until};
use crate::{BodyFault, OutBody, UpstreamFault};

#[test]
fn a_second_request_takes_the_connection_of_the_first() {
    on_worker(async {
        let peer = Peer::counting().await;
        let (_all, api) = only(spec(&[peer.address]));
        let first = send(&api, get("/")).await.unwrap();
        assert!(!first.reused);
        let local = first.local;
        first.response.into_body().collect().await.unwrap();
        drop(first.lease);

        let second = send(&api, get("/")).await.unwrap();
        assert!(second.reused);
        assert_eq!(second.local, local);
        assert_eq!(second.endpoint.address(), Some(peer.address));
        assert_eq!(
            (
                peer.accepted(),
                api.stats().connections_opened.get(),
                api.stats().requests.get()
            ),
            (1, 1, 2)
        );
        assert_eq!(api.stats().reuses.get(), 1);
    });
}

#[test]
fn answers_are_counted_by_class_with_their_duration() {
    on_worker(async {
        let peer = Peer::raw(|number, mut stream| async move {
            if number > 0 {
                return;
            }
            for status in ["200 OK", "204 No Content", "404 Not Found", "799 Odd"] {
                read_head(&mut stream).await;
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        for _ in 0..4 {
            fetch(&api, get("/")).await.unwrap();
        }
        fetch(&api, get("/")).await.unwrap_err();
        let answers: Vec<_> = api.stats().answers().collect();
        assert_eq!(answers, [(100, 0), (200, 2), (300, 0), (400, 1), (500, 0), (600, 1)]);
        assert_eq!(
            api.stats().durations.read().count(),
            4,
            "what was not answered has no duration"
        );
    });
}

#[test]
fn a_connection_whose_response_is_still_read_is_not_taken() {
    on_worker(async {
        let peer = Peer::raw(|number, mut stream| async move {
            read_head(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
                .await
                .unwrap();
            if number > 0 {
                stream.write_all(b"ok").await.unwrap();
            }
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        let unread = send(&api, get("/")).await.unwrap();
        drop(unread.lease);
        assert_eq!(fetch(&api, get("/")).await.unwrap(), "ok");
        assert_eq!(peer.accepted(), 2);
        drop(unread.response);
    });
}

#[test]
fn the_latest_idle_connection_is_taken_first() {
    on_worker(async {
        let peer = Peer::counting().await;
        let (_all, api) = only(spec(&[peer.address]));
        let mut both = Vec::new();
        for _ in 0..2 {
            let sent = send(&api, get("/")).await.unwrap();
            sent.response.into_body().collect().await.unwrap();
            both.push((sent.local, sent.lease));
        }
        let latest = both[1].0;
        both.into_iter().for_each(drop);
        assert_eq!(send(&api, get("/")).await.unwrap().local, latest);
    });
}

#[test]
fn no_more_idle_connections_are_kept_than_configured() {
    on_worker(async {
        let peer = Peer::counting().await;
        let (_all, api) = only(gate_plan::Upstream {
            idle_connections_max: 1,
            ..spec(&[peer.address])
        });
        let one = send(&api, get("/")).await.unwrap();
        let other = send(&api, get("/")).await.unwrap();
        for sent in [one, other] {
            sent.response.into_body().collect().await.unwrap();
        }
        until(|| api.stats().connections_active.get() == 1).await;
        assert_eq!(fetch(&api, get("/")).await.unwrap(), "0");
    });
}

#[test]
fn a_connection_idle_for_too_long_is_closed_and_not_used() {
    on_worker(async {
        let peer = Peer::counting().await;
        let (_all, api) = only(spec(&[peer.address]));
        assert_eq!(fetch(&api, get("/")).await.unwrap(), "0");
        pause();
        advance(Duration::from_secs(61)).await;
        resume();
        assert_eq!(fetch(&api, get("/")).await.unwrap(), "1");
    });
}

#[test]
fn the_sweep_closes_idle_connections_that_nobody_asks_for() {
    on_worker(async {
        let peer = Peer::counting().await;
        let (_all, api) = only(spec(&[peer.address]));
        fetch(&api, get("/")).await.unwrap();
        pause();
        advance(Duration::from_secs(61)).await;
        resume();
        until(|| api.stats().connections_active.get() == 0).await;
    });
}

#[test]
fn a_connection_closed_while_idle_is_passed_over() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move {
            read_head(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        fetch(&api, get("/")).await.unwrap();
        until(|| api.stats().connections_active.get() == 0).await;
        let post = Request::post("/")
            .header("host", "a.test")
            .body(OutBody::Empty)
            .unwrap();
        let sent = send(&api, post).await.unwrap();
        assert_eq!((sent.reused, sent.retries), (false, 0));
    });
}

/// A peer that answers one request on each connection, and closes it on the second one without an answer.
async fn forgetful() -> Peer {
    Peer::raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        read_head(&mut stream).await;
    })
    .await
}

async fn second_on_stale(method: Method, body: OutBody) -> Result<u32, UpstreamFault> {
    let peer = forgetful().await;
    let (_all, api) = only(spec(&[peer.address]));
    fetch(&api, get("/")).await.unwrap();
    let request = Request::builder()
        .method(method)
        .uri("/")
        .header("host", "a.test")
        .body(body)
        .unwrap();
    let sent = send(&api, request).await?;
    assert_eq!(sent.response.status(), StatusCode::OK);
    assert_eq!(api.stats().retries.get(), u64::from(sent.retries));
    Ok(sent.retries)
}

#[test]
fn an_idempotent_request_on_a_stale_connection_is_sent_once_more() {
    on_worker(async {
        assert_eq!(second_on_stale(Method::GET, OutBody::Empty).await.unwrap(), 1);
        assert_eq!(
            second_on_stale(Method::PUT, Bytes::from("body").into()).await.unwrap(),
            1
        );
    });
}

#[test]
fn a_request_with_effects_on_a_stale_connection_is_not_repeated() {
    on_worker(async {
        for body in [OutBody::Empty, Bytes::from("body").into()] {
            let fault = second_on_stale(Method::POST, body).await.unwrap_err();
            assert!(matches!(fault, UpstreamFault::Reset { .. }), "{fault}");
            assert_eq!(
                (fault.code(), fault.flags(), fault.status()),
                ("upstream.reset", "UC", StatusCode::SERVICE_UNAVAILABLE)
            );
        }
    });
}

#[test]
fn a_streaming_request_is_not_repeated() {
    on_worker(async {
        let (bytes, body) = piped();
        bytes.try_send(Ok(Bytes::from("once"))).unwrap();
        drop(bytes);
        let fault = second_on_stale(Method::PUT, body).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::Reset { .. }), "{fault}");
    });
}

#[test]
fn a_fresh_connection_that_ends_is_not_tried_again() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move { drop(read_head(&mut stream).await) }).await;
        let (_all, api) = only(spec(&[peer.address]));
        let fault = send(&api, get("/")).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::Reset { .. }), "{fault}");
        assert_eq!(peer.accepted(), 1);
    });
}

#[test]
fn an_answer_that_is_not_http_is_a_protocol_fault() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(b"SSH-2.0-OpenSSH_9.7\r\n\r\n").await.unwrap();
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        let fault = send(&api, get("/")).await.unwrap_err();
        assert_eq!(
            (fault.code(), fault.flags(), fault.status()),
            ("upstream.protocol", "UPE", StatusCode::BAD_GATEWAY)
        );
    });
}

#[test]
fn a_head_that_is_too_long_is_a_protocol_fault() {
    on_worker(async {
        let peer = Peer::http1(|_| async {
            Response::builder()
                .header("long", "x".repeat(70 * 1024))
                .body(text(""))
                .unwrap()
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        assert_eq!(send(&api, get("/")).await.unwrap_err().code(), "upstream.protocol");
    });
}

#[test]
fn a_body_that_breaks_off_is_the_clients_fault() {
    on_worker(async {
        let peer = Peer::counting().await;
        let (_all, api) = only(spec(&[peer.address]));
        let (bytes, body) = piped();
        bytes.try_send(Err(BodyFault::ClientGone)).unwrap();
        let request = Request::post("/").header("host", "a.test").body(body).unwrap();
        let fault = send(&api, request).await.unwrap_err();
        assert!(
            matches!(
                fault,
                UpstreamFault::RequestBody {
                    cause: BodyFault::ClientGone,
                    ..
                }
            ),
            "{fault}"
        );
        assert_eq!(fault.side(), crate::Side::Client);
    });
}

/// What a peer reads of a request, without waiting for more than comes at once.
async fn on_the_wire(request: Request<OutBody>, end: &'static str) -> String {
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::cell::Cell::new(Some(tell));
    let peer = Peer::raw(move |_, mut stream| {
        let tell = tell.take().unwrap();
        async move {
            let mut read = Vec::new();
            while !read.ends_with(end.as_bytes()) {
                stream.read_buf(&mut read).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            tell.send(String::from_utf8(read).unwrap()).unwrap();
        }
    })
    .await;
    let (_all, api) = only(spec(&[peer.address]));
    send(&api, request).await.unwrap();
    told.await.unwrap().replace(&peer.address.to_string(), "PEER")
}

#[test]
fn requests_are_put_into_origin_form_with_a_host() {
    on_worker(async {
        let absolute = Request::get("http://b.test/p?q")
            .version(http::Version::HTTP_2)
            .body(OutBody::Empty)
            .unwrap();
        assert_eq!(
            on_the_wire(absolute, "\r\n\r\n").await,
            "GET /p?q HTTP/1.1\r\nhost: b.test\r\n\r\n"
        );
        let bare = Request::get("/p")
            .version(http::Version::HTTP_10)
            .body(OutBody::Empty)
            .unwrap();
        assert_eq!(
            on_the_wire(bare, "\r\n\r\n").await,
            "GET /p HTTP/1.1\r\nhost: PEER\r\n\r\n"
        );
    });
}

#[test]
fn the_head_says_the_length_of_the_body_at_hand() {
    on_worker(async {
        let request = |said: &str, body| {
            Request::put("/")
                .header("host", "a")
                .header("content-length", said)
                .body(body)
                .unwrap()
        };
        let empty = on_the_wire(request("7", OutBody::Empty), "\r\n\r\n").await;
        assert_eq!(empty, "PUT / HTTP/1.1\r\nhost: a\r\n\r\n");
        let zero = on_the_wire(request("0", OutBody::Empty), "\r\n\r\n").await;
        assert_eq!(zero, "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
        let full = on_the_wire(request("7", Bytes::from("abc").into()), "abc").await;
        assert_eq!(full, "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    });
}

#[test]
fn a_get_with_a_body_of_unknown_length_is_chunked() {
    on_worker(async {
        let (bytes, body) = piped();
        bytes.try_send(Ok(Bytes::from("abc"))).unwrap();
        drop(bytes);
        let request = Request::get("/").header("host", "a").body(body).unwrap();
        let read = on_the_wire(request, "0\r\n\r\n").await;
        assert_eq!(
            read,
            "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        );
    });
}

#[test]
fn bodies_stream_in_both_directions_at_once() {
    on_worker(async {
        let peer = Peer::http1(|request| async {
            Response::new(request.into_body().map_err(|error| panic!("{error}")).boxed_unsync())
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        let (bytes, body) = piped();
        let request = Request::post("/").header("host", "a.test").body(body).unwrap();
        let mut sent = send(&api, request).await.unwrap();
        for part in ["one", "two"] {
            bytes.try_send(Ok(Bytes::from(part))).unwrap();
            let frame = sent.response.body_mut().frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), part);
        }
        drop(bytes);
        assert!(sent.response.body_mut().frame().await.is_none());
    });
}

#[test]
fn an_upgraded_connection_is_handed_over_and_not_pooled() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move {
            read_head(&mut stream).await;
            let head = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n";
            stream.write_all(head).await.unwrap();
            let mut four = [0; 4];
            stream.read_exact(&mut four).await.unwrap();
            stream.write_all(&four).await.unwrap();
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        let request = Request::get("/")
            .header("host", "a")
            .header("connection", "upgrade")
            .header("upgrade", "echo");
        let sent = send(&api, request.body(OutBody::Empty).unwrap()).await.unwrap();
        assert_eq!(sent.response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let upgraded = hyper::upgrade::on(sent.response).await.unwrap();
        let mut stream = hyper_util::rt::TokioIo::new(upgraded);
        stream.write_all(b"ping").await.unwrap();
        let mut back = [0; 4];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"ping");
        drop(sent.lease);
        assert!(!send(&api, get("/")).await.is_ok_and(|sent| sent.reused));
    });
}

#[test]
fn a_response_that_breaks_off_has_its_fault() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move {
            read_head(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
                .await
                .unwrap();
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        let sent = send(&api, get("/")).await.unwrap();
        let error = sent.response.into_body().collect().await.unwrap_err();
        let fault = crate::Upstream::broken_response(&sent.lease, error);
        assert_eq!(
            fault.details(),
            "upstream_reset_after_response_started{connection_termination}"
        );
    });
}

#[test]
fn a_body_shorter_than_its_head_says_is_not_sendable() {
    on_worker(async {
        let peer = Peer::counting().await;
        let (_all, api) = only(spec(&[peer.address]));
        let (bytes, body) = piped();
        bytes.try_send(Ok(Bytes::from("abc"))).unwrap();
        drop(bytes);
        let request = Request::post("/")
            .header("host", "a")
            .header("content-length", "9")
            .body(body)
            .unwrap();
        let fault = send(&api, request).await.unwrap_err();
        assert_eq!(
            (fault.code(), fault.side()),
            ("upstream.unsendable", crate::Side::Us),
            "{fault}"
        );
    });
}
