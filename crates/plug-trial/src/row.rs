//! A case for one row of its table.

use serde_json::{Map, Value};

/// The value with `{{key}}` in all of its texts replaced by the row's values. A text that is nothing but one key becomes the value
/// itself, so that numbers stay numbers.
pub(crate) fn filled(value: &Value, row: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) => text_filled(text, row),
        Value::Array(items) => items.iter().map(|item| filled(item, row)).collect(),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| (plain(&text_filled(key, row)), filled(value, row)));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}

fn text_filled(text: &str, row: &Map<String, Value>) -> Value {
    let whole = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    if let Some(value) = whole.and_then(|key| row.get(key.trim())) {
        return value.clone();
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        match after
            .split_once("}}")
            .and_then(|(key, behind)| Some((row.get(key.trim())?, behind)))
        {
            Some((value, behind)) => {
                filled.push_str(&plain(value));
                rest = behind;
            }
            None => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    Value::String(filled)
}

/// A value within a text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What tells the rows of a table apart.
pub(crate) fn label(row: &Map<String, Value>) -> String {
    let parts: Vec<String> = row
        .iter()
        .map(|(key, value)| format!("{key}={}", plain(value)))
        .collect();
    parts.join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_replaced_in_texts_and_keep_their_kind_alone() {
        let row = json!({"path": "/a", "status": 404, "name": "x-n"});
        let row = row.as_object().unwrap();
        let case = json!({"p": "{{path}}?q={{ status }}", "s": "{{status}}", "{{name}}": ["{{no}}", "{{", 5]});
        assert_eq!(
            filled(&case, row),
            json!({"p": "/a?q=404", "s": 404, "x-n": ["{{no}}", "{{", 5]})
        );
        assert_eq!(label(row), "path=/a status=404 name=x-n");
    }
}
