//! `gpustack-token-usage`: asks for usage in streams, extends their last chunk, and reports to a meter.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::process::DEADLINE;

use crate::provider::{CHAT, chat, chat_stream, completion, data_of, json_in, said, stream};
use crate::stage::{Setting, Stage};

const PLUGIN: &str = "gpustack-token-usage";

async fn stage() -> Result<Stage> {
    let config = json!({
        "realIPHeader": "x-gw-real-ip",
        "header_add": {"x-gw-proof": "s3cret"},
        "endpoint": {"service_name": "meter.static", "service_port": 8088, "path": "/usage"},
    });
    Setting::new()
        .backend("model", 80, "model-4-2.static")?
        .backend("meter", 8088, "meter.static")?
        .plugin(PLUGIN, json!({"config": config}))?
        .route(json!({"name": "chat", "upstream": "model", "plugins": [PLUGIN]}))
        .start()
        .await
}

/// The report number `number`, from 1; it leaves after the exchange has ended.
async fn report(stage: &Stage, number: usize) -> Result<Value> {
    let meter = stage.backend("meter");
    let seen = meter
        .until(DEADLINE, |records| {
            let record = records.get(number - 1)?;
            (record.end == testkit::backend::RecordEnd::Complete).then(|| record.clone())
        })
        .await?;
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/usage"));
    assert_eq!(seen.field("x-gw-proof"), Some("s3cret"));
    json_in(&seen)
}

#[tokio::test]
async fn token_usage_extends_streams_and_reports() -> Result<()> {
    let stage = stage().await?;
    stage.backend("model").reply(CHAT, stream(&["hel", "lo"]));
    let response = stage.send(&chat_stream("small", "hi")).await?;
    let seen = stage.last("model")?;
    assert_eq!(json_in(&seen)?["stream_options"], json!({"include_usage": true}));
    assert_eq!(seen.field("x-gw-real-ip"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-gw-proof"), Some("s3cret"));
    let text = response.text();
    assert_eq!(said(&text)?, "hello");
    let last = data_of(&text)?.pop().unwrap();
    assert_eq!(last["usage"]["total_tokens"], 12);
    assert!(last["usage"]["time_to_first_token_ms"].is_number(), "{last}");
    assert!(last["usage"]["tokens_per_second"].is_number(), "{last}");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let report_1 = report(&stage, 1).await?;
    assert_eq!(report_1["input_token"], 7, "{report_1}");
    assert_eq!(report_1["output_token"], 5);
    assert_eq!(report_1["completed"], true);
    assert_eq!(report_1["model_id"], 4, "out of the name of the service");

    stage.backend("model").reply(CHAT, completion("hello"));
    let response = stage.send(&chat("small", "hi")).await?;
    assert_eq!(json_in(&stage.last("model")?)?.get("stream_options"), None);
    assert!(!response.text().contains("tokens_per_second"), "{}", response.text());
    assert_eq!(report(&stage, 2).await?["total_token"], 12);
    Ok(())
}
