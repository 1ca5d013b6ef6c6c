//! Modules that a gateway fetches: from a registry or a URL, from its store when nobody answers, and never at another's cost.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks, Step};
use testkit::client::{Request, Version, send};
use testkit::etcd::etcd;
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;
use testkit::registry::registry;

use crate::certificates::Authority;
use crate::packages::Desk;
use crate::setting::{complete, finish};

fn configuration(desk: &Desk, sources: &[(&str, Value)]) -> String {
    let plugins: Vec<Value> = sources
        .iter()
        .map(|(name, source)| json!({"name": name, "source": source}))
        .collect();
    let names: Vec<&str> = sources.iter().map(|(name, _)| *name).collect();
    let whole = complete(json!({
        "cache_dir": desk.path("cache"),
        "plugins": plugins,
        "routes": [{"name": "r", "echo": true, "plugins": names}],
    }));
    whole.to_string()
}

async fn start(desk: &Desk, sources: &[(&str, Value)]) -> Result<Gateway> {
    Gateway::start_with(&configuration(desk, sources), |command| quiet(command, desk)).await
}

fn quiet(command: &mut Command, desk: &Desk) {
    command
        .env("DOCKER_CONFIG", desk.folder.path())
        .env_remove("REGISTRY_AUTH_FILE")
        .env_remove("XDG_RUNTIME_DIR");
}

/// What `check` says of these sources.
async fn check(desk: &Desk, sources: &[(&str, Value)]) -> Result<(Option<i32>, String)> {
    let file = desk.path("gateway.yaml");
    fs::write(&file, configuration(desk, sources))?;
    let mut command = Command::new(place::cofferdam().await?);
    quiet(&mut command, desk);
    let ended = finish(command.arg("check").arg(&file), desk.folder.path()).await?;
    Ok((ended.code, ended.err))
}

/// The plugin greets, so it is there.
async fn greets(gateway: &Gateway) -> Result<()> {
    let answer = send(gateway.listener("web")?, Version::Http1, &Request::get("/")).await?;
    ensure!(answer.text().contains("x-hello"), "{}", answer.text());
    Ok(())
}

fn said(gateway: &Gateway, text: &str) -> bool {
    gateway
        .process
        .lines_from(0)
        .iter()
        .any(|line| line.text.contains(text))
}

#[tokio::test]
async fn a_gateway_starts_from_a_registry_and_again_when_it_is_gone() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    let name = registry.name("team/hello:1");
    let digest = desk.told(&["push", "hello.wasm", &name]).await?["digest"].clone();
    let always = [("hello", json!({"oci": name, "pull": "always"}))];
    let pinned = [(
        "hello",
        json!({"oci": name, "digest": digest, "sha256": desk.sha256()?}),
    )];
    let gateway = start(&desk, &always).await?;
    greets(&gateway).await?;
    assert!(said(&gateway, "module fetched"));
    drop(gateway);
    drop(registry);
    let gateway = start(&desk, &always).await?;
    greets(&gateway).await?;
    assert!(said(&gateway, "cannot be had anew") && said(&gateway, "ago is used"));
    drop(gateway);
    let gateway = start(&desk, &pinned).await?;
    greets(&gateway).await?;
    assert!(said(&gateway, "module from store") && !said(&gateway, "warning"));
    drop(gateway);
    // A byte of each file in the store is changed.
    for entry in fs::read_dir(desk.path("cache").join("modules/blobs"))? {
        let path = entry?.path();
        let mut bytes = fs::read(&path)?;
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        fs::write(&path, bytes)?;
    }
    let (code, err) = check(&desk, &pinned).await?;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("plugin `hello`") && err.contains("was changed and is not used"),
        "{err}"
    );
    Ok(())
}

#[tokio::test]
async fn a_gateway_starts_again_when_its_store_and_its_registry_are_gone_and_nothing_is_cached() -> Result<()> {
    let (desk, registry, mut etcd) = (Desk::new()?, registry(None).await?, etcd().await?);
    let name = registry.name("team/hello:1");
    desk.told(&["push", "hello.wasm", &name]).await?;
    let text = json!({
        "listeners": [{"name": "web", "listen": "127.0.0.1:0"}],
        "plugins": [{"name": "hello", "source": {"oci": name, "pull": "always"}}],
        "routes": [{"name": "r", "echo": true, "plugins": ["hello"]}],
    });
    etcd.ctl(&["put", "/gateway.yaml", &text.to_string()])?;
    let bootstrap = |wait: &str| {
        json!({
            "admin": {"listen": "127.0.0.1:0"},
            "cache_dir": desk.path("cache"),
            "store": {"etcd": {"endpoints": [etcd.address.to_string()]}, "key": "/gateway.yaml", "node": "gw", "wait": wait},
        })
        .to_string()
    };
    let (first, second) = (bootstrap("20s"), bootstrap("1s"));
    let gateway = Gateway::start_with(&first, |command| quiet(command, &desk)).await?;
    greets(&gateway).await?;
    gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains("module fetched"))
        .await?;
    fs::write(gateway.file(), second)?;
    etcd.kill().await?;
    drop(registry);
    fs::remove_dir_all(desk.path("cache"))?;
    let gateway = gateway.start_again(Signal::TERM).await?;
    assert!(said(&gateway, "going on with what served last"));
    greets(&gateway).await?;
    Ok(())
}

#[tokio::test]
async fn a_registry_that_hangs_or_lies_costs_nobody_elses_module() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    let name = registry.name("team/hello:1");
    desk.told(&["push", "hello.wasm", &name]).await?;
    let hanging = Backend::start("hanging", Speaks::Http1)?;
    hanging.reply("/v2/a/manifests/1", Reply::silence());
    let hangs = json!({"oci": format!("{}/a:1", hanging.address), "timeout": "1s"});
    let lies = json!({"oci": name, "digest": format!("sha256:{}", "0".repeat(64))});
    let (code, err) = check(
        &desk,
        &[("hangs", hangs), ("good", json!({"oci": name})), ("lies", lies)],
    )
    .await?;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("plugin `hangs`: module") && err.contains("not there within 1s"),
        "{err}"
    );
    assert!(err.contains("plugin `lies`"), "{err}");
    assert!(
        err.contains("module fetched") && !err.contains("plugin `good`"),
        "{err}"
    );
    Ok(())
}

#[tokio::test]
async fn a_tag_that_moved_is_followed_at_a_reload_and_a_registry_that_went_changes_nothing() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    let name = registry.name("team/hello:latest");
    fs::copy(place::guest("probe-021")?, desk.path("probe.wasm"))?;
    desk.told(&["push", "probe.wasm", &name]).await?;
    let sources = [("hello", json!({"oci": name}))];
    let gateway = start(&desk, &sources).await?;
    ensure!(greets(&gateway).await.is_err(), "the probe greets");
    desk.told(&["push", "hello.wasm", &name]).await?;
    for round in 0..2 {
        let said = gateway.process.line_count();
        gateway.process.signal(Signal::HUP)?;
        gateway
            .process
            .wait_for_line(said, DEADLINE, |line| line.text.contains("configuration applied"))
            .await?;
        greets(&gateway).await?;
        if round == 0 {
            registry.process.signal(Signal::KILL)?;
        }
    }
    assert!(said(&gateway, "cannot be had anew"));
    Ok(())
}

#[tokio::test]
async fn a_url_is_a_source_also_over_tls() -> Result<()> {
    let desk = Desk::new()?;
    let server = Backend::start("server", Speaks::Http1)?;
    let module = bytes::Bytes::from(fs::read(&desk.module)?);
    let head = Step::Head(200, vec![(String::from("content-length"), module.len().to_string())]);
    server.reply("/hello.wasm", Reply::of(vec![head, Step::Data(module)]));
    let plain = json!({"http": format!("http://{}/hello.wasm", server.address)});
    greets(&start(&desk, &[("hello", plain)]).await?).await?;
    let authority = Authority::new()?;
    authority.certificate("server", "localhost")?;
    let address = authority.in_front_of("server", server.address, &[]).await?;
    let url = format!("https://localhost:{}/hello.wasm?token=secret", address.port());
    let sources = [("hello", json!({"http": url, "sha256": desk.sha256()?}))];
    let (code, err) = check(&desk, &sources).await?;
    assert_eq!(code, Some(1));
    assert!(err.contains("certificate") && !err.contains("secret"), "{err}");
    let text = configuration(&desk, &sources);
    let trusting = Gateway::start_with(&text, |command| {
        quiet(command, &desk);
        command.env("SSL_CERT_FILE", authority.file());
    });
    greets(&trusting.await.context("with its authority")?).await
}

/// So many days ago, in RFC 3339.
fn days_ago(days: u64) -> Result<String> {
    let ago = format!("{days} days ago");
    let output = Command::new("date")
        .args(["-u", "-d", &ago, "+%Y-%m-%dT%H:%M:%SZ"])
        .output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn audited(configuration: &str, age: &str) -> Result<String> {
    let mut whole: Value = serde_json::from_str(configuration)?;
    whole["audit"] = json!({ "age": age });
    Ok(whole.to_string())
}

#[tokio::test]
async fn an_image_is_as_old_as_its_manifest_says_also_when_it_is_recalled() -> Result<()> {
    let (desk, registry) = (Desk::new()?, registry(None).await?);
    let mut images = Vec::new();
    for (tag, created) in [
        ("young", Some(days_ago(10)?)),
        ("old", Some(days_ago(40)?)),
        ("epoch", Some(String::from("1970-01-01T00:00:00Z"))),
        ("odd", Some(String::from("yesterday"))),
        ("unsaid", None),
    ] {
        let name = registry.name(&format!("team/aged:{tag}"));
        let annotation = created.map(|created| format!("org.opencontainers.image.created={created}"));
        let mut words = vec!["push", "hello.wasm", name.as_str()];
        words.extend(annotation.iter().flat_map(|annotation| ["--annotation", annotation]));
        desk.told(&words).await?;
        images.push(name.clone());
    }
    let unknown = "nobody knows when its module was made";
    for (image, age, code, words) in [
        (&images[0], "30d", 0, ""),
        (&images[0], "5d", 1, "its image was made 10 days ago"),
        (&images[1], "30d", 1, "its image was made 40 days ago"),
        (&images[2], "30d", 0, unknown),
        (&images[3], "30d", 0, unknown),
        (&images[4], "30d", 0, unknown),
    ] {
        let file = desk.path("gateway.yaml");
        fs::write(
            &file,
            audited(&configuration(&desk, &[("hello", json!({ "oci": image }))]), age)?,
        )?;
        // From the registry, and then from the store.
        for _ in 0..2 {
            let mut command = Command::new(place::cofferdam().await?);
            quiet(&mut command, &desk);
            let ended = finish(command.arg("check").arg(&file), desk.folder.path()).await?;
            assert!(
                ended.code == Some(code) && ended.err.contains(words),
                "{image} {age}: {ended:?}"
            );
            assert_eq!(ended.err.contains(unknown), words == unknown, "{image}: {ended:?}");
        }
    }
    // It serves; then the registry and what was fetched are gone, and what is kept of it is as old as it was.
    let aged = configuration(&desk, &[("hello", json!({"oci": images[1], "pull": "always"}))]);
    let gateway = Gateway::start_with(&audited(&aged, "60d")?, |command| quiet(command, &desk)).await?;
    greets(&gateway).await?;
    drop(registry);
    fs::remove_dir_all(desk.path("cache").join("modules"))?;
    let gateway = gateway.start_again(Signal::TERM).await?;
    greets(&gateway).await?;
    assert!(said(&gateway, "plugin recalled plugin=hello") && !said(&gateway, unknown));
    fs::write(gateway.file(), audited(&aged, "30d")?)?;
    let Err(refused) = gateway.start_again(Signal::TERM).await else {
        anyhow::bail!("it starts with a module that is too old");
    };
    ensure!(
        format!("{refused:#}").contains("its image was made 40 days ago"),
        "{refused:#}"
    );
    Ok(())
}
