//! What a plugin is granted, each list under its key.

use plug_grant::Grant;
use serde_json::{Map, Value, json};

/// The grant's lines, gathered by key.
pub(super) fn describe(name: Option<&str>, grant: &Grant) -> Value {
    let mut keys: Map<String, Value> = Map::new();
    keys.insert("name".to_owned(), json!(name));
    for line in grant.lines() {
        let Some((key, word)) = line.split_once(": ") else {
            continue;
        };
        let words = keys.entry(key.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(words) = words {
            words.push(Value::from(word));
        }
    }
    Value::Object(keys)
}
