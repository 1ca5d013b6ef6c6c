//! The JSON Schema of the configuration, derived from the wire structs.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use crate::wire::Config;

static SCHEMA: LazyLock<Value> = LazyLock::new(derive);

/// The JSON Schema (2020-12) of the configuration. `format` names a word such as `time-span`; `x-minimum` and `x-maximum` bound
/// time spans and sizes.
#[must_use]
pub fn schema() -> Value {
    SCHEMA.clone()
}

pub(crate) fn root() -> &'static Value {
    &SCHEMA
}

fn derive() -> Value {
    let settings = SchemaSettings::draft2020_12();
    finished(
        settings.into_generator().into_root_schema_for::<Config>(),
        "Cofferdam configuration",
    )
}

/// A schema as the check of the shape reads it.
pub(crate) fn finished(mut schema: Schema, title: &str) -> Value {
    RecursiveTransform(without_null).transform(&mut schema);
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

/// A key that may be absent may not for that reason be given without a value: `tls:` with nothing after it is more often a slip
/// than a wish to do without TLS.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        alternatives.retain(|alternative| alternative.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = alternatives.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            only.into_iter().for_each(|(key, value)| {
                schema.insert(key, value);
            });
        }
    }
}
