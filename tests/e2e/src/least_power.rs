//! Of two grants the narrower: of what goes on as it was, of what is found again at a start, of what does not serve; and what else a change keeps.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks};
use testkit::client::Request;
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;
use testkit::redis::redis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::generations::{kept, stands};
use crate::grants::{checked, granted, metrics, said};
use crate::reload::change;
use crate::setting::{ask, backend, complete, gateway, get, page, plugin, upstream};
use crate::workbench;

/// A module that adds `x-one` to requests, and dies at its start when it is denied randomness. Nobody knows what built it, so that it needs what it
/// imports.
const ADDS: &str = r#"(module
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "x-one") (data (i32.const 80) "1")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 4096))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (if (call $random (i32.const 512) (i32.const 4)) (then unreachable))
      (drop (call $add (i32.const 0) (i32.const 64) (i32.const 5) (i32.const 80) (i32.const 1)))
      (i32.const 0)))"#;

fn wide() -> Value {
    json!({"calls": ["map"], "wasi": ["random"], "request_headers": {"write": ["x-one"]}})
}

fn with_grant(module: &Path, grant: &Value) -> Value {
    complete(json!({
        "plugins": [{"name": "p", "source": {"file": module}, "grant": grant}],
        "routes": [{"name": "r", "echo": true, "plugins": ["p"]}],
    }))
}

async fn adds(gateway: &Gateway) -> Result<bool> {
    let echo = get(gateway, "/").await?;
    ensure!(echo.status == 200, "{}", echo.text());
    Ok(echo.text().contains("x-one"))
}

async fn narrowed(gateway: &Gateway) -> Result<Value> {
    Ok(page(gateway, "/plugins").await?[0]["narrowed"].clone())
}

#[tokio::test]
async fn what_a_narrower_grant_takes_is_taken_from_what_goes_on_as_it_was() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("p.wasm");
    fs::write(&module, wat::parse_str(ADDS)?)?;
    let gateway = gateway(with_grant(&module, &wide())).await?;
    ensure!(adds(&gateway).await? && narrowed(&gateway).await? == Value::Null);
    // Of what the module cannot live without nothing is taken, and that is said.
    let no_random = json!({"calls": ["map"], "request_headers": {"write": ["x-one"]}});
    change(&gateway, &with_grant(&module, &no_random).to_string()).await?;
    said(
        &gateway,
        "with the grant that it had, which is wider: +calls: random_get",
    )
    .await?;
    ensure!(adds(&gateway).await? && narrowed(&gateway).await? == Value::Null);
    let less = with_grant(&module, &json!({"calls": ["log"]})).to_string();
    change(&gateway, &less).await?;
    ensure!(!adds(&gateway).await?, "what was taken is still done");
    let line = said(&gateway, "warning: plugin `p` goes on as generation 1 with less: ").await?;
    ensure!(line.contains("-calls: proxy_add_header_map_value"), "{line}");
    ensure!(line.contains("`random_get` stays as it was"), "{line}");
    let (runs, why) = stands(&gateway, "p").await?;
    ensure!(
        runs == "former" && why.contains("its grant cannot suffice"),
        "{runs}: {why}"
    );
    let taken = narrowed(&gateway).await?.to_string();
    ensure!(taken.contains("-request_headers.write: x-one"), "{taken}");
    let page = metrics(&gateway).await?;
    let denied = r#"cofferdam_plugin_denied_calls_total{plugin="p",call="proxy_add_header_map_value"} 1"#;
    ensure!(page.contains(denied), "{page}");
    // What is found again at a start is held to it, too.
    kept(gateway.folder()).await?;
    let gateway = gateway.start_again(Signal::TERM).await?;
    ensure!(!adds(&gateway).await? && stands(&gateway, "p").await?.0 == "former");
    // As soon as it may, it is what it was.
    change(&gateway, &with_grant(&module, &wide()).to_string()).await?;
    ensure!(adds(&gateway).await? && narrowed(&gateway).await? == Value::Null);
    ensure!(stands(&gateway, "p").await?.0 == "wanted");
    Ok(())
}

#[tokio::test]
async fn a_recalled_plugin_has_the_grants_with_which_it_served_or_less() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (module, file) = (folder.path().join("p.wasm"), folder.path().join("grants.yaml"));
    fs::copy(place::guest("probe-2100")?, &module)?;
    let write = |names: Value| -> Result<()> {
        let grant = granted(&json!({"calls": ["map"], "request_headers": {"write": names}}));
        Ok(fs::write(&file, json!({"grants": {"some": grant}}).to_string())?)
    };
    write(json!(["x-one"]))?;
    let add = |key: &str| json!({"op": "add_request_header", "key": key, "value": "1"});
    let gateway = gateway(json!({
        "grants": {"file": file},
        "plugins": [{"name": "p", "source": {"file": module}, "grant": "some", "config": {"request_headers": [add("x-one"), add("x-two")]}}],
        "routes": [{"name": "r", "echo": true, "plugins": ["p"]}],
    }))
    .await?;
    let seen = async |gateway: &Gateway| -> Result<(bool, bool)> {
        let echo = get(gateway, "/").await?.text();
        Ok((echo.contains("x-one"), echo.contains("x-two")))
    };
    ensure!(seen(&gateway).await? == (true, false));
    kept(gateway.folder()).await?;
    let whole = fs::read(&module)?;
    fs::write(&module, &whole[..whole.len() / 2])?;
    // The file of grants gives more while the gateway is stopped: what did not serve with it does not get it.
    gateway.process.signal(Signal::STOP)?;
    write(json!(["x-one", "x-two"]))?;
    let gateway = gateway.start_again(Signal::KILL).await?;
    ensure!(stands(&gateway, "p").await?.0 == "former");
    ensure!(seen(&gateway).await? == (true, false), "{:?}", seen(&gateway).await?);
    // And it takes all: what served before does not keep it.
    gateway.process.signal(Signal::STOP)?;
    write(json!(["x-two"]))?;
    let gateway = gateway.start_again(Signal::KILL).await?;
    ensure!(seen(&gateway).await? == (false, false), "{:?}", seen(&gateway).await?);
    Ok(())
}

/// A module that makes a file while it is configured.
const MAKES: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "made")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 4096))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (i32.eqz (call $open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 4) (i32.const 1) (i64.const 66)
        (i64.const 0) (i32.const 0) (i32.const 32)))))"#;

#[tokio::test]
async fn a_plugin_that_does_not_serve_changes_no_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (data, suite) = (folder.path().join("data"), folder.path().join("suite.yaml"));
    fs::create_dir(&data)?;
    fs::write(&suite, "cases: [{ name: it starts, request: { path: / } }]\n")?;
    let module = wat::parse_str(MAKES)?;
    let configuration = |module: &Path| {
        json!({
            "plugins": [{"name": "p", "source": {"file": module}, "probe": suite,
                "grant": {"wasi": ["files"], "folders": [{"path": data, "as": "/data", "write": true}]}}],
            "routes": [{"name": "r", "echo": true, "plugins": ["p"]}],
        })
    };
    // It starts, and its suite passes: both times it has made its file, as far as it can tell.
    let good = checked(&configuration(Path::new("p.wasm")), &[("p.wasm", module.clone())]).await?;
    ensure!(good.code == Some(0), "{} {}", good.out, good.err);
    ensure!(!data.join("made").exists(), "a check has made a file");
    let file = folder.path().join("p.wasm");
    fs::write(&file, module)?;
    let gateway = gateway(configuration(&file)).await?;
    ensure!(get(&gateway, "/").await?.status == 200 && data.join("made").exists());
    Ok(())
}

#[tokio::test]
async fn audit_is_asked_where_only_it_changed_and_at_a_recall() -> Result<()> {
    let with = |audit: Option<Value>| -> Result<Value> {
        let mut whole = json!({
            "start_without_plugins": true,
            "plugins": [plugin("p", "hello", json!({"greeting": "hi"}))?],
            "routes": [{"name": "r", "echo": true, "plugins": ["p"]}],
        });
        if let Some(audit) = audit {
            whole["audit"] = audit;
        }
        Ok(complete(whole))
    };
    let gateway = gateway(with(None)?).await?;
    ensure!(stands(&gateway, "p").await?.0 == "wanted");
    kept(gateway.folder()).await?;
    change(
        &gateway,
        &with(Some(json!({"forbidden_imports": ["map"]})))?.to_string(),
    )
    .await?;
    let (runs, why) = stands(&gateway, "p").await?;
    ensure!(
        runs == "former" && why.contains("`audit` does not let it be loaded"),
        "{runs}: {why}"
    );
    let gateway = gateway.start_again(Signal::TERM).await?;
    ensure!(stands(&gateway, "p").await?.0 == "missing");
    ensure!(get(&gateway, "/").await?.status == 503);
    Ok(())
}

#[tokio::test]
async fn a_refused_change_leaves_upstreams_as_they_were() -> Result<()> {
    let (before, after) = (backend()?, Backend::start("after", Speaks::Http1)?);
    before.reply("/", Reply::new(200).body("before"));
    after.reply("/", Reply::new(200).body("after"));
    let to = |backend: &Backend| {
        complete(json!({"upstreams": [upstream("up", backend)], "routes": [{"name": "r", "upstream": "up"}]}))
    };
    let gateway = gateway(to(&before)).await?;
    let mut unbindable = to(&after);
    // The plan is staged on every worker when this is found.
    unbindable["listeners"] =
        json!([{"name": "web", "listen": "127.0.0.1:0"}, {"name": "far", "listen": "192.0.2.1:80"}]);
    ensure!(change(&gateway, &unbindable.to_string()).await?.contains("refused"));
    for _ in 0..4 {
        ensure!(get(&gateway, "/").await?.text() == "before");
    }
    ensure!(after.records().is_empty());
    ensure!(change(&gateway, &to(&after).to_string()).await?.contains("applied"));
    ensure!(get(&gateway, "/").await?.text() == "after");
    Ok(())
}

#[tokio::test]
async fn a_connection_header_of_a_plugin_takes_no_hidden_header_away() -> Result<()> {
    let backend = backend()?;
    let grant = granted(&json!({"calls": ["map"], "request_headers": {"write": ["connection"]}}));
    let steps = json!([{"op": "add_request_header", "key": "connection", "value": "close, x-secret"}]);
    let mut probe = plugin("probe", "probe-2100", json!({ "request_headers": steps }))?;
    probe["grant"] = grant;
    let gateway = gateway(json!({
        "upstreams": [upstream("up", &backend)],
        "plugins": [probe],
        "routes": [{"name": "r", "upstream": "up", "plugins": ["probe"]}],
    }))
    .await?;
    ask(&gateway, &Request::get("/").field("x-secret", "s")).await?;
    let records = backend.records();
    let record = records.first().context("nothing has come")?;
    ensure!(record.field("x-secret") == Some("s"), "{record:?}");
    Ok(())
}

/// How many keys a Redis has.
async fn keys(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"*1\r\n$6\r\nDBSIZE\r\n").await?;
    let mut answer = [0; 16];
    let count = stream.read(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..count]).trim().to_owned())
}

#[tokio::test]
async fn a_link_to_redis_goes_to_the_new_address_when_its_upstream_changes() -> Result<()> {
    let (before, after) = (redis(&[]).await?, redis(&[]).await?);
    let steps = json!([
        {"op": "redis_init", "upstream": "store"},
        {"op": "redis_call", "upstream": "store", "query": "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"}
    ]);
    let to = |address: SocketAddr| -> Result<Value> {
        Ok(complete(json!({
            "workers": 1,
            "upstreams": [{"name": "store", "endpoints": [address.to_string()]}],
            "plugins": [plugin("probe", "probe-2100", json!({ "request_headers": steps }))?],
            "routes": [{"name": "r", "echo": true, "plugins": ["probe"]}],
        })))
    };
    let gateway = gateway(to(before.address)?).await?;
    for redis in [&before, &after] {
        ensure!(keys(redis.address).await? == ":0");
        let until = Instant::now() + DEADLINE;
        while keys(redis.address).await? != ":1" {
            get(&gateway, "/").await?;
            ensure!(Instant::now() < until, "no command has come");
        }
        change(&gateway, &to(after.address)?.to_string()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_guest_in_cpp_lives_on_with_a_grant_of_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let made = workbench::plugin(folder.path(), &["new", "--lang", "cpp", "demo"]).await?;
    ensure!(made.code == Some(0), "{made:?}");
    let project = folder.path().join("demo");
    let built = workbench::plugin(&project, &["build"]).await?;
    ensure!(built.code == Some(0), "{built:?}");
    let gateway = gateway(json!({
        "plugins": [{"name": "demo", "source": {"file": project.join("dist/demo.wasm")}, "config": {"greeting": "hi"},
            "grant": {"wasi": ["random"]}}],
        "routes": [{"name": "r", "echo": true, "plugins": ["demo"]}],
    }))
    .await?;
    for _ in 0..3 {
        let answer = ask(&gateway, &Request::get("/").field("x-name", "Ada")).await?;
        ensure!(
            answer.status == 200 && answer.field("x-served-by").is_none(),
            "{}",
            answer.text()
        );
    }
    let plugins = page(&gateway, "/plugins").await?.to_string();
    ensure!(
        plugins.contains("running") && plugins.contains("\"faults\":0"),
        "{plugins}"
    );
    let page = metrics(&gateway).await?;
    ensure!(
        page.contains("cofferdam_plugin_denied_calls_total{plugin=\"demo\""),
        "{page}"
    );
    Ok(())
}
