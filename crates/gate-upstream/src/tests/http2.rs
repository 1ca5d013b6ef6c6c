//! HTTP/2: streams over few connections, trailers, refused streams, connections that go away.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use gate_plan::{Upstream as UpstreamSpec, UpstreamProtocol};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Duration, advance, pause, resume};

use super::peer::{
    Answer, Peer, fetch, get, on_worker, only, piped, send, serve_http1, serve_http2, spec, text, until,
};
use crate::{OutBody, UpstreamFault};

fn http2(peer: &Peer) -> UpstreamSpec {
    UpstreamSpec {
        protocol: UpstreamProtocol::Http2,
        ..spec(&[peer.address])
    }
}

async fn peer<F: Future<Output = Response<Answer>> + 'static>(
    streams_max: u32,
    answer: impl Fn(Request<Incoming>) -> F + 'static,
) -> Peer {
    let answer = Rc::new(answer);
    Peer::raw(move |_, stream| serve_http2(stream, streams_max, Rc::clone(&answer))).await
}

#[test]
fn a_grpc_call_passes_with_its_trailers() {
    on_worker(async {
        let peer = peer(100, |request: Request<Incoming>| async move {
            assert_eq!((request.version(), request.method()), (Version::HTTP_2, &Method::POST));
            assert_eq!(request.uri().to_string(), "http://a.test/pkg.Service/Call");
            assert!(!request.headers().contains_key("host"));
            assert_eq!(request.headers()["te"], "trailers");
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let body = http_body_util::Full::new(asked).with_trailers(async { Some(Ok(trailers)) });
            Response::new(body.boxed_unsync())
        })
        .await;
        let (_all, api) = only(http2(&peer));
        let (bytes, body) = piped();
        let request = Request::post("/pkg.Service/Call")
            .header("host", "a.test")
            .header("te", "trailers");
        bytes.try_send(Ok(Bytes::from("message"))).unwrap();
        drop(bytes);
        let sent = send(&api, request.body(body).unwrap()).await.unwrap();
        assert_eq!(sent.response.version(), Version::HTTP_2);
        let answer = sent.response.into_body().collect().await.unwrap();
        assert_eq!(answer.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(answer.to_bytes(), "message");
    });
}

#[test]
fn many_exchanges_share_one_connection() {
    on_worker(async {
        let peer = peer(100, |_| async { Response::new(text("ok")) }).await;
        let (_all, api) = only(http2(&peer));
        let (one, two, three) = tokio::join!(send(&api, get("/")), send(&api, get("/")), send(&api, get("/")));
        for sent in [one, two, three] {
            assert!(!sent.unwrap().reused);
        }
        assert!(send(&api, get("/")).await.unwrap().reused);
        assert_eq!(peer.accepted(), 1);
    });
}

#[test]
fn a_full_connection_leads_to_another_one() {
    on_worker(async {
        let go = Rc::new(Notify::new());
        let wait = Rc::clone(&go);
        let peer = peer(1, move |request: Request<Incoming>| {
            let wait = Rc::clone(&wait);
            async move {
                if request.uri().path() == "/wait" {
                    wait.notified().await;
                }
                Response::new(text("ok"))
            }
        })
        .await;
        let (_all, api) = only(http2(&peer));
        fetch(&api, get("/")).await.unwrap();
        // The limit came with the first answer and is seen with the next request.
        fetch(&api, get("/")).await.unwrap();
        let (waited, ()) = tokio::join!(fetch(&api, get("/wait")), async {
            assert_eq!(fetch(&api, get("/")).await.unwrap(), "ok");
            assert_eq!(peer.accepted(), 2);
            go.notify_waiters();
        });
        assert_eq!(waited.unwrap(), "ok");
        for _ in 0..3 {
            fetch(&api, get("/")).await.unwrap();
        }
        assert_eq!(peer.accepted(), 2);
    });
}

/// A peer that speaks HTTP/2 frame by frame: `each` answers a request, with the number of requests before it.
async fn framed(
    each: impl Fn(usize, &mut h2::server::SendResponse<Bytes>, &mut h2::server::Connection<TcpStream, Bytes>) + 'static,
) -> Peer {
    let each = Rc::new(each);
    let seen = Rc::new(Cell::new(0));
    Peer::raw(move |_, stream| {
        let (each, seen) = (Rc::clone(&each), Rc::clone(&seen));
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_request, mut answer))) = connection.accept().await {
                let number = seen.get();
                seen.set(number + 1);
                each(number, &mut answer, &mut connection);
            }
        }
    })
    .await
}

fn answer_ok(answer: &mut h2::server::SendResponse<Bytes>) {
    answer.send_response(Response::new(()), true).unwrap();
}

#[test]
fn a_refused_stream_is_sent_once_more_whatever_its_method() {
    on_worker(async {
        let peer = framed(|number, answer, _| match number {
            0 => answer.send_reset(h2::Reason::REFUSED_STREAM),
            _ => answer_ok(answer),
        })
        .await;
        let (_all, api) = only(http2(&peer));
        let post = Request::post("/")
            .header("host", "a.test")
            .body(OutBody::from(Bytes::from("body")))
            .unwrap();
        assert_eq!(send(&api, post).await.unwrap().retries, 1);
    });
}

#[test]
fn a_stream_refused_twice_is_a_fault() {
    on_worker(async {
        let peer = framed(|_, answer, _| answer.send_reset(h2::Reason::REFUSED_STREAM)).await;
        let (_all, api) = only(http2(&peer));
        let fault = send(&api, get("/")).await.unwrap_err();
        assert_eq!(
            (fault.code(), fault.flags(), fault.retryable()),
            ("upstream.stream_refused", "UR", true)
        );
    });
}

#[test]
fn a_reset_stream_is_a_fault_and_not_repeated() {
    on_worker(async {
        let peer = framed(|_, answer, _| answer.send_reset(h2::Reason::INTERNAL_ERROR)).await;
        let (_all, api) = only(http2(&peer));
        let fault = send(&api, get("/")).await.unwrap_err();
        assert_eq!(
            (fault.code(), fault.flags(), fault.retryable()),
            ("upstream.stream_reset", "UR", false)
        );
        assert_eq!(api.stats().retries.get(), 0);
    });
}

#[test]
fn after_a_goaway_a_new_connection_is_opened() {
    on_worker(async {
        let peer = framed(|_, answer, connection| {
            answer_ok(answer);
            connection.graceful_shutdown();
        })
        .await;
        let (_all, api) = only(http2(&peer));
        for expected in 1..4 {
            fetch(&api, get("/")).await.unwrap();
            until(|| api.stats().connections_active.get() == 0).await;
            assert_eq!(peer.accepted(), expected);
        }
    });
}

#[test]
fn a_peer_that_went_silent_gets_a_new_connection_after_the_timeout() {
    on_worker(async {
        let asked = Rc::new(Cell::new(0));
        let peer = peer(100, move |_| {
            asked.set(asked.get() + 1);
            let silent = asked.get() == 2;
            async move {
                if silent {
                    std::future::pending::<()>().await;
                }
                Response::new(text("ok"))
            }
        })
        .await;
        let (_all, api) = only(http2(&peer));
        fetch(&api, get("/")).await.unwrap();
        pause();
        let fault = send(&api, get("/")).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::RequestTimeout { .. }), "{fault}");
        resume();
        assert!(!send(&api, get("/")).await.unwrap().reused);
        assert_eq!(peer.accepted(), 2);
    });
}

#[test]
fn an_idle_connection_is_closed_by_the_sweep() {
    on_worker(async {
        let peer = peer(100, |_| async { Response::new(text("ok")) }).await;
        let (_all, api) = only(http2(&peer));
        fetch(&api, get("/")).await.unwrap();
        pause();
        advance(Duration::from_secs(61)).await;
        resume();
        until(|| api.stats().connections_active.get() == 0).await;
    });
}

#[test]
fn a_peer_that_speaks_http1_only_is_told_from_one_that_is_down() {
    on_worker(async {
        let answer = Rc::new(|_: Request<Incoming>| async { Response::new(text("ok")) });
        let peer = Peer::raw(move |_, stream| serve_http1(stream, Rc::clone(&answer))).await;
        let (_all, api) = only(http2(&peer));
        let fault = send(&api, get("/")).await.unwrap_err();
        // Which of both depends on whether its answer came before or after our first frame.
        assert!(
            matches!(fault, UpstreamFault::NoHttp2 { .. } | UpstreamFault::Protocol { .. }),
            "{fault}"
        );
    });
}

#[test]
fn waiting_for_a_connection_that_fails_costs_all_one_attempt() {
    on_worker(async {
        let dead = Peer::nobody().await;
        let (_all, api) = only(UpstreamSpec {
            protocol: UpstreamProtocol::Http2,
            ..spec(&[dead])
        });
        let (one, two) = tokio::join!(send(&api, get("/")), send(&api, get("/")));
        for outcome in [one, two] {
            assert!(matches!(outcome.unwrap_err(), UpstreamFault::Connect { .. }));
        }
        assert_eq!(api.stats().connect_failures.get(), 1);
    });
}

#[test]
fn a_body_that_breaks_off_is_the_clients_fault() {
    on_worker(async {
        let peer = peer(100, |request: Request<Incoming>| async move {
            drop(request.into_body().collect().await);
            Response::new(text("late"))
        })
        .await;
        let (_all, api) = only(http2(&peer));
        let (bytes, body) = piped();
        bytes.try_send(Ok(Bytes::from("half"))).unwrap();
        bytes.try_send(Err(crate::BodyFault::ClientGone)).unwrap();
        let request = Request::post("/").header("host", "a.test").body(body).unwrap();
        let fault = send(&api, request).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::RequestBody { .. }), "{fault}");
    });
}
