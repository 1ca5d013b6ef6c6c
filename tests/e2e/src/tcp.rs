//! TCP listeners: bytes through, plugins on the way.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Speaks};
use testkit::gateway::Gateway;
use testkit::port::free_port;
use testkit::process::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::setting::{gateway, plugin, upstream};

async fn through(backend: &Backend, script: Option<Value>) -> Result<Gateway> {
    let plugins = script.map(|script| plugin("probe", "probe-021", script)).transpose()?;
    let names: Vec<&str> = plugins.iter().map(|_| "probe").collect();
    gateway(json!({
        "listeners": [{"name": "bytes", "listen": "127.0.0.1:0", "protocol": "tcp", "upstream": "up", "plugins": names}],
        "upstreams": [upstream("up", backend)],
        "plugins": plugins.into_iter().collect::<Vec<_>>(),
    }))
    .await
}

async fn open(gateway: &Gateway) -> Result<TcpStream> {
    let address: SocketAddr = gateway.listener("bytes")?;
    Ok(TcpStream::connect(address).await?)
}

async fn receive(stream: &mut TcpStream, length: usize) -> Result<String> {
    let mut bytes = vec![0; length];
    tokio::time::timeout(DEADLINE, stream.read_exact(&mut bytes)).await??;
    Ok(String::from_utf8(bytes)?)
}

/// Everything up to the end.
async fn rest(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await?;
    Ok(bytes)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_an_end_passes_too() -> Result<()> {
    let backend = Backend::start("up", Speaks::Bytes)?;
    let gateway = through(&backend, None).await?;
    let mut stream = open(&gateway).await?;
    for word in ["one", "two", "three"] {
        stream.write_all(word.as_bytes()).await?;
        assert_eq!(receive(&mut stream, word.len()).await?, word);
    }
    stream.write_all(b"last").await?;
    stream.shutdown().await?;
    assert_eq!(rest(&mut stream).await?, b"last");
    assert_eq!(backend.records()[0].text(), "onetwothreelast");
    Ok(())
}

#[tokio::test]
async fn a_mebibyte_passes_unchanged() -> Result<()> {
    let backend = Backend::start("up", Speaks::Bytes)?;
    let gateway = through(&backend, None).await?;
    let sent: Vec<u8> = (0..1 << 20).map(|place: usize| (place % 253) as u8).collect();
    let (mut reader, mut writer) = open(&gateway).await?.into_split();
    let copy = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&copy).await?;
        writer.shutdown().await
    });
    let mut back = Vec::new();
    tokio::time::timeout(DEADLINE, reader.read_to_end(&mut back)).await??;
    writing.await??;
    assert!(back == sent, "{} bytes came back", back.len());
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_is_down_closes_the_connection() -> Result<()> {
    let gateway = gateway(json!({
        "listeners": [{"name": "bytes", "listen": "127.0.0.1:0", "protocol": "tcp", "upstream": "up"}],
        "upstreams": [{"name": "up", "endpoints": [format!("127.0.0.1:{}", free_port()?)]}],
    }))
    .await?;
    let mut stream = open(&gateway).await?;
    assert_eq!(rest(&mut stream).await?, b"");
    Ok(())
}

#[tokio::test]
async fn a_plugin_edits_bytes_in_both_directions() -> Result<()> {
    let backend = Backend::start("up", Speaks::Bytes)?;
    let edit = |buffer: &str, value: &str| {
        json!([
            {"op": "set_buffer_bytes", "buffer": buffer, "start": 0, "size": 3, "value": value, "when": "not_end"},
        ])
    };
    let script = json!({
        "new_connection": [{"op": "log", "text": "came"}],
        "downstream_data": edit("downstream_data", "UP"),
        "upstream_data": edit("upstream_data", "DOWN"),
        "downstream_close": [{"op": "log", "text": "went"}],
    });
    let gateway = through(&backend, Some(script)).await?;
    let mut stream = open(&gateway).await?;
    stream.write_all(b"abcdef").await?;
    assert_eq!(receive(&mut stream, 6).await?, "DOWNef");
    assert_eq!(backend.records()[0].text(), "UPdef");
    Ok(())
}

#[tokio::test]
async fn a_plugin_sees_a_connection_come_and_go() -> Result<()> {
    let backend = Backend::start("up", Speaks::Bytes)?;
    let script = json!({
        "new_connection": [{"op": "log", "text": "came"}],
        "downstream_close": [{"op": "log", "text": "went"}],
    });
    let gateway = through(&backend, Some(script)).await?;
    let said = |word: &'static str| {
        gateway.process.wait_for_line(0, DEADLINE, move |line| {
            line.text.contains("plugin log") && line.text.contains(word)
        })
    };
    let mut stream = open(&gateway).await?;
    stream.write_all(b"ab").await?;
    receive(&mut stream, 2).await?;
    said("came").await?;
    drop(stream);
    said("went").await?;
    Ok(())
}

#[tokio::test]
async fn a_plugin_closes_a_connection() -> Result<()> {
    let backend = Backend::start("up", Speaks::Bytes)?;
    let script = json!({"downstream_data": [
        {"op": "close_stream", "stream": "downstream"},
        {"op": "return", "action": "pause"},
    ]});
    let gateway = through(&backend, Some(script)).await?;
    let mut stream = open(&gateway).await?;
    stream.write_all(b"ab").await?;
    assert_eq!(rest(&mut stream).await?, b"");
    assert!(backend.records().iter().all(|record| record.text().is_empty()));
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_dies_closes_the_connection_and_serves_the_next() -> Result<()> {
    let backend = Backend::start("up", Speaks::Bytes)?;
    let script = json!({"downstream_data": [
        {"op": "get_buffer_bytes", "buffer": "downstream_data", "save": "data", "quiet": true},
        {"op": "panic", "text": "told to", "when": {"saved": "data", "is": "die"}},
    ]});
    let gateway = through(&backend, Some(script)).await?;
    let mut stream = open(&gateway).await?;
    stream.write_all(b"die").await?;
    assert_eq!(rest(&mut stream).await?, b"");
    let mut stream = open(&gateway).await?;
    stream.write_all(b"live").await?;
    assert_eq!(receive(&mut stream, 4).await?, "live");
    Ok(())
}

/// Waits until a connection has its record and so many spans of plugins: what each decided, and how it ended.
async fn spans_of_plugins(file: &Path, count: usize) -> Result<Vec<(Value, Value)>> {
    let end = Instant::now() + DEADLINE;
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let records = whole
            .lines()
            .map(serde_json::from_str::<Value>)
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(own) = records.iter().find(|record| record["span.name"] == "exchange")
            && records.iter().any(|record| record["event_name"] == "access")
            && records
                .iter()
                .filter(|record| record["span.name"] == "plugin probe")
                .count()
                >= count
        {
            let of_plugin = records.iter().filter(|record| record["span.name"] == "plugin probe");
            let told = |record: &Value| {
                ensure!(
                    record["parent_span_id"] == own["span_id"],
                    "it lies elsewhere: {record}"
                );
                ensure!(record["cofferdam.plugin.generation"] == 1, "whose is it? {record}");
                Ok((record["cofferdam.verdict"].clone(), record["span.status"].clone()))
            };
            return of_plugin.map(told).collect();
        }
        ensure!(Instant::now() < end, "it has not ended: {records:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_connection_has_spans_of_its_plugins() -> Result<()> {
    let (good, closed) = ((Value::Null, json!("ok")), (json!("closed"), json!("ok")));
    let holds = json!({"downstream_data": [{"op": "return", "action": "pause", "when": "not_end"}]});
    let closes = json!({"downstream_data": [{"op": "close_stream", "stream": "downstream"}, {"op": "return", "action": "pause"}]});
    let refuses = json!({"new_connection": [{"op": "close_stream", "stream": "downstream"}]});
    for (script, expected) in [
        // It is shown the connection, and holds its bytes until the last one is there.
        (holds, vec![good.clone(), good.clone()]),
        (closes, vec![good, closed.clone()]),
        (refuses, vec![closed]),
    ] {
        let (backend, folder) = (Backend::start("up", Speaks::Bytes)?, tempfile::tempdir()?);
        let file = folder.path().join("all.log");
        let gateway = gateway(json!({
            "workers": 1,
            "listeners": [{"name": "bytes", "listen": "127.0.0.1:0", "protocol": "tcp", "upstream": "up", "plugins": ["probe"]}],
            "upstreams": [upstream("up", &backend)],
            "plugins": [plugin("probe", "probe-021", script)?],
            "tracing": {"spans": {"otlp": {"url": "http://127.0.0.1:1/"}}},
            "logs": {
                "rings": {"dir": folder.path().join("rings")},
                "sinks": [{"name": "all", "file": {"path": file}, "classes": ["access", "span"], "batch": {"linger": "1ms"}}],
            },
        }))
        .await?;
        let mut stream = open(&gateway).await?;
        // Who is refused may be gone already.
        let _ = stream.write_all(b"some bytes").await;
        let _ = stream.shutdown().await;
        rest(&mut stream).await?;
        assert_eq!(spans_of_plugins(&file, expected.len()).await?, expected);
    }
    Ok(())
}
