//! `transformer`: removes, renames, maps, adds and replaces in headers, query and body.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::client::Request;

use crate::provider::{json_in, post};
use crate::stage::{Setting, Stage};

fn rules() -> Value {
    json!({
        "reqRules": [
            {"operate": "remove", "headers": [{"key": "x-internal-trace"}]},
            {
                "operate": "rename",
                "headers": [{"oldKey": "x-old", "newKey": "x-new"}],
                "querys": [{"oldKey": "q", "newKey": "query"}],
                "body": [{"oldKey": "note", "newKey": "remark"}],
            },
            {
                "operate": "map",
                "mapSource": "headers",
                "headers": [{"fromKey": "x-new", "toKey": "x-copy"}],
                "querys": [{"fromKey": "x-new", "toKey": "copy"}],
            },
            {
                "operate": "add",
                "headers": [{"key": "x-tenant", "value": "blue"}],
                "querys": [{"key": "region", "value": "eu"}],
            },
            {"operate": "replace", "body": [{"key": "user.tier", "newValue": "gold", "value_type": "string"}]},
        ],
        "respRules": [{"operate": "add", "headers": [{"key": "x-served-by", "value": "cofferdam"}]}],
    })
}

async fn stage() -> Result<Stage> {
    Setting::new()
        .backend("orders", 80, "orders.static")?
        .plugin("transformer", json!({"config": rules()}))?
        .route(json!({"name": "orders", "upstream": "orders", "plugins": ["transformer"]}))
        .start()
        .await
}

#[tokio::test]
async fn transformer_renames_and_maps_headers_query_and_body() -> Result<()> {
    let stage = stage().await?;
    let request = post("/orders?id=7&q=1", &json!({"user": {"tier": "tin"}, "note": "n"}))
        .field("x-internal-trace", "secret")
        .field("x-old", "v");
    let response = stage.send(&request).await?;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.field("x-served-by"), Some("cofferdam"));

    let seen = stage.last("orders")?;
    let (path, query) = seen.target.split_once('?').unwrap();
    let mut query: Vec<&str> = query.split('&').collect();
    query.sort_unstable();
    assert_eq!(
        (path, query),
        ("/orders", vec!["copy=v", "id=7", "query=1", "region=eu"])
    );
    assert_eq!(seen.field("x-internal-trace"), None);
    assert_eq!(seen.field("x-old"), None);
    assert_eq!(seen.field("x-new"), Some("v"));
    assert_eq!(seen.field("x-copy"), Some("v"));
    assert_eq!(seen.field("x-tenant"), Some("blue"));
    assert_eq!(json_in(&seen)?, json!({"user": {"tier": "gold"}, "remark": "n"}));

    let response = stage.send(&Request::get("/orders?q=2")).await?;
    assert_eq!(response.status, 200, "a request without a body: {}", response.text());
    assert_eq!(stage.last("orders")?.field("x-tenant"), Some("blue"));
    Ok(())
}
