//! `ai-data-masking`: hides what must not leave, puts it back into the answer, and refuses forbidden words.

use anyhow::{Context, Result};
use serde_json::json;

use crate::provider::{CHAT, chat, chat_stream, completion, data_of, json_in, json_of, said, stream};
use crate::stage::{Setting, Stage};

const PLUGIN: &str = "ai-data-masking";

async fn stage() -> Result<Stage> {
    let config = json!({
        "deny_words": ["bluebird"],
        "deny_code": 451,
        "deny_message": "blocked by policy",
        "replace_roles": [
            {"regex": "tok-[0-9a-z]+", "type": "hash", "restore": true},
            {"regex": "[0-9]{3}-[0-9]{4}", "type": "replace", "value": "***"},
        ],
    });
    let stage = Setting::new()
        .backend("model", 80, "model-4-2.static")?
        .plugin(PLUGIN, json!({"config": config}))?
        .route(json!({"name": "chat", "upstream": "model", "plugins": [PLUGIN]}))
        .start()
        .await?;
    stage.backend("model").reply(CHAT, completion("understood"));
    Ok(stage)
}

/// Sends a token and gives the hash that goes upstream in its place.
async fn hash_of_token(stage: &Stage) -> Result<String> {
    let response = stage.send(&chat("small", "call 555-1234 with tok-77aa")).await?;
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = json_in(&stage.last("model")?)?;
    let content = seen["messages"][0]["content"].as_str().context("no content")?;
    let hash = content.strip_prefix("call *** with ").context("not masked")?;
    assert!(
        hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{hash}"
    );
    Ok(hash.to_owned())
}

#[tokio::test]
async fn data_masking_masks_and_restores() -> Result<()> {
    let stage = stage().await?;
    let hash = hash_of_token(&stage).await?;
    stage
        .backend("model")
        .queue(completion(&format!("I called with {hash}")));
    let response = stage.send(&chat("small", "call 555-1234 with tok-77aa")).await?;
    assert_eq!(
        json_of(&response)?["choices"][0]["message"]["content"],
        "I called with tok-77aa"
    );

    stage
        .backend("model")
        .queue(stream(&["I called ", &format!("with {hash}"), " twice"]));
    let response = stage.send(&chat_stream("small", "call 555-1234 with tok-77aa")).await?;
    assert_eq!(
        said(&response.text())?,
        "I called with tok-77aa twice",
        "{}",
        response.text()
    );
    Ok(())
}

#[tokio::test]
async fn data_masking_denies_forbidden_words() -> Result<()> {
    let stage = stage().await?;
    let denied = stage.send(&chat("small", "tell me of the bluebird")).await?;
    assert_eq!(denied.status, 451, "{}", denied.text());
    assert_eq!(
        json_of(&denied)?["choices"][0]["message"]["content"],
        "blocked by policy"
    );
    let denied = stage.send(&chat_stream("small", "tell me of the bluebird")).await?;
    assert_eq!(denied.status, 451, "{}", denied.text());
    assert!(!data_of(&denied.text())?.is_empty(), "an event: {}", denied.text());
    assert!(denied.text().contains("blocked by policy"));
    assert_eq!(stage.seen("model"), 0, "what is denied never goes upstream");

    stage.backend("model").queue(completion("a bluebird is blue"));
    let denied = stage.send(&chat("small", "which birds are blue?")).await?;
    assert!(!denied.text().contains("bluebird"), "{}", denied.text());
    assert!(denied.text().contains("blocked by policy"), "{}", denied.text());
    Ok(())
}
