//! Connect and request timeouts.

use bytes::Bytes;
use gate_plan::{ClientTls, Upstream as UpstreamSpec};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, advance, pause, resume};

use super::peer::{Peer, fetch, get, on_worker, only, piped, read_head, send, spec, until};
use crate::UpstreamFault;

/// A peer that answers the first request of each connection and then says nothing more.
async fn falling_silent() -> Peer {
    Peer::raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

#[test]
fn an_answer_that_does_not_come_is_a_request_timeout() {
    on_worker(async {
        let peer = falling_silent().await;
        let (_all, api) = only(spec(&[peer.address]));
        fetch(&api, get("/")).await.unwrap();
        pause();
        let start = Instant::now();
        let fault = send(&api, get("/")).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::RequestTimeout { .. }), "{fault}");
        assert_eq!(
            (fault.flags(), fault.details(), fault.status()),
            ("UT", "response_timeout", StatusCode::GATEWAY_TIMEOUT)
        );
        let waited = start.elapsed();
        assert!(
            (Duration::from_secs(15)..Duration::from_secs(16)).contains(&waited),
            "{waited:?}"
        );
        assert_eq!((api.stats().request_timeouts.get(), api.hosts()[0].active), (1, 0));
    });
}

#[test]
fn a_connection_that_was_too_late_is_closed() {
    on_worker(async {
        let peer = falling_silent().await;
        let (_all, api) = only(spec(&[peer.address]));
        fetch(&api, get("/")).await.unwrap();
        pause();
        send(&api, get("/")).await.unwrap_err();
        resume();
        until(|| api.stats().connections_active.get() == 0).await;
        assert!(!send(&api, get("/")).await.unwrap().reused);
    });
}

#[test]
fn the_request_timeout_starts_when_the_body_has_ended() {
    on_worker(async {
        let peer = falling_silent().await;
        let (_all, api) = only(spec(&[peer.address]));
        fetch(&api, get("/")).await.unwrap();
        pause();
        let (bytes, body) = piped();
        let request = Request::post("/").header("host", "a.test").body(body).unwrap();
        let start = Instant::now();
        let slow_client = async {
            for _ in 0..10 {
                bytes.try_send(Ok(Bytes::from("part"))).unwrap();
                advance(Duration::from_secs(10)).await;
            }
            drop(bytes);
        };
        let (outcome, ()) = tokio::join!(send(&api, request), slow_client);
        assert!(matches!(outcome.unwrap_err(), UpstreamFault::RequestTimeout { .. }));
        let waited = start.elapsed();
        assert!(
            (Duration::from_secs(115)..Duration::from_secs(116)).contains(&waited),
            "{waited:?}"
        );
    });
}

#[test]
fn a_later_request_has_its_own_whole_timeout() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move {
            for _ in 0..2 {
                read_head(&mut stream).await;
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await
                    .unwrap();
            }
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        fetch(&api, get("/")).await.unwrap();
        fetch(&api, get("/")).await.unwrap();
        pause();
        advance(Duration::from_secs(10)).await;
        let start = Instant::now();
        let fault = send(&api, get("/")).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::RequestTimeout { .. }), "{fault}");
        assert!(start.elapsed() >= Duration::from_secs(15), "{:?}", start.elapsed());
        assert_eq!(peer.accepted(), 1);
    });
}

#[test]
fn a_handshake_that_does_not_end_is_a_connect_timeout() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let authorities = super::tls::Authority::new().write(folder.path());
        let tls = Some(ClientTls {
            server_name: None,
            authorities: Some(authorities),
            certificate: None,
        });
        let (_all, api) = only(UpstreamSpec {
            tls,
            ..spec(&[peer.address])
        });
        pause();
        let fault = send(&api, get("/")).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::ConnectTimeout { .. }), "{fault}");
        assert_eq!((fault.flags(), fault.retryable()), ("UF", true));
        assert_eq!(
            (api.stats().connect_timeouts.get(), api.stats().connect_failures.get()),
            (1, 1)
        );
    });
}

#[test]
fn an_abandoned_request_frees_its_endpoint() {
    on_worker(async {
        let peer = falling_silent().await;
        let (_all, api) = only(spec(&[peer.address]));
        fetch(&api, get("/")).await.unwrap();
        {
            let mut waiting = std::pin::pin!(send(&api, get("/")));
            let once = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending()));
            assert!(once.await);
            assert_eq!(api.hosts()[0].active, 1);
        }
        assert_eq!(api.hosts()[0].active, 0);
        until(|| api.stats().connections_active.get() == 0).await;
    });
}
