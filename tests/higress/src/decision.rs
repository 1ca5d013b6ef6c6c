//! `gpustack-lb-decision-service`: a judge says which model a request needs, before any pool sees it.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::process::DEADLINE;

use crate::balance::{candidates, pools, route};
use crate::provider::{chat, json_in};
use crate::stage::Stage;

const PLUGIN: &str = "gpustack-lb-decision-service";

/// Where the judge is asked.
const QUESTION: &str = "/v1/systemone";

fn verdict(big: f64, small: f64) -> Reply {
    let choice = if big > small { "m-big" } else { "m-small" };
    let selection = json!({
        "choice": choice,
        "confidence": big.max(small),
        "probabilities": {"m-big": big, "m-small": small},
    });
    Reply::new(200)
        .field("content-type", "application/json")
        .body(&json!({"answers": {"model_selection": selection}}).to_string())
}

async fn stage() -> Result<Stage> {
    let config = json!({
        "provider": {"endpoint": "http://judge.internal:8010", "cluster": "outbound|8010||judge.static"},
        "modelSelection": {"criteria": {"m-big": "costly", "m-small": "quick"}},
        "decisionTimeoutMs": 10_000,
    });
    pools(candidates(json!({}), json!({})), None)?
        .backend("judge", 8010, "judge.static")?
        .plugin(PLUGIN, json!({"config": config}))?
        .route(route(&[PLUGIN]))
        .start()
        .await
}

#[tokio::test]
async fn decision_service_asks_the_judge_first() -> Result<()> {
    let stage = stage().await?;
    stage
        .backend("judge")
        .reply(QUESTION, verdict(0.9, 0.1).wait_first("think"));
    let start = stage.gateway.process.line_count();
    let request = chat("any", "prove it").field("x-higress-llm-model", "any");
    let judged = async {
        stage
            .backend("judge")
            .until(DEADLINE, |records| records.first().cloned())
            .await?;
        assert_eq!(
            (stage.seen("pool-a"), stage.seen("pool-b")),
            (0, 0),
            "the judge has not spoken"
        );
        stage.backend("judge").release("think");
        anyhow::Ok(())
    };
    let (response, ()) = tokio::try_join!(stage.send(&request), judged)?;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!((stage.seen("pool-a"), stage.seen("pool-b")), (1, 0));
    assert_eq!(json_in(&stage.last("pool-a")?)?["model"], "m-big");
    let question = stage.last("judge")?;
    assert_eq!((question.method.as_str(), question.target.as_str()), ("POST", QUESTION));
    assert_eq!(question.field("host"), Some("judge.internal:8010"));
    assert!(question.text().contains("prove it"), "{}", question.text());

    let record = stage.access_record(start, "gpustack_lb_ranks").await?;
    let ranks: Value = serde_json::from_str(record["cofferdam.fields"]["gpustack_lb_ranks"].as_str().unwrap())?;
    assert_eq!(
        (&ranks[0]["name"], &ranks[0]["weight"]),
        (&json!(PLUGIN), &json!(9)),
        "{ranks}"
    );

    stage.backend("judge").reply(QUESTION, verdict(0.2, 0.8));
    for _ in 0..3 {
        stage.send(&request).await?;
    }
    assert_eq!((stage.seen("pool-a"), stage.seen("pool-b")), (1, 3));
    assert_eq!(json_in(&stage.last("pool-b")?)?["model"], "m-small");
    Ok(())
}
