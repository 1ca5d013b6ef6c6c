//! The reference of suites in `docs/suites.md` is what the code says. `UPDATE=1` writes it.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use gate_plan::document::schema_of;
use serde_json::{Map, Value};

/// Above it stands what is written by hand.
const MARK: &str = "<!-- Below: cargo test --workspace --test reference, with UPDATE=1 -->\n";

#[test]
fn the_reference_of_suites_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/suites.md");
    let written = fs::read_to_string(&path).unwrap();
    let (by_hand, _) = written.split_once(MARK).unwrap();
    let found = format!("{by_hand}{MARK}{}", reference(&schema_of::<plug_trial::Suite>()));
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(
        expected == found,
        "docs/suites.md is not what the code says; UPDATE=1 writes it"
    );
}

fn reference(schema: &Value) -> String {
    let mut text = String::from("\n## Reference\n");
    section(&mut text, "The suite", schema);
    let defs = schema.get("$defs").and_then(Value::as_object);
    for (name, schema) in defs.into_iter().flatten() {
        section(&mut text, &format!("`{name}`"), schema);
    }
    text
}

fn section(text: &mut String, name: &str, schema: &Value) {
    let description = line(schema);
    let rows: Vec<(String, String)> = match (schema.get("properties"), schema.get("oneOf")) {
        (Some(Value::Object(properties)), _) => properties.iter().map(|(key, value)| row(key, value)).collect(),
        (_, Some(Value::Array(kinds))) => kinds.iter().filter_map(kind).collect(),
        _ => return,
    };
    let _ = write!(text, "\n### {name}\n{description}\n\n| key | what |\n|---|---|\n");
    for (key, what) in rows {
        let _ = writeln!(text, "| `{key}` | {} |", what.replace('|', "\\|"));
    }
}

fn row(key: &str, schema: &Value) -> (String, String) {
    let of = named(schema).map(|name| format!(" Of `{name}`.")).unwrap_or_default();
    (key.to_owned(), format!("{}{of}", line(schema)))
}

/// A word, or a map with one key.
fn kind(schema: &Value) -> Option<(String, String)> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some((word.to_owned(), line(schema)));
    }
    let properties: &Map<String, Value> = schema.get("properties")?.as_object()?;
    let key = properties.keys().next()?;
    Some((format!("{{{key}: …}}"), line(schema)))
}

/// The type behind a value, an item or an entry.
fn named(schema: &Value) -> Option<&str> {
    let inner = ["items", "additionalProperties"].iter().find_map(|key| schema.get(key));
    let reference = schema.get("$ref").or_else(|| inner?.get("$ref"))?.as_str()?;
    reference.rsplit('/').next()
}

fn line(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.replace('\n', " ")
}
