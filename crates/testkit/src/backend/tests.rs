//! A backend and the clients understand each other, and nothing is lost between them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::client::{Connection, End, Request, Version, send};
use crate::fields::fields;
use crate::process::DEADLINE;

#[tokio::test]
async fn http1_keeps_case_order_and_repetitions() {
    let backend = Backend::start("b", Speaks::Http1).unwrap();
    let request = Request::post("/p?q=1", "body")
        .field("X-B", "2")
        .field("x-a", "1")
        .field("X-B", "3");
    let response = send(backend.address, Version::Http1, &request).await.unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "hello from b"));
    let record = backend.records().remove(0);
    let expected = [
        ("Host", "example.com"),
        ("content-length", "4"),
        ("X-B", "2"),
        ("x-a", "1"),
        ("X-B", "3"),
    ];
    assert_eq!(record.fields, fields(&expected));
    assert_eq!((record.text().as_str(), record.end), ("body", RecordEnd::Complete));
}

#[tokio::test]
async fn both_versions_carry_pieces_and_trailers_both_ways() {
    for (version, speaks) in [(Version::Http1, Speaks::Http1), (Version::Http2, Speaks::Http2)] {
        let backend = Backend::start("b", speaks).unwrap();
        backend.queue(
            Reply::new(201)
                .field("x-y", "z")
                .piece("one")
                .piece("two")
                .trailer("x-t", "u"),
        );
        let request = Request::new("PUT", "/").piece("ab").piece("cd").trailer("x-r", "s");
        let response = send(backend.address, version, &request).await.unwrap();
        assert_eq!((response.status, response.text().as_str()), (201, "onetwo"));
        assert_eq!(
            (response.trailers, response.end),
            (fields(&[("x-t", "u")]), End::Complete)
        );
        let record = backend.records().remove(0);
        assert_eq!(
            (record.text().as_str(), record.trailers),
            ("abcd", fields(&[("x-r", "s")]))
        );
    }
}

#[tokio::test]
async fn an_early_reply_comes_before_the_request_has_ended() {
    for (version, speaks) in [(Version::Http1, Speaks::Http1), (Version::Http2, Speaks::Http2)] {
        let backend = Backend::start("b", speaks).unwrap();
        backend.queue(Reply::new(200).wait("more").piece("late").early());
        let mut connection = Connection::open(backend.address, version).await.unwrap();
        let mut exchange = connection.begin(&Request::new("POST", "/").streamed()).await.unwrap();
        assert_eq!(exchange.head().await.unwrap().0, 200);
        exchange.data("x".into()).await.unwrap();
        backend
            .until(DEADLINE, |records| (records[0].text() == "x").then_some(()))
            .await
            .unwrap();
        backend.release("more");
        assert_eq!(exchange.data_received().await.unwrap().unwrap(), "late");
    }
}

#[tokio::test]
async fn a_reset_breaks_the_response_off() {
    for (version, speaks) in [(Version::Http1, Speaks::Http1), (Version::Http2, Speaks::Http2)] {
        let backend = Backend::start("b", speaks).unwrap();
        backend.queue(Reply::new(200).piece("part").wait("go").step(Step::Reset));
        let mut connection = Connection::open(backend.address, version).await.unwrap();
        let mut exchange = connection.begin(&Request::get("/")).await.unwrap();
        exchange.head().await.unwrap();
        assert_eq!(exchange.data_received().await.unwrap().unwrap(), "part");
        backend.release("go");
        assert!(exchange.data_received().await.is_err());
    }
}
