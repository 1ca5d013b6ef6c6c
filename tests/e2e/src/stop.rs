//! SIGTERM: readiness goes first, exchanges in flight end, then the process does, within its bound.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;
use serde_json::json;
use testkit::backend::Reply;
use testkit::client::{Request, Version, send};
use testkit::process::DEADLINE;

use crate::setting::{backend, gateway, upstream};

#[tokio::test]
async fn readiness_goes_first_and_exchanges_end() -> Result<()> {
    let backend = backend()?;
    backend.reply("/slow", Reply::new(200).wait_first("go").body("slow"));
    let mut gateway = gateway(json!({
        "drain": {"grace": "1500ms", "wait": "20s"},
        "upstreams": [upstream("up", &backend)],
        "routes": [{"name": "r", "upstream": "up"}],
    }))
    .await?;
    let (address, admin) = (gateway.listener("web")?, gateway.admin);
    let slow: Vec<_> = [Version::Http1, Version::Http2]
        .map(|version| tokio::spawn(async move { send(address, version, &Request::get("/slow")).await }))
        .into();
    backend
        .until(DEADLINE, |records| (records.len() == 2).then_some(()))
        .await?;
    gateway.process.signal(Signal::TERM)?;
    gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains("draining"))
        .await?;
    // Within the grace: not ready, alive, and still serving who comes.
    assert_eq!(send(admin, Version::Http1, &Request::get("/readyz")).await?.status, 503);
    assert_eq!(
        send(admin, Version::Http1, &Request::get("/healthz")).await?.status,
        200
    );
    assert_eq!(
        send(address, Version::Http1, &Request::get("/")).await?.text(),
        "hello from up"
    );
    // After it: nobody new, and those in flight end as if nothing were.
    let closed = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(closed.elapsed() < DEADLINE, "the socket stays open");
        tokio::task::yield_now().await;
    }
    backend.release("go");
    backend.release("go");
    for exchange in slow {
        assert_eq!(exchange.await??.text(), "slow");
    }
    assert_eq!(gateway.process.wait_for_exit(DEADLINE).await?.code(), Some(0));
    assert_eq!(gateway.records_from(0).len(), 3, "every record is written");
    Ok(())
}

#[tokio::test]
async fn the_wait_is_bounded() -> Result<()> {
    let backend = backend()?;
    backend.reply("/never", Reply::silence());
    let mut gateway = gateway(json!({
        "drain": {"wait": "200ms"},
        "upstreams": [upstream("up", &backend)],
        "routes": [{"name": "r", "upstream": "up"}],
    }))
    .await?;
    let address = gateway.listener("web")?;
    let never = tokio::spawn(async move { send(address, Version::Http1, &Request::get("/never")).await });
    backend
        .until(DEADLINE, |records| (records.len() == 1).then_some(()))
        .await?;
    gateway.process.signal(Signal::TERM)?;
    let began = Instant::now();
    assert_eq!(gateway.process.wait_for_exit(DEADLINE).await?.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    // Its connection was closed: an answer or none, but an end.
    let _ = never.await?;
    Ok(())
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() -> Result<()> {
    let mut gateway = gateway(json!({"routes": [{"name": "r", "respond": {"body": "ok"}}]})).await?;
    let address = gateway.listener("web")?;
    let mut idle = Vec::new();
    for version in [Version::Http1, Version::Http2] {
        let mut connection = testkit::client::Connection::open(address, version).await?;
        connection.send(&Request::get("/")).await?;
        idle.push(connection);
    }
    let silent = tokio::net::TcpStream::connect(address).await?;
    gateway.process.signal(Signal::INT)?;
    let began = Instant::now();
    assert_eq!(gateway.process.wait_for_exit(DEADLINE).await?.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop((idle, silent));
    Ok(())
}
