//! Both directions at once, gRPC and event streams: nothing waits for the end of anything.

use anyhow::Result;
use bytes::Bytes;
use serde_json::json;
use testkit::backend::{Backend, Reply, Speaks};
use testkit::client::{Connection, End, Request, Version, send};
use testkit::fields::{fields, value};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

use crate::setting::{VERSIONS, backend, forwarding_to, gateway, upstream};

async fn to_http2(backend: &Backend) -> Result<Gateway> {
    let mut up = upstream("up", backend);
    up["protocol"] = "http2".into();
    gateway(json!({"upstreams": [up], "routes": [{"name": "r", "upstream": "up"}]})).await
}

#[tokio::test]
async fn a_conversation_goes_piece_by_piece() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http2)?;
    let pieces = ["one", "two", "three"];
    let reply = pieces
        .iter()
        .fold(Reply::new(200), |reply, piece| reply.wait("answer").piece(piece));
    backend.reply("/talk", reply.trailer("x-end", "1").early());
    let gateway = to_http2(&backend).await?;
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http2).await?;
    let mut exchange = connection.begin(&Request::new("POST", "/talk").streamed()).await?;
    assert_eq!(exchange.head().await?.0, 200);
    let mut sent = String::new();
    for piece in pieces {
        exchange.data(Bytes::from_static(piece.as_bytes())).await?;
        sent.push_str(piece);
        backend
            .until(DEADLINE, |records| (records[0].text() == sent).then_some(()))
            .await?;
        backend.release("answer");
        assert_eq!(exchange.data_received().await?.as_deref(), Some(piece.as_bytes()));
    }
    exchange.finish(&fields(&[])).await?;
    Ok(())
}

#[tokio::test]
async fn a_conversation_goes_over_http1_too() -> Result<()> {
    let backend = backend()?;
    backend.reply("/talk", Reply::new(200).wait("answer").piece("pong").early());
    let gateway = forwarding_to(&backend).await?;
    for version in VERSIONS {
        let before = backend.records().len();
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        let mut exchange = connection.begin(&Request::new("POST", "/talk").streamed()).await?;
        assert_eq!(exchange.head().await?.0, 200);
        exchange.data("ping".into()).await?;
        backend
            .until(DEADLINE, |records| (records[before].text() == "ping").then_some(()))
            .await?;
        backend.release("answer");
        assert_eq!(exchange.data_received().await?.as_deref(), Some(&b"pong"[..]));
        exchange.finish(&fields(&[])).await?;
    }
    Ok(())
}

fn call(path: &str) -> Request {
    Request::new("POST", path)
        .field("content-type", "application/grpc")
        .field("te", "trailers")
}

#[tokio::test]
async fn a_grpc_call_passes_with_its_trailers() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http2)?;
    backend.reply("/pkg.Greeter/Hello", Reply::grpc(0, &[b"hi"]));
    backend.reply(
        "/pkg.Greeter/Refused",
        Reply::new(200)
            .field("content-type", "application/grpc")
            .trailer("grpc-status", "7")
            .trailer("grpc-message", "no"),
    );
    let gateway = to_http2(&backend).await?;
    let address = gateway.listener("web")?;
    let answer = send(
        address,
        Version::Http2,
        &call("/pkg.Greeter/Hello").piece("\0\0\0\0\x02yo"),
    )
    .await?;
    assert_eq!((answer.status, answer.text().as_str()), (200, "\0\0\0\0\x02hi"));
    assert_eq!(answer.trailers, fields(&[("grpc-status", "0")]));
    let record = backend.records().remove(0);
    assert_eq!(
        (record.field("te"), record.field("content-type")),
        (Some("trailers"), Some("application/grpc"))
    );
    assert_eq!(record.text(), "\0\0\0\0\x02yo");
    let refused = send(
        address,
        Version::Http2,
        &call("/pkg.Greeter/Refused").piece("\0\0\0\0\0"),
    )
    .await?;
    assert_eq!((refused.status, refused.end), (200, End::Complete));
    assert_eq!(value(&refused.trailers, "grpc-status"), Some("7"));
    Ok(())
}

#[tokio::test]
async fn an_answer_of_trailers_alone_passes() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http2)?;
    let reply = Reply::new(200)
        .field("content-type", "application/grpc")
        .field("grpc-status", "12");
    backend.reply("/pkg.Greeter/None", reply);
    let gateway = to_http2(&backend).await?;
    let answer = send(
        gateway.listener("web")?,
        Version::Http2,
        &call("/pkg.Greeter/None").piece("\0\0\0\0\0"),
    )
    .await?;
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("12")));
    Ok(())
}

#[tokio::test]
async fn grpc_messages_stream() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http2)?;
    let messages = (0..3).fold(
        Reply::new(200).field("content-type", "application/grpc"),
        |reply, number| reply.wait("next").piece(&format!("\0\0\0\0\x01{number}")),
    );
    backend.reply("/pkg.Greeter/Many", messages.trailer("grpc-status", "0").early());
    let gateway = to_http2(&backend).await?;
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http2).await?;
    let mut exchange = connection.begin(&call("/pkg.Greeter/Many").streamed()).await?;
    let (status, head) = exchange.head().await?;
    for number in 0..3 {
        exchange.data("\0\0\0\0\x01q".into()).await?;
        backend.release("next");
        let message = exchange.data_received().await?;
        assert_eq!(message.as_deref(), Some(format!("\0\0\0\0\x01{number}").as_bytes()));
    }
    exchange.finish(&fields(&[])).await?;
    let mut rest = testkit::client::Response::new(status, head);
    exchange.read_rest(&mut rest).await;
    assert_eq!(
        (rest.trailers, rest.end),
        (fields(&[("grpc-status", "0")]), End::Complete)
    );
    Ok(())
}

#[tokio::test]
async fn events_come_one_by_one() -> Result<()> {
    let backend = backend()?;
    let reply = Reply::new(200)
        .field("content-type", "text/event-stream")
        .piece("data: 1\n\n")
        .wait("second")
        .piece("data: 2\n\n");
    backend.reply("/events", reply);
    let gateway = forwarding_to(&backend).await?;
    for version in VERSIONS {
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        let mut exchange = connection.begin(&Request::get("/events")).await?;
        assert_eq!(
            value(&exchange.head().await?.1, "content-type"),
            Some("text/event-stream")
        );
        assert_eq!(exchange.data_received().await?.as_deref(), Some(&b"data: 1\n\n"[..]));
        backend.release("second");
        assert_eq!(exchange.data_received().await?.as_deref(), Some(&b"data: 2\n\n"[..]));
        // Over HTTP/2 the end may come as an empty piece of its own.
        assert!(exchange.data_received().await?.is_none_or(|data| data.is_empty()));
    }
    Ok(())
}
