//! The stage: a gateway with some of the plugins, and scripted upstreams under the names by which Higress's plugins know them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use testkit::backend::{Backend, Record, Speaks};
use testkit::client::{self, Request, Response, Version};
use testkit::gateway::Gateway;
use testkit::place::{peer, target_dir};
use testkit::process::{DEADLINE, Line, Source};

/// The one listener.
const LISTENER: &str = "web";

/// A gateway's configuration as it grows, and the upstreams that stand already.
pub(crate) struct Setting {
    upstreams: Vec<Value>,
    plugins: Vec<Value>,
    routes: Vec<Value>,
    backends: BTreeMap<&'static str, Backend>,
}

impl Setting {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            upstreams: Vec::new(),
            plugins: Vec::new(),
            routes: Vec::new(),
            backends: BTreeMap::new(),
        }
    }

    /// Starts a scripted upstream; plugins know it as `outbound|PORT||SERVICE`.
    pub(crate) fn backend(mut self, name: &'static str, port: u16, service: &str) -> Result<Self> {
        let backend = Backend::start(name, Speaks::Http1)?;
        let address = backend.address;
        self.backends.insert(name, backend);
        Ok(self.upstream(name, &format!("outbound|{port}||{service}"), address))
    }

    /// Names an upstream that stands already.
    pub(crate) fn upstream(mut self, name: &str, alias: &str, address: SocketAddr) -> Self {
        self.upstreams
            .push(json!({"name": name, "aliases": [alias], "endpoints": [address.to_string()]}));
        self
    }

    /// Adds a plugin whose name is that of its module; `keys` are the configuration and what else belongs to a plugin.
    pub(crate) fn plugin(self, module: &str, keys: Value) -> Result<Self> {
        self.plugin_as(module, module, keys)
    }

    /// Adds a plugin under a name of its own.
    pub(crate) fn plugin_as(mut self, name: &str, module: &str, keys: Value) -> Result<Self> {
        let mut written = json!({
            "name": name,
            "source": {"file": path_of(module)?},
            // Go's heap alone wants more than the default, and an unoptimised gateway on a busy machine more time.
            // And each runs on either stack in its test, as it would in production.
            "limits": {"memory": "256MiB", "cpu_slice": "2s", "body": "4MiB", "trusted_after": 1},
        });
        for (key, value) in keys.as_object().context("keys of a plugin")? {
            written[key] = value.clone();
        }
        self.plugins.push(written);
        Ok(self)
    }

    /// Adds a route, as the configuration has it.
    pub(crate) fn route(mut self, route: Value) -> Self {
        self.routes.push(route);
        self
    }

    /// Starts the gateway.
    pub(crate) async fn start(self) -> Result<Stage> {
        self.start_with(1).await
    }

    /// Starts the gateway with this many workers.
    pub(crate) async fn start_with(self, workers: usize) -> Result<Stage> {
        let configuration = json!({
            "admin": {"listen": "127.0.0.1:0"},
            "workers": workers,
            "cache_dir": target_dir()?.join("higress-cache"),
            "listeners": [{"name": LISTENER, "listen": "127.0.0.1:0"}],
            "upstreams": self.upstreams,
            "plugins": self.plugins,
            "routes": self.routes,
        });
        Ok(Stage {
            gateway: Gateway::start(&configuration.to_string()).await?,
            backends: self.backends,
        })
    }
}

/// A running gateway with its upstreams.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    backends: BTreeMap<&'static str, Backend>,
}

impl Stage {
    /// Where clients go.
    pub(crate) fn listener(&self) -> Result<SocketAddr> {
        self.gateway.listener(LISTENER)
    }

    /// Makes one exchange on a connection of its own.
    pub(crate) async fn send(&self, request: &Request) -> Result<Response> {
        client::send(self.listener()?, Version::Http1, request).await
    }

    /// A scripted upstream.
    pub(crate) fn backend(&self, name: &str) -> &Backend {
        &self.backends[name]
    }

    /// Number of requests that an upstream saw.
    pub(crate) fn seen(&self, name: &str) -> usize {
        self.backend(name).records().len()
    }

    /// The last request that an upstream saw.
    pub(crate) fn last(&self, name: &str) -> Result<Record> {
        let last = self.backend(name).records().pop();
        last.with_context(|| format!("`{name}` saw no request"))
    }

    /// The access record of an exchange: the first from line `start` on that has `word` in it.
    pub(crate) async fn access_record(&self, start: usize, word: &str) -> Result<Value> {
        let wanted = |line: &Line| line.source == Source::Stdout && line.text.contains(word);
        let line = self.gateway.process.wait_for_line(start, DEADLINE, wanted).await?;
        serde_json::from_str(&line.text).context("an access record is JSON")
    }

    /// Waits until the counter of a plugin, the end of its name given, stands at or above `number`; gives what it stands at.
    pub(crate) async fn counter(&self, ending: &str, number: u64) -> Result<u64> {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let page = client::send(self.gateway.admin, Version::Http1, &Request::get("/metrics")).await?;
            let page = page.text();
            match counter(&page, ending) {
                Some(found) if found >= number => return Ok(found),
                _ if tokio::time::Instant::now() > end => {
                    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("wasmcustom")).collect();
                    bail!("`{ending}` did not reach {number}\n{}", lines.join("\n"))
                }
                _ => tokio::task::yield_now().await,
            }
        }
    }
}

/// Sum of a plugin's counter over its label sets.
fn counter(page: &str, ending: &str) -> Option<u64> {
    let lines = page.lines().filter(|line| line.starts_with("wasmcustom_"));
    let samples = lines.filter_map(|line| {
        let (name, number) = line.rsplit_once(' ')?;
        let name = name.split('{').next()?;
        name.ends_with(ending).then(|| number.parse::<u64>().ok())?
    });
    samples.reduce(|sum, sample| sum + sample)
}

/// The module, in whichever version the wheel holds it.
fn path_of(module: &str) -> Result<PathBuf> {
    let folder = peer("higress_dir")?.join(module);
    let versions = folder
        .read_dir()
        .with_context(|| format!("`{}` is missing\nhint: run `cargo xtask peers`", folder.display()))?;
    for version in versions {
        let path = version?.path().join("plugin.wasm");
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!(
        "there is no `plugin.wasm` under `{}`\nhint: run `cargo xtask peers`",
        folder.display()
    )
}
