//! A response that has begun when its plugin dies is cut so that every client sees it, and never a well-formed short one.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks};
use testkit::client::{Connection, End, Request, Response, Version, send};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

use crate::setting::{dying, lives};
use crate::ways::WAYS;

/// How the upstream frames its two halves.
fn replies() -> [(&'static str, Reply); 2] {
    let halves = |reply: Reply| reply.piece("half").wait("go").piece("half");
    [
        ("length", halves(Reply::new(200).field("content-length", "8"))),
        ("chunked", halves(Reply::new(200))),
    ]
}

async fn gateway(backend: &Backend, trusted_after: u32, on_fault: &str) -> Result<Gateway> {
    let mut plugin = dying("p", "", on_fault)?;
    plugin["limits"]["trusted_after"] = trusted_after.into();
    let configuration: Value = json!({
        "workers": 1,
        "admin": {"listen": "127.0.0.1:0"},
        "listeners": [{"name": "web", "listen": "127.0.0.1:0"}],
        "upstreams": [{"name": "up", "endpoints": [backend.address.to_string()]}],
        "plugins": [plugin],
        "routes": [{"name": "all", "upstream": "up", "plugins": ["p"]}],
    });
    Gateway::start(&configuration.to_string()).await
}

/// Reads the first half, has `happen` happen, and reads what is left.
async fn halved(
    gateway: &Gateway,
    version: Version,
    request: &Request,
    happen: impl AsyncFnOnce() -> Result<()>,
) -> Result<Response> {
    let mut connection = Connection::open(gateway.listener("web")?, version).await?;
    let mut exchange = connection.begin(request).await?;
    let (status, fields) = exchange.head().await?;
    let first = exchange.data_received().await?;
    ensure!(first.as_deref() == Some(&b"half"[..]), "{first:?}");
    happen().await?;
    let mut rest = Response::new(status, fields);
    exchange.read_rest(&mut rest).await;
    Ok(rest)
}

/// What a client of this version sees of a cut: no last chunk and no further byte, or a stream reset.
fn is_cut(rest: &Response, version: Version) -> bool {
    let End::Broken(why) = &rest.end else { return false };
    let words: &[&str] = match version {
        Version::Http1 => &["closed before a chunk", "closed with 4 bytes of the body missing"],
        // The client's library does not say "reset" for RST_STREAM.
        Version::Http2 => &["stream error received"],
    };
    words.iter().any(|word| why.contains(word))
}

#[tokio::test]
async fn a_body_half_sent_is_cut_when_its_plugin_dies() -> Result<()> {
    for trusted_after in [0, 1] {
        let backend = Backend::start("up", Speaks::Http1)?;
        let gateway = gateway(&backend, trusted_after, "close").await?;
        for way in WAYS.iter().filter(|way| way.kills()) {
            for (framing, reply) in replies() {
                for version in [Version::Http1, Version::Http2] {
                    backend.reply("/", reply.clone());
                    let request = Request::get("/").field("x-die", &format!("response_body_end {}", way.word));
                    let rest = halved(&gateway, version, &request, async || {
                        backend.release("go");
                        Ok(())
                    });
                    let rest = rest.await?;
                    ensure!(
                        is_cut(&rest, version),
                        "{} {framing} {version:?} {trusted_after}: {rest:?}",
                        way.word
                    );
                    // It is back, also on a connection that stands.
                    backend.reply("/", Reply::new(200).body("whole"));
                    until_served(&gateway, version).await?;
                }
            }
        }
        lives(&gateway, 0).await?;
    }
    Ok(())
}

async fn until_served(gateway: &Gateway, version: Version) -> Result<()> {
    let served = async {
        while send(gateway.listener("web")?, version, &Request::get("/"))
            .await?
            .status
            != 200
        {}
        Ok(())
    };
    tokio::time::timeout(DEADLINE, served).await?
}

#[tokio::test]
async fn a_body_half_sent_is_cut_when_its_instance_dies_elsewhere() -> Result<()> {
    for (framing, reply) in replies() {
        for version in [Version::Http1, Version::Http2] {
            let backend = Backend::start("up", Speaks::Http1)?;
            backend.reply("/", reply.clone());
            let gateway = gateway(&backend, 1, "close").await?;
            let request = Request::get("/");
            let rest = halved(&gateway, version, &request, async || {
                let mortal = Request::get("/").field("x-die", "request_headers panic");
                let dead = send(gateway.listener("web")?, version, &mortal).await?;
                ensure!(dead.status == 503, "{dead:?}");
                backend.release("go");
                Ok(())
            });
            let rest = rest.await?;
            ensure!(is_cut(&rest, version), "{framing} {version:?}: {rest:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_body_half_sent_goes_on_whole_where_the_policy_is_open() -> Result<()> {
    let backend = Backend::start("up", Speaks::Http1)?;
    let gateway = gateway(&backend, 1, "open").await?;
    for (framing, reply) in replies() {
        for version in [Version::Http1, Version::Http2] {
            backend.reply("/", reply.clone());
            let request = Request::get("/").field("x-die", "response_body_end panic");
            let rest = halved(&gateway, version, &request, async || {
                backend.release("go");
                Ok(())
            });
            let rest = rest.await?;
            ensure!(
                (rest.text().as_str(), &rest.end) == ("half", &End::Complete),
                "{framing} {version:?}: {rest:?}"
            );
        }
    }
    Ok(())
}
