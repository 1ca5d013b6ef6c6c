//! JSON over HTTP against a server that behaves, and one that does not.

use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::net::{Login, Secret};
use crate::record::Level;
use crate::scene::server::{Reply, Server};
use crate::scene::{assert_exact, frame, heard, records, until};
use crate::tally::Reason;

fn good() -> Reply {
    Reply::Status(204, Vec::new(), Vec::new())
}

fn numbers(server: &Server) -> Vec<u64> {
    let asked = server.asked.lock();
    let lines = asked
        .iter()
        .flat_map(|one| one.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()));
    lines
        .map(|line| {
            serde_json::from_slice::<serde_json::Value>(line).unwrap()["n"]
                .as_u64()
                .unwrap()
        })
        .collect()
}

fn end(mut sink: Sink) -> crate::Tally {
    assert!(sink.ended(Instant::now() + Duration::from_secs(20)));
    let tally = sink.tally();
    assert_exact(&tally);
    tally
}

#[test]
fn lines_arrive_packed_with_who_we_are() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let logins = [
        (
            Login::Bearer(Secret::File(secret.clone())),
            "authorization",
            "Bearer s3cret",
        ),
        (
            Login::Basic(String::from("me"), Secret::File(secret.clone())),
            "authorization",
            "Basic bWU6czNjcmV0",
        ),
        (
            Login::Header(String::from("X-Api-Key"), Secret::File(secret)),
            "x-api-key",
            "s3cret",
        ),
    ];
    for (login, name, value) in logins {
        let server = Server::start(|_, _| good());
        let mut target = server.target("/in?source=gate");
        target.login = Some(login);
        target.headers = vec![(String::from("x-scope-orgid"), String::from("tenant"))];
        let sink = start(frame("json"), target, Shape::Lines).unwrap();
        sink.give(&records(1..=250));
        until("all", || sink.acknowledged() == 250);
        assert_eq!(numbers(&server), (1..=250).collect::<Vec<_>>());
        let asked = server.asked.lock()[0].clone();
        assert_eq!(
            (asked.path.as_str(), &asked.headers[name]),
            ("/in", &value.parse().unwrap())
        );
        assert_eq!(
            (&asked.headers["content-encoding"], &asked.headers["x-scope-orgid"]),
            (&"gzip".parse().unwrap(), &"tenant".parse().unwrap())
        );
        assert_eq!(end(sink).delivered, 250);
    }
}

#[test]
fn an_array_is_one_value() {
    let server = Server::start(|_, _| good());
    let mut target = server.target("/");
    target.gzip = false;
    let sink = start(frame("array"), target, Shape::Array).unwrap();
    sink.give(&records(1..=3));
    until("all", || sink.acknowledged() == 3);
    let body: serde_json::Value = serde_json::from_slice(&server.asked.lock()[0].body).unwrap();
    assert_eq!(body.as_array().unwrap().len(), 3);
    end(sink);
}

#[test]
fn what_a_server_cannot_take_now_is_sent_again_and_what_it_refuses_is_dropped_with_its_words() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Status(503, Vec::new(), b"later".to_vec()),
        1 => Reply::Status(429, vec![("retry-after", String::from("0"))], Vec::new()),
        2 => Reply::Close,
        3 => Reply::Status(400, Vec::new(), b"no such field".to_vec()),
        _ => good(),
    });
    let (frame, heard) = heard(frame("again"));
    let sink = start(frame, server.target("/"), Shape::Lines).unwrap();
    sink.give(&records(1..=10));
    until("refused", || sink.tally().dropped() == 10);
    assert_eq!(sink.tally().dropped_for(Level::Info, Reason::Refused), 10);
    sink.give(&records(11..=20));
    until("all", || sink.acknowledged() == 20);
    assert_eq!((server.count(), sink.tally().delivered), (5, 10));
    assert!(
        heard.lock().iter().any(|text| text == "Refused: 400 no such field"),
        "{:?}",
        heard.lock()
    );
    end(sink);
}

#[test]
fn a_server_that_asks_for_time_is_given_it() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Status(429, vec![("retry-after", String::from("1"))], Vec::new()),
        _ => good(),
    });
    let sink = start(frame("after"), server.target("/"), Shape::Lines).unwrap();
    sink.give(&records(1..=1));
    until("refused", || server.count() == 1);
    let since = Instant::now();
    until("all", || sink.acknowledged() == 1);
    assert!(since.elapsed() > Duration::from_millis(900), "{:?}", since.elapsed());
    end(sink);
}

#[test]
fn too_large_a_body_is_sent_in_parts_and_too_large_a_record_is_dropped() {
    let server = Server::start(|_, asked| {
        let lines = asked.body.split(|byte| *byte == b'\n').count() - 1;
        let large = String::from_utf8_lossy(&asked.body).contains("\"n\":7,");
        if lines > 3 || large {
            Reply::Status(413, Vec::new(), b"too much".to_vec())
        } else {
            good()
        }
    });
    let sink = start(frame("parts"), server.target("/"), Shape::Lines).unwrap();
    sink.give(&records(1..=50));
    until("all", || sink.acknowledged() == 50);
    let tally = end(sink);
    assert_eq!(
        (tally.delivered, tally.dropped_for(Level::Info, Reason::TooLarge)),
        (49, 1)
    );
}

#[test]
fn bodies_that_never_end_or_never_come_harm_nobody() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Slow(200),
        1 => Reply::Silent,
        2 => Reply::Slow(500),
        3 => Reply::Endless(500),
        4 => Reply::Endless(200),
        5 => Reply::Status(302, vec![("location", String::from("/elsewhere"))], Vec::new()),
        _ => good(),
    });
    let mut target = server.target("/");
    target.answer_wait_max = Duration::from_millis(150);
    let sink = start(frame("hostile"), target, Shape::Lines).unwrap();
    sink.give(&records(1..=5));
    until("the endless good one", || sink.tally().delivered == 5);
    assert_eq!(server.count(), 5);
    sink.give(&records(6..=6));
    until("no redirection is followed", || sink.tally().dropped() == 1);
    sink.give(&records(7..=7));
    until("all", || sink.acknowledged() == 7);
    assert_eq!(end(sink).delivered, 6);
}

#[test]
fn bytes_that_are_no_http_and_nobody_at_all_are_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let garbage = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = std::io::Write::write_all(&mut stream, &[0xff; 200_000]);
        }
    });
    let server = Server::start(|_, _| good());
    let mut target = server.target("/");
    target.uri = format!("http://{address}/").parse().unwrap();
    let sink = start(frame("garbage"), target, Shape::Lines).unwrap();
    sink.give(&records(1..=5));
    until("tries", || sink.tally().retries > 5);
    garbage.join().unwrap();
    let tally = end(sink);
    assert_eq!((tally.held, tally.delivered), (5, 0));
}

#[test]
fn tls_is_with_whom_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let authority = testkit::tls::Authority::new(folder.path()).unwrap();
    let other = tempfile::tempdir().unwrap();
    let stranger = testkit::tls::Authority::new(other.path()).unwrap();
    let identity = authority.issue("localhost", &["localhost"]).unwrap();
    let certificates = CertificateDer::pem_file_iter(&identity.chain)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let server = Server::start_tls(config, |_, _| good());
    let mut target = server.target("/");
    target.uri = format!("https://localhost:{}/", server.address.port()).parse().unwrap();
    target.tls.authorities = Some(stranger.file);
    let (refusing, heard) = heard(frame("stranger"));
    let sink = start(refusing, target.clone(), Shape::Lines).unwrap();
    sink.give(&records(1..=1));
    until("a word", || !heard.lock().is_empty());
    assert!(heard.lock()[0].contains("TLS"), "{:?}", heard.lock());
    assert_eq!(end(sink).delivered, 0);
    target.tls.authorities = Some(authority.file);
    let sink = start(frame("known"), target, Shape::Lines).unwrap();
    sink.give(&records(1..=1));
    until("all", || sink.acknowledged() == 1);
    assert_eq!(end(sink).delivered, 1);
}
