//! What stands in the log of a connection: what TLS agreed on, a handshake that failed, a head that never came, and bytes that passed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use testkit::backend::{Backend, Speaks};
use testkit::client::{Connection, Request, Version, send_bytes};
use testkit::gateway::Gateway;
use testkit::port::free_port;
use testkit::process::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{accesses, file_sink, of_class, records, until};
use crate::certificates::{Authority, connect, exchanges};
use crate::setting::{gateway, upstream};

/// A telephone number that clients have in their names.
const PHONE: &str = "13812341234";
const MASKED: &str = "138****1234";
/// What no record may have of a client's address.
const LOOPBACK: &str = "127.0.0.1";

/// A gateway that answers by itself over TLS, with its log in one file.
async fn over_tls(tls: Value, mask: Value) -> Result<Gateway> {
    gateway(json!({
        "workers": 1,
        "listeners": [{"name": "web", "listen": "127.0.0.1:0", "tls": tls}],
        "routes": [{"name": "all", "respond": {"body": "ok"}}],
        "logs": {"mask": mask, "sinks": [file_sink("file", Path::new("all.log"))]},
    }))
    .await
}

fn has(record: &Value, fields: &[(&str, Value)]) -> Result<()> {
    for (name, value) in fields {
        ensure!(record[name] == *value, "{name} is not {value}: {record}");
    }
    Ok(())
}

#[tokio::test]
async fn what_tls_agreed_on_stands_in_the_record_of_each_exchange() -> Result<()> {
    let authority = Authority::new()?;
    authority.certificate("me", "me.test")?;
    let tls = json!({
        "certificates": [authority.certificate("one", "one.test")?, authority.certificate("two", "two.test")?],
        "client_certificates": {"optional": {"authorities": authority.file()}},
    });
    let gateway = over_tls(tls, json!({})).await?;
    let (address, file) = (gateway.listener("web")?, gateway.folder().join("all.log"));
    let table = [
        (&TLS13, "1.3", Some("me"), "h2", "one.test"),
        (&TLS13, "1.3", None, "http/1.1", "two.test"),
        (&TLS12, "1.2", Some("me"), "http/1.1", "two.test"),
        (&TLS12, "1.2", None, "h2", "one.test"),
    ];
    for (at, (version, number, own, protocol, name)) in table.into_iter().enumerate() {
        let client = authority.client_of(own, &[protocol], version)?;
        let stream = connect(&client, address, name).await?;
        let cipher = stream.get_ref().1.negotiated_cipher_suite().context("no cipher")?;
        // The library puts the version into names that have none at IANA.
        let cipher = format!("{:?}", cipher.suite()).replace("TLS13_", "TLS_");
        let spoken = if protocol == "h2" {
            Version::Http2
        } else {
            Version::Http1
        };
        let mut connection = Connection::over(Box::new(stream), spoken).await?;
        ensure!(connection.send(&Request::get("/")).await?.status == 200);
        let record = accesses(&file, at + 1).await?.swap_remove(at);
        let expected = [
            ("url.scheme", json!("https")),
            ("tls.protocol.version", json!(number)),
            ("tls.cipher", json!(cipher)),
            ("tls.client.server_name", json!(name)),
            ("tls.next_protocol", json!(protocol)),
            (
                "tls.client.subject",
                own.map_or(Value::Null, |own| json!(format!("CN={own}"))),
            ),
        ];
        has(&record, &expected)?;
    }
    Ok(())
}

#[tokio::test]
async fn personal_data_in_a_name_or_a_certificate_of_a_client_is_hidden() -> Result<()> {
    let authority = Authority::new()?;
    let name = format!("tel-{PHONE}.test");
    authority.certificate(PHONE, "me.test")?;
    let tls = json!({
        "certificates": [authority.certificate("one", &name)?],
        "client_certificates": {"required": {"authorities": authority.file()}},
    });
    let gateway = over_tls(tls, json!({"packs": ["mlps3"], "classes": {"ipv4": "usual"}})).await?;
    let (address, file) = (gateway.listener("web")?, gateway.folder().join("all.log"));
    let client = authority.client(Some(PHONE), &[])?;
    let mut connection = exchanges(&client, address, &name, Version::Http1).await?;
    ensure!(connection.send(&Request::get("/")).await?.status == 200);
    let shown = json!(format!("tel-{MASKED}.test"));
    let record = accesses(&file, 1).await?.swap_remove(0);
    let expected = [
        ("tls.client.server_name", shown.clone()),
        ("tls.client.subject", json!(format!("CN={MASKED}"))),
        ("client.address", json!("127.0.0.0")),
    ];
    has(&record, &expected)?;
    // One who shows no certificate gets no exchange, and has a record.
    let nobody = authority.client(None, &[])?;
    let refused = async {
        let mut connection = exchanges(&nobody, address, &name, Version::Http1).await?;
        connection.send(&Request::get("/")).await
    };
    ensure!(refused.await.is_err());
    let record = unserved(&file, 1).await?.swap_remove(0);
    let expected = [
        (
            "cofferdam.response_details",
            json!("tls.handshake_failed.no_certificate"),
        ),
        ("tls.client.server_name", shown),
        ("client.address", json!("127.0.0.0")),
    ];
    has(&record, &expected)?;
    says_nowhere(&gateway, &file, &[PHONE, LOOPBACK])
}

/// Waits until so many connections without an exchange are in a file.
async fn unserved(file: &Path, count: usize) -> Result<Vec<Value>> {
    until(&format!("{count} connections"), || {
        let found = of_class(&records(file)?, "connection");
        Ok((found.len() >= count).then_some(found))
    })
    .await
}

/// A line of the gateway's own, which is none of a client's.
fn is_where_we_listen(record: &Value) -> bool {
    let message = record["message"].as_str().unwrap_or_default();
    record["event_name"] == "gateway" && (message.starts_with("listening ") || message.starts_with("admin listening "))
}

/// That these stand in no record, but in those that the gateway writes of itself.
fn says_nowhere(gateway: &Gateway, file: &Path, words: &[&str]) -> Result<()> {
    let others = records(file)?;
    let others = others.iter().filter(|record| record["event_name"] != "control");
    for record in others.filter(|record| !is_where_we_listen(record)) {
        let text = record.to_string();
        ensure!(words.iter().all(|word| !text.contains(word)), "{text}");
    }
    let bytes = fs::read(file)?;
    let phone = PHONE.as_bytes();
    ensure!(!bytes.windows(phone.len()).any(|window| window == phone));
    for line in gateway.process.lines_from(0) {
        ensure!(!line.text.contains(PHONE), "{line:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_handshake_that_fails_is_a_record_with_its_reason() -> Result<()> {
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let tls = json!({"certificates": [authority.certificate("one", "one.test")?]});
    let mask = json!({"classes": {"ipv4": "usual"}});
    let gateway = over_tls(tls, mask).await?;
    let (address, file) = (gateway.listener("web")?, gateway.folder().join("all.log"));
    // Bytes of another protocol, which are no hello.
    send_bytes(address, b"GET /secret HTTP/1.1\r\nhost: a\r\n\r\n", DEADLINE).await?;
    // One who does not trust us says so by an alert: it knows an authority of the same name, which did not sign that.
    let wary = stranger.client(None, &[])?;
    ensure!(connect(&wary, address, "one.test").await.is_err());
    // One who speaks nothing that is spoken here.
    let other = authority.client(None, &["spdy/3"])?;
    ensure!(connect(&other, address, "one.test").await.is_err());
    // One who goes before a word.
    drop(TcpStream::connect(address).await?);
    let expected = [
        ("not_tls", Value::Null),
        ("alert.decrypt_error", json!("one.test")),
        ("no_common_protocol", json!("one.test")),
        ("closed", Value::Null),
    ];
    let all = unserved(&file, expected.len()).await?;
    for (record, (why, name)) in all.iter().zip(expected) {
        let fields = [
            ("level", json!("info")),
            ("cofferdam.listener", json!("web")),
            ("network.protocol.version", json!("tls")),
            (
                "cofferdam.response_details",
                json!(format!("tls.handshake_failed.{why}")),
            ),
            ("tls.client.server_name", name),
            ("client.address", json!("127.0.0.0")),
        ];
        has(record, &fields)?;
        ensure!(record["cofferdam.duration_ms"].is_number(), "{record}");
    }
    ensure!(
        all.len() == 4 && of_class(&records(&file)?, "access").is_empty(),
        "{all:#?}"
    );
    says_nowhere(&gateway, &file, &["/secret", LOOPBACK])?;
    let said = records(&file)?;
    let listening = said.iter().filter(|record| is_where_we_listen(record));
    let whole = listening.filter(|record| {
        record["message"]
            .as_str()
            .is_some_and(|line| line.contains(&address.to_string()))
    });
    ensure!(whole.count() == 1, "{said:#?}");
    Ok(())
}

#[tokio::test]
async fn a_line_that_is_no_request_has_a_record_and_so_has_a_head_without_an_end() -> Result<()> {
    let logs = json!({"mask": {"classes": {"ipv4": "usual"}}, "sinks": [file_sink("file", Path::new("all.log"))]});
    let gateway = gateway(super::answering(logs)).await?;
    let (address, file) = (gateway.listener("web")?, gateway.folder().join("all.log"));
    send_bytes(address, b"no request at all\r\n\r\n", DEADLINE).await?;
    let refused = accesses(&file, 1).await?.swap_remove(0);
    let fields = [
        ("http.response.status_code", json!(400)),
        ("cofferdam.response_details", json!("client.malformed")),
        ("cofferdam.response_flags", json!("DPE")),
        ("http.request.method", Value::Null),
        ("url.path", Value::Null),
        ("client.address", json!("127.0.0.0")),
    ];
    has(&refused, &fields)?;
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /half HTTP/1.1\r\nhost: a\r\nx-secret: hun")
        .await?;
    drop(stream);
    let unfinished = unserved(&file, 1).await?.swap_remove(0);
    let fields = [
        ("network.protocol.version", json!("1.1")),
        ("cofferdam.response_details", json!("client.head_unfinished")),
        ("cofferdam.response_flags", json!("DC")),
        ("cofferdam.listener", json!("web")),
        ("client.address", json!("127.0.0.0")),
    ];
    has(&unfinished, &fields)?;
    says_nowhere(&gateway, &file, &["no request", "/half", "hun", LOOPBACK])
}

#[tokio::test]
async fn bytes_that_passed_over_tcp_are_a_record_with_their_number_and_none_of_them() -> Result<()> {
    let backend = Backend::start("up", Speaks::Bytes)?;
    let listener = |name: &str, upstream: &str| json!({"name": name, "listen": "127.0.0.1:0", "protocol": "tcp", "upstream": upstream});
    let gateway = gateway(json!({
        "workers": 1,
        "listeners": [listener("bytes", "up"), listener("nowhere", "down")],
        "upstreams": [upstream("up", &backend), {"name": "down", "endpoints": [format!("127.0.0.1:{}", free_port()?)]}],
        "logs": {"mask": {"classes": {"ipv4": "usual"}}, "sinks": [file_sink("file", Path::new("all.log"))]},
    }))
    .await?;
    let file = gateway.folder().join("all.log");
    let mut stream = TcpStream::connect(gateway.listener("bytes")?).await?;
    stream.write_all(b"some bytes").await?;
    stream.shutdown().await?;
    let mut back = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut back)).await??;
    ensure!(back == b"some bytes");
    let passed = accesses(&file, 1).await?.swap_remove(0);
    let fields = [
        ("cofferdam.listener", json!("bytes")),
        ("network.protocol.version", json!("tcp")),
        ("cofferdam.upstream", json!("up")),
        ("cofferdam.endpoint", json!(backend.address.to_string())),
        ("http.request.body.size", json!(10)),
        ("http.response.body.size", json!(10)),
        ("http.response.status_code", Value::Null),
        ("client.address", json!("127.0.0.0")),
    ];
    has(&passed, &fields)?;
    // What the kernel knows of both connections is there although both are closed.
    for rtt in ["cofferdam.client_rtt_us", "cofferdam.upstream_rtt_us"] {
        ensure!(passed[rtt].as_u64().is_some_and(|rtt| rtt > 0), "no {rtt}: {passed}");
    }
    let mut stream = TcpStream::connect(gateway.listener("nowhere")?).await?;
    // A reset is an end as well.
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut back)).await?;
    let lost = accesses(&file, 2).await?.swap_remove(1);
    let fields = [
        ("cofferdam.listener", json!("nowhere")),
        ("cofferdam.upstream", json!("down")),
        ("cofferdam.response_flags", json!("UF")),
        ("http.response.body.size", json!(0)),
    ];
    has(&lost, &fields)?;
    ensure!(
        lost["cofferdam.client_rtt_us"].is_u64() && lost["cofferdam.upstream_rtt_us"].is_null(),
        "{lost}"
    );
    ensure!(!fs::read_to_string(&file)?.contains("some bytes"));
    Ok(())
}
