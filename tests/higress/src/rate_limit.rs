//! `gpustack-rate-limit`: counts in the data that plugins share, and in a real Redis.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::client::{Request, Response, send_bytes};
use testkit::redis::{Redis, redis};

use crate::provider::post;
use crate::stage::{Setting, Stage};

const PLUGIN: &str = "gpustack-rate-limit";

/// Where the third request of a tenant ends. An hour, so that a window hardly ever turns over during a test.
const KEY: &str = "edge|per-tenant|header:x-tenant=red|q:3600s";

/// The default holds what every rule inherits and limits nothing; without it the plugin would know no path to look at.
fn limits(place: Value) -> Value {
    let mut default = json!({"rule_name": "edge", "show_limit_quota_header": true});
    if !place.is_null() {
        default["redis"] = place;
    }
    let combination = json!({
        "name": "per-tenant",
        "match": [{"source": "header", "name": "x-tenant", "value": "*"}],
        "query_limits": {"per_hour": 2},
    });
    let rule = json!({"ingress": ["limited"], "config": {"limit_combinations": [combination]}});
    json!({"default_config": default, "match_rules": [rule]})
}

fn setting(place: Value) -> Result<Setting> {
    let free = json!({"path": {"prefix": "/free"}});
    Ok(Setting::new()
        .backend("model", 80, "model-4-2.static")?
        .plugin(PLUGIN, limits(place))?
        .route(json!({"name": "limited", "upstream": "model", "plugins": [PLUGIN]}))
        .route(json!({"name": "free", "match": free, "upstream": "model", "plugins": [PLUGIN]})))
}

async fn ask(stage: &Stage, path: &str, tenant: &str) -> Result<Response> {
    let request: Request = post(path, &json!({"model": "small"}));
    stage.send(&request.field("x-tenant", tenant)).await
}

async fn two_pass_and_the_third_does_not(stage: &Stage) -> Result<()> {
    for _ in 0..2 {
        let passed = ask(stage, "/v1/embeddings", "red").await?;
        assert_eq!(passed.status, 200, "{}", passed.text());
    }
    let limited = ask(stage, "/v1/embeddings", "red").await?;
    assert_eq!(limited.status, 429, "{}", limited.text());
    assert_eq!(limited.field("x-ratelimit-limited-key"), Some(KEY));
    assert_eq!(
        ask(stage, "/v1/embeddings", "blue").await?.status,
        200,
        "another tenant"
    );
    for _ in 0..3 {
        let free = ask(stage, "/free/v1/embeddings", "red").await?;
        assert_eq!(free.status, 200, "a route without the rule");
    }
    assert_eq!(stage.seen("model"), 6);
    Ok(())
}

#[tokio::test]
async fn rate_limit_counts_in_shared_data_across_workers() -> Result<()> {
    let stage = setting(Value::Null)?.start_with(2).await?;
    two_pass_and_the_third_does_not(&stage).await?;
    let passed = "gpustack_rate_limit_request_total_rule_edge_result_passed";
    let limited = "gpustack_rate_limit_request_total_rule_edge_result_limited";
    assert_eq!(stage.counter(passed, 3).await?, 3);
    assert_eq!(stage.counter(limited, 1).await?, 1);
    Ok(())
}

#[tokio::test]
async fn rate_limit_counts_in_redis() -> Result<()> {
    let redis = redis(&["--requirepass", "s3cret"]).await?;
    let place = json!({"service_name": "cache.dns", "service_port": 6379, "password": "s3cret", "database": 2});
    let stage = setting(place)?
        .upstream("cache", "outbound|6379||cache.dns", redis.address)
        .start()
        .await?;
    two_pass_and_the_third_does_not(&stage).await?;
    let keys = keys(&redis, 2).await?;
    assert!(keys.contains(KEY), "{keys}");
    assert!(keys.contains("x-tenant=blue"), "{keys}");
    assert!(!self::keys(&redis, 0).await?.contains("edge|"), "the other database");
    Ok(())
}

/// All keys of a database, as Redis writes them.
async fn keys(redis: &Redis, database: u8) -> Result<String> {
    let commands = format!("AUTH s3cret\r\nSELECT {database}\r\nKEYS *\r\nQUIT\r\n");
    let answer = send_bytes(redis.address, commands.as_bytes(), Duration::from_secs(5)).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
