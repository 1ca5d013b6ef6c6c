//! `ai-statistics`: counts tokens and times, from whole answers and from streams, and leaves a summary for the access log.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::client::Request;

use crate::provider::{CHAT, chat, chat_stream, completion, stream};
use crate::stage::{Setting, Stage};

const PLUGIN: &str = "ai-statistics";

/// How long the provider takes: the plugin measures in whole milliseconds, and counts no time that is none.
const THOUGHT: Duration = Duration::from_millis(20);

async fn stage() -> Result<Stage> {
    let tenant = json!({"key": "tenant", "value_source": "request_header", "value": "x-tenant", "apply_to_log": true});
    let stage = Setting::new()
        .backend("model", 80, "model-4-2.static")?
        .plugin(PLUGIN, json!({"config": {"attributes": [tenant]}, "phase": "stats"}))?
        .route(json!({"name": "edge-route", "upstream": "model", "plugins": [PLUGIN]}))
        .start()
        .await?;
    Ok(stage)
}

/// Sends a request and gives the summary out of its access record; it is JSON in a text, escaped once more.
async fn summary(stage: &Stage, request: Request) -> Result<Value> {
    let start = stage.gateway.process.line_count();
    let request = request.field("x-mse-consumer", "bob").field("x-tenant", "red");
    let response = stage.send(&request).await?;
    assert_eq!(response.status, 200, "{}", response.text());
    let record = stage.access_record(start, "ai_log").await?;
    let text = record["cofferdam.fields"]["ai_log"].as_str().context("no `ai_log`")?;
    let text: String = serde_json::from_str(&format!("\"{text}\"")).context("`ai_log` is escaped")?;
    serde_json::from_str(&text).context("`ai_log` is JSON")
}

#[tokio::test]
async fn ai_statistics_counts_answers_and_streams() -> Result<()> {
    let stage = stage().await?;
    stage.backend("model").reply(CHAT, completion("hello"));
    let whole = summary(&stage, chat("small", "hi")).await?;
    stage
        .backend("model")
        .reply(CHAT, stream(&["hel", "lo"]).wait_first("think"));
    let thought = async {
        tokio::time::sleep(THOUGHT).await;
        stage.backend("model").release("think");
        Ok(())
    };
    let (streamed, ()) = tokio::try_join!(summary(&stage, chat_stream("small", "hi")), thought)?;
    for (summary, kind) in [(&whole, "normal"), (&streamed, "stream")] {
        assert_eq!(summary["response_type"], kind, "{summary}");
        assert_eq!(summary["tenant"], "red");
        assert_eq!(summary["input_token"], 7);
        assert_eq!(summary["output_token"], 5);
        assert_eq!(summary["total_token"], 12);
    }
    assert!(streamed["llm_first_token_duration"].is_u64(), "{streamed}");

    let name = |metric: &str| {
        format!("route_edge_route_upstream_outbound_80__model_4_2_static_model_tiny_3b_consumer_bob_metric_{metric}")
    };
    for (metric, number) in [
        ("input_token", 14),
        ("output_token", 10),
        ("total_token", 24),
        ("llm_duration_count", 2),
    ] {
        assert_eq!(stage.counter(&name(metric), number).await?, number, "{metric}");
    }
    for metric in ["llm_service_duration", "llm_first_token_duration"] {
        stage
            .counter(&name(metric), 0)
            .await
            .with_context(|| metric.to_owned())?;
    }
    Ok(())
}
