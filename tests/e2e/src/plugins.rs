//! Plugins in the path of real exchanges: what they do, and what becomes of everyone else when they die.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks};
use testkit::client::{Connection, End, Request, Version, send};
use testkit::fields::fields;
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;

use crate::setting::{VERSIONS, ask, backend, echoed, gateway, get, page, plugin, upstream};

/// A gateway on one worker: `/guarded` goes through the plugin, `/free` does not.
async fn guarded(plugin: Value, backend: &Backend) -> Result<Gateway> {
    let name = plugin["name"].clone();
    gateway(json!({
        "workers": 1,
        "upstreams": [upstream("up", backend)],
        "plugins": [plugin],
        "routes": [
            {"name": "guarded", "match": {"path": {"prefix": "/guarded"}}, "upstream": "up", "plugins": [name]},
            {"name": "free", "match": {"path": {"prefix": "/free"}}, "upstream": "up"},
        ],
    }))
    .await
}

fn dying(on_fault: &str) -> Result<Value> {
    let mut plugin = plugin("die", "die", json!(""))?;
    plugin["on_fault"] = on_fault.into();
    Ok(plugin)
}

fn deadly(way: &str) -> Request {
    Request::get("/guarded").field("x-die", way)
}

#[tokio::test]
async fn the_sample_plugin_greets_over_every_version() -> Result<()> {
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let backend = Backend::start("up", speaks)?;
        let reply = Reply::new(200)
            .field("trailer", "x-down")
            .piece("body")
            .trailer("x-down", "1");
        backend.reply("/", reply);
        let mut up = upstream("up", &backend);
        up["protocol"] = if speaks == Speaks::Http2 {
            "http2".into()
        } else {
            "http1".into()
        };
        let gateway = gateway(json!({
            "upstreams": [up],
            "plugins": [plugin("hello", "hello", json!({"greeting": "salve"}))?],
            "routes": [{"name": "r", "upstream": "up", "plugins": ["hello"]}],
        }))
        .await?;
        for version in VERSIONS {
            let before = backend.records().len();
            let request = Request::new("POST", "/")
                .field("te", "trailers")
                .field("trailer", "x-up")
                .field("x-name", "Ada")
                .piece("one")
                .piece("two")
                .trailer("x-up", "1");
            let answer = send(gateway.listener("web")?, version, &request).await?;
            let record = backend.records().remove(before);
            assert_eq!(record.field("x-hello"), Some("salve, Ada"));
            assert_eq!(
                (record.text().as_str(), record.trailers),
                ("onetwo", fields(&[("x-up", "1")]))
            );
            assert_eq!(
                (answer.status, answer.field("x-served-by")),
                (200, Some("cofferdam-hello"))
            );
            assert_eq!(
                (answer.text().as_str(), answer.trailers),
                ("body", fields(&[("x-down", "1")]))
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_chain_is_passed_in_order_and_back() -> Result<()> {
    let script = |name: &str| {
        json!({
            "request_headers": [{"op": "add_request_header", "key": "x-way", "value": name}],
            "response_headers": [{"op": "add_response_header", "key": "x-back", "value": name}],
        })
    };
    let gateway = gateway(json!({
        "plugins": [plugin("a", "probe-021", script("a"))?, plugin("b", "probe-020", script("b"))?, plugin("c", "probe-010", script("c"))?],
        "routes": [{"name": "r", "echo": true, "plugins": ["a", "b", "c"]}],
    }))
    .await?;
    let answer = ask(&gateway, &Request::get("/")).await?;
    assert_eq!(echoed(&answer)?["headers"]["x-way"], json!(["a", "b", "c"]));
    assert_eq!(testkit::fields::values(&answer.fields, "x-back"), ["c", "b", "a"]);
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_dies_closes_its_exchange_and_is_back_for_the_next() -> Result<()> {
    for way in [
        "panic",
        "unreachable",
        "abort",
        "exit",
        "outside",
        "indirect",
        "recursion",
        "memory",
        "loop",
    ] {
        let backend = backend()?;
        let gateway = guarded(dying("close")?, &backend).await?;
        let answer = ask(&gateway, &deadly(&format!("request_headers {way}"))).await?;
        assert_eq!((answer.status, &answer.end), (503, &End::Complete), "{way}");
        assert!(
            !answer.text().contains("die"),
            "the client reads no names: {}",
            answer.text()
        );
        // A first fault costs no wait.
        let next = get(&gateway, "/guarded").await?;
        assert_eq!(
            (next.status, next.text().as_str()),
            (200, "hello from up"),
            "after {way}"
        );
        let plugins = page(&gateway, "/plugins").await?;
        let worker = &plugins[0]["workers"][0];
        assert_eq!(
            (&worker["faults"], &worker["starts"]),
            (&json!(1), &json!(2)),
            "after {way}: {plugins}"
        );
        assert!(worker["last_error"].is_string(), "{plugins}");
        assert_eq!(backend.records().len(), 1, "the upstream sees the good request alone");
    }
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_dies_again_and_again_comes_back_after_a_pause() -> Result<()> {
    let backend = backend()?;
    let gateway = guarded(dying("close")?, &backend).await?;
    for _ in 0..5 {
        assert_eq!(ask(&gateway, &deadly("request_headers panic")).await?.status, 503);
    }
    let again = async {
        while get(&gateway, "/guarded").await?.status != 200 {}
        Ok(())
    };
    tokio::time::timeout(DEADLINE, again).await?
}

#[tokio::test]
async fn while_a_plugin_waits_to_be_started_again_another_policy_may_hold() -> Result<()> {
    let backend = backend()?;
    for (while_restarting, status) in [(json!(null), 503), (json!("open"), 200)] {
        let mut plugin = dying("close")?;
        // The first death costs no wait, the second an hour.
        plugin["restart"] = json!({"backoff": "1h", "backoff_max": "1h", "recovered_after": "1h"});
        if !while_restarting.is_null() {
            plugin["while_restarting"] = while_restarting;
        }
        let gateway = guarded(plugin, &backend).await?;
        for _ in 0..2 {
            assert_eq!(ask(&gateway, &deadly("request_headers panic")).await?.status, 503);
        }
        let noted = async {
            while page(&gateway, "/plugins").await?[0]["workers"][0]["faults"] != 2 {}
            anyhow::Ok(())
        };
        tokio::time::timeout(DEADLINE, noted).await??;
        assert_eq!(get(&gateway, "/guarded").await?.status, status);
    }
    Ok(())
}

/// A gateway whose plugin has died twice and is therefore set aside for an hour.
async fn set_aside(on_fault: &str, backend: &Backend) -> Result<Gateway> {
    let mut plugin = dying(on_fault)?;
    plugin["restart"] = json!({"quarantine_after": 2, "quarantine": "1h"});
    let gateway = guarded(plugin, backend).await?;
    let status = if on_fault == "open" { 200 } else { 503 };
    for _ in 0..2 {
        assert_eq!(ask(&gateway, &deadly("request_headers panic")).await?.status, status);
    }
    // The answer may be there before the worker has noted what it means.
    let noted = async {
        while page(&gateway, "/plugins").await?[0]["workers"][0]["state"] != "quarantined" {}
        anyhow::Ok(())
    };
    tokio::time::timeout(DEADLINE, noted).await??;
    Ok(gateway)
}

#[tokio::test]
async fn a_plugin_in_quarantine_lets_nobody_by_until_it_is_lifted() -> Result<()> {
    let backend = backend()?;
    let gateway = set_aside("close", &backend).await?;
    for _ in 0..5 {
        assert_eq!(get(&gateway, "/guarded").await?.status, 503);
    }
    assert_eq!(get(&gateway, "/free").await?.status, 200);
    assert_eq!(backend.records().len(), 1, "the upstream sees the free request alone");
    let metrics = send(gateway.admin, Version::Http1, &Request::get("/metrics"))
        .await?
        .text();
    for row in ["quarantines_total", "quarantined"] {
        let row = format!("cofferdam_plugin_{row}{{plugin=\"die\"}} 1\n");
        assert!(metrics.contains(&row), "{row}{metrics}");
    }
    let lift = |name: &str| Request::new("POST", &format!("/plugins/{name}/lift"));
    let unknown = send(gateway.admin, Version::Http1, &lift("dye")).await?;
    let of_a_page = lift("die").field("origin", "https://elsewhere.example");
    let refused = send(gateway.admin, Version::Http1, &of_a_page).await?;
    assert_eq!((unknown.status, refused.status), (404, 403), "{}", refused.text());
    assert_eq!(get(&gateway, "/guarded").await?.status, 503);
    let lifted = send(gateway.admin, Version::Http1, &lift("die")).await?;
    assert_eq!(
        (lifted.status, lifted.text().as_str()),
        (200, "plugin die is started again\n")
    );
    let again = async {
        while get(&gateway, "/guarded").await?.status != 200 {}
        Ok(())
    };
    tokio::time::timeout(DEADLINE, again).await?
}

#[tokio::test]
async fn a_plugin_in_quarantine_whose_policy_is_open_is_left_out() -> Result<()> {
    let backend = backend()?;
    let gateway = set_aside("open", &backend).await?;
    assert_eq!(get(&gateway, "/guarded").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn on_fault_open_goes_on_without_the_plugin() -> Result<()> {
    let backend = backend()?;
    let gateway = guarded(dying("open")?, &backend).await?;
    for way in [
        "request_headers panic",
        "request_body panic",
        "response_headers panic",
        "request_headers loop",
    ] {
        for version in VERSIONS {
            let mut request = Request::post("/guarded", "body").field("x-die", way);
            request.fields.push(("x-kept".into(), "1".into()));
            let answer = send(gateway.listener("web")?, version, &request).await?;
            let found = (answer.status, answer.text(), answer.end);
            assert_eq!(
                found,
                (200, "hello from up".to_owned(), End::Complete),
                "{way} {version:?}"
            );
            let records = backend.records();
            let record = records.last().unwrap();
            assert_eq!(
                (record.text().as_str(), record.field("x-kept")),
                ("body", Some("1")),
                "{way} {version:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_death_after_the_head_breaks_the_body() -> Result<()> {
    let backend = backend()?;
    backend.reply(
        "/guarded",
        Reply::new(200)
            .field("content-length", "8")
            .piece("half")
            .wait("go")
            .piece("half"),
    );
    let gateway = guarded(dying("close")?, &backend).await?;
    for version in VERSIONS {
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        backend.release("go");
        let answer = connection.send(&deadly("response_body panic")).await;
        // The plugin dies at the first piece, when the head may be on its way already.
        if let Ok(answer) = answer {
            assert!(
                answer.status == 503 || matches!(answer.end, End::Broken(_)),
                "{version:?}: {answer:?}"
            );
        }
        let free = send(gateway.listener("web")?, version, &Request::get("/free")).await?;
        assert_eq!(free.status, 200);
    }
    Ok(())
}

#[tokio::test]
async fn a_loop_gives_way_to_other_routes() -> Result<()> {
    let backend = backend()?;
    let mut plugin = dying("close")?;
    plugin["limits"] = json!({"cpu_slice": "12s"});
    let gateway = guarded(plugin, &backend).await?;
    let address = gateway.listener("web")?;
    let ended = Arc::new(AtomicUsize::new(0));
    for _ in 0..6 {
        let ended = Arc::clone(&ended);
        tokio::spawn(async move {
            let _ = send(address, Version::Http1, &deadly("request_headers loop")).await;
            ended.fetch_add(1, Ordering::SeqCst);
        });
    }
    for _ in 0..10 {
        let free = send(address, Version::Http1, &Request::get("/free")).await?;
        assert_eq!(free.status, 200);
    }
    // Ten exchanges on the only worker, and not one loop has reached its slice.
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    Ok(())
}

#[tokio::test]
async fn many_clients_at_once_are_each_served_their_own() -> Result<()> {
    let backend = backend()?;
    let gateway = gateway(json!({
        "upstreams": [upstream("up", &backend)],
        "plugins": [plugin("hello", "hello", json!({}))?],
        "routes": [{"name": "e", "echo": true, "plugins": ["hello"]}],
    }))
    .await?;
    let address = gateway.listener("web")?;
    let clients: Vec<_> = (0..16)
        .map(|client| {
            tokio::spawn(async move {
                let version = VERSIONS[client % 2];
                let mut connection = Connection::open(address, version).await?;
                for number in 0..20 {
                    let name = format!("{client}-{number}");
                    let request = Request::post("/", &name).field("x-name", &name);
                    let echo = echoed(&connection.send(&request).await?)?;
                    anyhow::ensure!(echo["body"] == name.as_str(), "{echo}");
                    anyhow::ensure!(echo["headers"]["x-hello"] == format!("hello, {name}"), "{echo}");
                }
                Ok(())
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(())
}

#[tokio::test]
async fn deaths_harm_nobody_who_is_on_another_exchange() -> Result<()> {
    let backend = backend()?;
    backend.reply("/free", Reply::new(200).wait_first("go").body("late"));
    let gateway = guarded(dying("close")?, &backend).await?;
    let address = gateway.listener("web")?;
    let waiting = tokio::spawn(async move { send(address, Version::Http1, &Request::get("/free")).await });
    backend
        .until(DEADLINE, |records| (!records.is_empty()).then_some(()))
        .await?;
    for _ in 0..10 {
        assert_eq!(ask(&gateway, &deadly("request_headers panic")).await?.status, 503);
    }
    backend.release("go");
    assert_eq!(waiting.await??.text(), "late");
    Ok(())
}

#[tokio::test]
async fn a_plugin_injects_no_header() -> Result<()> {
    let backend = backend()?;
    let put = |side: &str, value: &str| {
        json!([
            {"op": format!("add_{side}_header"), "key": "x-bad", "value": value},
            {"op": format!("replace_{side}_header"), "key": "x-worse", "value": value},
            {"op": format!("add_{side}_header"), "key": "x-good", "value": "good"},
        ])
    };
    let evil = "a\r\nx-injected: 1";
    let script = json!({"request_headers": put("request", evil), "response_headers": put("response", evil)});
    let gateway = gateway(json!({
        "workers": 1,
        "upstreams": [upstream("up", &backend)],
        "plugins": [plugin("probe", "probe-021", script)?],
        "routes": [{"name": "r", "upstream": "up", "plugins": ["probe"]}],
    }))
    .await?;
    for version in VERSIONS {
        let answer = send(gateway.listener("web")?, version, &Request::get("/")).await?;
        let record = backend.records().pop().unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello from up"));
        for sent in [&record.fields, &answer.fields] {
            let bad = sent
                .iter()
                .find(|field| field.0.contains("injected") || field.1.contains("injected"));
            assert_eq!(bad, None, "{version:?}");
            assert_eq!(testkit::fields::value(sent, "x-good"), Some("good"));
        }
    }
    let worker = &page(&gateway, "/plugins").await?[0]["workers"][0];
    assert_eq!((&worker["faults"], &worker["state"]), (&json!(0), &json!("running")));
    gateway
        .process
        .wait_for_line(0, DEADLINE, |line| {
            line.text.contains("level=warn") && line.text.contains("`x-bad` left out")
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_plugin_answers_instead_of_the_upstream() -> Result<()> {
    let backend = backend()?;
    let script = json!({"request_headers": [
        {"op": "send_local_response", "status": 401, "body": "who?", "headers": [["x-why", "none"]]},
        {"op": "return", "action": "pause"},
    ]});
    let gateway = guarded(plugin("probe", "probe-021", script)?, &backend).await?;
    for version in VERSIONS {
        let answer = send(gateway.listener("web")?, version, &Request::post("/guarded", "body")).await?;
        let found = (answer.status, answer.text(), answer.field("x-why").map(str::to_owned));
        assert_eq!(found, (401, "who?".to_owned(), Some("none".to_owned())));
    }
    assert_eq!(backend.records().len(), 0);
    Ok(())
}
