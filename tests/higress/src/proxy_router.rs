//! `gpustack-generic-proxy-router`: the model becomes a header, and the header chooses the route.

use anyhow::Result;
use serde_json::{Value, json};

use crate::provider::{CHAT, chat, json_in, post};
use crate::stage::{Setting, Stage};

const PLUGIN: &str = "gpustack-generic-proxy-router";

fn by_model(name: &str, model: &str) -> Value {
    let matches = json!({"headers": [{"name": "x-higress-llm-model", "exact": model}]});
    json!({"name": name, "match": matches, "upstream": name, "plugins": [PLUGIN]})
}

async fn stage() -> Result<Stage> {
    let config = json!({
        "aliasNameMapping": {"fast": "acme/swift-1"},
        "addProviderHeader": "x-llm-provider",
        "autoRouting": {"enable": true, "defaultModel": "base-1", "rules": [{"pattern": "(?i)sql", "model": "coder-2"}]},
    });
    Setting::new()
        .backend("rest", 80, "rest.static")?
        .backend("swift", 80, "swift.static")?
        .backend("coder", 80, "coder.static")?
        .plugin(PLUGIN, json!({"config": config}))?
        .route(json!({"name": "rest", "upstream": "rest", "plugins": [PLUGIN]}))
        .route(by_model("swift", "acme/swift-1"))
        .route(by_model("coder", "coder-2"))
        .start()
        .await
}

#[tokio::test]
async fn generic_proxy_router_re_routes_on_the_new_header() -> Result<()> {
    let stage = stage().await?;
    let body = json!({"model": "whatever"});
    stage.send(&post("/model/proxy/fast/v1/rank", &body)).await?;
    let seen = stage.last("swift")?;
    assert_eq!(seen.field("x-higress-llm-model"), Some("acme/swift-1"));
    assert_eq!(seen.field("x-llm-provider"), Some("acme"));
    assert_eq!(json_in(&seen)?, body, "by path the body stays");

    stage.send(&chat("acme/swift-1", "hello")).await?;
    let seen = stage.last("swift")?;
    assert_eq!(seen.target, CHAT);
    assert_eq!(seen.field("x-higress-llm-model"), Some("acme/swift-1"));
    assert_eq!(seen.field("x-llm-provider"), Some("acme"));
    assert_eq!(json_in(&seen)?["model"], "swift-1");

    stage.send(&chat("higress/auto", "please write SQL")).await?;
    let seen = stage.last("coder")?;
    assert_eq!(seen.field("x-higress-llm-model"), Some("coder-2"));
    assert_eq!(json_in(&seen)?["model"], "coder-2");

    stage.send(&chat("higress/auto", "good morning")).await?;
    assert_eq!(stage.last("rest")?.field("x-higress-llm-model"), Some("base-1"));
    let counts = ["rest", "swift", "coder"].map(|name| stage.seen(name));
    assert_eq!(counts, [1, 2, 1]);
    Ok(())
}
