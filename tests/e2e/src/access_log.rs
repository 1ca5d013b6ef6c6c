//! The access log: one JSON line for each exchange.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks, Step};
use testkit::client::{Connection, Request, Version, send, send_bytes};
use testkit::gateway::Gateway;
use testkit::port::free_port;
use testkit::process::{DEADLINE, Source};

use crate::setting::{ask, gateway, get, golden, plugin, upstream};

/// The records so far, once there are this many.
async fn records(gateway: &Gateway, count: usize) -> Result<Vec<Value>> {
    gateway
        .process
        .wait_for(0, DEADLINE, |lines| {
            let lines = lines.iter().filter(|line| line.source == Source::Stdout);
            let records: Vec<Value> = lines.filter_map(|line| serde_json::from_str(&line.text).ok()).collect();
            (records.len() >= count).then_some(records)
        })
        .await
}

/// The record with what differs from run to run replaced by what kind of thing it is.
fn normal(mut record: Value) -> String {
    let words = record.as_object_mut().expect("a record is a map");
    for (key, value) in words.iter_mut() {
        let kind = match key.as_str() {
            "timestamp" => "TIME",
            "request_id" | "trace_id" | "span_id" => "ID",
            "cofferdam.client_rtt_us" | "cofferdam.upstream_rtt_us" if value.is_number() => "US",
            "cofferdam.duration_ms" | "cofferdam.upstream_duration_ms" if value.is_number() => "MS",
            "cofferdam.endpoint" => "ENDPOINT",
            _ => continue,
        };
        *value = kind.into();
    }
    record.to_string() + "\n"
}

async fn stage(backend: &Backend) -> Result<Gateway> {
    let mut slow = upstream("slow", backend);
    slow["timeouts"] = json!({"request": "50ms"});
    gateway(json!({
        "workers": 1,
        "upstreams": [upstream("up", backend), slow, {"name": "down", "endpoints": [format!("127.0.0.1:{}", free_port()?)]}],
        "plugins": [plugin("die", "die", json!(""))?, plugin("deny", "probe-021", json!({"request_headers": [
            {"op": "send_local_response", "status": 401}, {"op": "return", "action": "pause"}]}))?],
        "routes": [
            {"name": "up", "match": {"path": {"prefix": "/up"}}, "upstream": "up"},
            {"name": "slow", "match": {"path": {"prefix": "/slow"}}, "upstream": "slow"},
            {"name": "down", "match": {"path": {"prefix": "/down"}}, "upstream": "down"},
            {"name": "fixed", "match": {"path": {"prefix": "/fixed"}}, "respond": {"status": 202, "body": "ok"}},
            {"name": "dies", "match": {"path": {"prefix": "/dies"}}, "upstream": "up", "plugins": ["die"]},
            {"name": "denies", "match": {"path": {"prefix": "/denies"}}, "upstream": "up", "plugins": ["deny"]},
        ],
    }))
    .await
}

#[tokio::test]
async fn each_kind_of_exchange_has_its_line() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http1)?;
    backend.reply("/slow", Reply::silence());
    let gateway = stage(&backend).await?;
    let named = |request: Request| request.field("user-agent", "e2e \"quoted\"");
    let requests = [
        named(Request::post("/up/a?b=c", "four")),
        Request::get("/fixed"),
        Request::get("/nowhere"),
        Request::get("/down"),
        Request::get("/slow"),
        Request::get("/dies").field("x-die", "request_headers panic"),
        Request::get("/denies"),
    ];
    let mut text = String::new();
    for (number, request) in requests.iter().enumerate() {
        ask(&gateway, request).await?;
        text += &normal(records(&gateway, number + 1).await?.remove(number));
    }
    send(gateway.listener("web")?, Version::Http2, &Request::get("/fixed")).await?;
    text += &normal(records(&gateway, requests.len() + 1).await?.remove(requests.len()));
    golden().expect("access_log.txt", &text)
}

#[tokio::test]
async fn the_line_has_the_id_that_the_upstream_saw() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http1)?;
    let gateway = stage(&backend).await?;
    ask(&gateway, &Request::get("/up")).await?;
    let record = records(&gateway, 1).await?.remove(0);
    assert_eq!(
        record["request_id"].as_str(),
        backend.records()[0].field("x-request-id")
    );
    assert_eq!(record["cofferdam.endpoint"], backend.address.to_string());
    Ok(())
}

#[tokio::test]
async fn a_client_writes_no_line_of_its_own() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http1)?;
    let gateway = stage(&backend).await?;
    let bytes =
        b"GET /fixed?%0a{}\"\\\xff HTTP/1.1\r\nhost: a\r\nuser-agent: \"}\\\xc3\x28\t\r\nconnection: close\r\n\r\n";
    send_bytes(gateway.listener("web")?, bytes, DEADLINE).await?;
    records(&gateway, 1).await?;
    let lines = gateway.process.lines_from(0);
    assert_eq!(lines.iter().filter(|line| line.source == Source::Stdout).count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_refused_has_its_line() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http1)?;
    let gateway = stage(&backend).await?;
    let head = "POST /up/a?b=c HTTP/1.1\r\nhost: a\r\n";
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx-big: {}\r\n\r\n", "b".repeat(70 << 10));
    let requests = [
        // No head was read, so nothing is known of it.
        (large, 431, "client.headers_too_large", json!(null)),
        (
            "G@T / HTTP/1.1\r\n\r\n".to_owned(),
            400,
            "client.malformed",
            json!(null),
        ),
        (
            format!("{head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
            "client.length_and_encoding",
            json!("POST"),
        ),
        (
            format!("{head}host: b\r\n\r\n"),
            400,
            "client.host_repeated",
            json!("POST"),
        ),
    ];
    let address = gateway.listener("web")?;
    for (number, (bytes, status, details, method)) in requests.iter().enumerate() {
        send_bytes(address, bytes.as_bytes(), DEADLINE).await?;
        let record = records(&gateway, number + 1).await?.remove(number);
        assert_eq!(record["http.response.status_code"], *status, "{record}");
        assert_eq!(record["cofferdam.response_details"], *details, "{record}");
        assert_eq!(record["cofferdam.response_flags"], "DPE", "{record}");
        assert_eq!(record["http.request.method"], *method, "{record}");
        assert_eq!(record["cofferdam.listener"], "web", "{record}");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_whose_chunks_are_wrong_has_one_line() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http1)?;
    let gateway = stage(&backend).await?;
    let bytes = b"POST /up HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n";
    send_bytes(gateway.listener("web")?, bytes, DEADLINE).await?;
    // A line of its own for what follows, so that there is no more to come for what went before.
    get(&gateway, "/fixed").await?;
    let records = records(&gateway, 2).await?;
    assert_eq!(records.len(), 2, "{records:?}");
    assert_eq!(records[0]["http.response.status_code"], 400, "{records:?}");
    assert_eq!(records[1]["http.response.status_code"], 202, "{records:?}");
    Ok(())
}

#[tokio::test]
async fn a_response_that_breaks_off_is_in_the_log() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http1)?;
    let half = Reply::new(200)
        .field("content-length", "9")
        .piece("half")
        .step(Step::Close);
    backend.reply("/up/half", half);
    let gateway = stage(&backend).await?;
    ask(&gateway, &Request::get("/up/half")).await?;
    let record = records(&gateway, 1).await?.remove(0);
    assert_eq!(
        (&record["http.response.status_code"], &record["http.response.body.size"]),
        (&json!(200), &json!(4))
    );
    assert_ne!(record["cofferdam.response_details"], "via_upstream", "{record}");
    assert!(record["cofferdam.response_flags"].is_string(), "{record}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_away_is_in_the_log() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http1)?;
    backend.reply("/up/hang", Reply::new(200).piece("one").step(Step::Hang));
    let gateway = stage(&backend).await?;
    let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
    let mut exchange = connection.begin(&Request::get("/up/hang")).await?;
    exchange.head().await?;
    exchange.data_received().await?;
    drop(exchange);
    drop(connection);
    let record = records(&gateway, 1).await?.remove(0);
    assert_eq!(record["cofferdam.response_flags"], "DC", "{record}");
    Ok(())
}

#[tokio::test]
async fn the_log_goes_to_a_file_or_nowhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("access.log");
    for (place, lines) in [(json!({"file": file}), 1), (json!("off"), 0)] {
        let _ = std::fs::remove_file(&file);
        let mut gateway = gateway(json!({
            "access_log": place,
            "routes": [{"name": "r", "respond": {"body": "ok"}}],
        }))
        .await?;
        ask(&gateway, &Request::get("/")).await?;
        gateway.process.stop().await?;
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!((text.lines().count(), gateway.records_from(0).len()), (lines, 0));
    }
    Ok(())
}
