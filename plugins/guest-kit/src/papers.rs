//! A guest's schema and page, held against the structs of its configuration by the guest's own tests.

use std::fs;
use std::path::Path;

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::Value;

/// Whether `schema.json` in the guest's folder is that of its configuration. With `UPDATE` in the environment it is written first.
///
/// # Errors
/// When it is not, or cannot be read.
pub fn check_schema<C: JsonSchema>(folder: &str) -> Result<(), String> {
    let schema = schema_for!(C);
    let text = serde_json::to_string_pretty(&schema).map_err(|why| why.to_string())? + "\n";
    let file = Path::new(folder).join("schema.json");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).map_err(|why| why.to_string())?;
    }
    let written = fs::read_to_string(&file).map_err(|why| why.to_string())?;
    match written == text {
        true => Ok(()),
        false => Err(String::from("schema.json is not up to date: run with UPDATE=1")),
    }
}

/// How many keys the configuration has, each of which `README.md` in the guest's folder names.
///
/// # Errors
/// When it does not name one, or cannot be read.
pub fn keys_on_page<C: JsonSchema>(folder: &str) -> Result<usize, String> {
    let page = fs::read_to_string(Path::new(folder).join("README.md")).map_err(|why| why.to_string())?;
    let keys = keys(&schema_for!(C));
    match keys.iter().find(|key| !page.contains(&format!("`{key}`"))) {
        Some(key) => Err(format!("README.md does not name `{key}`")),
        None => Ok(keys.len()),
    }
}

fn keys(schema: &Schema) -> Vec<String> {
    let definitions = schema.get("$defs").and_then(Value::as_object);
    let inner = definitions.into_iter().flat_map(|definitions| definitions.values());
    let structs = inner.chain([schema.as_value()]);
    let properties = structs.filter_map(|part| part.get("properties")?.as_object());
    properties.flat_map(|properties| properties.keys().cloned()).collect()
}
