//! What logs and spans have in common: who they are from, ids, and values.

use serde_json::Value;

use super::messages::{Any, AnyValue, ArrayValue, KeyValue, KeyValueList, Resource, Scope};

pub(super) fn resource(attributes: &[(String, String)]) -> Resource {
    let text = |(name, value): &(String, String)| KeyValue {
        key: name.clone(),
        value: Some(any(Any::Text(value.clone()))),
    };
    Resource {
        attributes: attributes.iter().map(text).collect(),
    }
}

pub(super) fn scope(name: &str) -> Scope {
    Scope { name: name.to_owned() }
}

pub(super) fn flags(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 2),
        other => u32::try_from(other.as_u64()?).ok(),
    }
}

/// Bytes out of hexadecimal digits: exactly so many, and not all zero, which stands for none.
pub(super) fn unhex(text: &str, count: usize) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|one| one.to_digit(16)).collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    (bytes.len() == count && bytes.iter().any(|byte| *byte != 0)).then_some(bytes)
}

/// How deep values lie in each other was bounded by who read the line.
pub(super) fn converted(value: Value) -> AnyValue {
    match value {
        Value::Null => AnyValue { value: None },
        Value::Bool(value) => any(Any::Bool(value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => any(Any::Integer(integer)),
            (None, Some(double)) => any(Any::Double(double)),
            (None, None) => any(Any::Text(number.to_string())),
        },
        Value::String(text) => any(Any::Text(text)),
        Value::Array(values) => any(Any::Array(ArrayValue {
            values: values.into_iter().map(converted).collect(),
        })),
        Value::Object(members) => {
            let values = members.into_iter().map(|(key, value)| KeyValue {
                key,
                value: Some(converted(value)),
            });
            any(Any::Members(KeyValueList {
                values: values.collect(),
            }))
        }
    }
}

pub(super) fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}
