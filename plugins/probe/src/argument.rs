//! Arguments of a step: numbers, bytes, maps and `${...}`, from JSON to what a host call takes.

use serde_json::Value;

use crate::context;
use crate::script::{default_number, named_number};
use crate::step::Frame;
use crate::value::{encode_map, unhex};

/// A number field: a number, a name for one, a `${value}`, or what the call's default is.
pub fn number(frame: &Frame, call: &str, step: &Value, field: &str) -> i64 {
    match &step[field] {
        Value::Number(number) => number.as_i64().or(number.as_u64().map(|wide| wide as i64)).unwrap_or(0),
        Value::Bool(yes) => i64::from(*yes),
        Value::String(text) => named_number(field, text).unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&expand(frame, text)).into_owned();
            text.parse()
                .unwrap_or_else(|_| panic!("`{field}` is no number: `{text}`"))
        }),
        _ => default_number(call, field),
    }
}

/// A bytes field as given: bytes of our own, or any place in memory.
pub enum Bytes {
    /// Bytes of our own.
    Own(Vec<u8>),
    /// Pointer and length, any numbers at all.
    At(i64, i64),
}

/// A bytes field: text, a path, a map, or an object that says the bytes in another way.
pub fn bytes_of(frame: &Frame, value: &Value) -> Bytes {
    let own = match value {
        Value::String(text) => expand(frame, text),
        Value::Array(parts) if parts.first().is_some_and(Value::is_array) => encode_map(&pairs_of(frame, parts)),
        Value::Array(parts) => parts
            .iter()
            .map(|part| expand(frame, part.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(&0),
        Value::Object(fields) => {
            if let Some(pointer) = fields.get("ptr") {
                return Bytes::At(pointer.as_i64().unwrap_or(0), value["len"].as_i64().unwrap_or(0));
            }
            described(value)
        }
        Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    };
    Bytes::Own(own)
}

fn described(value: &Value) -> Vec<u8> {
    let wide = |field: &str| value[field].as_i64().or(value[field].as_u64().map(|wide| wide as i64));
    if let Some(digits) = value["hex"].as_str() {
        unhex(digits)
    } else if let Some(text) = value["repeat"].as_str() {
        text.repeat(value["times"].as_u64().unwrap_or(1) as usize).into_bytes()
    } else if let Some(number) = wide("u64") {
        number.to_le_bytes().to_vec()
    } else if let Some(number) = wide("u32") {
        (number as u32).to_le_bytes().to_vec()
    } else {
        value["json"].to_string().into_bytes()
    }
}

fn pairs_of(frame: &Frame, parts: &[Value]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = |value: &Value| match bytes_of(frame, value) {
        Bytes::Own(bytes) => bytes,
        Bytes::At(..) => Vec::new(),
    };
    parts.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

pub fn place(bytes: Bytes, kept: &mut Vec<Vec<u8>>) -> [i64; 2] {
    match bytes {
        Bytes::At(pointer, length) => [pointer, length],
        Bytes::Own(bytes) => {
            let at = [bytes.as_ptr() as i64, bytes.len() as i64];
            kept.push(bytes);
            at
        }
    }
}

/// Replaces each `${name}` in a text; an unknown name becomes nothing.
pub fn expand(frame: &Frame, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.extend(before.as_bytes());
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        out.extend(lookup(frame, name).unwrap_or_default());
        rest = tail;
    }
    out.extend(rest.as_bytes());
    out
}

pub fn lookup(frame: &Frame, name: &str) -> Option<Vec<u8>> {
    let number = match name {
        "self" => Some(i64::from(frame.context)),
        "origin" => Some(i64::from(frame.origin)),
        "root" => Some(i64::from(context::root_of(frame.context))),
        "token" => frame.token.map(i64::from),
        "seen" => context::with(frame.origin, |context| context.seen.get(frame.callback).copied())
            .flatten()
            .map(i64::from),
        _ => frame
            .arguments
            .iter()
            .find(|argument| argument.0 == name)
            .map(|argument| argument.1),
    };
    number
        .map(|number| number.to_string().into_bytes())
        .or_else(|| context::saved(frame.origin, name))
        .or_else(|| context::saved(frame.context, name))
}
