//! The operator's listener.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::json;
use testkit::backend::{Backend, Reply};
use testkit::client::{Request, Response, Version, send};
use testkit::gateway::Gateway;
use testkit::port::free_port;
use testkit::process::DEADLINE;

use crate::certificates::{Authority, exchanges};
use crate::setting::{ask, backend, gateway, get, page, plugin, upstream};

/// The table of metrics, as its source has it: this room uses no other.
const TABLE: &str = include_str!("../../../crates/log-record/src/metric.rs");

async fn admin(gateway: &Gateway, target: &str) -> Result<Response> {
    send(gateway.admin, Version::Http1, &Request::get(target)).await
}

/// Samples by name and labels. Every line must be of the text format 0.0.4, and the samples of a metric must stand together.
fn samples(page: &str) -> Result<BTreeMap<String, f64>> {
    let mut samples = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some(words) = line.strip_prefix("# TYPE ") {
            let (name, kind) = words.split_once(' ').context("a type")?;
            anyhow::ensure!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            anyhow::ensure!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            name.clone_into(&mut current);
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (key, number) = line.rsplit_once(' ').with_context(|| format!("no sample: {line}"))?;
        let name = key.split('{').next().unwrap_or_default();
        let suffix = name
            .strip_prefix(current.as_str())
            .with_context(|| format!("{name} among {current}"))?;
        anyhow::ensure!(["", "_bucket", "_sum", "_count"].contains(&suffix), "{line}");
        anyhow::ensure!(
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'),
            "{line}"
        );
        anyhow::ensure!(key.len() == name.len() || key.ends_with('}'), "{line}");
        anyhow::ensure!(samples.insert(key.to_owned(), number.parse()?).is_none(), "{key} twice");
    }
    Ok(samples)
}

#[tokio::test]
async fn health_and_readiness_are_said() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "r", "respond": {}}]})).await?;
    for target in ["/healthz", "/readyz"] {
        assert_eq!(admin(&gateway, target).await?.status, 200, "{target}");
    }
    assert_eq!(admin(&gateway, "/nothing").await?.status, 404);
    let posted = send(gateway.admin, Version::Http1, &Request::post("/healthz", "x")).await?;
    assert_eq!(posted.status, 405);
    Ok(())
}

#[tokio::test]
async fn metrics_are_readable_and_count() -> Result<()> {
    let backend = backend()?;
    let script = json!({
        "configure": [
            {"op": "define_metric", "type": "counter", "name": "seen total", "save": "counter", "scope": "root"},
        ],
        "request_headers": [{"op": "increment_metric", "metric": "${counter}", "offset": 2}],
    });
    let gateway = gateway(json!({
        "upstreams": [upstream("up", &backend)],
        "plugins": [plugin("probe", "probe-021", script)?],
        "routes": [
            {"name": "r", "match": {"path": {"prefix": "/r"}}, "upstream": "up", "plugins": ["probe"]},
            {"name": "odd", "match": {"path": {"prefix": "/odd"}}, "respond": {"status": 404}},
        ],
    }))
    .await?;
    for _ in 0..3 {
        ask(&gateway, &Request::post("/r", "four")).await?;
    }
    get(&gateway, "/odd").await?;
    let answer = admin(&gateway, "/metrics").await?;
    assert_eq!(
        answer.field("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let samples = samples(&answer.text())?;
    let of = |words: &[&str]| -> f64 {
        let found = samples
            .iter()
            .filter(|(key, _)| words.iter().all(|word| key.contains(word)));
        found.map(|(_, number)| number).sum()
    };
    assert_eq!(of(&["cofferdam_exchanges_total", "\"r\"", "2xx"]), 3.0, "{samples:#?}");
    assert_eq!(of(&["cofferdam_exchanges_total", "4xx"]), 1.0);
    assert_eq!(of(&["request_body_bytes_total", "\"r\""]), 12.0);
    assert_eq!(of(&["wasmcustom_seen_total"]), 6.0);
    assert_eq!(of(&["cofferdam_worker_panics_total"]), 0.0);
    Ok(())
}

/// The names of the table, in its order.
fn table() -> Vec<&'static str> {
    let rows = TABLE
        .lines()
        .filter(|line| line.contains("], \"") && line.ends_with("\";"));
    let names = rows.filter_map(|line| line.split_once(" = \"")?.1.split_once('"'));
    names.map(|(name, _)| name).collect()
}

/// A gateway with TLS, two plugins that speak, one of them beyond its grant, and one that dies, an upstream that answers and one that nobody listens for.
async fn with_everything(authority: &Authority, backend: &Backend) -> Result<Gateway> {
    let speaks = json!({"request_headers": [{"op": "log", "level": "critical", "text": "a line"}]});
    let mut probe = plugin("probe", "probe-021", speaks)?;
    probe["rollout"] = json!({"steps": [{"share": "5%", "pause": "manual"}], "shadow": {}});
    // What it does beyond the grant is let through, and counted.
    probe["grant"] = json!({"mode": "report"});
    let certificates = [
        authority.certificate("one", "one.test")?,
        authority.certificate("two", "two.test")?,
    ];
    gateway(json!({
        "workers": 2,
        "listeners": [
            {"name": "web", "listen": "127.0.0.1:0"},
            {"name": "safe", "listen": "127.0.0.1:0", "tls": {"certificates": certificates}},
        ],
        "upstreams": [upstream("up", backend), {"name": "down", "endpoints": [format!("127.0.0.1:{}", free_port()?)]}],
        "plugins": [probe, plugin("hello", "hello", json!({"greeting": "hi"}))?, plugin("die", "die", json!({}))?],
        "routes": [
            {"name": "die", "match": {"path": {"prefix": "/die"}}, "echo": true, "plugins": ["die"]},
            {"name": "down", "match": {"path": {"prefix": "/down"}}, "upstream": "down"},
            {"name": "all", "upstream": "up", "plugins": ["probe"]},
        ],
    }))
    .await
}

#[tokio::test]
async fn every_metric_of_the_table_is_on_the_page_in_its_order() -> Result<()> {
    let (authority, backend) = (Authority::new()?, backend()?);
    let gateway = with_everything(&authority, &backend).await?;
    get(&gateway, "/").await?;
    get(&gateway, "/down").await?;
    let deadly = Request::get("/die").field("x-die", "request_headers panic");
    assert_eq!(ask(&gateway, &deadly).await?.status, 503);
    let page = admin(&gateway, "/metrics").await?.text();
    let on_page = |begin: &str| -> Vec<String> {
        let lines = page
            .lines()
            .filter_map(|line| line.strip_prefix(begin)?.split(' ').next());
        lines.map(str::to_owned).collect()
    };
    let rows = TABLE
        .lines()
        .filter(|line| line.contains("], \"") && line.ends_with("\";"))
        .count();
    assert!(rows > 30 && table().len() == rows, "the table is not read well");
    assert_eq!(on_page("# HELP "), table());
    assert_eq!(on_page("# TYPE "), table());
    // After these exchanges all of them have something to tell, but for those of a store, of sinks and of rings: there are none here.
    let absent = [
        "cofferdam_store_",
        "cofferdam_log_guest_",
        "cofferdam_log_sink_",
        "cofferdam_log_ring_",
        "cofferdam_log_masked_",
        "cofferdam_log_sampled_",
    ];
    let samples = samples(&page)?;
    let without: Vec<_> = table()
        .into_iter()
        .filter(|name| !absent.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| !samples.keys().any(|key| key.starts_with(name)))
        .collect();
    assert!(without.is_empty(), "without a sample: {without:?}");
    Ok(())
}

#[tokio::test]
async fn metrics_tell_what_was() -> Result<()> {
    let (authority, backend) = (Authority::new()?, backend()?);
    backend.reply("/missing", Reply::new(404));
    let gateway = with_everything(&authority, &backend).await?;
    let client = authority.client(None, &[])?;
    let mut safe = exchanges(&client, gateway.listener("safe")?, "one.test", Version::Http1).await?;
    for target in ["/", "/", "/missing"] {
        safe.send(&Request::get(target)).await?;
    }
    get(&gateway, "/down").await?;
    let said = gateway.process.line_count();
    authority.certificate("two", "two.test")?;
    gateway
        .process
        .wait_for_line(said, DEADLINE, |line| line.text.contains("certificates applied"))
        .await?;
    let samples = samples(&admin(&gateway, "/metrics").await?.text())?;
    let of = |key: &str| samples.get(&format!("cofferdam_{key}")).copied().unwrap_or(-1.0);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    assert!(
        (now_s - 600.0..=now_s).contains(&of("start_time_seconds")),
        "{samples:#?}"
    );
    for subject in ["CN=one", "CN=two"] {
        let expiry = of(&format!(
            "certificate_expiry_seconds{{listener=\"safe\",subject=\"{subject}\"}}"
        ));
        assert!(expiry > now_s, "{subject}: {samples:#?}");
    }
    let wanted = [
        ("worker_mailbox_refusals_total{worker=\"1\"}", 0.0),
        ("certificate_reloads_total{listener=\"safe\",result=\"applied\"}", 1.0),
        ("upstream_requests_total{upstream=\"up\",code_class=\"2xx\"}", 2.0),
        ("upstream_requests_total{upstream=\"up\",code_class=\"4xx\"}", 1.0),
        ("upstream_requests_total{upstream=\"down\",code_class=\"5xx\"}", 0.0),
        (
            "upstream_failures_total{upstream=\"down\",code=\"upstream.connect_refused\"}",
            1.0,
        ),
        ("upstream_duration_seconds_count{upstream=\"up\"}", 3.0),
        ("upstream_duration_seconds_count{upstream=\"down\"}", 0.0),
        ("upstream_endpoints{upstream=\"up\",health=\"healthy\"}", 1.0),
        ("upstream_endpoints{upstream=\"up\",health=\"unhealthy\"}", 0.0),
        ("plugin_instances{plugin=\"probe\"}", 2.0),
        ("plugin_faults_total{plugin=\"probe\",code=\"plugin.trapped\"}", 0.0),
        ("plugin_instances{plugin=\"hello\"}", 2.0),
        // Created, started and configured on two workers, and never asked.
        ("plugin_callbacks_total{plugin=\"hello\"}", 6.0),
        ("log_lines_total{level=\"critical\"}", 3.0),
        ("log_lines_total{level=\"error\"}", 0.0),
    ];
    let wrong: Vec<_> = wanted.iter().filter(|(key, number)| of(key) != *number).collect();
    assert!(wrong.is_empty(), "not so: {wrong:?} in {samples:#?}");
    // Two callbacks began each exchange and three ended it; the response's lie between.
    assert!(
        of("plugin_callbacks_total{plugin=\"probe\"}") >= 6.0 + 3.0 * 6.0,
        "{samples:#?}"
    );
    assert!(of("log_lines_total{level=\"info\"}") > 1.0, "{samples:#?}");
    Ok(())
}

#[tokio::test]
async fn the_configuration_is_shown_without_its_secrets() -> Result<()> {
    let gateway = gateway(json!({
        "plugins": [plugin("hello", "hello", json!({"greeting": "s3cret"}))?],
        "routes": [{"name": "r", "respond": {"body": "ok"}, "plugins": ["hello"]}],
    }))
    .await?;
    let shown = page(&gateway, "/config").await?;
    assert_eq!(
        (&shown["generation"], &shown["plan"]["routes"][0]["name"]),
        (&json!(1), &json!("r"))
    );
    assert!(!shown.to_string().contains("s3cret"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn plugins_are_shown_worker_by_worker() -> Result<()> {
    let gateway = gateway(json!({
        "workers": 2,
        "plugins": [plugin("die", "die", json!(""))?],
        "routes": [{"name": "r", "echo": true, "plugins": ["die"]}],
    }))
    .await?;
    let before = page(&gateway, "/plugins").await?;
    let plugin = &before[0];
    assert_eq!(
        (&plugin["name"], &plugin["generation"], &plugin["abi"]),
        (&json!("die"), &json!(1), &json!("0.2.1"))
    );
    let workers = plugin["workers"].as_array().context("no workers")?;
    assert_eq!(workers.len(), 2);
    for worker in workers {
        assert_eq!(
            (&worker["state"], &worker["faults"]),
            (&json!("running"), &json!(0)),
            "{worker}"
        );
        assert!(
            worker["memory_bytes"].as_u64() > Some(0) && worker["last_error"].is_null(),
            "{worker}"
        );
    }
    ask(
        &gateway,
        &Request::get("/").field("x-die", "request_headers unreachable"),
    )
    .await?;
    ask(&gateway, &Request::get("/")).await?;
    let after = page(&gateway, "/plugins").await?;
    let faulty = after[0]["workers"].as_array().context("no workers")?;
    let faulty: Vec<_> = faulty.iter().filter(|worker| worker["faults"] == json!(1)).collect();
    assert_eq!(faulty.len(), 1, "{after}");
    assert!(
        faulty[0]["last_error"]
            .as_str()
            .is_some_and(|text| text.contains("unreachable")),
        "{after}"
    );
    Ok(())
}

#[tokio::test]
async fn a_hostile_client_harms_the_operators_listener_not() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "r", "respond": {}}]})).await?;
    for bytes in [
        &b"\0\0\0"[..],
        b"GET /healthz HTTP/1.1\r\nbad : x\r\n\r\n",
        b"GET /../etc/passwd HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        testkit::client::send_bytes(gateway.admin, bytes, std::time::Duration::from_millis(50)).await?;
    }
    assert_eq!(admin(&gateway, "/healthz").await?.status, 200);
    Ok(())
}
