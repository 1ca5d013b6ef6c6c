//! JSON in which no object has a member twice, as two readers of such an object may each believe another one.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// LIMIT: members of an object, so that keeping them in order takes no time that is felt.
const MEMBERS_MAX: usize = 1_000;

/// A JSON value.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    /// Members in the order of their names: a sorted list is a tenth of the code of a tree.
    Map(Vec<(String, Json)>),
}

impl Json {
    /// Reads a whole text; how deep it may be nested, `serde_json` bounds (128).
    ///
    /// # Errors
    /// When it is not JSON, or has a member twice: a sentence without anything of the text but a member's name.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// An object's member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => {
                let place = members.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
                members.get(place).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The value of a text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value)
            .map(Json::Number)
            .ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut map: Vec<(String, Json)> = Vec::new();
        while let Some((name, value)) = members.next_entry::<String, Json>()? {
            match map.binary_search_by(|(known, _)| known.cmp(&name)) {
                Ok(_) => return Err(de::Error::custom(format_args!("member `{name}` is there twice"))),
                Err(_) if map.len() >= MEMBERS_MAX => return Err(de::Error::custom("an object with too many members")),
                Err(place) => map.insert(place, (name, value)),
            }
        }
        Ok(Json::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_there_twice_is_an_error_at_any_depth() {
        assert!(Json::read(br#"{"a":1,"b":{"a":1}}"#).is_ok());
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":[{"b":{"c":1,"c":2}}]}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            let error = Json::read(text.as_bytes()).unwrap_err();
            assert!(error.contains("twice"), "{error}");
        }
    }

    #[test]
    fn members_are_found_in_whatever_order_they_came() {
        let json = Json::read(br#"{"c":3,"a":1,"b":2}"#).unwrap();
        assert_eq!(json.get("b"), Some(&Json::Number(2.into())));
        assert_eq!(json.get("d"), None);
        let many: Vec<String> = (0..=MEMBERS_MAX).map(|member| format!("\"{member}\":0")).collect();
        assert!(Json::read(format!("{{{}}}", many.join(",")).as_bytes()).is_err());
        assert!(Json::read(format!("{{{}}}", many[1..].join(",")).as_bytes()).is_ok());
    }

    #[test]
    fn what_is_nested_too_deep_is_an_error() {
        let text = "[".repeat(100_000);
        assert!(Json::read(text.as_bytes()).is_err());
    }

    #[test]
    fn nothing_may_follow() {
        assert!(Json::read(b"{} {}").is_err());
        assert!(Json::read(b"\xff").is_err());
    }
}
