//! What a text is expected to be: itself, or something about it.

use std::borrow::Cow;
use std::fmt;

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// What a text is expected to be.
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    /// Exactly this.
    Is(String),
    /// This is part of it.
    Contains(String),
    /// It begins with this.
    StartsWith(String),
    /// It ends with this.
    EndsWith(String),
    /// The pattern is found in it.
    Matches(Regex),
    /// It is not there.
    Absent,
    /// It is there, whatever it is.
    Present,
    /// Several texts, in order: a header that is given more than once.
    All(Vec<String>),
}

impl Matcher {
    pub(crate) fn from_value(value: &Value) -> Result<Self, String> {
        if let Some(text) = as_text(value) {
            return Ok(Self::Is(text));
        }
        match value {
            Value::Array(items) => {
                let texts: Option<Vec<String>> = items.iter().map(as_text).collect();
                texts.map(Self::All).ok_or_else(|| "a list of texts".to_owned())
            }
            Value::Object(map) => from_map(map),
            _ => Err("a text, a list of texts, or a map with one condition".to_owned()),
        }
    }

    /// Whether it fits the values that are there.
    pub(crate) fn fits(&self, values: &[String]) -> bool {
        match self {
            Self::Absent => values.is_empty(),
            Self::Present => !values.is_empty(),
            Self::All(wanted) => values == wanted.as_slice(),
            Self::Is(wanted) => values == [wanted.as_str()],
            one => values.iter().any(|value| one.fits_one(value)),
        }
    }

    fn fits_one(&self, value: &str) -> bool {
        match self {
            Self::Is(wanted) => value == wanted,
            Self::Contains(part) => value.contains(part.as_str()),
            Self::StartsWith(beginning) => value.starts_with(beginning.as_str()),
            Self::EndsWith(end) => value.ends_with(end.as_str()),
            Self::Matches(pattern) => pattern.is_match(value),
            Self::Present => true,
            Self::Absent | Self::All(_) => false,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(wanted) => write!(out, "`{wanted}`"),
            Self::Contains(part) => write!(out, "something that contains `{part}`"),
            Self::StartsWith(beginning) => write!(out, "something that starts with `{beginning}`"),
            Self::EndsWith(end) => write!(out, "something that ends with `{end}`"),
            Self::Matches(pattern) => write!(out, "something that matches `{pattern}`"),
            Self::Absent => out.write_str("nothing"),
            Self::Present => out.write_str("something"),
            Self::All(wanted) => write!(out, "`{}`", wanted.join("`, `")),
        }
    }
}

/// A number or a truth as text, so that `x-count: 5` needs no quotes.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn from_map(map: &Map<String, Value>) -> Result<Matcher, String> {
    let mut entries = map.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return Err("a map with one condition".to_owned());
    };
    if matches!((key.as_str(), value), ("absent" | "present", Value::Bool(true))) {
        let is_absent = key == "absent";
        return Ok(if is_absent { Matcher::Absent } else { Matcher::Present });
    }
    let text = as_text(value).ok_or_else(|| format!("`{key}` is not a text"))?;
    Ok(match key.as_str() {
        "contains" => Matcher::Contains(text),
        "starts_with" => Matcher::StartsWith(text),
        "ends_with" => Matcher::EndsWith(text),
        "matches" => Matcher::Matches(Regex::new(&text).map_err(|why| why.to_string())?),
        other => return Err(format!("there is no condition `{other}`")),
    })
}

impl JsonSchema for Matcher {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Matcher".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "integer", "boolean", "array", "object"],
            "items": {"type": ["string", "number", "integer", "boolean"]},
            "properties": {
                "contains": {"type": ["string", "number", "integer"]},
                "starts_with": {"type": ["string", "number", "integer"]},
                "ends_with": {"type": ["string", "number", "integer"]},
                "matches": {"type": "string"},
                "absent": {"type": "boolean"},
                "present": {"type": "boolean"},
            },
            "additionalProperties": false,
        })
    }
}
