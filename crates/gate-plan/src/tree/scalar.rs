//! What a plain word of YAML means: YAML 1.2's core schema (YAML 1.2.2 section 10.3), and nothing of YAML 1.1.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::Number;

use super::Value;

/// Why a word has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misread {
    /// A number that neither a 64-bit integer nor a finite double holds.
    Number,
    /// A tag of another schema, or one that the word does not fit.
    Tag,
}

/// The value of a word.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Misread> {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain {
            plain(text)
        } else {
            Ok(Value::Text(text.to_owned()))
        };
    };
    if !tag.is_yaml_core_schema() {
        return Err(Misread::Tag);
    }
    let value = if tag.suffix == "str" {
        Value::Text(text.to_owned())
    } else {
        plain(text)?
    };
    let fits = matches!(
        (tag.suffix.as_str(), &value),
        ("str", _) | ("null", Value::Null) | ("bool", Value::Bool(_)) | ("int" | "float", Value::Number(_))
    );
    if fits { Ok(value) } else { Err(Misread::Tag) }
}

fn plain(text: &str) -> Result<Value, Misread> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Ok(Value::Null),
        "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => Err(Misread::Number),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" => Err(Misread::Number),
        _ if looks_like_number(text) => number(text).map(Value::Number).ok_or(Misread::Number),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, `0o[0-7]+` or `0x[0-9a-fA-F]+`.
fn looks_like_number(text: &str) -> bool {
    let radix = |prefix: &str, digit: fn(&u8) -> bool| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.as_bytes().iter().all(digit))
    };
    if radix("0x", u8::is_ascii_hexdigit) || radix("0o", |byte| (b'0'..=b'7').contains(byte)) {
        return true;
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned
        .split_once(['e', 'E'])
        .map_or((unsigned, None), |(left, right)| (left, Some(right)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}

fn number(text: &str) -> Option<Number> {
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return u64::from_str_radix(hexadecimal, 16).ok().map(Number::from);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(Number::from);
    }
    let signless = text.strip_prefix('+').unwrap_or(text);
    if signless.contains(['.', 'e', 'E']) {
        return signless.parse().ok().and_then(Number::from_f64);
    }
    signless
        .parse::<u64>()
        .map(Number::from)
        .or_else(|_| signless.parse::<i64>().map(Number::from))
        .ok()
}
