//! What is no request of any kind, and what the service hears of it; and what the kernel knows of a connection.

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Speaks HTTP/2 by hand until the gateway closes.
fn speak(stage: &Stage, frames: &[Vec<u8>]) {
    let mut client = stage.client();
    client.send([PREFACE, &frame(4, 0, 0, &[]), &frames.concat()].concat());
    let _ = io::Read::read_to_end(&mut client.0, &mut Vec::new());
}

fn hears(stage: &Stage, code: &'static str) {
    assert_eq!(stage.event(), Event::Unserved(code, None));
}

#[test]
fn broken_framing_of_http2_is_told_with_the_error_that_it_was() {
    let stage = Stage::web();
    // DATA on a stream that was never opened, a window that overflows, a frame that is too large.
    for (broken, code) in [
        (frame(0, 0, 1, b"x"), "client.http2.protocol_error"),
        (
            frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            "client.http2.flow_control_error",
        ),
        (frame(0, 0, 1, &[0; 16 * 1024 + 1]), "client.http2.frame_size_error"),
    ] {
        speak(&stage, &[broken]);
        hears(&stage, code);
    }
}

#[test]
fn a_client_that_ends_with_an_error_is_heard() {
    let stage = Stage::web();
    // GOAWAY: the last stream, and the error; that of a client that only goes is none.
    for (error, code) in [
        (1, "client.http2.told.protocol_error"),
        (3, "client.http2.told.flow_control_error"),
        (77, "client.http2.told.error"),
    ] {
        speak(&stage, &[frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, error])]);
        hears(&stage, code);
    }
    speak(&stage, &[frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 8])]);
    assert!(stage.events.try_recv().is_err());
}

/// A GET whose header `x` has so many bytes, from a client as they are; what became of it.
fn large(stage: &Stage, bytes: usize) -> Result<u16, h2::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let address = stage.address();
    runtime.unwrap().block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("http://x/")
            .header("x", "v".repeat(bytes))
            .body(())
            .unwrap();
        let (response, _) = sender.send_request(request, true).unwrap();
        Ok(tokio::time::timeout(PATIENCE, response)
            .await
            .unwrap()?
            .status()
            .as_u16())
    })
}

#[test]
fn a_header_list_that_ends_its_connection_is_told_and_one_that_ends_a_stream_is_not() {
    let stage = Stage::web();
    let bound = usize::try_from(LIMITS.header_bytes_max).unwrap();
    // The library answers by itself, and tells nobody; the reference says so.
    assert_eq!(large(&stage, 2 * bound).unwrap(), 431);
    until(|| stage.workers.listeners()[0].open == 0);
    assert!(stage.events.try_recv().is_err());
    // What is far too large costs the connection, which it does tell.
    let fault = large(&stage, 5 * bound).unwrap_err();
    assert_eq!(fault.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
    hears(&stage, "client.http2.enhance_your_calm");
}

#[test]
fn a_client_of_http2_that_leaves_has_broken_nothing() {
    let stage = Stage::web();
    let mut client = stage.client();
    client.send([PREFACE, &frame(4, 0, 0, &[]), &frame(7, 0, 0, &[0; 8])].concat());
    drop(client);
    until(|| stage.workers.listeners()[0].open == 0);
    assert!(stage.events.try_recv().is_err());
}

#[test]
fn a_head_that_is_broken_off_is_told_and_silence_is_not() {
    let stage = Stage::web();
    for silent in ["", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut client = stage.client();
        client.send(silent);
        if !silent.is_empty() {
            client.response();
            assert_eq!(stage.event(), Event::Began("/".into()));
            assert_eq!(stage.event(), Event::Ended("/".into()));
        }
        drop(client);
        until(|| stage.workers.listeners()[0].open == 0);
    }
    assert!(stage.events.try_recv().is_err());
    for begun in ["G", "PRI * HT", "GET / HTTP/1.1\r\nHo"] {
        let client = {
            let mut client = stage.client();
            client.send(begun);
            client
        };
        client.0.shutdown(Shutdown::Write).unwrap();
        hears(&stage, "client.head_unfinished");
    }
}

#[test]
fn the_kernel_is_asked_of_a_connection_while_it_serves() {
    let stage = Stage::web();
    let mut client = stage.client();
    let answer = client.get("/kernel");
    assert!(answer.contains("\r\n\r\nestablished Some(0) Some(0) "), "{answer}");
    let algorithm = answer.rsplit(' ').next().unwrap();
    let known = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap();
    assert!(known.split_whitespace().any(|name| name == algorithm), "{answer}");
}
