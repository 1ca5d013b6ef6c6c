//! `gpustack-set-header-pre-route`: the names of route and service go upstream as headers.

use anyhow::Result;
use serde_json::json;

use crate::provider::post;
use crate::stage::Setting;

#[tokio::test]
async fn set_header_pre_route_tells_route_and_service() -> Result<()> {
    let stage = Setting::new()
        .backend("model", 80, "model-4-2.static")?
        .plugin(
            "gpustack-set-header-pre-route",
            json!({"config": {"routeNameHeader": "x-gw-route", "clusterNameHeader": "x-gw-cluster"}}),
        )?
        .route(json!({"name": "edge-route", "upstream": "model", "plugins": ["gpustack-set-header-pre-route"]}))
        .start()
        .await?;
    let body = json!({"model": "small"});
    let response = stage.send(&post("/v1/embeddings", &body)).await?;
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = stage.last("model")?;
    assert_eq!(seen.field("x-gw-route"), Some("edge-route"));
    assert_eq!(seen.field("x-gw-cluster"), Some("model-4-2.static"));

    stage.send(&post("/elsewhere", &body)).await?;
    assert_eq!(stage.last("model")?.field("x-gw-route"), None, "no path of a model");
    Ok(())
}
