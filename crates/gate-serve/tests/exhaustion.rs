//! A process that runs out of file descriptors: the worker neither spins nor dies, and serves again when there are some.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gate_plan::{Limits, Listener, Protocol};
use gate_serve::bind::bind;
use gate_serve::connection::Connection;
use gate_serve::service::{Abort, Service};
use gate_serve::worker::Workers;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

const LIMITS: Limits = Limits {
    header_bytes_max: 16 * 1024,
    header_count_max: 100,
    header_timeout: Duration::from_secs(10),
    http2_streams_max: 100,
    connections_max: 10_000,
};

struct Greeter;

impl Service for Greeter {
    type Body = Full<Bytes>;

    async fn http(self: Rc<Self>, _: Rc<Connection>, _: Request<Incoming>) -> Result<Response<Full<Bytes>>, Abort> {
        Ok(Response::new(Full::from("ok")))
    }

    async fn tcp(self: Rc<Self>, _: Rc<Connection>, _: gate_serve::stream::Stream) {}
}

fn get(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_worker_without_file_descriptors_waits_and_goes_on() {
    let spec = Listener {
        name: "web".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        protocol: Protocol::Http,
        tls: None,
    };
    let bound = bind(&[Arc::new(spec)], LIMITS, NonZeroUsize::MIN).unwrap();
    let address = bound[0].address();
    let mut workers = Workers::start(NonZeroUsize::MIN, |_| async { Ok(Rc::new(Greeter)) }).unwrap();
    workers.open(bound).unwrap();
    assert!(get(address).ends_with("ok"));

    let limit = |number: &str| {
        let id = std::process::id().to_string();
        let set = Command::new("prlimit")
            .args(["--pid", &id, &format!("--nofile={number}:")])
            .status();
        assert!(set.expect("`prlimit` of util-linux is needed").success());
    };
    limit("64");
    let mut crowd = Vec::new();
    while let Ok(stream) = TcpStream::connect(address) {
        crowd.push(stream);
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while workers.listeners()[0].accepts_failed < 3 {
        assert!(Instant::now() < deadline, "no accept failed");
        std::thread::yield_now();
    }
    assert!(workers.listeners()[0].accepts_failed < 100, "the worker spins");
    drop(crowd);
    limit("1024");
    assert!(get(address).ends_with("ok"));
    assert!(workers.lost().is_empty() && workers.panics() == [0]);
}
