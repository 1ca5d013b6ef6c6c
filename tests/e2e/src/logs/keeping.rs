//! What is kept: a part by the trace, what failed always, what callers decided, and everything around a burst.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply};
use testkit::client::Request;
use testkit::gateway::Gateway;

use super::{file_sink, of_class, records, until};
use crate::setting::{ask, backend, gateway, get, upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

async fn stage(backend: &Backend, tracing: Value, mut logs: Value) -> Result<Gateway> {
    logs["sinks"] = json!([file_sink("file", Path::new("all.log"))]);
    let mut configuration = json!({
        "workers": 1,
        "upstreams": [upstream("up", backend)],
        "routes": [{"name": "pay", "match": {"path": {"prefix": "/pay"}}, "upstream": "up"}, {"name": "all", "upstream": "up"}],
        "logs": logs,
    });
    if !tracing.is_null() {
        configuration["tracing"] = tracing;
    }
    gateway(configuration).await
}

/// All records, once the last request, which fails and so is kept, is among them.
async fn all(gateway: &Gateway, backend: &Backend) -> Result<Vec<Value>> {
    backend.reply("/the-last", Reply::new(500));
    get(gateway, "/the-last").await?;
    let file = gateway.folder().join("all.log");
    until("the last", || {
        Ok(Some(records(&file)?).filter(|all| {
            all.iter()
                .any(|record| record["url.path"] == "/the-last" && record["event_name"] == "access")
        }))
    })
    .await
}

fn at<'a>(all: &'a [Value], path: &str) -> Vec<&'a Value> {
    all.iter()
        .filter(|record| record["url.path"] == path && record["event_name"] == "access")
        .collect()
}

#[tokio::test]
async fn a_kept_record_says_for_how_many_it_stands_and_failures_are_always_kept() -> Result<()> {
    let backend = backend()?;
    backend.reply("/fails", Reply::new(503));
    let gateway = stage(&backend, Value::Null, json!({"sampling": {"keep": "25%"}})).await?;
    super::files::many(&gateway, 0..400).await?;
    for _ in 0..40 {
        ensure!(get(&gateway, "/fails").await?.status == 503);
    }
    let all = all(&gateway, &backend).await?;
    let fine: Vec<&Value> = all
        .iter()
        .filter(|record| record["http.response.status_code"] == 200)
        .collect();
    // Six standard deviations about a hundred.
    ensure!((48..=152).contains(&fine.len()), "{} of 400", fine.len());
    ensure!(
        fine.iter().all(|record| record["cofferdam.sampling.factor"] == 4.0),
        "{:?}",
        fine[0]
    );
    let fails = at(&all, "/fails");
    ensure!(fails.len() == 40, "{} of 40", fails.len());
    // A failure stands for itself alone.
    let alone = |record: &&Value| {
        record["cofferdam.sampling.kept"] == "status" && record.get("cofferdam.sampling.factor").is_none()
    };
    ensure!(fails.iter().all(alone), "{fails:?}");
    ensure!(fails.iter().all(|record| record["level"] == "error"), "{fails:?}");
    Ok(())
}

#[tokio::test]
async fn the_same_trace_is_kept_or_dropped_whole() -> Result<()> {
    let backend = backend()?;
    let tracing = json!({"trust": "callers", "parents": "ignored"});
    let gateway = stage(&backend, tracing, json!({"sampling": {"keep": "50%"}})).await?;
    for number in 0..60_u64 {
        let random = number.wrapping_mul(0x0451_9f3a_7b2c_d1e5) & 0x00ff_ffff_ffff_ffff;
        let parent = format!("00-4bf92f3577b34da6aa{random:014x}-{SPAN}-03");
        for _ in 0..3 {
            ask(
                &gateway,
                &Request::get(&format!("/{number}")).field("traceparent", &parent),
            )
            .await?;
        }
    }
    let all = all(&gateway, &backend).await?;
    let counts: Vec<usize> = (0..60).map(|number| at(&all, &format!("/{number}")).len()).collect();
    ensure!(counts.iter().all(|count| [0, 3].contains(count)), "{counts:?}");
    ensure!(counts.contains(&0) && counts.contains(&3), "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn a_trusted_caller_decides_and_a_stranger_does_not() -> Result<()> {
    let backend = backend()?;
    let decided = |flags: &str| format!("00-{TRACE}-{SPAN}-{flags}");
    for (trust, kept) in [("callers", [true, false]), ("nobody", [false, false])] {
        let gateway = stage(&backend, json!({"trust": trust}), json!({"sampling": {"keep": "none"}})).await?;
        ask(&gateway, &Request::get("/wanted").field("traceparent", &decided("01"))).await?;
        ask(
            &gateway,
            &Request::get("/unwanted").field("traceparent", &decided("00")),
        )
        .await?;
        let all = all(&gateway, &backend).await?;
        let found = ["/wanted", "/unwanted"].map(|path| !at(&all, path).is_empty());
        ensure!(found == kept, "{trust}: {found:?}");
        if kept[0] {
            let record = at(&all, "/wanted")[0];
            ensure!(
                record["trace_id"] == TRACE
                    && record["trace_flags"] == "01"
                    && record["cofferdam.sampling.kept"] == "parent",
                "{record}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn b3_in_either_form_becomes_the_trace_that_upstreams_are_told() -> Result<()> {
    let backend = backend()?;
    let tracing = json!({"trust": "callers", "accept": ["b3"], "send": ["w3c", "b3"]});
    let gateway = stage(&backend, tracing, json!({})).await?;
    let one = Request::get("/one").field("b3", &format!("{TRACE}-{SPAN}-1"));
    let several = Request::get("/several")
        .field("x-b3-traceid", TRACE)
        .field("x-b3-spanid", SPAN)
        .field("x-b3-sampled", "1");
    ask(&gateway, &one).await?;
    ask(&gateway, &several).await?;
    let all = all(&gateway, &backend).await?;
    for (path, seen) in ["/one", "/several"].into_iter().zip(backend.records()) {
        let record = at(&all, path).first().copied().context("no record")?;
        ensure!(record["trace_id"] == TRACE && record["span_id"] != SPAN, "{record}");
        let parent = seen.field("traceparent").context("no traceparent")?;
        ensure!(
            parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("01"),
            "{parent}"
        );
        ensure!(
            seen.field("b3")
                .is_some_and(|b3| b3.starts_with(&format!("{TRACE}-{}-1", &parent[36..52]))),
            "{seen:?}"
        );
        ensure!(seen.field("x-b3-traceid").is_none(), "{seen:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_burst_shows_the_seconds_before_it_and_what_follows() -> Result<()> {
    let backend = backend()?;
    backend.reply("/many", Reply::new(429));
    let debug = json!({
        "triggers": {"too_many_requests": {"events": 5, "share": "1%"}},
        "bodies": {"routes": ["pay"], "bytes": "8B"},
    });
    let gateway = stage(
        &backend,
        Value::Null,
        json!({"debug": debug, "sampling": {"keep": "none"}}),
    )
    .await?;
    let mine = |path: &str| {
        Request::get(path)
            .field("x-mine", "yes")
            .field("x-debug-trace-id", "forged")
    };
    for number in 0..5 {
        ask(&gateway, &mine(&format!("/before/{number}"))).await?;
    }
    ensure!(
        backend
            .take_records()
            .iter()
            .all(|seen| seen.field("x-debug-trace-id").is_none())
    );
    for _ in 0..5 {
        ensure!(get(&gateway, "/many").await?.status == 429);
    }
    let _ = backend.take_records();
    backend.queue(Reply::new(200).body("nine bytes"));
    ask(&gateway, &Request::post("/pay", "a body that is long")).await?;
    let told = backend.take_records();
    let id = told[0]
        .field("x-debug-trace-id")
        .context("the upstream is not told")?
        .to_owned();
    ensure!(
        id.len() == 32 && id.chars().all(|digit| digit.is_ascii_hexdigit()),
        "{id}"
    );
    let shown = of_class(&all(&gateway, &backend).await?, "debug");
    let shown: Vec<&Value> = shown
        .iter()
        .filter(|record| record["cofferdam.debug_trace_id"] == id.as_str())
        .collect();
    for number in 0..5 {
        let path = format!("/before/{number}");
        let record = shown
            .iter()
            .find(|record| record["url.path"] == path.as_str())
            .with_context(|| format!("no {path}: {shown:?}"))?;
        ensure!(
            record["http.request.headers"]["x-mine"] == "yes" && record["cofferdam.debug_kind"] == "too_many_requests",
            "{record}"
        );
        ensure!(record.get("http.request.body.content").is_none(), "{record}");
    }
    shows_bodies(&shown)
}

/// The bodies of what follows are there as far as they may be.
fn shows_bodies(shown: &[&Value]) -> Result<()> {
    let pay = shown
        .iter()
        .find(|record| record["url.path"] == "/pay")
        .context("what follows")?;
    // `a body t` and `nine byt`.
    ensure!(
        pay["http.request.body.content"] == "YSBib2R5IHQ=" && pay["http.request.body.cut"] == true,
        "{pay}"
    );
    ensure!(
        pay["http.response.body.content"] == "bmluZSBieXQ=" && pay["http.response.body.cut"] == true,
        "{pay}"
    );
    Ok(())
}
