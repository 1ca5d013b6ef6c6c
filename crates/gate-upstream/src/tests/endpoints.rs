//! Balancing, dead endpoints, raw streams.

use std::net::SocketAddr;

use gate_plan::{Balance, Upstream as UpstreamSpec};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, advance, pause, resume};

use super::peer::{Peer, fetch, get, on_worker, only, send, spec};
use crate::{Upstream, UpstreamFault};

fn picked(upstream: &Upstream) -> SocketAddr {
    upstream.pick(None).unwrap().address().unwrap()
}

fn addresses(count: u16) -> Vec<SocketAddr> {
    (1..=count)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .collect()
}

#[test]
fn round_robin_takes_one_after_the_other() {
    on_worker(async {
        let all = addresses(3);
        let (_all, api) = only(spec(&all));
        let taken: Vec<_> = (0..6).map(|_| picked(&api)).collect();
        assert_eq!(taken, [all.clone(), all].concat());
    });
}

#[test]
fn least_request_takes_the_one_with_fewer_in_flight() {
    on_worker(async {
        let (one, other) = (Peer::counting().await, Peer::counting().await);
        let spec = UpstreamSpec {
            balance: Balance::LeastRequest,
            ..spec(&[one.address, other.address])
        };
        let (_all, api) = only(spec);
        let mut held = vec![send(&api, get("/")).await.unwrap()];
        let busy = held[0].endpoint.address().unwrap();
        assert_eq!(held[0].endpoint.active(), 1);
        for _ in 0..20 {
            assert_ne!(picked(&api), busy);
        }
        held.push(send(&api, get("/")).await.unwrap());
        held.remove(0);
        for _ in 0..20 {
            assert_eq!(picked(&api), busy);
        }
    });
}

#[test]
fn least_request_reaches_all_of_equals() {
    on_worker(async {
        let all = addresses(5);
        let (_all, api) = only(UpstreamSpec {
            balance: Balance::LeastRequest,
            ..spec(&all)
        });
        let taken: std::collections::BTreeSet<_> = (0..500).map(|_| picked(&api)).collect();
        assert_eq!(taken.into_iter().collect::<Vec<_>>(), all);
    });
}

#[test]
fn a_wanted_endpoint_is_taken_if_there_is_such_a_one() {
    on_worker(async {
        let all = addresses(3);
        let (_all, api) = only(spec(&all));
        assert_eq!(api.pick(Some("127.0.0.1:3")).unwrap().address(), Some(all[2]));
        assert_eq!(api.pick(Some("127.0.0.1:4")).unwrap().address(), Some(all[0]));
        assert_eq!(api.pick(Some("nonsense")).unwrap().address(), Some(all[1]));
    });
}

#[test]
fn no_endpoint_is_a_fault() {
    on_worker(async {
        let (_all, api) = only(spec(&[]));
        let fault = api.pick(None).unwrap_err();
        assert_eq!((fault.code(), fault.flags()), ("upstream.no_endpoint", "UH"));
    });
}

#[test]
fn a_dead_endpoint_is_passed_over_after_its_first_failure() {
    on_worker(async {
        let (dead, alive) = (Peer::nobody().await, Peer::counting().await);
        let (_all, api) = only(spec(&[dead, alive.address]));
        let first = send(&api, get("/")).await.unwrap();
        assert_eq!((first.retries, first.endpoint.address()), (1, Some(alive.address)));
        for _ in 0..5 {
            fetch(&api, get("/")).await.unwrap();
        }
        assert_eq!(api.stats().connect_failures.get(), 1);
        assert_eq!(
            api.hosts().iter().map(|host| host.healthy).collect::<Vec<_>>(),
            [false, true]
        );

        pause();
        advance(Duration::from_secs(1)).await;
        resume();
        assert!(api.hosts()[0].healthy);
        fetch(&api, get("/")).await.unwrap();
        fetch(&api, get("/")).await.unwrap();
        assert_eq!(api.stats().connect_failures.get(), 2);
    });
}

#[test]
fn at_most_three_endpoints_are_tried() {
    on_worker(async {
        let mut dead = Vec::new();
        for _ in 0..5 {
            dead.push(Peer::nobody().await);
        }
        let (_all, api) = only(spec(&dead));
        let fault = send(&api, get("/")).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::Connect { .. }), "{fault}");
        assert!(fault.retryable());
        assert_eq!((fault.flags(), fault.status()), ("UF", StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(api.stats().connect_failures.get(), 3);
        let failures: Vec<_> = api.stats().failures().filter(|(_, count)| *count > 0).collect();
        assert_eq!(
            failures,
            [("upstream.connect_refused", 1)],
            "one request, however many endpoints"
        );
    });
}

#[test]
fn endpoints_that_all_failed_are_tried_all_the_same() {
    on_worker(async {
        let (_all, api) = only(spec(&[Peer::nobody().await]));
        for failures in 1..4 {
            send(&api, get("/")).await.unwrap_err();
            assert_eq!(api.stats().connect_failures.get(), failures);
        }
    });
}

#[test]
fn a_raw_stream_carries_bytes_and_counts_as_active() {
    on_worker(async {
        let peer = Peer::raw(|_, mut stream| async move {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        })
        .await;
        let (_all, api) = only(spec(&[Peer::nobody().await, peer.address]));
        let mut stream = api.connect(&api.pick(None).unwrap()).await.unwrap();
        assert_eq!(stream.endpoint().address(), Some(peer.address));
        assert!(!stream.is_tls());
        stream.write_all(b"PING\r\n").await.unwrap();
        let mut back = [0; 6];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"PING\r\n");
        assert_eq!((api.hosts()[1].active, api.stats().connections_active.get()), (1, 1));
        drop(stream);
        assert_eq!((api.hosts()[1].active, api.stats().connections_active.get()), (0, 0));
    });
}

#[test]
fn failures_at_the_same_time_count_as_one() {
    on_worker(async {
        let (_all, api) = only(spec(&[Peer::nobody().await]));
        let (one, two) = tokio::join!(send(&api, get("/")), send(&api, get("/")));
        assert!(one.is_err() && two.is_err());
        assert_eq!(api.stats().connect_failures.get(), 2);
        pause();
        advance(Duration::from_secs(1)).await;
        assert!(api.hosts()[0].healthy);
    });
}
