//! `gpustack-lb`, twice in a chain, with `gpustack-lb-least-load` or `gpustack-lb-session-affinity` between: pools are chosen.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::client::{Request, Response};
use testkit::process::DEADLINE;
use testkit::redis::redis;

use crate::provider::{chat, json_in, post};
use crate::stage::{Setting, Stage};

/// The plugin that knows the pools; it comes first.
pub(crate) const CONTEXT: &str = "lb-context";

/// The plugin that chooses; it comes last.
pub(crate) const FINISHER: &str = "lb-finisher";

/// Two pools, each with a model of its own.
pub(crate) fn candidates(first: Value, second: Value) -> Value {
    let mut candidates = [
        json!({"cluster": "outbound|80||pool-a.static", "targetId": "t1"}),
        json!({"cluster": "outbound|80||pool-b.static", "targetId": "t2"}),
    ];
    for (candidate, further) in candidates.iter_mut().zip([first, second]) {
        for (key, value) in further.as_object().into_iter().flatten() {
            candidate[key] = value.clone();
        }
    }
    json!({"candidates": candidates, "modelMappers": {"t1": {"*": "m-big"}, "t2": {"*": "m-small"}}})
}

/// Two pools, and the two plugins that every chain here has; what they count may be in a Redis. Without one it is in the
/// data that plugins of one `vm_id` share; the two are one module, so they share the instance too, as two root contexts.
pub(crate) fn pools(mut context: Value, place: Option<&Value>) -> Result<Setting> {
    let mut finisher = json!({"mode": "finisher"});
    if let Some(place) = place {
        context["redis"] = place.clone();
        finisher["redis"] = place.clone();
    }
    Setting::new()
        .backend("pool-a", 80, "pool-a.static")?
        .backend("pool-b", 80, "pool-b.static")?
        .plugin_as(CONTEXT, "gpustack-lb", json!({"config": context, "vm_id": "lb"}))?
        .plugin_as(FINISHER, "gpustack-lb", json!({"config": finisher, "vm_id": "lb"}))
}

/// The route whose upstream the finisher names.
pub(crate) fn route(between: &[&str]) -> Value {
    let plugins = [&[CONTEXT], between, &[FINISHER]].concat();
    json!({"name": "pools", "upstream_header": "x-higress-target-cluster", "plugins": plugins})
}

/// Sends a request that names a model, and gives the answer with the pool that it came from.
async fn ask(stage: &Stage, request: Request) -> Result<(Response, &'static str)> {
    let before = stage.seen("pool-a");
    let response = stage.send(&request.field("x-higress-llm-model", "big")).await?;
    let pool = if stage.seen("pool-a") > before {
        "pool-a"
    } else {
        "pool-b"
    };
    Ok((response, pool))
}

async fn pools_of(stage: &Stage, count: usize) -> Result<Vec<&'static str>> {
    let mut pools = Vec::new();
    for _ in 0..count {
        let (response, pool) = ask(stage, chat("big", "hi")).await?;
        assert_eq!(response.status, 200, "{}", response.text());
        pools.push(pool);
    }
    Ok(pools)
}

#[tokio::test]
async fn lb_alternates_pools_and_maps_models() -> Result<()> {
    let stage = pools(candidates(json!({}), json!({})), None)?
        .route(route(&[]))
        .start()
        .await?;
    let pools = pools_of(&stage, 6).await?;
    assert!(pools.windows(2).all(|pair| pair[0] != pair[1]), "{pools:?}");
    for (pool, model) in [("pool-a", "m-big"), ("pool-b", "m-small")] {
        for record in stage.backend(pool).records() {
            assert_eq!(json_in(&record)?["model"], model, "{pool}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn lb_heeds_weights() -> Result<()> {
    let stage = pools(candidates(json!({"weight": 0}), json!({"weight": 5})), None)?
        .route(route(&[]))
        .start()
        .await?;
    assert_eq!(pools_of(&stage, 6).await?, ["pool-b"; 6]);
    Ok(())
}

#[tokio::test]
async fn lb_counts_in_redis() -> Result<()> {
    let redis = redis(&[]).await?;
    let place = json!({"service_name": "cache.dns", "service_port": 6379});
    let stage = pools(candidates(json!({}), json!({})), Some(&place))?
        .upstream("cache", "outbound|6379||cache.dns", redis.address)
        .route(route(&[]))
        .start()
        .await?;
    let pools = pools_of(&stage, 6).await?;
    assert!(pools.contains(&"pool-a") && pools.contains(&"pool-b"), "{pools:?}");
    Ok(())
}

#[tokio::test]
async fn least_load_avoids_the_busy_pool() -> Result<()> {
    let stage = pools(candidates(json!({}), json!({})), None)?
        .plugin("gpustack-lb-least-load", json!({"config": {"weight": 2}}))?
        .route(route(&["gpustack-lb-least-load"]))
        .start()
        .await?;
    let held = testkit::backend::Reply::new(200).body("held").wait_first("go");
    stage.backend("pool-a").queue(held.clone());
    stage.backend("pool-b").queue(held);
    let busy = async {
        // One of the two pools holds this one until it is let go.
        let response = stage
            .send(&chat("big", "hi").field("x-higress-llm-model", "big"))
            .await?;
        anyhow::Ok(response.text())
    };
    let others = async {
        let (first, second) = (stage.backend("pool-a"), stage.backend("pool-b"));
        let taken = tokio::select! {
            seen = first.until(DEADLINE, |records| records.first().map(|_| first)) => seen?,
            seen = second.until(DEADLINE, |records| records.first().map(|_| second)) => seen?,
        };
        let idle = if taken.name == "pool-a" { second } else { first };
        idle.release("go");
        let start = stage.gateway.process.line_count();
        pools_of(&stage, 4).await?;
        assert_eq!(taken.records().len(), 1, "the busy pool");
        assert_eq!(idle.records().len(), 4, "the idle pool");
        let record = stage.access_record(start, "gpustack_lb_ranks").await?;
        let ranks = &record["cofferdam.fields"]["gpustack_lb_ranks"];
        assert!(ranks.as_str().unwrap().contains("gpustack-lb-least-load"), "{ranks}");
        taken.release("go");
        anyhow::Ok(())
    };
    let (held, ()) = tokio::try_join!(busy, others)?;
    assert_eq!(held, "held");
    Ok(())
}

#[tokio::test]
async fn session_affinity_keeps_a_session_in_its_pool() -> Result<()> {
    let keys = json!([{"header": "X-Session"}, {"bodyKey": "prompt_cache_key"}]);
    let stage = pools(candidates(json!({}), json!({})), None)?
        .plugin("gpustack-lb-session-affinity", json!({"config": {"sessionKeys": keys}}))?
        .route(route(&["gpustack-lb-session-affinity"]))
        .start()
        .await?;
    let mut taken = Vec::new();
    for session in 0..8 {
        let by_header = post("/v1/responses", &json!({"model": "big", "input": "hi"}))
            .field("x-session", &format!("session-{session}"));
        let (_, pool) = ask(&stage, by_header.clone()).await?;
        for _ in 0..2 {
            assert_eq!(ask(&stage, by_header.clone()).await?.1, pool, "session {session}");
        }
        taken.push(pool);
    }
    assert!(taken.contains(&"pool-a") && taken.contains(&"pool-b"), "{taken:?}");

    let by_body = post(
        "/v1/responses",
        &json!({"model": "big", "input": "hi", "prompt_cache_key": "k-1"}),
    );
    let start = stage.gateway.process.line_count();
    let (_, pool) = ask(&stage, by_body.clone()).await?;
    let record = stage.access_record(start, "gpustack_lb_ranks").await?;
    let ranks = record["cofferdam.fields"]["gpustack_lb_ranks"].as_str().unwrap();
    let ranks: Value = serde_json::from_str(ranks)?;
    assert_eq!(ranks[0]["name"], "gpustack-lb-session-affinity");
    for _ in 0..3 {
        assert_eq!(ask(&stage, by_body.clone()).await?.1, pool);
    }
    Ok(())
}
