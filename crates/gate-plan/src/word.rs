//! The words of the configuration: texts with a meaning of their own, such as `50ms` or `10.0.0.1:80`, each read in one place.
//!
//! A key whose value is such a word has the word's name as `format` in the schema; the table [`FORMATS`] is what the check of
//! the shape reads, and the same function gives the value when the configuration is lowered.

mod address;
mod field;
mod grant;
mod image;
mod logs;
mod measure;
mod name;
mod pattern;
mod rollout;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use self::address::{Authority, HostName};
pub(crate) use self::field::{EnvironmentName, EnvironmentText, FieldText};
pub(crate) use self::grant::{
    FolderName, ForeignFunction, HeaderPattern, HostCallWord, NamePattern, RedisCommand, WasiWord,
};
pub use self::image::ImagePattern;
pub(crate) use self::image::{ImageDigest, ImageName, WebAddress};
pub(crate) use self::logs::{FaultWord, Kept, LogAddress, MaskPack, Off, PlainName, StatusWord, SyncWord};
pub(crate) use self::measure::{Percent, Size, span_text};
pub(crate) use self::name::{Digest, FilePath, Label, PathText};
pub(crate) use self::rollout::{Gateways, Part, Pause};

/// A text with a meaning of its own.
pub(crate) trait Word: Sized {
    /// Its `format` in the schema.
    const FORMAT: &'static str;
    /// What the operator is told that it is, with examples.
    const WANTED: &'static str;
    /// The regular expression for editors, where one says it; the check of this crate is stricter.
    const PATTERN: Option<&'static str> = None;
    /// Whether a plain number is one too.
    const NUMBER_TOO: bool = false;

    /// The meaning of `text`.
    fn read(text: &str) -> Result<Self, Flaw>;

    /// Its length in the unit of its kind, for kinds that a key may bound.
    fn measure(&self) -> Option<u128> {
        None
    }
}

/// Why a text is no such word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) message: String,
    /// What would have been right; what the word is in general when absent.
    pub(crate) help: Option<String>,
    /// The characters that are wrong; the whole text when absent.
    pub(crate) part: Option<(usize, usize)>,
}

impl Flaw {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            part: None,
        }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    pub(crate) fn part(self, from: usize, to: usize) -> Self {
        Self {
            part: Some((from, to)),
            ..self
        }
    }
}

/// One row of the table of words.
#[derive(Debug)]
pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) wanted: &'static str,
    /// Says what is wrong with a text, or gives its measure.
    pub(crate) check: fn(&str) -> Result<Option<u128>, Flaw>,
}

/// Every word that a key of the configuration may want.
pub(crate) const FORMATS: &[Format] = &[
    Format::of::<std::time::Duration>(),
    Format::of::<Size>(),
    Format::of::<Percent>(),
    Format::of::<Part>(),
    Format::of::<Pause>(),
    Format::of::<Gateways>(),
    Format::of::<std::net::SocketAddr>(),
    Format::of::<crate::plan::EndpointSpec>(),
    Format::of::<crate::route::HostPattern>(),
    Format::of::<crate::route::Pattern>(),
    Format::of::<HostName>(),
    Format::of::<Authority>(),
    Format::of::<PathText>(),
    Format::of::<FilePath>(),
    Format::of::<Label>(),
    Format::of::<Digest>(),
    Format::of::<ImageDigest>(),
    Format::of::<ImageName>(),
    Format::of::<WebAddress>(),
    Format::of::<ImagePattern>(),
    Format::of::<plug_abi::Capability>(),
    Format::of::<http::HeaderName>(),
    Format::of::<FieldText>(),
    Format::of::<EnvironmentName>(),
    Format::of::<EnvironmentText>(),
    Format::of::<http::Method>(),
    Format::of::<HostCallWord>(),
    Format::of::<WasiWord>(),
    Format::of::<ForeignFunction>(),
    Format::of::<NamePattern>(),
    Format::of::<HeaderPattern>(),
    Format::of::<RedisCommand>(),
    Format::of::<FolderName>(),
    Format::of::<log_record::grade::Level>(),
    Format::of::<log_record::grade::Class>(),
    Format::of::<log_mask::class::Class>(),
    Format::of::<MaskPack>(),
    Format::of::<Off>(),
    Format::of::<Kept>(),
    Format::of::<StatusWord>(),
    Format::of::<FaultWord>(),
    Format::of::<SyncWord>(),
    Format::of::<PlainName>(),
    Format::of::<LogAddress>(),
];

impl Format {
    const fn of<W: Word>() -> Self {
        Self {
            name: W::FORMAT,
            wanted: W::WANTED,
            check: |text| W::read(text).map(|word| word.measure()),
        }
    }

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }
}

/// A word in a wire struct.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written<W> {
    text: String,
    pub(crate) word: W,
}

impl<W: Word> Written<W> {
    /// A default, given as it would be written.
    pub(crate) fn default_of(text: &str, word: W) -> Self {
        Self {
            text: text.to_owned(),
            word,
        }
    }
}

impl<W> Written<W> {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl<'de, W: Word> Deserialize<'de> for Written<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) if W::NUMBER_TOO => number.to_string(),
            _ => return Err(D::Error::custom(W::WANTED)),
        };
        let word = W::read(&text).map_err(|flaw| D::Error::custom(flaw.message))?;
        Ok(Self { text, word })
    }
}

impl<W> Serialize for Written<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<W: Word> JsonSchema for Written<W> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        W::FORMAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({"type": "string", "format": W::FORMAT});
        if W::NUMBER_TOO {
            schema = json_schema!({"type": ["string", "integer"], "minimum": 0, "format": W::FORMAT});
        }
        if let Some(pattern) = W::PATTERN {
            schema.insert("pattern".to_owned(), pattern.into());
        }
        schema
    }
}
