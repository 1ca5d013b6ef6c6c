//! What the gateways are to serve: the configuration as it stands in the store.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use crate::modules;

/// What is wanted, and from what it is made.
pub(crate) struct World {
    folder: PathBuf,
    upstream: SocketAddr,
    /// Number of the newest build that marks.
    mark: usize,
    guard: usize,
    /// What the plugins that die are configured with, after what they are to do.
    setting: usize,
    wrong: usize,
}

/// One part of what is wanted that is replaced by something that cannot run.
#[derive(Clone, Copy)]
pub(crate) enum Instead {
    Nothing,
    Mark(modules::Wrong),
    Guard(modules::Wrong),
}

impl World {
    pub(crate) fn new(folder: &Path, upstream: SocketAddr) -> Result<Self> {
        modules::mark(folder, 1)?;
        modules::guard(folder, 1)?;
        Ok(Self {
            folder: folder.to_owned(),
            upstream,
            mark: 1,
            guard: 1,
            setting: 0,
            wrong: 0,
        })
    }

    pub(crate) fn mark(&self) -> usize {
        self.mark
    }

    pub(crate) fn next_mark(&mut self) -> Result<()> {
        self.mark += 1;
        modules::mark(&self.folder, self.mark).map(drop)
    }

    pub(crate) fn next_guard(&mut self) -> Result<()> {
        self.guard += 1;
        modules::guard(&self.folder, self.guard).map(drop)
    }

    pub(crate) fn next_setting(&mut self) {
        self.setting += 1;
    }

    /// The configuration as it is put into the store.
    pub(crate) fn text(&mut self, instead: Instead) -> Result<String> {
        let mut mark = self.folder.join(format!("mark-{}.wasm", self.mark));
        let mut guard = self.folder.join(format!("guard-{}.wasm", self.guard));
        self.wrong += 1;
        match instead {
            Instead::Nothing => {}
            Instead::Mark(wrong) => mark = modules::wrong(&self.folder, self.wrong, wrong)?,
            Instead::Guard(wrong) => guard = modules::wrong(&self.folder, self.wrong, wrong)?,
        }
        let setting = self.setting;
        let route = |name: &str, plugins: &[&str]| json!({ "name": name, "match": { "path": { "prefix": format!("/{name}") } }, "upstream": "up", "plugins": plugins });
        Ok(json!({
            "access_log": "off",
            "listeners": [{ "name": "web", "listen": "127.0.0.1:0" }],
            // Streams are silent for as long as it takes.
            "upstreams": [{ "name": "up", "endpoints": [self.upstream.to_string()], "timeouts": { "idle": "1d" } }],
            "plugins": [
                { "name": "mark", "source": { "file": mark } },
                dying("guard", &guard, "close", &format!("guard {setting}")),
                dying("mortal", &guard, "close", &setting.to_string()),
                dying("spare", &guard, "open", &setting.to_string()),
            ],
            "routes": [
                route("marked", &["mark"]),
                route("stream", &["mark"]),
                route("guarded", &["guard", "mark"]),
                route("mortal", &["mortal", "mark"]),
                route("spare", &["spare", "mark"]),
            ],
        })
        .to_string())
    }
}

/// The guest that dies as it is told; it comes back at once, and for ever.
fn dying(name: &str, file: &Path, on_fault: &str, config: &str) -> Value {
    json!({
        "name": name,
        "source": { "file": file },
        "config": config,
        "on_fault": on_fault,
        "limits": { "cpu_slice": "20ms", "memory": "4MiB" },
        "restart": { "backoff": "1ms", "backoff_max": "1ms", "recovered_after": "1ms", "quarantine_after": 0 },
    })
}

/// Texts that no gateway takes.
pub(crate) const WRONG_TEXTS: [&str; 5] = [
    "routes: [",
    "routes: [{ nam: r }]",
    "listeners: [{ name: web, listen: 127.0.0.1:0 }]\nroutes: [{ name: r, upstream: nobody }]",
    "listeners: [{ name: web, listen: 127.0.0.1:0 }]\nroutes: [{ name: r, echo: true, plugins: [nobody] }]",
    "workers: 1\nroutes: []",
];
