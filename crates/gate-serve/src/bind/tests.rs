//! Ports that are free, taken, shared and forbidden.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::TcpStream;

use super::*;
use crate::fixture::{LIMITS, http_listener};

fn at(address: SocketAddr) -> Arc<Listener> {
    Arc::new(Listener {
        listen: address,
        ..Listener::clone(&http_listener())
    })
}

fn two() -> NonZeroUsize {
    NonZeroUsize::new(2).unwrap()
}

#[test]
fn every_worker_has_a_socket_at_the_chosen_port() {
    let bound = bind(&[http_listener(), http_listener()], LIMITS, two()).unwrap();
    for listener in &bound {
        let ports: Vec<u16> = listener
            .sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap().port())
            .collect();
        assert_eq!(ports, [listener.address().port(); 2]);
    }
    assert_ne!(bound[0].address(), bound[1].address());
}

#[test]
fn a_port_of_another_gateway_is_taken_although_both_share_it_among_their_workers() {
    let first = bind(&[http_listener()], LIMITS, two()).unwrap();
    let address = first[0].address();
    let fault = bind(&[at(address)], LIMITS, two()).unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!(
            "listener `web`: address {address} is taken\nhint: another process listens there; `ss -ltnp` shows which"
        )
    );
    drop(first);
    bind(&[at(address)], LIMITS, two()).unwrap();
}

#[test]
fn a_port_of_anybody_else_is_taken_also_when_he_shares_it() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(matches!(
        bind(&[at(other.local_addr().unwrap())], LIMITS, two()),
        Err(BindFault::Taken { .. })
    ));
    let sharing = socket("127.0.0.1:0".parse().unwrap()).unwrap();
    sharing.set_reuse_port(true).unwrap();
    sharing
        .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
        .unwrap();
    sharing.listen(1).unwrap();
    let address = sharing.local_addr().unwrap().as_socket().unwrap();
    assert!(matches!(
        bind(&[at(address)], LIMITS, two()),
        Err(BindFault::Taken { .. })
    ));
}

#[test]
fn a_fault_closes_what_was_opened() {
    let free = bind(&[http_listener()], LIMITS, two()).unwrap()[0].address();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    bind(&[at(free), at(taken.local_addr().unwrap())], LIMITS, two()).unwrap_err();
    bind(&[at(free)], LIMITS, two()).unwrap();
}

#[test]
fn an_address_of_another_machine_is_named() {
    let fault = bind(&[at("192.0.2.1:8080".parse().unwrap())], LIMITS, two()).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "listener `web`: address 192.0.2.1:8080 is none of this machine's"
    );
}

#[test]
fn accepted_connections_send_without_delay() {
    let bound = bind(&[http_listener()], LIMITS, NonZeroUsize::MIN).unwrap();
    let socket = bound[0].sockets[0].try_clone().unwrap();
    socket.set_nonblocking(false).unwrap();
    let _client = TcpStream::connect(bound[0].address()).unwrap();
    let (accepted, _) = socket.accept().unwrap();
    assert!(accepted.nodelay().unwrap(), "TCP_NODELAY is not inherited");
    assert!(
        socket2::SockRef::from(&accepted).keepalive().unwrap(),
        "SO_KEEPALIVE is not inherited"
    );
}
