//! What a model provider and its clients say: chat requests, completions and their streams.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::backend::{Record, Reply};
use testkit::client::{Request, Response};

/// Where chat requests go.
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// A POST of JSON.
pub(crate) fn post(path: &str, body: &Value) -> Request {
    Request::post(path, &body.to_string()).field("content-type", "application/json")
}

/// A chat request of one message.
pub(crate) fn chat(model: &str, content: &str) -> Request {
    post(
        CHAT,
        &json!({"model": model, "messages": [{"role": "user", "content": content}]}),
    )
}

/// A chat request whose answer comes as a stream.
pub(crate) fn chat_stream(model: &str, content: &str) -> Request {
    let messages = json!([{"role": "user", "content": content}]);
    post(CHAT, &json!({"model": model, "stream": true, "messages": messages}))
}

/// A completion: 7 tokens read, 5 written.
pub(crate) fn completion(content: &str) -> Reply {
    let body = json!({
        "id": "chat-1",
        "object": "chat.completion",
        "model": "tiny-3b",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    });
    Reply::new(200)
        .field("content-type", "application/json")
        .body(&body.to_string())
}

/// The pieces of a streamed completion: one for each text, the end, usage as in [`completion`], and the word that ends it.
pub(crate) fn events(contents: &[&str]) -> Vec<String> {
    let chunk = |choices: Value| json!({"id": "chat-1", "object": "chat.completion.chunk", "model": "tiny-3b", "choices": choices});
    let mut events: Vec<Value> = contents
        .iter()
        .map(|content| {
            chunk(json!([{"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": null}]))
        })
        .collect();
    events.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}])));
    let mut usage = chunk(json!([]));
    usage["usage"] = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12});
    events.push(usage);
    let texts = events.iter().map(Value::to_string);
    texts.chain(["[DONE]".to_owned()]).collect()
}

/// A streamed completion.
pub(crate) fn stream(contents: &[&str]) -> Reply {
    let events = events(contents);
    Reply::events(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The JSON of the `data:` lines of a stream, the ending word left out.
pub(crate) fn data_of(text: &str) -> Result<Vec<Value>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let texts = lines.map(str::trim).filter(|text| *text != "[DONE]");
    texts
        .map(|text| serde_json::from_str(text).with_context(|| format!("not JSON: {text}")))
        .collect()
}

/// What a streamed completion says, its pieces joined.
pub(crate) fn said(text: &str) -> Result<String> {
    let events = data_of(text)?;
    let pieces = events
        .iter()
        .filter_map(|event| event.pointer("/choices/0/delta/content")?.as_str());
    Ok(pieces.collect())
}

/// A response's body as JSON.
pub(crate) fn json_of(response: &Response) -> Result<Value> {
    serde_json::from_slice(&response.body()).with_context(|| format!("not JSON: {}", response.text()))
}

/// The body of a request, as it arrived, as JSON.
pub(crate) fn json_in(record: &Record) -> Result<Value> {
    serde_json::from_str(&record.text()).with_context(|| format!("not JSON: {}", record.text()))
}
