//! TLS towards clients and upstreams.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::backend::{Backend, Speaks};
use testkit::client::{Request, Version};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

use crate::certificates::{Authority, connect, exchanges, leaf, shown};
use crate::setting::{backend, echoed, gateway, get};

/// What a client offers, what is chosen of it, and what is spoken then.
type Offer = (&'static [&'static str], Option<&'static [u8]>, Version);

async fn listening(tls: Value) -> Result<Gateway> {
    gateway(json!({
        "listeners": [{"name": "web", "listen": "127.0.0.1:0", "tls": tls}],
        "routes": [{"name": "e", "echo": true}],
    }))
    .await
}

#[tokio::test]
async fn the_name_chooses_the_certificate() -> Result<()> {
    let authority = Authority::new()?;
    let (one, two) = (
        authority.certificate("one", "one.test")?,
        authority.certificate("two", "two.test")?,
    );
    let gateway = listening(json!({"certificates": [one, two]})).await?;
    let client = authority.client(None, &[])?;
    let address = gateway.listener("web")?;
    for (name, words) in [("one.test", &one), ("two.test", &two)] {
        assert_eq!(
            shown(&connect(&client, address, name).await?),
            leaf(words)?,
            "for {name}"
        );
    }
    // Nobody is called so: the first certificate is shown, which is not for that name.
    assert!(connect(&client, address, "three.test").await.is_err());
    let mut connection = exchanges(&client, address, "two.test", Version::Http1).await?;
    let echo = echoed(&connection.send(&Request::get("/")).await?)?;
    assert_eq!(
        (&echo["scheme"], &echo["headers"]["x-forwarded-proto"]),
        (&json!("https"), &json!("https"))
    );
    Ok(())
}

#[tokio::test]
async fn alpn_chooses_the_version() -> Result<()> {
    let authority = Authority::new()?;
    let gateway = listening(json!({"certificates": [authority.certificate("one", "one.test")?]})).await?;
    let address = gateway.listener("web")?;
    let table: [Offer; 4] = [
        (&["h2", "http/1.1"], Some(b"h2"), Version::Http2),
        (&["http/1.1", "h2"], Some(b"h2"), Version::Http2),
        (&["http/1.1"], Some(b"http/1.1"), Version::Http1),
        (&[], None, Version::Http1),
    ];
    for (offered, chosen, version) in table {
        let client = authority.client(None, offered)?;
        let stream = connect(&client, address, "one.test").await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "of {offered:?}");
        let mut connection = testkit::client::Connection::over(Box::new(stream), version).await?;
        assert_eq!(
            connection.send(&Request::get("/")).await?.status,
            200,
            "over {offered:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_required_client_certificate_is_required() -> Result<()> {
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let tls = json!({
        "certificates": [authority.certificate("one", "one.test")?],
        "client_certificates": {"required": {"authorities": authority.file()}},
    });
    let gateway = listening(tls).await?;
    let address = gateway.listener("web")?;
    authority.certificate("me", "me.test")?;
    let mine = authority.client(Some("me"), &[])?;
    let mut connection = exchanges(&mine, address, "one.test", Version::Http1).await?;
    assert_eq!(connection.send(&Request::get("/")).await?.status, 200);
    // With TLS 1.3 the refusal reaches the client after its side of the handshake.
    let none = authority.client(None, &[])?;
    let refused = async {
        exchanges(&none, address, "one.test", Version::Http1)
            .await?
            .send(&Request::get("/"))
            .await
    };
    assert!(refused.await.is_err());
    stranger.certificate("other", "me.test")?;
    for file in ["pem", "key"] {
        let from = stranger.file().with_file_name(format!("other.{file}"));
        std::fs::copy(from, authority.file().with_file_name(format!("other.{file}")))?;
    }
    let other = authority.client(Some("other"), &[])?;
    let refused = async {
        exchanges(&other, address, "one.test", Version::Http1)
            .await?
            .send(&Request::get("/"))
            .await
    };
    assert!(refused.await.is_err());
    Ok(())
}

#[tokio::test]
async fn an_optional_client_certificate_is_optional() -> Result<()> {
    let authority = Authority::new()?;
    let tls = json!({
        "certificates": [authority.certificate("one", "one.test")?],
        "client_certificates": {"optional": {"authorities": authority.file()}},
    });
    let gateway = listening(tls).await?;
    authority.certificate("me", "me.test")?;
    for own in [None, Some("me")] {
        let client = authority.client(own, &[])?;
        let mut connection = exchanges(&client, gateway.listener("web")?, "one.test", Version::Http1).await?;
        assert_eq!(connection.send(&Request::get("/")).await?.status, 200, "with {own:?}");
    }
    Ok(())
}

#[tokio::test]
async fn changed_certificate_files_are_taken_and_wrong_ones_are_not() -> Result<()> {
    let authority = Authority::new()?;
    let words = authority.certificate("one", "one.test")?;
    let gateway = listening(json!({"certificates": [words]})).await?;
    let (client, address) = (authority.client(None, &[])?, gateway.listener("web")?);
    let mut old = exchanges(&client, address, "one.test", Version::Http1).await?;
    let first = shown(&connect(&client, address, "one.test").await?);
    let said = gateway.process.line_count();
    authority.certificate("one", "one.test")?;
    gateway
        .process
        .wait_for_line(said, DEADLINE, |line| line.text.contains("certificates applied"))
        .await?;
    let second = shown(&connect(&client, address, "one.test").await?);
    assert!(second != first && second == leaf(&words)?);
    assert_eq!(
        old.send(&Request::get("/")).await?.status,
        200,
        "connections that stand go on"
    );
    let said = gateway.process.line_count();
    std::fs::write(words["chain"].as_str().unwrap(), "no certificate")?;
    gateway
        .process
        .wait_for_line(said, DEADLINE, |line| line.text.contains("certificates refused"))
        .await?;
    assert!(shown(&connect(&client, address, "one.test").await?) == second);
    Ok(())
}

#[tokio::test]
async fn an_upstream_is_spoken_to_over_tls() -> Result<()> {
    let authority = Authority::new()?;
    authority.certificate("up", "up.test")?;
    for (speaks, protocol, offered) in [(Speaks::Http1, "http1", "http/1.1"), (Speaks::Http2, "http2", "h2")] {
        let backend = Backend::start("up", speaks)?;
        let address = authority.in_front_of("up", backend.address, &[offered]).await?;
        let gateway = gateway(json!({
            "upstreams": [{"name": "up", "endpoints": [address.to_string()], "protocol": protocol,
                "tls": {"server_name": "up.test", "authorities": authority.file()}}],
            "routes": [{"name": "r", "upstream": "up"}],
        }))
        .await?;
        assert_eq!(get(&gateway, "/").await?.text(), "hello from up", "{protocol}");
        if speaks == Speaks::Http2 {
            assert_eq!(backend.records()[0].field(":scheme"), Some("https"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_with_a_wrong_certificate_is_a_503() -> Result<()> {
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    authority.certificate("up", "up.test")?;
    let backend = backend()?;
    let address = authority.in_front_of("up", backend.address, &[]).await?;
    for (name, authorities) in [("other.test", authority.file()), ("up.test", stranger.file())] {
        let gateway = gateway(json!({
            "upstreams": [{"name": "up", "endpoints": [address.to_string()],
                "tls": {"server_name": name, "authorities": authorities}}],
            "routes": [{"name": "r", "upstream": "up"}],
        }))
        .await?;
        assert_eq!(get(&gateway, "/").await?.status, 503, "{name}");
    }
    assert_eq!(backend.records().len(), 0);
    Ok(())
}

#[tokio::test]
async fn plain_bytes_on_a_tls_listener_harm_nobody() -> Result<()> {
    let authority = Authority::new()?;
    let gateway = listening(json!({"certificates": [authority.certificate("one", "one.test")?]})).await?;
    let address = gateway.listener("web")?;
    let answer =
        testkit::client::send_bytes(address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", Duration::from_secs(10)).await?;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    let client = authority.client(None, &[])?;
    let mut connection = exchanges(&client, address, "one.test", Version::Http1).await?;
    assert_eq!(connection.send(&Request::get("/")).await?.status, 200);
    Ok(())
}
