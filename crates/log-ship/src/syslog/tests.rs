//! Syslog over its four ways, and what `logger` says of the form.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Instant;

use super::*;
use crate::scene::{assert_exact, frame, record, records, until};

fn settings(transport: Transport) -> SyslogSettings {
    SyslogSettings {
        transport,
        facility: 16,
        host: String::from("gate 1"),
        application: String::from("cofferdam"),
        datagram_bytes_max: 2048,
        wait_max: Duration::from_secs(2),
    }
}

fn expected(number: u64) -> String {
    format!(
        "<134>1 2026-11-23T12:34:56.000000Z gate1 cofferdam {} access - {{\"n\":{number},\"text\":\"é \\\" \\\\ \\u0007\"}}",
        std::process::id()
    )
}

fn end(mut sink: Sink) {
    assert!(sink.ended(Instant::now() + Duration::from_secs(20)));
    assert_exact(&sink.tally());
}

/// Messages out of a stream, by their lengths.
fn messages(mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        all.push(String::from_utf8(bytes[space + 1..space + 1 + length].to_vec()).unwrap());
        bytes = &bytes[space + 1 + length..];
    }
    assert!(bytes.is_empty());
    all
}

#[test]
fn datagrams_over_udp_are_one_message_each() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let place = server.local_addr().unwrap().to_string();
    let sink = start(frame("udp"), settings(Transport::Udp(place))).unwrap();
    sink.give(&records(1..=2));
    let mut buffer = [0; 4096];
    for number in 1..=2 {
        let length = server.recv(&mut buffer).unwrap();
        assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), expected(number));
    }
    end(sink);
}

#[test]
fn what_is_too_long_for_a_datagram_is_cut_between_characters() {
    let long = "aé€".repeat(100);
    for bytes_max in 1..long.len() {
        let cut = cut(long.as_bytes(), bytes_max);
        assert!(cut.len() <= bytes_max && bytes_max - cut.len() < 3);
        assert!(std::str::from_utf8(cut).is_ok());
    }
}

#[test]
fn a_stream_counts_octets_and_is_opened_anew_when_it_was_closed() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = server.local_addr().unwrap().to_string();
    let sink = start(frame("tcp"), settings(Transport::Tcp(place))).unwrap();
    sink.give(&records(1..=300));
    let (mut first, _) = server.accept().unwrap();
    until("the first", || sink.acknowledged() == 300);
    // Read to the last byte, so that the close is a quiet one, after which a write would still seem to go well.
    let length = |number: u64| expected(number).len().to_string().len() + 1 + expected(number).len();
    let mut all = vec![0; (1..=300).map(length).sum()];
    first.read_exact(&mut all).unwrap();
    assert_eq!(messages(&all), (1..=300).map(expected).collect::<Vec<_>>());
    drop(first);
    sink.give(&records(301..=303));
    let (mut second, _) = server.accept().unwrap();
    until("the second", || sink.acknowledged() == 303);
    end(sink);
    let mut all = Vec::new();
    second.read_to_end(&mut all).unwrap();
    assert_eq!(messages(&all), [expected(301), expected(302), expected(303)]);
}

#[test]
fn unix_sockets_of_both_kinds_are_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let server = UnixDatagram::bind(&path).unwrap();
    let sink = start(frame("datagram"), settings(Transport::UnixDatagram(path))).unwrap();
    sink.give(&records(1..=1));
    let mut buffer = [0; 4096];
    let length = server.recv(&mut buffer).unwrap();
    assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), expected(1));
    end(sink);
    let path = folder.path().join("stream");
    let sink = start(frame("stream"), settings(Transport::UnixStream(path.clone()))).unwrap();
    sink.give(&records(1..=2));
    until("a try without a server", || sink.tally().retries > 0);
    let server = UnixListener::bind(&path).unwrap();
    let (mut stream, _) = server.accept().unwrap();
    until("all", || sink.acknowledged() == 2);
    end(sink);
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert_eq!(messages(&all), [expected(1), expected(2)]);
}

/// The head of a message as `logger` writes it has the same parts in the same places.
#[test]
fn the_form_is_that_of_logger() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let place = server.local_addr().unwrap();
    let status = std::process::Command::new("logger")
        .args([
            "--rfc5424=notq",
            "--udp",
            "--server",
            "127.0.0.1",
            "--priority",
            "local0.info",
            "--msgid",
            "access",
        ])
        .args([
            "--port",
            &place.port().to_string(),
            "--tag",
            "cofferdam",
            "--id=7",
            "hello",
        ])
        .status()
        .unwrap();
    assert!(status.success());
    let sink = start(frame("form"), settings(Transport::Udp(place.to_string()))).unwrap();
    let mut heads = Vec::new();
    for _ in 0..2 {
        let mut buffer = [0; 4096];
        let length = server.recv(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        let parts: Vec<String> = text.split(' ').map(str::to_owned).collect();
        assert_eq!((parts[1].len() > 25, parts[1].as_bytes()[10]), (true, b'T'), "{text}");
        heads.push([parts[0].clone(), parts[3].clone(), parts[5].clone(), parts[6].clone()]);
        if heads.len() == 1 {
            sink.give(&[record(1, Level::Info)]);
        }
    }
    assert_eq!(heads[0], heads[1]);
    end(sink);
}
