//! The same two routes in each server's words: `/a` with a plugin that can be told to die, `/b` with the sample plugin.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::configuration::{GREETING, envoy_plugin, envoy_with};
use super::super::contender::{Ground, Kind};
use crate::http::request;
use crate::peers::Peers;
use crate::place;

/// The memory that a plugin may have, in MiB: what it may when nothing is configured, as with all other limits.
pub(super) const MEMORY_MIB: u32 = 64;

/// Depth at which a parser that calls itself for each level has used up its stack several times over.
const DEPTH: usize = 32_000;

/// Mebibytes that a bomb asks for: more than a module can have.
const BOMB_STEPS: usize = 8192;

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Party {
    /// This project, with the restart policy that a measurement needs
    Cofferdam(Restart),
    /// Envoy with `failure_policy: FAIL_RELOAD`
    EnvoyReload,
    /// Envoy as it is when nothing is configured
    Envoy,
}

/// How Cofferdam brings a plugin back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Restart {
    /// As when nothing is configured.
    Default,
    /// As by default, but an instance has recovered after 5 ms instead of 1 s, so that each death is a first one.
    SoonRecovered,
    /// At once and for ever: no quarantine.
    Tireless,
}

/// The plugin of route `/a`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Guest {
    /// Our guest `probe-021`, in Rust, which does what a header of the request names; Envoy loads it, unlike `die`.
    Probe,
    /// Higress's `transformer`, 6.5 MB of Go: its JSON parser calls itself for each level of a body.
    Transformer,
}

impl Party {
    /// The row's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cofferdam(Restart::Default) => "Cofferdam",
            Self::Cofferdam(Restart::SoonRecovered) => "Cofferdam, `recovered_after: 5ms`",
            Self::Cofferdam(Restart::Tireless) => "Cofferdam, no quarantine",
            Self::EnvoyReload => "Envoy, `FAIL_RELOAD`",
            Self::Envoy => "Envoy",
        }
    }

    pub(super) fn is_cofferdam(self) -> bool {
        matches!(self, Self::Cofferdam(_))
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Cofferdam(_) => Kind::Cofferdam,
            Self::EnvoyReload | Self::Envoy => Kind::Envoy,
        }
    }

    /// The server's configuration.
    pub(super) fn configuration(self, guest: Guest, ground: &Ground, peers: &Peers) -> Result<String> {
        Ok(match self {
            Self::Cofferdam(restart) => cofferdam(restart, guest, ground, peers)?,
            Self::EnvoyReload => envoy(Some("FAIL_RELOAD"), guest, ground, peers)?,
            Self::Envoy => envoy(None, guest, ground, peers)?,
        }
        .to_string())
    }
}

impl Restart {
    fn configuration(self) -> Value {
        match self {
            Self::Default => json!({}),
            Self::SoonRecovered => json!({ "recovered_after": "5ms" }),
            Self::Tireless => {
                json!({ "backoff": "1ms", "backoff_max": "1ms", "recovered_after": "1ms", "quarantine_after": 0 })
            }
        }
    }
}

impl Guest {
    fn module(self, peers: &Peers) -> Result<PathBuf> {
        match self {
            Self::Probe => Ok(place::guests().join("probe-021.wasm")),
            Self::Transformer => {
                let folder = peers.need("higress_dir")?.join("transformer");
                let versions = fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
                let version = versions.flatten().next();
                let version = version.with_context(|| format!("nothing in `{}`", folder.display()))?;
                Ok(version.path().join("plugin.wasm"))
            }
        }
    }

    fn settings(self) -> Value {
        match self {
            Self::Probe => json!({ "cases": {
                "trap": { "request_headers": [{ "op": "panic", "text": "told to" }] },
                "loop": { "request_headers": [{ "op": "spin" }] },
                "memory": { "request_headers": [
                    { "op": "times", "count": BOMB_STEPS, "steps": [{ "op": "allocate", "bytes": 1 << 20 }] },
                ] },
            } }),
            Self::Transformer => json!({ "reqRules": [
                { "operate": "add", "headers": [{ "key": "x-hello", "value": GREETING }] },
                { "operate": "replace", "body": [{ "key": "user.tier", "newValue": "gold", "value_type": "string" }] },
            ] }),
        }
    }

    /// A request that kills it by a trap.
    pub(super) fn trap(self) -> Vec<u8> {
        match self {
            Self::Probe => dies_of("trap"),
            Self::Transformer => {
                let deep = "[".repeat(DEPTH);
                request("POST", "/a", &[("content-type", "application/json")], &deep)
            }
        }
    }
}

/// A request that tells the probe in which way to die: `trap`, `loop` or `memory`.
pub(super) fn dies_of(way: &str) -> Vec<u8> {
    request("GET", "/a", &[("x-case", way)], "")
}

fn cofferdam(restart: Restart, guest: Guest, ground: &Ground, peers: &Peers) -> Result<Value> {
    let hello = json!({ "greeting": GREETING });
    let route = |name: &str, plugin: &str| json!({ "name": name, "match": { "path": { "prefix": format!("/{name}") } }, "upstream": "up", "plugins": [plugin] });
    Ok(json!({
        "workers": 1,
        "access_log": "off",
        "listeners": [{ "name": "web", "listen": ground.server.to_string(), "protocol": "http" }],
        "upstreams": [{ "name": "up", "endpoints": [ground.upstream.to_string()] }],
        "plugins": [
            {
                "name": "mortal", "source": { "file": guest.module(peers)? }, "config": guest.settings(),
                "limits": { "memory": format!("{MEMORY_MIB}MiB") }, "restart": restart.configuration(),
            },
            { "name": "hello", "source": { "file": place::guests().join("hello.wasm") }, "config": hello },
        ],
        "routes": [route("a", "mortal"), route("b", "hello")],
    }))
}

fn envoy(policy: Option<&str>, guest: Guest, ground: &Ground, peers: &Peers) -> Result<Value> {
    let mut mortal = envoy_plugin("mortal", "mortal", &guest.module(peers)?, &guest.settings().to_string());
    if let Some(wasm) = mortal
        .pointer_mut("/typed_config/config")
        .and_then(Value::as_object_mut)
        && let Some(policy) = policy
    {
        wasm.insert(String::from("failure_policy"), json!(policy));
    }
    let settings = json!({ "greeting": GREETING }).to_string();
    let hello = envoy_plugin("hello", "hello", &place::guests().join("hello.wasm"), &settings);
    let off = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true });
    let route = |prefix: &str, without: &str| json!({ "match": { "prefix": prefix }, "route": { "cluster": "up" }, "typed_per_filter_config": { without: off } });
    let routes = json!([route("/a", "hello"), route("/b", "mortal")]);
    Ok(envoy_with(vec![mortal, hello], &routes, ground))
}
