//! Texts, numbers and verdicts as a suite writes them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::matcher::as_text;

/// One text or several: `x`, `5` or `[a, b]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values(pub(crate) Vec<String>);

/// A number, or a `{{key}}` that becomes one.
#[derive(Debug, Clone)]
pub(crate) struct Number(pub(crate) String);

/// What a callback answered.
#[derive(Debug, Clone)]
pub(crate) struct Verdict(pub(crate) String);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let texts = match &value {
            Value::Array(items) => items.iter().map(as_text).collect(),
            one => as_text(one).map(|text| vec![text]),
        };
        texts
            .map(Self)
            .ok_or_else(|| D::Error::custom("a text or a list of texts"))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        as_text(&value).map(Self).ok_or_else(|| D::Error::custom("a number"))
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        as_text(&value)
            .map(Self)
            .ok_or_else(|| D::Error::custom("a word or a number"))
    }
}

/// A schema for a type with a reader of its own.
macro_rules! schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema!(Values, "Values", {
    "type": ["string", "number", "integer", "boolean", "array"],
    "items": {"type": ["string", "number", "integer", "boolean"]},
});
schema!(Number, "Number", {"type": ["integer", "string"]});
schema!(Verdict, "Verdict", {"type": ["integer", "string"]});
