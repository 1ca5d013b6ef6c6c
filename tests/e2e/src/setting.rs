//! What every test begins with: a gateway from a configuration, a request, a run that is expected to fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::backend::{Backend, Speaks};
use testkit::client::{Request, Response, Version, send};
use testkit::gateway::Gateway;
use testkit::golden::Golden;
use testkit::place;
use testkit::process::{DEADLINE, Process};

/// Both versions that a client may speak.
pub(crate) const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

/// The configuration with an admin listener and a listener `web`, where it names none.
pub(crate) fn complete(mut configuration: Value) -> Value {
    let keys = configuration.as_object_mut().expect("a configuration is a map");
    keys.entry("admin").or_insert(json!({"listen": "127.0.0.1:0"}));
    keys.entry("listeners")
        .or_insert(json!([{"name": "web", "listen": "127.0.0.1:0"}]));
    configuration
}

/// A gateway that is ready. JSON is YAML, so the configuration is written as JSON.
pub(crate) async fn gateway(configuration: Value) -> Result<Gateway> {
    Gateway::start(&complete(configuration).to_string()).await
}

/// A gateway whose only upstream is `up` and whose only route leads there.
pub(crate) async fn forwarding_to(backend: &Backend) -> Result<Gateway> {
    gateway(json!({
        "upstreams": [upstream("up", backend)],
        "routes": [{"name": "all", "upstream": "up"}],
    }))
    .await
}

/// An upstream in the clear, over HTTP/1.1.
pub(crate) fn upstream(name: &str, backend: &Backend) -> Value {
    json!({"name": name, "endpoints": [backend.address.to_string()]})
}

/// An HTTP/1.1 backend called `up`.
pub(crate) fn backend() -> Result<Backend> {
    Backend::start("up", Speaks::Http1)
}

/// A plugin of one of our guests.
pub(crate) fn plugin(name: &str, guest: &str, configuration: Value) -> Result<Value> {
    Ok(json!({"name": name, "source": {"file": place::guest(guest)?}, "config": configuration}))
}

/// An exchange with the listener `web` over HTTP/1.1.
pub(crate) async fn ask(gateway: &Gateway, request: &Request) -> Result<Response> {
    send(gateway.listener("web")?, Version::Http1, request).await
}

/// A GET of the listener `web`.
pub(crate) async fn get(gateway: &Gateway, target: &str) -> Result<Response> {
    ask(gateway, &Request::get(target)).await
}

/// A page of the admin listener as JSON.
pub(crate) async fn page(gateway: &Gateway, target: &str) -> Result<Value> {
    let answer = send(gateway.admin, Version::Http1, &Request::get(target)).await?;
    serde_json::from_slice(&answer.body()).with_context(|| format!("`{target}` is not JSON: {}", answer.text()))
}

/// What the echo answered.
pub(crate) fn echoed(response: &Response) -> Result<Value> {
    serde_json::from_slice(&response.body()).with_context(|| format!("no echo: {}", response.text()))
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error, with the folder of the configuration as `FOLDER`.
    pub(crate) err: String,
}

/// Runs `cofferdam VERB FOLDER/gateway.yaml WORDS` to its end, with `files` in the folder.
pub(crate) async fn command(verb: &str, words: &[&str], files: &BTreeMap<&str, Vec<u8>>) -> Result<Ended> {
    let folder = tempfile::tempdir()?;
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes)?;
    }
    let mut command = Command::new(place::cofferdam().await?);
    command.arg(verb).arg(folder.path().join("gateway.yaml")).args(words);
    finish(&mut command, folder.path()).await
}

/// Runs a command to its end.
pub(crate) async fn finish(command: &mut Command, folder: &Path) -> Result<Ended> {
    // Crash reports and rings of a test do not go to the user's.
    command.env("XDG_STATE_HOME", std::env::temp_dir().join("cofferdam-e2e"));
    command.env("COFFERDAM_RING_DIR", std::env::temp_dir().join("cofferdam-e2e/rings"));
    let mut process = Process::start("cofferdam", command)?;
    let status = process.wait_for_exit(DEADLINE).await?;
    // The pipes are read to their end by threads of their own; a line that never comes waits for exactly that.
    let _ = process.wait_for_line(0, DEADLINE, |_| false).await;
    let text = |source| {
        let lines = process.lines_from(0).into_iter().filter(|line| line.source == source);
        let shown = lines.map(|line| line.text.replace(&*folder.to_string_lossy(), "FOLDER") + "\n");
        shown.collect::<String>()
    };
    Ok(Ended {
        code: status.code(),
        out: text(testkit::process::Source::Stdout),
        err: text(testkit::process::Source::Stderr),
    })
}

/// The texts of this suite that a person reads.
pub(crate) fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}
