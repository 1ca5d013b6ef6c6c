//! Upstreams that are gone, silent or break off: what the client sees of it.

use anyhow::Result;
use serde_json::json;
use testkit::backend::{Backend, Reply, Speaks, Step};
use testkit::client::{Connection, End, Request, Version, send};
use testkit::port::free_port;

use crate::setting::{VERSIONS, backend, forwarding_to, gateway, get, upstream};

#[tokio::test]
async fn an_upstream_that_is_down_is_a_503() -> Result<()> {
    let endpoint = format!("127.0.0.1:{}", free_port()?);
    let gateway = gateway(json!({
        "upstreams": [{"name": "up", "endpoints": [endpoint]}],
        "routes": [{"name": "r", "upstream": "up"}],
    }))
    .await?;
    for version in VERSIONS {
        let answer = send(gateway.listener("web")?, version, &Request::post("/", "body")).await?;
        assert_eq!((answer.status, &answer.end), (503, &End::Complete));
        assert!(
            !answer.text().contains(&endpoint),
            "the client reads no address: {}",
            answer.text()
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_says_nothing_is_a_504() -> Result<()> {
    let backend = backend()?;
    backend.reply("/", Reply::silence());
    let mut up = upstream("up", &backend);
    up["timeouts"] = json!({"request": "60ms"});
    let gateway = gateway(json!({"upstreams": [up], "routes": [{"name": "r", "upstream": "up"}]})).await?;
    for version in VERSIONS {
        let answer = send(gateway.listener("web")?, version, &Request::get("/")).await?;
        assert_eq!(answer.status, 504);
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_closes_instead_of_answering_is_a_502_or_503() -> Result<()> {
    for step in [Step::Close, Step::Reset] {
        let backend = backend()?;
        backend.reply("/", Reply::of(vec![step]));
        let gateway = forwarding_to(&backend).await?;
        let answer = get(&gateway, "/").await?;
        assert!(matches!(answer.status, 502 | 503), "{}", answer.status);
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_speaks_no_http_is_a_502_or_503() -> Result<()> {
    let backend = backend()?;
    backend.reply(
        "/",
        Reply::of(vec![Step::Raw("SSH-2.0-OpenSSH_9.2\r\n\r\n".into()), Step::Close]),
    );
    let gateway = forwarding_to(&backend).await?;
    let answer = get(&gateway, "/").await?;
    assert!(matches!(answer.status, 502 | 503), "{}", answer.status);
    Ok(())
}

/// Replies that break off in the middle of a body, each in its way.
fn halves() -> Vec<(&'static str, Reply)> {
    let sized = || Reply::new(200).field("content-length", "100").piece("half");
    let chunked = || Reply::new(200).piece("half");
    vec![
        ("sized, closed", sized().wait("go").step(Step::Close)),
        ("sized, reset", sized().wait("go").step(Step::Reset)),
        ("chunked, closed", chunked().wait("go").step(Step::Close)),
        ("chunked, reset", chunked().wait("go").step(Step::Reset)),
        (
            "inside a chunk",
            chunked()
                .step(Step::Raw("10\r\nhal".into()))
                .wait("go")
                .step(Step::Close),
        ),
        (
            "bad chunk",
            chunked().wait("go").step(Step::Raw("zz\r\n".into())).step(Step::Close),
        ),
    ]
}

#[tokio::test]
async fn half_a_body_is_never_shown_as_a_whole_one() -> Result<()> {
    for (name, reply) in halves() {
        let backend = backend()?;
        backend.reply("/", reply);
        let gateway = forwarding_to(&backend).await?;
        for version in VERSIONS {
            let mut connection = Connection::open(gateway.listener("web")?, version).await?;
            let mut exchange = connection.begin(&Request::get("/")).await?;
            let (status, fields) = exchange.head().await?;
            let first = exchange.data_received().await?;
            assert!(
                first.is_some_and(|data| data.starts_with(b"half")),
                "{name} {version:?}"
            );
            backend.release("go");
            let mut response = testkit::client::Response::new(status, fields);
            exchange.read_rest(&mut response).await;
            assert!(
                matches!(response.end, End::Broken(_)),
                "{name} {version:?}: {:?}",
                response.end
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_reset_by_an_http2_upstream_is_broken_for_the_client() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http2)?;
    backend.reply("/", Reply::new(200).piece("half").wait("go").step(Step::Reset));
    let mut up = upstream("up", &backend);
    up["protocol"] = "http2".into();
    let gateway = gateway(json!({"upstreams": [up], "routes": [{"name": "r", "upstream": "up"}]})).await?;
    for version in VERSIONS {
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        let mut exchange = connection.begin(&Request::get("/")).await?;
        let (status, fields) = exchange.head().await?;
        assert_eq!(exchange.data_received().await?.as_deref(), Some(&b"half"[..]));
        backend.release("go");
        let mut response = testkit::client::Response::new(status, fields);
        exchange.read_rest(&mut response).await;
        assert!(
            matches!(response.end, End::Broken(_)),
            "{version:?}: {:?}",
            response.end
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_exchange_upstream() -> Result<()> {
    let backend = backend()?;
    backend.reply("/", Reply::new(200).piece("one").step(Step::Hang));
    let gateway = forwarding_to(&backend).await?;
    for version in [Version::Http1, Version::Http2] {
        let before = backend.records().len();
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        let mut exchange = connection.begin(&Request::get("/")).await?;
        exchange.head().await?;
        exchange.data_received().await?;
        drop(exchange);
        drop(connection);
        backend
            .until(testkit::process::DEADLINE, |records| {
                (records[before].end == testkit::backend::RecordEnd::Broken).then_some(())
            })
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn half_a_request_is_never_shown_to_the_upstream_as_a_whole_one() -> Result<()> {
    let backend = backend()?;
    let gateway = forwarding_to(&backend).await?;
    for version in VERSIONS {
        let before = backend.records().len();
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        let mut exchange = connection.begin(&Request::new("POST", "/").streamed()).await?;
        exchange.data("half".into()).await?;
        backend
            .until(testkit::process::DEADLINE, |records| {
                records.get(before).filter(|record| record.text() == "half").map(|_| ())
            })
            .await?;
        drop(exchange);
        drop(connection);
        let end = backend
            .until(testkit::process::DEADLINE, |records| {
                Some(records[before].end).filter(|end| *end != testkit::backend::RecordEnd::Open)
            })
            .await?;
        assert_eq!(end, testkit::backend::RecordEnd::Broken, "{version:?}");
    }
    Ok(())
}
