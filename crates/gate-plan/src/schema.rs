//! The JSON Schema of the configuration, derived from the wire structs.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::wire::{Bootstrap, Config};

static SCHEMA: LazyLock<Value> = LazyLock::new(derive::<Config>);
static BOOTSTRAP: LazyLock<Value> = LazyLock::new(derive::<Bootstrap>);

/// The JSON Schema (2020-12) of the configuration. `format` names a word such as `time-span`; `x-minimum` and `x-maximum` bound
/// time spans and sizes.
#[must_use]
pub fn schema() -> Value {
    SCHEMA.clone()
}

pub(crate) fn root() -> &'static Value {
    &SCHEMA
}

/// The JSON Schema of a file with `store`, of the same kind.
#[must_use]
pub fn bootstrap_schema() -> Value {
    BOOTSTRAP.clone()
}

pub(crate) fn bootstrap_root() -> &'static Value {
    &BOOTSTRAP
}

fn derive<T: Titled>() -> Value {
    let settings = SchemaSettings::draft2020_12();
    finished(settings.into_generator().into_root_schema_for::<T>(), T::TITLE)
}

/// What a file is called.
trait Titled: JsonSchema {
    const TITLE: &'static str;
}

impl Titled for Config {
    const TITLE: &'static str = "Cofferdam configuration";
}

impl Titled for Bootstrap {
    const TITLE: &'static str = "Cofferdam configuration in a store";
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
