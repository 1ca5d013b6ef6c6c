//! Handshakes that fail, each for its own reason, and what the service hears of them.

use std::net::Shutdown;

use super::*;
use crate::fixture::Event;

/// A hello, written by hand for what no library offers any more.
fn hello(version: u16, suite: u16, name: &str) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let extension = |kind: u16, bytes: &[u8]| [&kind.to_be_bytes()[..], &sized(bytes)].concat();
    let host = [&[0][..], &sized(name.as_bytes())].concat();
    let extensions = [
        extension(0, &sized(&host)),
        extension(10, &sized(&0x001d_u16.to_be_bytes())),
        extension(11, &[1, 0]),
        extension(13, &sized(&0x0403_u16.to_be_bytes())),
    ];
    let body = [
        &version.to_be_bytes()[..],
        &[7; 32],
        &[0],
        &sized(&suite.to_be_bytes()),
        &[1, 0],
        &sized(&extensions.concat()),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}

fn office() -> (Office, ServerTls) {
    let office = Office::open();
    let tls = office.tls(vec![office.issue("web", "web", &["web.example"])]);
    (office, tls)
}

fn hears(stage: &Stage, code: &'static str, name: Option<&str>) {
    assert_eq!(stage.event(), Event::Unserved(code, name.map(str::to_owned)));
}

/// Sends bytes to a listener with TLS and waits until it closes.
fn say(stage: &Stage, bytes: &[u8]) {
    let mut client = stage.client();
    client.send(bytes);
    let _ = io::Read::read_to_end(&mut client.0, &mut Vec::new());
}

#[test]
fn what_is_no_tls_is_told_from_tls_that_has_nothing_in_common() {
    let (_office, tls) = office();
    let stage = stage(&tls);
    say(&stage, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    hears(&stage, "tls.handshake_failed.not_tls", None);
    say(&stage, &hello(0x0302, 0xc02b, "Old.example"));
    hears(&stage, "tls.handshake_failed.no_common_version", Some("old.example"));
    say(&stage, &hello(0x0303, 0x0005, "weak.example"));
    hears(&stage, "tls.handshake_failed.no_common_cipher", Some("weak.example"));
    assert_eq!(stage.workers.listeners()[0].handshakes_failed, 3);
}

#[test]
fn a_protocol_that_is_not_spoken_here_is_named() {
    let (office, tls) = office();
    let stage = stage(&tls);
    let config = office.client(rustls::ALL_VERSIONS, None);
    assert!(shake(stage.address(), "web.example", config, &["spdy/9"]).is_err());
    hears(&stage, "tls.handshake_failed.no_common_protocol", Some("web.example"));
}

#[test]
fn certificates_of_clients_that_are_missing_strange_or_old_are_told_apart() {
    let (office, tls) = office();
    let stage = stage(&ServerTls {
        client_certificates: ClientCertificates::Required {
            authorities: office.path("authority.pem"),
        },
        ..tls
    });
    let stranger = Office::of("another").issue_kept();
    let forger = Office::open().issue_kept();
    let mut old = CertificateParams::new(vec!["old.example".to_owned()]).unwrap();
    (old.not_before, old.not_after) = (rcgen::date_time_ymd(2000, 1, 1), rcgen::date_time_ymd(2001, 1, 1));
    let key = KeyPair::generate().unwrap();
    let old = old.signed_by(&key, &office.authority).unwrap();
    let files = CertificateFiles {
        chain: office.path("old.pem"),
        key: office.path("old.key"),
    };
    std::fs::write(&files.chain, old.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    for (own, code) in [
        (None, "tls.handshake_failed.no_certificate"),
        (Some(&stranger.1), "tls.handshake_failed.certificate_unknown_issuer"),
        // Its authority has the name of ours, and another key.
        (Some(&forger.1), "tls.handshake_failed.certificate_refused"),
        (Some(&files), "tls.handshake_failed.certificate_expired"),
    ] {
        let config = office.client(rustls::ALL_VERSIONS, own);
        assert!(shake(stage.address(), "web.example", config, &[]).is_err());
        hears(&stage, code, Some("web.example"));
    }
}

#[test]
fn a_client_that_refuses_our_certificate_says_why_by_its_alert() {
    let (_office, tls) = office();
    let stage = stage(&tls);
    let elsewhere = Office::of("another");
    let config = elsewhere.client(rustls::ALL_VERSIONS, None);
    assert!(shake(stage.address(), "web.example", config, &[]).is_err());
    hears(&stage, "tls.handshake_failed.alert.unknown_ca", Some("web.example"));
}

#[test]
fn a_client_that_leaves_is_told_from_one_that_is_late() {
    let (_office, tls) = office();
    let limits = gate_plan::Limits {
        header_timeout: Duration::from_millis(100),
        ..LIMITS
    };
    let half = hello(0x0303, 0xc02b, "web.example");
    let patient = stage(&tls);
    let mut leaving = patient.client();
    leaving.send(&half[..20]);
    leaving.0.shutdown(Shutdown::Both).unwrap();
    hears(&patient, "tls.handshake_failed.closed", None);
    let hasty = Stage::start(1, &[listener("safe", Protocol::Http, Some(tls))], limits);
    say(&hasty, &half[..20]);
    hears(&hasty, "tls.handshake_failed.timeout", None);
    // A whole hello, and nothing after our answer.
    say(&hasty, &half);
    hears(&hasty, "tls.handshake_failed.timeout", Some("web.example"));
}
