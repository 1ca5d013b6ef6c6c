//! A guest's configuration, and what is wrong with it: the path of the key, and what would be right.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess};
use serde::de::{SeqAccess, VariantAccess, Visitor};

use crate::json::Json;

/// Reads a configuration; none is an empty map.
///
/// # Errors
/// A sentence with the path of the key. Values are not part of it where they are texts, as some are keys.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let whole = Json::read(bytes).map_err(|error| format!("configuration is not right: {error}"))?;
    T::deserialize(Node(whole)).map_err(|wrong| {
        if wrong.path.is_empty() {
            format!("configuration: {}", wrong.what)
        } else {
            format!("`{}`: {}", wrong.path, wrong.what)
        }
    })
}

/// What is wrong, and where: the path grows on the way up, so that nothing is kept on the way down.
#[derive(Debug)]
struct Wrong {
    path: String,
    what: String,
}

impl Wrong {
    fn new(what: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            what: what.into(),
        }
    }

    fn in_member(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    fn in_item(mut self, place: usize) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("[{place}]{dot}{}", self.path);
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self::new(what.to_string())
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("there is no such key here; there are `{}`", known.join("`, `")))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("must be one of `{}`", known.join("`, `")))
    }
}

/// A value that is being read. One code for all types, where `serde_json` and a wrapper that tracks paths would be written out for each.
struct Node(Json);

impl<'de> Deserializer<'de> for Node {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Json::Null => visitor.visit_unit(),
            Json::Bool(value) => visitor.visit_bool(value),
            Json::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some(value)) => visitor.visit_i64(value),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Json::Text(text) => visitor.visit_string(text),
            Json::List(items) => visitor.visit_seq(Items(items.into_iter().enumerate())),
            Json::Map(members) => visitor.visit_map(Members {
                rest: members.into_iter(),
                value: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Json::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0 {
            Json::Text(text) => visitor.visit_enum(Word(text)),
            _ => Err(Wrong::new("expected a word")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items(std::iter::Enumerate<std::vec::IntoIter<Json>>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some((place, item)) = self.0.next() else {
            return Ok(None);
        };
        seed.deserialize(Node(item))
            .map(Some)
            .map_err(|wrong| wrong.in_item(place))
    }
}

struct Members {
    rest: std::vec::IntoIter<(String, Json)>,
    value: Option<(String, Json)>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        let key = seed.deserialize(name.as_str().into_deserializer());
        let key = key.map_err(|wrong: Wrong| wrong.in_member(&name))?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, value) = self.value.take().unwrap_or((String::new(), Json::Null));
        seed.deserialize(Node(value)).map_err(|wrong| wrong.in_member(&name))
    }
}

/// A variant without content.
struct Word(String);

impl<'de> EnumAccess<'de> for Word {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        let variant = seed.deserialize(self.0.as_str().into_deserializer())?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Word {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Wrong> {
        Err(Wrong::new("expected a map"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Wrong> {
        Err(Wrong::new("expected a map"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Wrong> {
        Err(Wrong::new("expected a map"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        list: Vec<Inner>,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        number: u64,
    }

    fn error(text: &str) -> String {
        read::<Outer>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_right_is_read() {
        let outer: Outer = read(br#"{"list":[{"number":1}]}"#).unwrap();
        assert_eq!(outer.list[0].number, 1);
    }

    #[test]
    fn an_error_names_the_key_and_no_value() {
        assert_eq!(
            error(r#"{"list":[{"number":1},{"number":"secret \" text"}]}"#),
            "`list[1].number`: expected u64"
        );
        assert_eq!(
            error(r#"{"list":[{"numbre":1}]}"#),
            "`list[0].numbre`: there is no such key here; there are `number`"
        );
        assert_eq!(error(r#"{"list":[{}]}"#), "`list[0]`: missing field `number`");
        assert_eq!(error(r#"{"list":[{"number":-1}]}"#), "`list[0].number`: expected u64");
        assert_eq!(error(r#"{"list":"secret"}"#), "`list`: expected a sequence");
        assert_eq!(error(""), "configuration: missing field `list`");
        assert_eq!(
            error(r#"{"list":[],"list":[]}"#),
            "configuration is not right: member `list` is there twice at line 1 column 21"
        );
    }
}
