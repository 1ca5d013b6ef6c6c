//! Bytes as a suite writes them: a text, digits, or what a file beside the suite holds.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::dump;
use crate::matcher::{Matcher, as_text};

/// Reads a file beside the suite.
pub(crate) type ReadFile<'a> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'a;

/// Bytes as they are written.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// The bytes themselves.
    Plain(Bytes),
    /// Hexadecimal digits, with white space anywhere.
    Hex(String),
    /// Base64 with its padding, with white space anywhere.
    Base64(String),
    /// A file, relative to the suite.
    File(String),
}

impl Default for Piece {
    fn default() -> Self {
        Self::Plain(Bytes::new())
    }
}

impl Piece {
    /// Reads what is written, so that nothing but bytes is left of it.
    ///
    /// # Errors
    /// When it is none of what it says to be.
    pub(crate) fn settle(&mut self, read: &ReadFile<'_>) -> Result<(), String> {
        let bytes = match self {
            Self::Plain(_) => return Ok(()),
            Self::Hex(digits) => from_hex(digits)?,
            Self::Base64(text) => {
                let text: String = text.split_whitespace().collect();
                STANDARD
                    .decode(&text)
                    .map_err(|why| format!("this is no base64: {}", why.to_string().trim_end_matches('.')))?
            }
            Self::File(file) => read(file).map_err(|why| format!("`{file}` cannot be read: {why}"))?,
        };
        *self = Self::Plain(bytes.into());
        Ok(())
    }

    /// The bytes; what cannot be read was refused when the suite was.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Plain(bytes) => bytes.clone(),
            Self::Hex(_) | Self::Base64(_) | Self::File(_) => Bytes::new(),
        }
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        if let Some(text) = as_text(value) {
            return Ok(Self::Plain(text.into()));
        }
        let map = value.as_object().and_then(Self::from_map);
        map.unwrap_or_else(|| Err("a text, or a map with one of `hex`, `base64` and `file`".to_owned()))
    }

    /// A map with one key that says how the bytes are written; none when it is no such map.
    fn from_map(map: &Map<String, Value>) -> Option<Result<Self, String>> {
        let mut entries = map.iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else {
            return None;
        };
        let kind = match key.as_str() {
            "hex" => Self::Hex,
            "base64" => Self::Base64,
            "file" => Self::File,
            _ => return None,
        };
        // No number: YAML would have taken its leading zeros.
        let text = value.as_str().map(str::to_owned);
        Some(
            text.map(kind)
                .ok_or_else(|| format!("`{key}` is not a text; put it in quotes")),
        )
    }
}

fn from_hex(digits: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let mut half = None;
    for letter in digits.chars().filter(|letter| !letter.is_whitespace()) {
        let digit = letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digit = digit.ok_or_else(|| format!("`{}` is no hexadecimal digit", letter.escape_default()))?;
        match half.take() {
            None => half = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match half {
        None => Ok(bytes),
        Some(_) => Err("an odd number of hexadecimal digits: one is missing".to_owned()),
    }
}

/// Bytes in the pieces in which they come: one, or a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pieces(pub(crate) Vec<Piece>);

/// What bytes are expected to be.
#[derive(Debug, Clone)]
pub(crate) enum ExpectedBytes {
    /// Something about them as a text.
    Text(Matcher),
    /// Exactly these, however they are written; a list is read as one.
    Exact(Pieces),
}

impl ExpectedBytes {
    /// Whether it fits what is there, if anything is.
    pub(crate) fn fits(&self, found: Option<&[u8]>) -> bool {
        match (self, found) {
            (Self::Text(Matcher::Is(wanted)), found) => found == Some(wanted.as_bytes()),
            (Self::Text(matcher), found) => {
                let texts: Vec<String> = found.iter().map(|bytes| lossy(bytes)).collect();
                matcher.fits(&texts)
            }
            (Self::Exact(_), found) => self.exact().as_deref() == found,
        }
    }

    /// The bytes that it asks for, when it asks for certain ones.
    fn exact(&self) -> Option<Bytes> {
        match self {
            Self::Text(Matcher::Is(wanted)) => Some(Bytes::copy_from_slice(wanted.as_bytes())),
            Self::Text(_) => None,
            Self::Exact(pieces) => Some(pieces.joined()),
        }
    }

    /// How what came is not this: as a text where both are one, else as a dump.
    pub(crate) fn difference(&self, what: &str, found: Option<&[u8]>) -> String {
        let Some(found) = found else {
            return format!("{what} is not there, not {self}");
        };
        let wanted = self.exact();
        if dump::is_text(found) && wanted.as_deref().is_none_or(dump::is_text) {
            return format!("{what} is `{}`, not {self}", dump::shortened(&lossy(found)));
        }
        match wanted {
            Some(wanted) => format!("{what} {}", dump::difference(found, &wanted)),
            None => format!("{what} is not {self}; it is{}", dump::beginning(found)),
        }
    }
}

impl fmt::Display for ExpectedBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(matcher) => matcher.fmt(out),
            Self::Exact(pieces) => {
                let wanted = pieces.joined();
                match dump::is_text(&wanted) {
                    true => write!(out, "`{}`", dump::shortened(&lossy(&wanted))),
                    false => write!(out, "the {} bytes that are expected", wanted.len()),
                }
            }
        }
    }
}

impl Pieces {
    /// All of them as one.
    pub(crate) fn joined(&self) -> Bytes {
        match self.0.as_slice() {
            [one] => one.bytes(),
            several => {
                let bytes: Vec<Bytes> = several.iter().map(Piece::bytes).collect();
                bytes.concat().into()
            }
        }
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        let pieces: Result<Vec<Piece>, String> = match value {
            Value::Array(items) => items.iter().map(Piece::from_value).collect(),
            one => Piece::from_value(one).map(|piece| vec![piece]),
        };
        pieces.map(Self)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl<'de> Deserialize<'de> for Piece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Pieces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ExpectedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let is_written = match &value {
            Value::Array(_) => true,
            Value::Object(map) => ["hex", "base64", "file"].iter().any(|key| map.contains_key(*key)),
            _ => false,
        };
        match is_written {
            true => Pieces::from_value(&value).map(Self::Exact).map_err(D::Error::custom),
            false => Matcher::from_value(&value).map(Self::Text).map_err(D::Error::custom),
        }
    }
}

/// The kinds of a piece, in a schema.
fn one() -> Value {
    serde_json::json!({
        "type": ["string", "number", "integer", "boolean", "object"],
        "properties": {"hex": {"type": "string"}, "base64": {"type": "string"}, "file": {"type": "string"}},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
    })
}

impl JsonSchema for Piece {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Piece".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::try_from(one()).unwrap_or_default()
    }
}

impl JsonSchema for Pieces {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pieces".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = Schema::try_from(one()).unwrap_or_default();
        schema.insert(
            "type".to_owned(),
            serde_json::json!(["string", "number", "integer", "boolean", "array", "object"]),
        );
        schema.insert("items".to_owned(), one());
        schema
    }
}

impl JsonSchema for ExpectedBytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ExpectedBytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "integer", "boolean", "array", "object"],
            "items": one(),
            "properties": {
                "hex": {"type": "string"},
                "base64": {"type": "string"},
                "file": {"type": "string"},
                "contains": {"type": ["string", "number", "integer"]},
                "starts_with": {"type": ["string", "number", "integer"]},
                "ends_with": {"type": ["string", "number", "integer"]},
                "matches": {"type": "string"},
                "absent": {"type": "boolean"},
                "present": {"type": "boolean"},
            },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settled(value: Value) -> Result<Bytes, String> {
        let mut piece = Piece::from_value(&value)?;
        let read = |file: &str| match file {
            "there.bin" => Ok(vec![0, 255]),
            _ => Err("no such file".to_owned()),
        };
        piece.settle(&read)?;
        Ok(piece.bytes())
    }

    #[test]
    fn bytes_are_read_in_each_way_in_which_they_are_written() {
        assert_eq!(settled(json!("a")).unwrap(), "a");
        assert_eq!(settled(json!(5)).unwrap(), "5");
        assert_eq!(settled(json!({"hex": "00 fF\n10"})).unwrap(), &[0, 255, 16][..]);
        assert_eq!(settled(json!({"base64": "AP8\n="})).unwrap(), &[0, 255][..]);
        assert_eq!(settled(json!({"file": "there.bin"})).unwrap(), &[0, 255][..]);
        for (value, why) in [
            (json!({"hex": "0"}), "odd"),
            (json!({"hex": "0g"}), "`g`"),
            (json!({"base64": "A"}), "no base64"),
            (json!({"file": "gone"}), "no such file"),
            (json!({"hex": "", "file": ""}), "one of"),
            (json!({}), "one of"),
            (json!({"hex": 11}), "quotes"),
        ] {
            assert!(settled(value).unwrap_err().contains(why), "{why}");
        }
    }

    #[test]
    fn what_is_expected_fits_bytes_that_are_no_text_only_when_they_are_the_same() {
        let expected = |value: Value| serde_json::from_value::<ExpectedBytes>(value).unwrap();
        let is = expected(json!("a\u{FFFD}"));
        assert!(!is.fits(Some(b"a\xFF")) && is.fits(Some("a\u{FFFD}".as_bytes())));
        assert!(expected(json!(["a", "b"])).fits(Some(b"ab")));
        assert!(expected(json!({"contains": "a"})).fits(Some(b"a\xFF")));
        assert!(expected(json!({"absent": true})).fits(None) && !expected(json!({"absent": true})).fits(Some(b"")));
        assert!(
            is.difference("it", Some(b"a\xFF"))
                .contains("first difference at byte 1")
        );
        assert_eq!(
            expected(json!({"contains": "b"})).difference("it", Some(b"a")),
            "it is `a`, not something that contains `b`"
        );
    }
}
