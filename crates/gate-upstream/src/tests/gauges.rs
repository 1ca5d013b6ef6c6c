//! What is known of a connection while others use it, and after it is gone.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gate_plan::{Upstream as UpstreamSpec, UpstreamProtocol};
use http::Response;
use http_body_util::BodyExt;
use log_kernel::Gauge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::peer::{Peer, apply, get, on_worker, only, read_head, serve_http2, spec, text, until};
use crate::Upstream;

/// Sends, reads the response, and keeps nothing of it but the gauge of its connection.
async fn gauge_of(api: &Upstream) -> Gauge {
    let told = RefCell::new(None);
    let tell = |ready, _: &mut http::HeaderMap| *told.borrow_mut() = Some(ready);
    let endpoint = api.pick(None).unwrap();
    let sent = api.send_telling(&endpoint, get("/"), &tell).await.unwrap();
    sent.response.into_body().collect().await.unwrap();
    drop(sent.lease);
    told.take().unwrap().gauge
}

/// A peer of HTTP/1.1 that counts how many connections we closed.
async fn listening(closed: &Rc<Cell<usize>>) -> Peer {
    let closed = Rc::clone(closed);
    Peer::raw(move |_, mut stream| {
        let closed = Rc::clone(&closed);
        async move {
            while !read_head(&mut stream).await.is_empty() {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
            closed.set(closed.get() + 1);
        }
    })
    .await
}

/// Whether the number of the socket is still lent.
fn is_lent(gauge: &Gauge) -> bool {
    format!("{gauge:?}") != "Gauge(None)"
}

#[test]
fn a_gauge_keeps_no_socket_open_and_knows_its_last_numbers() {
    on_worker(async {
        let closed = Rc::new(Cell::new(0));
        let peer = listening(&closed).await;
        let (all, api) = only(spec(&[peer.address]));
        let (first, second) = (gauge_of(&api).await, gauge_of(&api).await);
        assert_eq!(
            peer.accepted(),
            1,
            "the second request took the connection of the first"
        );
        for gauge in [&first, &second] {
            assert!(is_lent(gauge));
            assert_eq!(gauge.read().unwrap().retransmits(), Some(0));
        }
        apply(&all, &[]);
        until(|| closed.get() == 1).await;
        for gauge in [first, second] {
            assert!(!is_lent(&gauge), "a number of a closed socket may be another's");
            let last = gauge.read().unwrap();
            assert!(last.bytes_received().unwrap() >= 76, "{last:?}");
        }
    });
}

#[test]
fn a_gauge_of_a_connection_that_the_peer_closed_has_its_last_numbers() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move {
            read_head(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        let gauge = gauge_of(&api).await;
        until(|| !is_lent(&gauge)).await;
        assert!(gauge.read().unwrap().bytes_received().unwrap() >= 38);
    });
}

#[test]
fn streams_of_http2_have_the_gauge_of_their_connection() {
    on_worker(async {
        let answer = Rc::new(|_| async { Response::new(text("ok")) });
        let peer = Peer::raw(move |_, stream| serve_http2(stream, 100, Rc::clone(&answer))).await;
        let (all, api) = only(UpstreamSpec {
            protocol: UpstreamProtocol::Http2,
            ..spec(&[peer.address])
        });
        let (one, other) = (gauge_of(&api).await, gauge_of(&api).await);
        assert_eq!(peer.accepted(), 1);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert_eq!(one.read().unwrap().retransmits(), Some(0));
        assert_eq!((one.tell_retransmits(2), other.tell_retransmits(2)), (2, 0));
        // One that was read before the other, and is written down after it.
        assert_eq!((other.tell_retransmits(1), one.tell_retransmits(5)), (0, 3));
        apply(&all, &[]);
        until(|| !is_lent(&one) && !is_lent(&other)).await;
        assert!(one.read().is_ok());
    });
}

#[test]
fn a_raw_stream_has_its_gauge_until_it_closes() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let (_all, api) = only(spec(&[peer.address]));
        let mut stream = api.connect(&api.pick(None).unwrap()).await.unwrap();
        stream.write_all(b"four").await.unwrap();
        let gauge = stream.ready().unwrap().gauge;
        assert!(is_lent(&gauge));
        drop(stream);
        assert!(!is_lent(&gauge));
        assert_eq!(gauge.read().unwrap().bytes_sent(), Some(4));
    });
}
