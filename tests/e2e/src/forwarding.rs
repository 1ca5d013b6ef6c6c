//! What passes to the upstream and back, and what is added or left out on the way.

use anyhow::Result;
use bytes::Bytes;
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks, Step};
use testkit::client::{Connection, End, Request, Version, send};
use testkit::fields::{fields, value, values};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::setting::{VERSIONS, ask, backend, echoed, forwarding_to, gateway, get, upstream};

/// 10 MiB.
const BIG: usize = 10 << 20;

#[tokio::test]
async fn hop_by_hop_fields_end_here() -> Result<()> {
    let backend = backend()?;
    backend.reply(
        "/",
        Reply::new(200)
            .field("connection", "x-named")
            .field("x-named", "1")
            .field("keep-alive", "timeout=5")
            .field("proxy-connection", "keep-alive")
            .field("x-kept", "1")
            .body("ok"),
    );
    let gateway = forwarding_to(&backend).await?;
    let request = Request::get("/")
        .field("Connection", "X-Named, keep-alive")
        .field("x-named", "1")
        .field("keep-alive", "timeout=5")
        .field("proxy-connection", "keep-alive")
        .field("te", "gzip")
        .field("x-kept", "1");
    let answer = ask(&gateway, &request).await?;
    let record = backend.records().remove(0);
    for name in ["x-named", "keep-alive", "proxy-connection", "te"] {
        assert_eq!(record.field(name), None, "{name} went up");
        assert_eq!(answer.field(name), None, "{name} came down");
    }
    assert!(!values(&record.fields, "connection").contains(&"X-Named, keep-alive"));
    assert!(!values(&answer.fields, "connection").contains(&"x-named"));
    assert_eq!((record.field("x-kept"), answer.field("x-kept")), (Some("1"), Some("1")));
    Ok(())
}

#[tokio::test]
async fn the_way_of_a_request_is_told() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "e", "echo": true}]})).await?;
    let plain = echoed(&get(&gateway, "/").await?)?;
    assert_eq!(plain["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(plain["headers"]["x-forwarded-proto"], "http");
    let request = Request::get("/")
        .field("x-forwarded-for", "192.0.2.1")
        .field("x-forwarded-proto", "https")
        .field("x-request-id", "mine");
    let told = echoed(&ask(&gateway, &request).await?)?;
    let way: Vec<&str> = told["headers"]["x-forwarded-for"]
        .as_str()
        .unwrap()
        .split(',')
        .map(str::trim)
        .collect();
    assert_eq!(way, ["192.0.2.1", "127.0.0.1"]);
    // A proxy before us may add a line of its own behind the client's.
    let request = Request::get("/")
        .field("x-forwarded-for", "203.0.113.9")
        .field("x-forwarded-for", "192.0.2.1");
    let two = echoed(&ask(&gateway, &request).await?)?;
    assert_eq!(two["headers"]["x-forwarded-for"], "203.0.113.9,192.0.2.1,127.0.0.1");
    assert_eq!(told["headers"]["x-forwarded-proto"], "http");
    Ok(())
}

#[tokio::test]
async fn a_request_id_is_made_or_kept() -> Result<()> {
    for (preserve, kept) in [(false, false), (true, true)] {
        let gateway = gateway(json!({
            "forwarding": {"preserve_request_id": preserve},
            "routes": [{"name": "e", "echo": true}],
        }))
        .await?;
        let request = Request::get("/").field("x-request-id", "mine");
        let echo = echoed(&ask(&gateway, &request).await?)?;
        let id = echo["headers"]["x-request-id"].as_str().unwrap().to_owned();
        assert_eq!(id == "mine", kept, "{id}");
        let fresh = echoed(&get(&gateway, "/").await?)?;
        let fresh = fresh["headers"]["x-request-id"].as_str().unwrap();
        assert_eq!((fresh.len(), fresh.matches('-').count()), (36, 4), "{fresh} is no UUID");
        assert_ne!(id, fresh);
    }
    Ok(())
}

/// Reads until the bytes end with `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> Result<String> {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut byte = [0];
        let read = tokio::time::timeout(testkit::process::DEADLINE, stream.read_exact(&mut byte)).await;
        read.map_err(|_| anyhow::anyhow!("nothing more after {text:?}"))??;
        text.push(char::from(byte[0]));
    }
    Ok(text)
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_before_it_sends() -> Result<()> {
    let backend = backend()?;
    let gateway = forwarding_to(&backend).await?;
    let mut stream = TcpStream::connect(gateway.listener("web")?).await?;
    let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let interim = read_until(&mut stream, "\r\n\r\n").await?;
    assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
    stream.write_all(b"body").await?;
    let answer = read_until(&mut stream, "hello from up").await?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(backend.records()[0].text(), "body");
    Ok(())
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_asked_for() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "no", "respond": {"status": 403, "body": "no"}}]})).await?;
    let mut stream = TcpStream::connect(gateway.listener("web")?).await?;
    let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let answer = read_until(&mut stream, "\r\n\r\n").await?;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_request_answered_before_its_body_is_read_ends_the_connection_unless_the_rest_is_short() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "no", "respond": {"status": 403, "body": "no"}}]})).await?;
    let requests = [
        ("content-length: 4\r\n\r\nbody", false),
        ("content-length: 16384\r\n\r\n", false),
        ("content-length: 16385\r\n\r\n", true),
        ("transfer-encoding: chunked\r\n\r\n", true),
        ("expect: 100-continue\r\ncontent-length: 4\r\n\r\n", true),
    ];
    for (rest, closes) in requests {
        let mut stream = TcpStream::connect(gateway.listener("web")?).await?;
        stream
            .write_all(format!("POST / HTTP/1.1\r\nhost: a\r\n{rest}").as_bytes())
            .await?;
        let answer = read_until(&mut stream, "\r\n\r\nno").await?;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert_eq!(answer.contains("connection: close\r\n"), closes, "{rest:?}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_short_body_that_nobody_asked_for_does_not_end_the_connection() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "no", "respond": {"status": 403, "body": "no"}}]})).await?;
    let mut stream = TcpStream::connect(gateway.listener("web")?).await?;
    for _ in 0..3 {
        let request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
        stream.write_all(request).await?;
        let answer = read_until(&mut stream, "\r\n\r\nno").await?;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body() -> Result<()> {
    let backend = backend()?;
    let gateway = forwarding_to(&backend).await?;
    for version in VERSIONS {
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        let answer = connection.send(&Request::new("HEAD", "/")).await?;
        assert_eq!((answer.status, answer.field("content-length")), (200, Some("13")));
        assert_eq!((answer.text().as_str(), answer.end), ("", End::Complete));
        assert_eq!(connection.send(&Request::get("/")).await?.text(), "hello from up");
    }
    assert_eq!(backend.records()[0].method, "HEAD");
    Ok(())
}

#[tokio::test]
async fn statuses_without_a_body_have_none() -> Result<()> {
    let backend = backend()?;
    backend.reply("/204", Reply::new(204));
    backend.reply("/304", Reply::new(304).field("etag", "\"x\""));
    let gateway = forwarding_to(&backend).await?;
    for version in VERSIONS {
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        for (target, status) in [("/204", 204), ("/304", 304)] {
            let answer = connection.send(&Request::get(target)).await?;
            assert_eq!(
                (answer.status, answer.text().as_str(), answer.end),
                (status, "", End::Complete)
            );
            assert_eq!(value(&answer.fields, "transfer-encoding"), None);
        }
        assert_eq!(connection.send(&Request::get("/")).await?.text(), "hello from up");
    }
    Ok(())
}

fn big() -> Bytes {
    (0..BIG).map(|place| (place % 251) as u8).collect()
}

fn big_pieces() -> Vec<Bytes> {
    let whole = big();
    (0..BIG)
        .step_by(1 << 16)
        .map(|from| whole.slice(from..(from + (1 << 16)).min(BIG)))
        .collect()
}

#[tokio::test]
async fn ten_mebibytes_pass_up_and_down() -> Result<()> {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let backend = Backend::start("up", speaks)?;
        let mut down = Reply::new(200);
        for piece in big_pieces() {
            down = down.step(Step::Data(piece));
        }
        backend.reply("/down", down.early());
        let mut up = upstream("up", &backend);
        up["protocol"] = if speaks == Speaks::Http2 {
            "http2".into()
        } else {
            "http1".into()
        };
        let gateway = gateway(json!({"upstreams": [up], "routes": [{"name": "r", "upstream": "up"}]})).await?;
        for (version, sized) in [(Version::Http1, true), (Version::Http1, false), (Version::Http2, false)] {
            let before = backend.records().len();
            let mut request = Request::new("POST", "/up");
            request.pieces = big_pieces();
            if sized {
                request = request.field("content-length", &BIG.to_string());
            }
            assert_eq!(
                send(gateway.listener("web")?, version, &request).await?.text(),
                "hello from up"
            );
            let record = backend.records().remove(before);
            assert!(record.pieces.concat() == big(), "{version:?} up {speaks:?}");
            let answer = send(gateway.listener("web")?, version, &Request::get("/down")).await?;
            assert_eq!(answer.end, End::Complete);
            assert!(answer.body() == big(), "{version:?} down {speaks:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn trailers_pass_both_ways() -> Result<()> {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let backend = Backend::start("up", speaks)?;
        backend.reply(
            "/",
            Reply::new(200)
                .field("trailer", "x-down")
                .piece("body")
                .trailer("x-down", "1"),
        );
        let mut up = upstream("up", &backend);
        up["protocol"] = if speaks == Speaks::Http2 {
            "http2".into()
        } else {
            "http1".into()
        };
        let gateway = gateway(json!({"upstreams": [up], "routes": [{"name": "r", "upstream": "up"}]})).await?;
        for version in VERSIONS {
            let before = backend.records().len();
            let request = Request::new("POST", "/")
                .field("te", "trailers")
                .field("trailer", "x-up")
                .piece("body")
                .trailer("x-up", "1");
            let answer = send(gateway.listener("web")?, version, &request).await?;
            let record = backend.records().remove(before);
            assert_eq!(
                (record.text().as_str(), record.trailers),
                ("body", fields(&[("x-up", "1")])),
                "{version:?} {speaks:?}"
            );
            assert_eq!(
                (answer.text().as_str(), answer.trailers),
                ("body", fields(&[("x-down", "1")])),
                "{version:?} {speaks:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn connections_to_the_upstream_are_kept() -> Result<()> {
    let backend = backend()?;
    let gateway = gateway(json!({
        "workers": 1,
        "upstreams": [upstream("up", &backend)],
        "routes": [{"name": "r", "upstream": "up"}],
    }))
    .await?;
    for _ in 0..5 {
        get(&gateway, "/").await?;
    }
    let connections: Vec<usize> = backend.records().iter().map(|record| record.connection).collect();
    assert_eq!(connections, [1, 1, 1, 1, 1]);
    Ok(())
}

#[tokio::test]
async fn endpoints_take_turns() -> Result<()> {
    let (one, two) = (
        Backend::start("one", Speaks::Http1)?,
        Backend::start("two", Speaks::Http1)?,
    );
    let gateway = gateway(json!({
        "workers": 1,
        "upstreams": [{"name": "up", "endpoints": [one.address.to_string(), two.address.to_string()]}],
        "routes": [{"name": "r", "upstream": "up"}],
    }))
    .await?;
    for _ in 0..6 {
        get(&gateway, "/").await?;
    }
    assert_eq!((one.records().len(), two.records().len()), (3, 3));
    Ok(())
}

#[tokio::test]
async fn a_name_is_resolved() -> Result<()> {
    let backend = backend()?;
    let up: Value = json!({"name": "up", "endpoints": [format!("localhost:{}", backend.address.port())]});
    let gateway = gateway(json!({"upstreams": [up], "routes": [{"name": "r", "upstream": "up"}]})).await?;
    assert_eq!(get(&gateway, "/").await?.text(), "hello from up");
    Ok(())
}
