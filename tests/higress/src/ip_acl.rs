//! `gpustack-ip-acl`: refuses by consumer and address, with a default and rules, at its place in the chain.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::client::{Request, Response};

use crate::stage::{Setting, Stage};

const PLUGIN: &str = "gpustack-ip-acl";

/// A default for all, a rule for a domain and a rule for a service.
fn acl() -> Value {
    json!({
        "phase": "authn",
        "priority": 300,
        // Go's own runtime among its frames, and still it does its work.
        "limits": {"memory": "256MiB", "cpu_slice": "2s", "trusted_after": 1, "call_depth": 200},
        "default_config": {
            "realIPHeader": "x-real-ip",
            "consumers": {"ci-bot": {"allowedCidrs": ["10.20.0.0/16"], "deniedCidrs": ["10.20.9.0/24"]}},
        },
        "match_rules": [
            {"domain": ["*.open.example"], "config": {"consumers": {"ci-bot": {}}}},
            {
                "service": ["vault.static:80"],
                "config": {"consumers": {"ci-bot": {"deniedCidrs": ["10.0.0.0/8"]}}},
            },
        ],
    })
}

async fn stage() -> Result<Stage> {
    let name_consumer =
        json!({"reqRules": [{"operate": "add", "headers": [{"key": "x-mse-consumer", "value": "ci-bot"}]}]});
    let path = |prefix: &str| json!({"path": {"prefix": prefix}});
    Setting::new()
        .backend("model", 80, "model-4-2.static")?
        .backend("vault", 80, "vault.static")?
        .plugin(PLUGIN, acl())?
        .plugin_as(
            "named-early",
            "transformer",
            json!({"phase": "authn", "priority": 410, "default_config": name_consumer}),
        )?
        .plugin_as("named-late", "transformer", json!({"default_config": name_consumer}))?
        .route(json!({"name": "edge", "upstream": "model", "plugins": [PLUGIN]}))
        .route(json!({"name": "vault", "match": path("/vault"), "upstream": "vault", "plugins": [PLUGIN]}))
        .route(
            json!({"name": "early", "match": path("/early"), "upstream": "model", "plugins": [PLUGIN, "named-early"]}),
        )
        .route(json!({"name": "late", "match": path("/late"), "upstream": "model", "plugins": ["named-late", PLUGIN]}))
        .start()
        .await
}

async fn ask(stage: &Stage, request: Request, address: &str) -> Result<Response> {
    stage
        .send(&request.field("x-mse-consumer", "ci-bot").field("x-real-ip", address))
        .await
}

#[tokio::test]
async fn ip_acl_denies_and_allows() -> Result<()> {
    let stage = stage().await?;
    let allowed = ask(&stage, Request::get("/"), "10.20.1.1").await?;
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    let denied = ask(&stage, Request::get("/"), "10.20.9.9").await?;
    assert_eq!(denied.status, 403);
    assert!(
        denied.text().contains("Client IP denied for this API key"),
        "{}",
        denied.text()
    );
    let outside = ask(&stage, Request::get("/"), "10.99.9.9").await?;
    assert_eq!(outside.status, 403);
    assert!(
        outside.text().contains("Client IP not in API key whitelist"),
        "{}",
        outside.text()
    );
    let nobody = stage.send(&Request::get("/").field("x-real-ip", "10.20.9.9")).await?;
    assert_eq!(nobody.status, 200, "no consumer, no question");
    assert_eq!(stage.seen("model"), 2, "what is refused never goes upstream");
    Ok(())
}

#[tokio::test]
async fn match_rules_take_the_place_of_the_default() -> Result<()> {
    let stage = stage().await?;
    let open = Request::get("/").authority("www.open.example:8080");
    assert_eq!(
        ask(&stage, open, "10.20.9.9").await?.status,
        200,
        "the rule of the domain"
    );
    assert_eq!(
        ask(&stage, Request::get("/vault"), "10.20.1.1").await?.status,
        403,
        "the rule of the service"
    );
    assert_eq!(ask(&stage, Request::get("/vault"), "192.0.2.1").await?.status, 200);
    assert_eq!(stage.seen("vault"), 1);
    Ok(())
}

#[tokio::test]
async fn phases_and_priorities_order_the_chain() -> Result<()> {
    let stage = stage().await?;
    let from = |path: &str| Request::get(path).field("x-real-ip", "10.20.9.9");
    let early = stage.send(&from("/early")).await?;
    assert_eq!(early.status, 403, "the name is given first, though listed last");
    let late = stage.send(&from("/late")).await?;
    assert_eq!(late.status, 200, "the name is given last, though listed first");
    assert_eq!(stage.last("model")?.field("x-mse-consumer"), Some("ci-bot"));
    Ok(())
}
