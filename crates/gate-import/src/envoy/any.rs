//! Messages that carry their type, and durations, as the JSON form of Protocol Buffers has them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::gateway::payload;
use crate::ledger::Cursor;

/// The last word of a type.
pub(super) fn short(kind: &str) -> &str {
    kind.rsplit(['.', '/']).next().unwrap_or(kind)
}

/// Whether a filter, or what is in it, is one of connections.
pub(super) fn is_network(filter: &Cursor<'_, '_>) -> bool {
    let says = |text: Option<&str>| text.is_some_and(|text| text.contains("network"));
    let typed = filter
        .peek_in("typed_config", "@type")
        .or_else(|| filter.peek_in("typed_config", "type_url"));
    says(filter.peek_text("@type")) || says(filter.peek_text("name")) || says(typed)
}

/// The short type and the message itself, also out of a `TypedStruct`.
pub(super) fn unwrapped<'d, 'l>(message: Cursor<'d, 'l>) -> (&'d str, Cursor<'d, 'l>) {
    let kind = short(message.text("@type").unwrap_or_default());
    if kind != "TypedStruct" {
        return (kind, message);
    }
    let kind = short(message.text("type_url").unwrap_or_default());
    (kind, message.map("value").unwrap_or(message))
}

/// What a plugin is configured with: a text, a structure or bytes, bare or as a message.
pub(super) fn configuration(parent: &Cursor<'_, '_>, key: &str) -> Option<Value> {
    let found = parent.get(key)?;
    if !found.is_map() || !found.has("@type") {
        return Some(payload(found.json()));
    }
    match short(found.text("@type").unwrap_or_default()) {
        "Struct" | "Value" | "ListValue" => found.whole("value").map(payload),
        "StringValue" => found.text("value").map(Value::from),
        "BytesValue" => bytes(&found),
        other => {
            let message = format!("a configuration of the type `{other}` has no counterpart");
            found.leave_out(
                message,
                "write what the plugin wants under `config`, as a text or a map",
            );
            None
        }
    }
}

fn bytes(found: &Cursor<'_, '_>) -> Option<Value> {
    let value = found.get("value")?;
    let text = value.as_text()?;
    let Ok(bytes) = STANDARD.decode(text) else {
        value.wrong_key("the value is no Base64", "give the bytes in Base64");
        return None;
    };
    let text = String::from_utf8(bytes);
    if text.is_err() {
        value.say(
            "a configuration that is no text has no counterpart",
            "`config` takes texts, lists and maps",
        );
    }
    text.ok().map(Value::from)
}

/// A duration such as `1.5s` as a time span of ours; `None` and a note when it is none.
pub(crate) fn span(place: &Cursor<'_, '_>) -> Option<String> {
    let text = place.as_text()?;
    let read = text.strip_suffix('s').and_then(milliseconds);
    if read.is_none() {
        place.wrong_key(
            format!("`{}` is no duration", place.name()),
            "write seconds, such as `1.5s`",
        );
    }
    read.map(|milliseconds| match milliseconds {
        whole if whole % 1000 == 0 => format!("{}s", whole / 1000),
        other => format!("{other}ms"),
    })
}

/// Thousandths of the second are enough for every key of ours.
fn milliseconds(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = digits.parse().ok()?;
    whole.checked_mul(1000)?.checked_add(fraction)
}
