//! Grants from the configuration to the traffic: enforced and reported, changed while exchanges run, and what modules must be.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::{Ended, backend, command, complete, finish, gateway, get, page, plugin, upstream};

/// What a scripted guest needs to run at all, and to log.
pub(crate) fn granted(more: &Value) -> Value {
    let mut grant = json!({"calls": ["log"], "wasi": ["random", "clock", "log"]});
    let keys = grant.as_object_mut().expect("a grant is a map");
    for (key, value) in more.as_object().expect("so is what comes to it") {
        match (keys.get_mut(key), value) {
            (Some(Value::Array(own)), Value::Array(more)) => own.extend(more.iter().cloned()),
            _ => drop(keys.insert(key.clone(), value.clone())),
        }
    }
    grant
}

/// A gateway whose only route passes the probe with these steps, and echoes.
fn configuration(steps: &Value, grant: &Value, upstreams: &Value) -> Result<Value> {
    let mut probe = plugin("probe", "probe-2100", json!({ "request_headers": steps }))?;
    probe["grant"] = grant.clone();
    Ok(json!({
        "upstreams": upstreams,
        "plugins": [probe],
        "routes": [{"name": "r", "echo": true, "plugins": ["probe"]}],
    }))
}

pub(crate) async fn said(gateway: &Gateway, what: &str) -> Result<String> {
    let line = gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains(what))
        .await?;
    Ok(line.text)
}

pub(crate) async fn metrics(gateway: &Gateway) -> Result<String> {
    Ok(send(gateway.admin, Version::Http1, &Request::get("/metrics"))
        .await?
        .text())
}

#[tokio::test]
async fn a_call_that_is_not_granted_is_denied_counted_and_said() -> Result<()> {
    let secret = backend()?;
    secret.reply("/", Reply::new(200));
    let upstreams = json!([upstream("secret", &secret), {"name": "open", "aliases": ["outbound|80||open.dns"],
        "endpoints": [secret.address.to_string()]}]);
    let call = |upstream: &str| json!({"op": "http_call", "upstream": upstream, "headers": [[":method", "GET"], [":path", "/"], [":authority", "secret"]]});
    let steps = json!([call("secret"), call("outbound|80||secret"), call("outbound|80||open.dns"),
        {"op": "add_request_header", "key": "X-Evil", "value": "1"}, {"op": "add_request_header", "key": "x-good", "value": "1"}]);
    let grant = granted(
        &json!({"calls": ["http_call", "map"], "upstreams": ["outbound|80||open.dns"], "request_headers": {"write": ["x-good"]},
        "unneeded": ["buffer", "local_response", "grpc_call", "shared_data", "shared_queue", "metric", "property", "foreign", "stream", "redis", "inject", "upstream_hosts", "time"]}),
    );
    let gateway = gateway(configuration(&steps, &grant, &upstreams)?).await?;
    let echo = get(&gateway, "/").await?.text();
    ensure!(
        echo.contains("x-good") && !echo.to_lowercase().contains("x-evil"),
        "{echo}"
    );
    said(
        &gateway,
        "plugin call denied plugin=probe call=proxy_http_call about=\"secret\"",
    )
    .await?;
    let page = metrics(&gateway).await?;
    for sample in [
        r#"cofferdam_plugin_denied_calls_total{plugin="probe",call="proxy_http_call"} 2"#,
        r#"cofferdam_plugin_denied_calls_total{plugin="probe",call="proxy_add_header_map_value"} 1"#,
    ] {
        ensure!(page.contains(sample), "{page}");
    }
    Ok(())
}

#[tokio::test]
async fn every_sdks_guest_lives_on_with_a_grant_of_nothing() -> Result<()> {
    let families = json!([
        "buffer",
        "map",
        "local_response",
        "http_call",
        "grpc_call",
        "shared_data",
        "shared_queue",
        "metric",
        "property",
        "foreign",
        "stream",
        "redis",
        "inject",
        "upstream_hosts",
        "legacy",
        "time",
        "log"
    ]);
    let grant = json!({"wasi": ["random"], "unneeded": families});
    let mut seen = 0;
    for (guest, configuration) in [
        ("hello", json!({"greeting": "hi"})),
        // Its SDK reads out of bounds when there is no configuration.
        ("assemblyscript", json!("a configuration")),
        ("go-dies", json!({})),
        ("probe-010", json!({})),
        ("probe-020", json!({})),
    ] {
        // The guests of other languages are there where their compilers are.
        let Ok(mut granted) = plugin("guest", guest, configuration) else {
            continue;
        };
        seen += 1;
        if guest == "assemblyscript" {
            // It has its root context under a name, and ends itself when it is asked for another.
            granted["root_id"] = json!(guest);
        }
        granted["grant"] = grant.clone();
        let gateway =
            gateway(json!({"plugins": [granted], "routes": [{"name": "r", "echo": true, "plugins": ["guest"]}]}))
                .await?;
        for _ in 0..3 {
            let answer = get(&gateway, "/").await?;
            ensure!(answer.status == 200, "{guest}: {}", answer.text());
        }
        let page = metrics(&gateway).await?;
        ensure!(
            !page.contains(r#"cofferdam_plugin_faults_total{plugin="guest""#) || page.contains(r#"} 0"#),
            "{guest}: {page}"
        );
        let plugins = page_of_plugins(&gateway).await?;
        ensure!(plugins.contains("running"), "{guest}: {plugins}");
    }
    ensure!(seen >= 3, "hello and the probes are always there");
    Ok(())
}

async fn page_of_plugins(gateway: &Gateway) -> Result<String> {
    Ok(page(gateway, "/plugins").await?.to_string())
}

#[tokio::test]
async fn a_changed_file_of_grants_is_in_force_within_a_second_or_so_and_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("grants.yaml");
    let text = |names: Value| {
        json!({"grants": {"some": granted(&json!({"calls": ["map"], "request_headers": {"write": names},
        "limits": {"memory": "32MiB"}}))}})
        .to_string()
    };
    let unneeded = |text: String| {
        text.replace("\"wasi\"", "\"unneeded\":[\"buffer\",\"local_response\",\"http_call\",\"grpc_call\",\"shared_data\",\"shared_queue\",\"metric\",\"property\",\"foreign\",\"stream\",\"redis\",\"inject\",\"upstream_hosts\",\"time\"],\"wasi\"")
    };
    fs::write(&file, unneeded(text(json!(["x-one"]))))?;
    let steps = json!([{"op": "add_request_header", "key": "x-one", "value": "1"}, {"op": "add_request_header", "key": "x-two", "value": "1"}]);
    let mut whole = configuration(&steps, &json!("some"), &json!([]))?;
    whole["grants"] = json!({ "file": file });
    let gateway = gateway(whole).await?;
    let echo = get(&gateway, "/").await?.text();
    ensure!(echo.contains("x-one") && !echo.contains("x-two"), "{echo}");
    let changed = Instant::now();
    fs::write(&file, unneeded(text(json!(["x-two"]))))?;
    let line = said(&gateway, "grant changed plugin=probe").await?;
    ensure!(
        line.contains("from_generation=1 to_generation=2") && line.contains("uid:"),
        "{line}"
    );
    ensure!(
        line.contains("-request_headers.write: x-one; +request_headers.write: x-two"),
        "{line}"
    );
    said(&gateway, "configuration applied").await?;
    let took = changed.elapsed();
    let echo = get(&gateway, "/").await?.text();
    ensure!(echo.contains("x-two") && !echo.contains("x-one"), "{echo}");
    ensure!(took < DEADLINE, "{took:?}");
    // A wrong file changes nothing.
    fs::write(&file, "grants: { some: { calls: [proxy_lgo] } }")?;
    said(&gateway, "did you mean `proxy_log`?").await?;
    ensure!(get(&gateway, "/").await?.text().contains("x-two"));
    Ok(())
}

pub(crate) async fn checked(configuration: &Value, files: &[(&'static str, Vec<u8>)]) -> Result<Ended> {
    let text = complete(configuration.clone()).to_string().into_bytes();
    let mut all: BTreeMap<&str, Vec<u8>> = files.iter().cloned().collect();
    all.insert("gateway.yaml", text);
    command("check", &[], &all).await
}

/// A module that makes use of each call that it imports, as far as anybody can tell.
fn module() -> Result<Vec<u8>> {
    Ok(wat::parse_str(
        r#"(module
            (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
            (import "env" "proxy_redis_call" (func (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_100"))
            (func (export "odd"))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
            (func (export "malloc") (param i32) (result i32) i32.const 0))"#,
    )?)
}

fn with_module(grant: Option<Value>, audit: Option<Value>) -> Value {
    let mut whole = json!({"plugins": [{"name": "p", "source": {"file": "p.wasm"}}], "routes": [{"name": "r", "echo": true, "plugins": ["p"]}]});
    if let Some(grant) = grant {
        whole["plugins"][0]["grant"] = grant;
    }
    if let Some(audit) = audit {
        whole["audit"] = audit;
    }
    whole
}

#[tokio::test]
async fn an_import_that_a_grant_lacks_is_found_at_the_load() -> Result<()> {
    let files = [("p.wasm", module()?)];
    let short = checked(&with_module(Some(json!({"calls": ["log"]})), None), &files).await?;
    ensure!(short.code == Some(1), "{}", short.err);
    ensure!(
        short
            .err
            .contains("its grant cannot suffice: the module imports `proxy_redis_call`")
            || short.out.contains("its grant cannot suffice"),
        "{} {}",
        short.out,
        short.err
    );
    ensure!((short.out + &short.err).contains("add `calls: [redis]` to the grant"));
    for enough in [
        json!({"calls": ["log"], "unneeded": ["redis"]}),
        json!({"calls": ["log"], "mode": "report"}),
        json!({"calls": ["log", "redis"], "upstreams": ["*"]}),
    ] {
        let good = checked(&with_module(Some(enough.clone()), None), &files).await?;
        ensure!(good.code == Some(0), "{enough}: {} {}", good.out, good.err);
    }
    // The Rust SDK links nearly all calls: nothing follows.
    let hello = fs::read(place::guest("hello")?)?;
    let good = checked(
        &with_module(Some(json!({"wasi": ["random"]})), None),
        &[("p.wasm", hello)],
    )
    .await?;
    ensure!(good.code == Some(0), "{} {}", good.out, good.err);
    Ok(())
}

#[tokio::test]
async fn a_module_that_is_not_what_the_audit_wants_is_refused() -> Result<()> {
    let files = [("p.wasm", module()?)];
    let digest = plug_digest(&files[0].1);
    for (audit, why) in [
        (json!({"digests": ["00".repeat(32)]}), "its SHA-256"),
        (json!({"capabilities": {"forbid": ["redis"]}}), "talk to Redis"),
        (json!({"forbidden_imports": ["redis"]}), "it imports `proxy_redis_call`"),
        (json!({"exports": ["other*"]}), "`odd` is exported"),
        (json!({"forbidden_exports": ["od*"]}), "it exports `odd`"),
        (json!({"size": "16B"}), "the policy allows 16"),
        (json!({"toolchains": ["rust", "go"]}), "an unknown toolchain built it"),
    ] {
        let refused = checked(&with_module(None, Some(audit.clone())), &files).await?;
        let text = refused.out + &refused.err;
        ensure!(
            refused.code == Some(1) && text.contains("`audit` does not let it be loaded") && text.contains(why),
            "{audit}: {text}"
        );
    }
    let good = json!({"digests": [digest], "capabilities": {"allow": ["redis", "log"]}, "exports": ["od*"], "size": "1MiB", "toolchains": ["unknown"], "age": "1d"});
    let passed = checked(&with_module(None, Some(good)), &files).await?;
    ensure!(passed.code == Some(0), "{} {}", passed.out, passed.err);
    Ok(())
}

fn plug_digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn the_least_grant_is_proposed_and_is_one_that_a_gateway_takes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hello = place::guest("hello")?;
    let binary = place::cofferdam().await?;
    let mut inspect = std::process::Command::new(&binary);
    inspect.args(["plugin", "inspect", "--grant"]).arg(&hello);
    let proposed = finish(&mut inspect, folder.path()).await?;
    ensure!(proposed.code == Some(0), "{}", proposed.err);
    let mut whole = with_module(Some(json!("hello")), None);
    whole["grants"] = json!({"file": "grants.yaml"});
    let files = [
        ("p.wasm", fs::read(&hello)?),
        ("grants.yaml", proposed.out.clone().into_bytes()),
    ];
    let good = checked(&whole, &files).await.context("the proposal is taken")?;
    ensure!(good.code == Some(0), "{}\n{} {}", proposed.out, good.out, good.err);
    Ok(())
}
