//! `gpustack-ai-proxy`: speaks to a provider in its own words: path, host, token, model, and Anthropic's messages both ways.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::{Connection, Version};
use testkit::fields::value;

use crate::provider::{chat, chat_stream, completion, data_of, events, json_in, json_of, post, said, stream};
use crate::stage::{Setting, Stage};

const PLUGIN: &str = "gpustack-ai-proxy";

/// Where the provider takes chats.
const THERE: &str = "/api/v1/chat/completions";

async fn stage() -> Result<Stage> {
    let provider = json!({
        "type": "openai",
        "apiTokens": ["sk-local-1"],
        "openaiCustomUrl": "http://llm.internal:9000/api/v1",
        "modelMapping": {"small": "tiny-3b", "*": ""},
    });
    Setting::new()
        .backend("model", 80, "llm.static")?
        .plugin(PLUGIN, json!({"config": {"provider": provider}}))?
        .route(json!({"name": "chat", "upstream": "model", "plugins": [PLUGIN]}))
        .start()
        .await
}

fn messages(stream: bool) -> Value {
    json!({
        "model": "small",
        "max_tokens": 9,
        "stream": stream,
        "system": "be brief",
        "messages": [{"role": "user", "content": "hi"}],
    })
}

#[tokio::test]
async fn ai_proxy_translates_for_a_provider() -> Result<()> {
    let stage = stage().await?;
    stage.backend("model").reply(THERE, completion("hello"));
    let request = chat("small", "hi").field("authorization", "Bearer mine");
    let response = stage.send(&request).await?;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(json_of(&response)?["choices"][0]["message"]["content"], "hello");
    let seen = stage.last("model")?;
    assert_eq!(seen.target, THERE);
    assert_eq!(seen.field("host"), Some("llm.internal:9000"));
    assert_eq!(seen.field("authorization"), Some("Bearer sk-local-1"));
    assert_eq!(json_in(&seen)?["model"], "tiny-3b");

    stage.send(&chat("large", "hi")).await?;
    assert_eq!(json_in(&stage.last("model")?)?["model"], "large", "mapped to itself");
    Ok(())
}

#[tokio::test]
async fn ai_proxy_passes_a_stream_on_as_it_comes() -> Result<()> {
    let stage = stage().await?;
    let [first, rest @ ..] = &*events(&["hel", "lo"]) else {
        panic!("no events")
    };
    let reply = Reply::events(&[first]).wait("more");
    let reply = rest
        .iter()
        .fold(reply, |reply, event| reply.piece(&format!("data: {event}\n\n")));
    stage.backend("model").reply(THERE, reply);

    let request = chat_stream("small", "hi");
    let mut connection = Connection::open(stage.listener()?, Version::Http1).await?;
    let mut exchange = connection.begin(&request).await?;
    exchange.data(request.pieces[0].clone()).await?;
    exchange.finish(&request.trailers).await?;
    let (status, fields) = exchange.head().await?;
    assert_eq!(
        (status, value(&fields, "content-type")),
        (200, Some("text/event-stream"))
    );
    let early = exchange.data_received().await?.unwrap();
    let mut text = String::from_utf8(early.to_vec())?;
    assert_eq!(said(&text)?, "hel", "it comes before the provider has said all");
    stage.backend("model").release("more");
    while let Some(data) = exchange.data_received().await? {
        text.push_str(std::str::from_utf8(&data)?);
    }
    assert_eq!(said(&text)?, "hello");
    assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
    assert_eq!(json_in(&stage.last("model")?)?["stream"], true);
    Ok(())
}

#[tokio::test]
async fn ai_proxy_converts_messages_both_ways() -> Result<()> {
    let stage = stage().await?;
    stage.backend("model").reply(THERE, completion("hello"));
    let response = stage.send(&post("/v1/messages", &messages(false))).await?;
    let seen = json_in(&stage.last("model")?)?;
    assert_eq!(stage.last("model")?.target, THERE);
    assert_eq!(seen["messages"][0], json!({"role": "system", "content": "be brief"}));
    assert_eq!(seen["messages"][1], json!({"role": "user", "content": "hi"}));
    let answer = json_of(&response)?;
    assert_eq!(answer["type"], "message");
    assert_eq!(answer["content"], json!([{"type": "text", "text": "hello"}]));
    assert_eq!(answer["stop_reason"], "end_turn");
    assert_eq!(answer["usage"], json!({"input_tokens": 7, "output_tokens": 5}));

    stage.backend("model").reply(THERE, stream(&["hel", "lo"]));
    let response = stage.send(&post("/v1/messages", &messages(true))).await?;
    let events = data_of(&response.text())?;
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let said: String = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(said, "hello");
    Ok(())
}
