//! What Prometheus' own programs make of our metrics, rules and dashboards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place::peer;
use testkit::prometheus::prometheus;

use crate::setting::{ask, backend, gateway, get, plugin, upstream};

const ACCEPT_OPEN: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
const ACCEPT_PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1";
/// Exchanges of the gateway under test.
const EXCHANGES: u32 = 20;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards")
}

/// Runs `promtool` with something to read; its output when it finds nothing wrong.
fn promtool(words: &[&str], input: &[u8]) -> Result<String> {
    let mut file = tempfile::tempfile().context("no temporary file")?;
    std::io::Write::write_all(&mut file, input)?;
    std::io::Seek::rewind(&mut file)?;
    let mut command = Command::new(peer("promtool")?);
    let output = command
        .args(words)
        .current_dir(folder())
        .stdin(Stdio::from(file))
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "promtool {words:?} says: {said}");
    Ok(said)
}

/// A gateway with exchanges behind it, of a route with an upstream and a plugin that counts.
async fn after_exchanges() -> Result<Gateway> {
    let backend = backend()?;
    let script = json!({
        "configure": [{"op": "define_metric", "type": "counter", "name": "seen", "save": "counter", "scope": "root"}],
        "request_headers": [{"op": "increment_metric", "metric": "${counter}", "offset": 2}],
    });
    let gateway = gateway(json!({
        "workers": 2,
        "upstreams": [upstream("up", &backend)],
        "plugins": [plugin("probe", "probe-021", script)?],
        "routes": [
            {"name": "quote\"d", "match": {"path": {"prefix": "/r"}}, "upstream": "up", "plugins": ["probe"]},
            {"name": "odd", "match": {"path": {"prefix": "/odd"}}, "respond": {"status": 404}},
        ],
    }))
    .await?;
    for _ in 0..EXCHANGES {
        ask(&gateway, &Request::post("/r", "four")).await?;
    }
    get(&gateway, "/odd").await?;
    Ok(gateway)
}

async fn page(gateway: &Gateway, accept: &str) -> Result<(String, Vec<u8>)> {
    let request = Request::get("/metrics").field("accept", accept);
    let answer = send(gateway.admin, Version::Http1, &request).await?;
    let kind = answer.field("content-type").context("no content type")?.to_owned();
    Ok((kind, answer.body()))
}

/// Every expression of every dashboard, with its choices made.
fn expressions() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let board: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let choices = board["templating"]["list"].as_array().context("no choices")?;
        for target in board["panels"]
            .as_array()
            .context("no panels")?
            .iter()
            .flat_map(|panel| panel["targets"].as_array())
            .flatten()
        {
            let mut expression = target["expr"]
                .as_str()
                .context("no expression")?
                .replace("$__rate_interval", "1m");
            for choice in choices {
                let name = choice["name"].as_str().context("no name")?;
                expression = expression.replace(&format!("\"${name}\""), "\".*\"");
            }
            ensure!(!expression.contains('$'), "{}: {expression}", path.display());
            found.insert(expression);
        }
    }
    Ok(found)
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_page() -> Result<()> {
    let gateway = after_exchanges().await?;
    let (kind, text) = page(&gateway, "*/*").await?;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    // How a plugin calls its metrics is its own business.
    let text = String::from_utf8(text)?;
    let (foreign, own): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains("wasmcustom_"));
    assert_eq!(foreign.len(), 3);
    promtool(&["check", "metrics"], (own.join("\n") + "\n").as_bytes())?;
    assert!(promtool(&["check", "metrics"], b"no_help 1\n").is_err());
    let (kind, open) = page(&gateway, ACCEPT_OPEN).await?;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let open = String::from_utf8(open)?;
    assert!(open.ends_with("\n# EOF\n") && open.contains("# TYPE cofferdam_exchanges counter\n"));
    let (kind, _) = page(&gateway, ACCEPT_PROTOBUF).await?;
    assert!(kind.starts_with("application/vnd.google.protobuf;"), "{kind}");
    Ok(())
}

#[test]
fn promtool_accepts_the_rules_which_fire_when_they_should() -> Result<()> {
    promtool(&["check", "rules", "alerts.yaml"], b"")?;
    promtool(&["test", "rules", "alerts_test.yaml"], b"")?;
    Ok(())
}

#[test]
fn promtool_understands_every_expression_of_the_dashboards() -> Result<()> {
    let expressions = expressions()?;
    assert!(expressions.len() > 80, "{}", expressions.len());
    let rules = expressions.iter().enumerate();
    let rules: Vec<Value> = rules
        .map(|(at, text)| json!({"record": format!("panel:{at}"), "expr": text}))
        .collect();
    let file = tempfile::NamedTempFile::new()?;
    fs::write(
        file.path(),
        json!({"groups": [{"name": "panels", "rules": rules}]}).to_string(),
    )?;
    promtool(&["check", "rules", &file.path().display().to_string()], b"")?;
    Ok(())
}

#[tokio::test]
async fn prometheus_reads_open_metrics_and_answers_the_dashboards() -> Result<()> {
    let gateway = after_exchanges().await?;
    let prometheus = prometheus(gateway.admin, &["--enable-feature=exemplar-storage"]).await?;
    let wanted = f64::from(EXCHANGES);
    let exchanges = "cofferdam_exchanges_total{route=\"quote\\\"d\",code_class=\"2xx\"}";
    prometheus.wait_for(exchanges, |count| count == wanted).await?;
    prometheus
        .wait_for("wasmcustom_seen{plugin=\"probe\"}", |count| count == 2.0 * wanted)
        .await?;
    let bucket = "cofferdam_exchange_duration_seconds_bucket{route=\"quote\\\"d\",le=\"60.0\"}";
    prometheus.wait_for(bucket, |count| count == wanted).await?;
    // Rates need two looks; after that every expression is evaluated, and those of rate, errors and duration come to something.
    prometheus
        .wait_for("count_over_time(up[1m])", |count| count >= 3.0)
        .await?;
    for expression in expressions()? {
        prometheus.query(&expression).await?;
    }
    for expression in [
        "histogram_quantile(0.99, sum by (le) (cofferdam_exchange_duration_seconds_bucket))",
        "histogram_quantile(0.99, sum by (le) (cofferdam_upstream_duration_seconds_bucket))",
    ] {
        prometheus.wait_for(expression, |seconds| seconds > 0.0).await?;
    }
    for running in [
        "cofferdam_worker_lag_seconds_count{worker=\"1\"}",
        "cofferdam_worker_cpu_seconds_total{worker=\"0\"}",
        "sum(cofferdam_worker_exchange_duration_seconds_count)",
        "process_resident_memory_bytes",
    ] {
        prometheus.wait_for(running, |number| number > 0.0).await?;
    }
    Ok(())
}

#[tokio::test]
async fn prometheus_reads_native_histograms() -> Result<()> {
    let gateway = after_exchanges().await?;
    let prometheus = prometheus(gateway.admin, &["--enable-feature=native-histograms"]).await?;
    let wanted = f64::from(EXCHANGES);
    let of = |what: &str| format!("{what}(cofferdam_exchange_duration_seconds{{route=\"quote\\\"d\"}})");
    prometheus
        .wait_for(&of("histogram_count"), |count| count == wanted)
        .await?;
    let sum = prometheus.wait_for(&of("histogram_sum"), |sum| sum > 0.0).await?;
    let median = "histogram_quantile(0.5, cofferdam_exchange_duration_seconds{route=\"quote\\\"d\"})";
    let median = prometheus.wait_for(median, |seconds| seconds > 0.0).await?;
    assert!(median <= sum, "{median} of {sum}");
    // All of them lie between the zero bucket and a minute.
    let share = "histogram_fraction(0.00001, 60, cofferdam_exchange_duration_seconds{route=\"quote\\\"d\"})";
    prometheus.wait_for(share, |share| share > 0.999).await?;
    prometheus
        .wait_for("histogram_count(cofferdam_upstream_duration_seconds)", |count| {
            count == wanted
        })
        .await?;
    Ok(())
}
