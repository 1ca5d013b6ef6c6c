//! What goes on across a swap: callouts on their way, and all that generations of a plugin share.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::{Request, Version, send};
use testkit::process::DEADLINE;

use super::tells;
use crate::reload::change;
use crate::setting::{backend, complete, gateway, get, upstream};

#[tokio::test]
async fn a_callout_on_its_way_is_answered_to_the_generation_that_made_it() -> Result<()> {
    let (up, aux) = (backend()?, backend()?);
    aux.reply("/ask", Reply::new(200).wait("answer").piece("late"));
    let asks = json!([
        {"op": "http_call", "upstream": "aux", "timeout": 20000,
            "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "aux"]],
            "then": [{"op": "get_call_body"}, {"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}]},
        {"op": "return", "action": "pause"},
    ]);
    let configuration = |word: &str| {
        let mut plugin = tells("p", word)?;
        let tells = plugin["config"]["response_headers"].clone();
        plugin["config"]["cases"] = json!({"ask": {"request_headers": asks, "response_headers": tells}});
        Ok::<_, anyhow::Error>(complete(json!({
            "upstreams": [upstream("up", &up), upstream("aux", &aux)],
            "plugins": [plugin],
            "routes": [{"name": "r", "upstream": "up", "plugins": ["p"]}],
        })))
    };
    let gateway = gateway(configuration("old")?).await?;
    let address = gateway.listener("web")?;
    let asking = tokio::spawn(async move {
        let request = Request::get("/").field("x-case", "ask");
        send(address, Version::Http1, &request).await
    });
    aux.until(DEADLINE, |records| (!records.is_empty()).then_some(()))
        .await?;
    let said = gateway.process.line_count();
    assert!(
        change(&gateway, &configuration("new")?.to_string())
            .await?
            .contains("applied")
    );
    assert_eq!(get(&gateway, "/").await?.field("x-p"), Some("new"));
    assert!(!asking.is_finished());
    aux.release("answer");
    let answer = asking.await??;
    assert_eq!(
        (answer.status, answer.field("x-p"), answer.text().as_str()),
        (200, Some("old"), "hello from up")
    );
    gateway.wait_for_plugin_line(said, "get_call_body -> 0").await?;
    Ok(())
}

/// Steps that find what generations share.
fn shares(word: &str) -> Result<Value> {
    let mut plugin = tells("p", word)?;
    let config = &mut plugin["config"];
    config["vm_start"] = json!([]);
    config["configure"] = json!([
        {"op": "define_metric", "type": 0, "name": "seen_by_all", "save": {"metric": "m"}},
        {"op": "register_shared_queue", "name": "jobs", "save": {"queue": "q"}},
        {"op": "set_tick_period_milliseconds", "period": 10},
    ]);
    config["tick"] = json!([{"op": "log", "text": format!("tick of {word}")}]);
    config["cases"] = json!({
        "leave": {"request_headers": [
            {"op": "set_shared_data", "key": "k", "value": format!("left by {word}")},
            {"op": "resolve_shared_queue", "vm_id": "", "name": "jobs", "save": {"queue": "q"}},
            {"op": "enqueue_shared_queue", "queue": "${q}", "value": format!("job of {word}")},
            {"op": "define_metric", "type": 0, "name": "seen_by_all", "save": {"metric": "m"}},
            {"op": "increment_metric", "metric": "${m}", "offset": 5},
        ]},
        "find": {"request_headers": [
            {"op": "get_shared_data", "key": "k"},
            {"op": "resolve_shared_queue", "vm_id": "", "name": "jobs", "save": {"queue": "q"}},
            {"op": "dequeue_shared_queue", "queue": "${q}"},
            {"op": "define_metric", "type": 0, "name": "seen_by_all", "save": {"metric": "m"}},
            {"op": "increment_metric", "metric": "${m}", "offset": 2},
            {"op": "get_metric", "metric": "${m}"},
        ]},
    });
    Ok(plugin)
}

#[tokio::test]
async fn shared_data_queues_and_metrics_survive_a_swap_and_timers_move() -> Result<()> {
    let configuration = |word: &str| {
        Ok::<_, anyhow::Error>(complete(json!({
            "workers": 1,
            "plugins": [shares(word)?],
            "routes": [{"name": "r", "respond": {"body": "answer"}, "plugins": ["p"]}],
        })))
    };
    let case = |case: &str| Request::get("/").field("x-case", case);
    let gateway = gateway(configuration("old")?).await?;
    let address = gateway.listener("web")?;
    assert_eq!(send(address, Version::Http1, &case("leave")).await?.status, 200);
    gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains("tick of old"))
        .await?;
    let said = gateway.process.line_count();
    assert!(
        change(&gateway, &configuration("new")?.to_string())
            .await?
            .contains("applied")
    );
    assert_eq!(send(address, Version::Http1, &case("find")).await?.status, 200);
    for part in ["left by old", "job of old", "get_metric -> 0 value=7"] {
        let has_part = |line: &testkit::process::Line| line.text.contains(part);
        gateway.process.wait_for_line(said, DEADLINE, has_part).await?;
    }
    let metrics = send(gateway.admin, Version::Http1, &Request::get("/metrics"))
        .await?
        .text();
    ensure!(
        metrics
            .lines()
            .any(|line| line.contains("seen_by_all") && line.ends_with(" 7")),
        "{metrics}"
    );
    // Of the timers, that of the new one alone goes on.
    let mut late = said;
    for _ in 0..5 {
        late = gateway.process.line_count();
        let ticks = gateway
            .process
            .wait_for_line(late, DEADLINE, |line| line.text.contains("tick of new"));
        ticks.await?;
    }
    let late = gateway.process.lines_from(late);
    assert!(!late.iter().any(|line| line.text.contains("tick of old")));
    Ok(())
}
