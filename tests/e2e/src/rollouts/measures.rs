//! Who has which generation all through a rollout, and what plugins measure themselves.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::backend::{Backend, Speaks};
use testkit::client::{Connection, Request, Version};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{change, configuration, rollout, said, started};
use crate::setting::{get, upstream};

/// Steps of a third and of two thirds of all exchanges, and what keeps clients.
fn sticky(key: &Value) -> Value {
    json!({
        "steps": [{"share": "33%", "pause": "manual"}, {"share": "66%", "pause": "manual"}],
        "sticky": key,
    })
}

/// How many of so many clients have the new generation, if that is what chance makes of their share: further off is one run in a million.
fn is_near(new: usize, all: usize, share: f64) -> bool {
    let expected = all as f64 * share;
    let error = (expected * (1.0 - share)).sqrt();
    (new as f64 - expected).abs() < 5.0 * error
}

/// Holds that each client has one generation in each step, that shares come out, and that nobody is taken back.
fn hold(arms: &[Vec<String>; 2]) {
    for (arms, share) in arms.iter().zip([0.33, 0.66]) {
        let new = arms.iter().filter(|arm| *arm == "new").count();
        assert!(is_near(new, arms.len(), share), "{new} of {}", arms.len());
    }
    let taken_back = arms[0]
        .iter()
        .zip(&arms[1])
        .any(|arms| arms.0 == "new" && arms.1 == "old");
    assert!(!taken_back, "{arms:?}");
}

async fn begun(key: &Value) -> Result<Gateway> {
    let gateway = started(&sticky(key)).await?;
    change(&gateway, &configuration("new", json!({}), &sticky(key))?).await?;
    said(&gateway, "step 1 of 2, paused by hand").await?;
    Ok(gateway)
}

async fn next_step(gateway: &Gateway) -> Result<()> {
    assert_eq!(rollout(gateway, &["resume", "p"]).await?.code, Some(0));
    said(gateway, "step 2 of 2, paused by hand").await?;
    Ok(())
}

#[tokio::test]
async fn only_named_routes_take_part_and_connections_without_http_stay_with_the_control() -> Result<()> {
    let backend = Backend::start("up", Speaks::Bytes)?;
    let rolled = json!({"steps": [{"share": "100%", "pause": "manual"}], "routes": ["tried"]});
    let with_bytes = |generation: &str| {
        let edit = json!([{"op": "set_buffer_bytes", "buffer": "upstream_data", "start": 0, "size": 3, "value": generation, "when": "not_end"}]);
        let text = configuration(generation, json!({"upstream_data": edit}), &rolled)?;
        let mut whole: Value = serde_json::from_str(&text)?;
        let listener =
            json!({"name": "bytes", "listen": "127.0.0.1:0", "protocol": "tcp", "upstream": "up", "plugins": ["p"]});
        whole["listeners"].as_array_mut().context("listeners")?.push(listener);
        whole["upstreams"] = json!([upstream("up", &backend)]);
        whole["routes"] = json!([
            {"name": "tried", "match": {"path": {"prefix": "/tried"}}, "respond": {"body": "answer"}, "plugins": ["p"]},
            {"name": "other", "respond": {"body": "answer"}, "plugins": ["p"]},
        ]);
        Ok::<_, anyhow::Error>(whole.to_string())
    };
    let gateway = Gateway::start(&with_bytes("old")?).await?;
    change(&gateway, &with_bytes("new")?).await?;
    said(&gateway, "step 1 of 1, paused by hand").await?;
    for _ in 0..20 {
        assert_eq!(get(&gateway, "/tried").await?.field("x-arm"), Some("new"));
        assert_eq!(get(&gateway, "/").await?.field("x-arm"), Some("old"));
        let mut stream = TcpStream::connect(gateway.listener("bytes")?).await?;
        stream.write_all(b"abc").await?;
        let mut answer = [0; 3];
        tokio::time::timeout(DEADLINE, stream.read_exact(&mut answer)).await??;
        assert_eq!(&answer, b"old");
    }
    assert_eq!(rollout(&gateway, &["promote", "p"]).await?.code, Some(0));
    said(&gateway, ": promoted").await?;
    assert_eq!(get(&gateway, "/").await?.field("x-arm"), Some("new"));
    Ok(())
}

#[tokio::test]
async fn a_cookie_keeps_a_client_with_its_generation() -> Result<()> {
    const CLIENTS: usize = 300;
    let gateway = begun(&json!({"cookie": "session"})).await?;
    let mut rounds: [Vec<String>; 2] = Default::default();
    for (number, round) in rounds.iter_mut().enumerate() {
        if number > 0 {
            next_step(&gateway).await?;
        }
        let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
        for client in 0..CLIENTS {
            let mut seen = Vec::new();
            // Other cookies, in whatever order, say nothing.
            for others in ["a=1; ", "session2=x; b=2; "] {
                let cookie = format!("{others}session=client-{client}; last=1");
                let answer = connection.send(&Request::get("/").field("cookie", &cookie)).await?;
                seen.push(answer.field("x-arm").unwrap_or_default().to_owned());
            }
            assert_eq!(seen[0], seen[1], "client {client}");
            round.push(seen.remove(0));
        }
    }
    hold(&rounds);
    Ok(())
}

/// The generation that a client of that address meets.
async fn arm_of(client: SocketAddr, gateway: SocketAddr) -> Result<String> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(client)?;
    let mut stream = socket.connect(gateway).await?;
    let request = format!("GET / HTTP/1.1\r\nhost: {gateway}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let arm = answer.lines().find_map(|line| line.strip_prefix("x-arm: "));
    Ok(arm.with_context(|| answer.clone())?.to_owned())
}

#[tokio::test]
async fn an_address_keeps_a_client_with_its_generation() -> Result<()> {
    const CLIENTS: u8 = 200;
    let gateway = begun(&json!("client")).await?;
    let web = gateway.listener("web")?;
    let mut rounds: [Vec<String>; 2] = Default::default();
    for (number, round) in rounds.iter_mut().enumerate() {
        if number > 0 {
            next_step(&gateway).await?;
        }
        for client in 1..=CLIENTS {
            // Connections of their own, from ports of their own, to whichever worker.
            let address = SocketAddr::from(([127, 0, 7, client], 0));
            let (one, other) = (arm_of(address, web).await?, arm_of(address, web).await?);
            assert_eq!(one, other, "{address}");
            round.push(one);
        }
    }
    hold(&rounds);
    Ok(())
}

/// Counts in each exchange, and records a value.
fn measures(misses: u32, looked_at: u32) -> Value {
    json!({
        "configure": [
            {"op": "define_metric", "type": "counter", "name": "misses", "save": {"metric": "misses"}},
            {"op": "define_metric", "type": "histogram", "name": "looked_at", "save": {"metric": "looked_at"}},
        ],
        "request_headers": [
            {"op": "increment_metric", "metric": "${misses}", "offset": misses, "quiet": true},
            {"op": "record_metric", "metric": "${looked_at}", "value": looked_at, "quiet": true},
        ],
    })
}

#[tokio::test]
async fn a_generation_whose_own_metrics_are_worse_goes_back() -> Result<()> {
    let lenient = json!({"absolute": "1s"});
    for (name, new, metric) in [
        ("counter", measures(5, 100), "metric misses: "),
        ("histogram", measures(1, 2_000), "metric looked_at p99: "),
        ("none", measures(1, 100), ""),
    ] {
        let steps = json!({
            "steps": [{"share": "50%", "pause": "1s"}],
            "analysis": {
                "exchanges": 200, "latency": lenient, "cpu": lenient,
                "metrics": [
                    {"counter": {"name": "misses", "absolute": "10%"}},
                    {"histogram": {"name": "looked_at", "absolute": 10}},
                ],
            },
        });
        let gateway = Gateway::start(&configuration("old", measures(1, 100), &steps)?).await?;
        change(&gateway, &configuration("new", new, &steps)?).await?;
        let mut traffic = super::Traffic::to(&gateway).await?;
        let ends = if metric.is_empty() {
            ": promoted"
        } else {
            ": rolled back: "
        };
        let answers: BTreeMap<String, usize> = traffic.until(&gateway, ends).await?;
        assert!(answers["new"] > 0 && answers["old"] > 0, "{name}: {answers:?}");
        let line = said(&gateway, ends).await?;
        assert!(line.contains(metric), "{name}: {line}");
    }
    Ok(())
}
