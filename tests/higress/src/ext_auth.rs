//! `gpustack-ext-auth`: keys are checked in the gateway, permission is asked for with a callout.

use anyhow::Result;
use serde_json::json;
use testkit::backend::Reply;
use testkit::client::Request;

use crate::stage::{Setting, Stage};

const PLUGIN: &str = "gpustack-ext-auth";

/// `sha256$SALT$` and the SHA-256 of salt and secret; the secret is the one in [`GOOD`].
const DIGEST: &str = "sha256$a1b2c3d4$84fc4f91a6e52c0a22757574a10aff88aeb5960e5609c01dc05aaa4ba209d3af";

const GOOD: &str = "Bearer gpustack_ak77_s3cret77";
const WRONG: &str = "Bearer gpustack_ak77_other";

async fn stage() -> Result<Stage> {
    let config = json!({
        "route_match_regexes": ["^edge-"],
        "local_auth": {"enabled": true, "keys": {"ak77": {"user_id": 12, "digest": DIGEST}}},
        "authz": {"endpoint": {"service_name": "iam.static", "service_port": 8090, "path": "/authz"}},
    });
    let rules = json!([{"route": ["edge-open"], "config": {"access_policy": "public"}}]);
    let open = json!({"path": {"prefix": "/open"}});
    let other = json!({"path": {"prefix": "/other"}});
    let stage = Setting::new()
        .backend("model", 80, "model-4-2.static")?
        .backend("iam", 8090, "iam.static")?
        .plugin(PLUGIN, json!({"default_config": config, "match_rules": rules}))?
        .route(json!({"name": "edge-closed", "upstream": "model", "plugins": [PLUGIN]}))
        .route(json!({"name": "edge-open", "match": open, "upstream": "model", "plugins": [PLUGIN]}))
        .route(json!({"name": "unguarded", "match": other, "upstream": "model", "plugins": [PLUGIN]}))
        .start()
        .await?;
    let granted = Reply::new(200).field("x-mse-consumer", "ak77.granted");
    stage.backend("iam").reply("/authz", granted);
    Ok(stage)
}

fn get(path: &str, authorization: &str) -> Request {
    Request::get(path).field("authorization", authorization)
}

#[tokio::test]
async fn ext_auth_asks_the_authority_and_does_what_it_says() -> Result<()> {
    let stage = stage().await?;
    let good = stage.send(&get("/v1/models", GOOD)).await?;
    assert_eq!(good.status, 200, "{}", good.text());
    let asked = stage.last("iam")?;
    assert_eq!(asked.target, "/authz");
    assert_eq!(asked.field("host"), Some("iam.static"));
    assert_eq!(asked.field("x-gpustack-access-key"), Some("ak77"));
    assert_eq!(asked.field("authorization"), None, "the secret stays here");
    assert_eq!(stage.last("model")?.field("x-mse-consumer"), Some("ak77.granted"));

    let wrong = stage.send(&get("/v1/models", WRONG)).await?;
    assert_eq!(wrong.status, 401, "{}", wrong.text());
    assert_eq!(stage.seen("iam"), 1, "a wrong secret is no question");

    for status in [401, 403] {
        stage.backend("iam").queue(Reply::new(status).body("no"));
        let refused = stage.send(&get("/v1/models", "Bearer a-session-token")).await?;
        assert_eq!((refused.status, refused.text().as_str()), (status, "no"));
        assert_eq!(
            stage.last("iam")?.field("authorization"),
            Some("Bearer a-session-token")
        );
    }
    assert_eq!(stage.seen("iam"), 3);
    assert_eq!(stage.seen("model"), 1, "what is refused never goes upstream");
    Ok(())
}

#[tokio::test]
async fn ext_auth_lets_public_and_unguarded_routes_pass() -> Result<()> {
    let stage = stage().await?;
    let named = stage.send(&get("/open", GOOD)).await?;
    assert_eq!(named.status, 200, "{}", named.text());
    assert_eq!(stage.last("model")?.field("x-mse-consumer"), Some("ak77.gpustack-12"));
    stage.send(&Request::get("/open")).await?;
    assert_eq!(stage.last("model")?.field("x-mse-consumer"), Some("none"));
    stage.send(&get("/other", WRONG)).await?;
    assert_eq!(stage.last("model")?.field("x-mse-consumer"), None);
    assert_eq!((stage.seen("model"), stage.seen("iam")), (3, 0));
    Ok(())
}

#[tokio::test]
async fn ext_auth_refuses_when_the_authority_breaks_off() -> Result<()> {
    let stage = stage().await?;
    let broken = Reply::of(vec![testkit::backend::Step::Close]);
    stage.backend("iam").reply("/authz", broken);
    let refused = stage.send(&get("/v1/models", GOOD)).await?;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(stage.seen("model"), 0);
    Ok(())
}
