//! The log of each server in its own words: nothing, JSON as it is, or JSON behind a mask.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bench::configuration;
use crate::bench::contender::{Ground, Kind};

/// What a server writes down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Log {
    /// Nothing
    Off,
    /// JSON; nothing is hidden
    Plain,
    /// JSON; what names tell is secret, which is what Cofferdam does when nothing is said
    Names,
    /// JSON behind the pack `mlps3`, or the same in Lua
    Masked,
}

/// nginx's fields, named as Cofferdam names them.
const NGINX_FORMAT: &str = "log_format json escape=json '{\"timestamp\":\"$time_iso8601\",\"level\":\"info\",\"event_name\":\"access\",\
\"request_id\":\"$LOG_ID\",\"client.address\":\"$remote_addr\",\"http.request.method\":\"$request_method\",\
\"http.request.authority\":\"$http_host\",\"url.path\":\"$LOG_PATH\",\"url.query\":\"$LOG_QUERY\",\
\"network.protocol.version\":\"$server_protocol\",\"http.response.status_code\":$status,\"http.request.body.size\":$request_length,\
\"http.response.body.size\":$body_bytes_sent,\"cofferdam.duration_ms\":\"$request_time\",\"cofferdam.endpoint\":\"$upstream_addr\",\
\"cofferdam.upstream_duration_ms\":\"$upstream_header_time\",\"user_agent.original\":\"$LOG_AGENT\"}';\n";

/// The mask in Lua: the classes of `mlps3` with the checks that they have.
const LUA: &str = include_str!("masks.lua");

/// The configuration of a server with this log into this file.
pub(super) fn configuration(kind: Kind, log: Log, file: &Path, ground: &Ground, lua: Option<&Path>) -> Result<String> {
    match kind {
        Kind::Cofferdam => Ok(cofferdam(log, file, ground).to_string()),
        Kind::Envoy => envoy(log, file, ground),
        Kind::Nginx => nginx(log, file, ground, lua),
    }
}

fn cofferdam(log: Log, file: &Path, ground: &Ground) -> Value {
    let mut all = json!({
        "workers": 1,
        "listeners": [{ "name": "web", "listen": ground.server.to_string(), "protocol": "http" }],
        "upstreams": [{ "name": "up", "endpoints": [ground.upstream.to_string()] }],
        "routes": [{ "name": "all", "match": { "path": { "prefix": "/" } }, "upstream": "up" }],
    });
    let sinks = json!([{ "name": "file", "file": { "path": file } }]);
    let (key, value) = match log {
        Log::Off => ("access_log", json!("off")),
        Log::Plain => ("logs", json!({ "mask": "off", "sinks": sinks })),
        Log::Names => ("logs", json!({ "sinks": sinks })),
        Log::Masked => ("logs", json!({ "mask": { "packs": ["mlps3"] }, "sinks": sinks })),
    };
    if let Some(members) = all.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
    all
}

fn envoy(log: Log, file: &Path, ground: &Ground) -> Result<String> {
    let mut all = configuration::envoy(0, ground);
    if log != Log::Off {
        let connections = all
            .pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
            .and_then(Value::as_object_mut)
            .context("Envoy's configuration has another form")?;
        connections.insert(
            String::from("access_log"),
            json!([{
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": file,
                    "log_format": { "json_format": envoy_fields() },
                },
            }]),
        );
    }
    Ok(all.to_string())
}

fn envoy_fields() -> Value {
    json!({
        "timestamp": "%START_TIME%",
        "level": "info",
        "event_name": "access",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "client.address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "http.request.method": "%REQ(:METHOD)%",
        "http.request.authority": "%REQ(:AUTHORITY)%",
        "url.path": "%REQ(:PATH)%",
        "network.protocol.version": "%PROTOCOL%",
        "http.response.status_code": "%RESPONSE_CODE%",
        "cofferdam.response_flags": "%RESPONSE_FLAGS%",
        "cofferdam.response_details": "%RESPONSE_CODE_DETAILS%",
        "http.request.body.size": "%BYTES_RECEIVED%",
        "http.response.body.size": "%BYTES_SENT%",
        "cofferdam.duration_ms": "%DURATION%",
        "cofferdam.upstream": "%UPSTREAM_CLUSTER%",
        "cofferdam.endpoint": "%UPSTREAM_HOST%",
        "user_agent.original": "%REQ(USER-AGENT)%",
    })
}

fn nginx(log: Log, file: &Path, ground: &Ground, lua: Option<&Path>) -> Result<String> {
    let plain = configuration::nginx(None, ground);
    if log == Log::Off {
        return Ok(plain);
    }
    let names = match log {
        Log::Masked => [
            ("LOG_ID", "masked_id"),
            ("LOG_PATH", "masked_path"),
            ("LOG_QUERY", "masked_query"),
            ("LOG_AGENT", "masked_agent"),
        ],
        _ => [
            ("LOG_ID", "request_id"),
            ("LOG_PATH", "uri"),
            ("LOG_QUERY", "args"),
            ("LOG_AGENT", "http_user_agent"),
        ],
    };
    let format = names
        .iter()
        .fold(NGINX_FORMAT.to_owned(), |text, (place, name)| text.replace(place, name));
    let written = format!("{format}    access_log {} json buffer=64k flush=1s;\n", file.display());
    let all = plain.replacen("access_log off;\n", &written, 1);
    if log != Log::Masked {
        return Ok(all);
    }
    let lua = lua.context("nginx has no Lua here")?;
    let kit = lua.with_file_name("ndk_http_module.so");
    let modules = format!("load_module {};\nload_module {};\n", kit.display(), lua.display());
    let script = ground.folder.join("masks.lua");
    std::fs::write(&script, LUA).context("cannot write the mask in Lua")?;
    let variables: String = names.iter().map(|(_, name)| format!("set ${name} \"\"; ")).collect();
    let hook = format!(
        "{variables}\n            log_by_lua_file {};\n            proxy_pass",
        script.display()
    );
    Ok(modules + &all.replacen("proxy_pass", &hook, 1))
}
