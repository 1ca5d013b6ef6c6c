//! DNS names: localhost, waiting for the first answer, changes, failures.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use gate_plan::{EndpointSpec, Upstream as UpstreamSpec};
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use tokio::net::UdpSocket;
use tokio::task::spawn_local;
use tokio::time::{Duration, advance, pause, resume};

use super::peer::{Peer, fetch, get, on_worker, only, send, spec, until};
use crate::{Upstream, UpstreamFault, Upstreams};

fn named(host: &str, port: u16) -> UpstreamSpec {
    UpstreamSpec {
        endpoints: vec![EndpointSpec::Named {
            host: host.to_owned(),
            port,
        }],
        ..spec(&[])
    }
}

#[test]
fn the_first_exchange_waits_for_the_name() {
    on_worker(async {
        let peer = Peer::counting().await;
        let (_all, api) = only(named("localhost", peer.address.port()));
        let endpoint = api.pick(None).unwrap();
        assert_eq!(endpoint.address(), None);
        let sent = api.send(&endpoint, get("/")).await.unwrap();
        assert_eq!(sent.endpoint.address(), Some(peer.address));
        assert_eq!(sent.endpoint.host(), Some("localhost"));
        assert_eq!(api.pick(None).unwrap().address(), Some(peer.address));
    });
}

/// A name server: answers A questions with what it is told to, and nothing at all to others.
struct NameServer {
    address: SocketAddr,
    answers: Rc<RefCell<Vec<Ipv4Addr>>>,
    time_to_live_s: Rc<Cell<u32>>,
    asked: Rc<Cell<usize>>,
}

impl NameServer {
    async fn start(answers: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: socket.local_addr().unwrap(),
            answers: Rc::new(RefCell::new(answers.to_vec())),
            time_to_live_s: Rc::new(Cell::new(10)),
            asked: Rc::default(),
        };
        let (answers, seconds, asked) = (
            Rc::clone(&server.answers),
            Rc::clone(&server.time_to_live_s),
            Rc::clone(&server.asked),
        );
        spawn_local(async move {
            let mut question = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut question).await.unwrap();
                asked.set(asked.get() + 1);
                let reply = reply(&question[..length], &answers.borrow(), seconds.get());
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        server
    }

    fn config(&self) -> ResolverConfig {
        let mut server = NameServerConfig::udp(self.address.ip());
        for connection in &mut server.connections {
            connection.port = self.address.port();
        }
        ResolverConfig::from_parts(None, Vec::new(), vec![server])
    }

    fn worker(&self, spec: UpstreamSpec) -> (Rc<Upstreams>, Rc<Upstream>) {
        let all = Upstreams::new();
        all.apply(
            &Upstreams::prepare(&[Arc::new(spec)])
                .unwrap()
                .with_name_server(self.config()),
        );
        let one = all.iter().next().unwrap();
        (all, one)
    }
}

/// RFC 1035 section 4: the question's header as an answer, its question, and a record for each address.
fn reply(question: &[u8], answers: &[Ipv4Addr], time_to_live_s: u32) -> Vec<u8> {
    let name_end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let asks_a = question[name_end..name_end + 2] == [0, 1];
    let answers = if asks_a { answers } else { &[] };
    let code = if answers.is_empty() { 3 } else { 0 };
    let mut reply = question[..2].to_vec();
    reply.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::try_from(answers.len()).unwrap(),
        0,
        0,
        0,
        0,
    ]);
    reply.extend(&question[12..name_end + 4]);
    for answer in answers {
        reply.extend([0xc0, 12, 0, 1, 0, 1]);
        reply.extend(time_to_live_s.to_be_bytes());
        reply.extend([0, 4]);
        reply.extend(answer.octets());
    }
    reply
}

async fn later(seconds: u64) {
    pause();
    advance(Duration::from_secs(seconds)).await;
    resume();
}

fn ips(upstream: &Upstream) -> Vec<IpAddr> {
    upstream.hosts().iter().map(|host| host.address.ip()).collect()
}

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[test]
fn all_addresses_of_a_name_become_endpoints() {
    on_worker(async {
        let server = NameServer::start(&[TWO, ONE]).await;
        let (_all, api) = server.worker(named("api.test.", 80));
        until(|| !api.hosts().is_empty()).await;
        assert_eq!(ips(&api), [ONE, TWO]);
        assert_eq!(api.hosts()[0].host.as_deref(), Some("api.test."));
    });
}

#[test]
fn a_name_is_resolved_again_when_its_time_is_over() {
    on_worker(async {
        let peer = Peer::counting().await;
        let server = NameServer::start(&[ONE]).await;
        let (_all, api) = server.worker(named("api.test.", peer.address.port()));
        assert_eq!(fetch(&api, get("/")).await.unwrap(), "0");
        *server.answers.borrow_mut() = vec![ONE, TWO];
        later(11).await;
        until(|| api.hosts().len() == 2).await;
        // The endpoint that stayed has kept its connection.
        let kept = api.pick(Some(&peer.address.to_string())).unwrap();
        assert!(api.send(&kept, get("/")).await.unwrap().reused);
        *server.answers.borrow_mut() = vec![TWO];
        later(11).await;
        until(|| ips(&api) == [TWO]).await;
    });
}

#[test]
fn a_long_time_to_live_is_not_believed() {
    on_worker(async {
        let server = NameServer::start(&[ONE]).await;
        server.time_to_live_s.set(86_400);
        let (_all, api) = server.worker(named("api.test.", 80));
        until(|| !api.hosts().is_empty()).await;
        *server.answers.borrow_mut() = vec![TWO];
        later(31).await;
        until(|| ips(&api) == [TWO]).await;
    });
}

#[test]
fn the_last_good_answer_is_kept_while_the_server_fails() {
    on_worker(async {
        let server = NameServer::start(&[ONE]).await;
        let (_all, api) = server.worker(named("api.test.", 80));
        until(|| !api.hosts().is_empty()).await;
        server.answers.borrow_mut().clear();
        let before = server.asked.get();
        later(11).await;
        until(|| server.asked.get() > before + 1).await;
        assert_eq!(ips(&api), [ONE]);
        *server.answers.borrow_mut() = vec![TWO];
        later(6).await;
        until(|| ips(&api) == [TWO]).await;
    });
}

#[test]
fn a_name_without_address_is_a_fault_until_it_has_one() {
    on_worker(async {
        let peer = Peer::counting().await;
        let server = NameServer::start(&[]).await;
        let (_all, api) = server.worker(named("api.test.", peer.address.port()));
        let fault = send(&api, get("/")).await.unwrap_err();
        assert!(matches!(fault, UpstreamFault::Resolve { .. }), "{fault}");
        assert_eq!((fault.code(), fault.flags()), ("upstream.not_resolved", "DF"));
        assert!(matches!(api.pick(None), Err(UpstreamFault::Resolve { .. })));
        *server.answers.borrow_mut() = vec![ONE];
        later(6).await;
        until(|| !api.hosts().is_empty()).await;
        assert_eq!(fetch(&api, get("/")).await.unwrap(), "0");
    });
}

#[test]
fn fixed_endpoints_serve_while_a_name_is_not_resolved() {
    on_worker(async {
        let peer = Peer::counting().await;
        let server = NameServer::start(&[]).await;
        let mut spec = named("api.test.", 80);
        spec.endpoints.push(EndpointSpec::Fixed(peer.address));
        let (_all, api) = server.worker(spec);
        assert_eq!(fetch(&api, get("/")).await.unwrap(), "0");
    });
}
