//! What properties a tested plugin reads: those that the suite gives, and the ones that its own request and response tell.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use plug_abi::property::PropertyValue;
use plug_host::{Exchange, Facts, Property};
use serde_json::Value;

/// Where requests of a trial come from.
const CLIENT: (&str, i64) = ("127.0.0.1:40000", 40_000);

/// Properties by their paths.
pub(crate) struct Known {
    values: BTreeMap<String, Value>,
    /// Those that were given as bytes.
    bytes: BTreeMap<String, Bytes>,
}

impl Known {
    pub(crate) fn new(values: BTreeMap<String, Value>) -> Self {
        Self {
            values,
            bytes: BTreeMap::new(),
        }
    }

    pub(crate) fn of_bytes(bytes: BTreeMap<String, Bytes>) -> Self {
        Self {
            values: BTreeMap::new(),
            bytes,
        }
    }
}

impl Facts for Known {
    fn property(&self, exchange: &Exchange, path: &[&[u8]]) -> Property {
        let words: Vec<_> = path.iter().map(|part| String::from_utf8_lossy(part)).collect();
        let joined = words.join(".");
        if let Some(value) = self.values.get(&joined) {
            return Property::Value(property(value));
        }
        if let Some(bytes) = self.bytes.get(&joined) {
            return Property::Value(PropertyValue::Bytes(bytes.clone()));
        }
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        match words.as_slice() {
            ["request" | "response" | "source" | "connection"] => Property::Parts,
            ["request", "headers", name] => text(&exchange.request.borrow().headers, name).into(),
            ["request", name] => of_request(exchange, name).into(),
            ["response", rest @ ..] => of_response(exchange, rest).into(),
            ["source", "address"] => Some(PropertyValue::text(CLIENT.0)).into(),
            ["source", "port"] => Some(PropertyValue::Int(CLIENT.1)).into(),
            ["route_name" | "cluster_name"] => Some(PropertyValue::text("test")).into(),
            _ => Property::Absent,
        }
    }

    fn upstream_hosts(&self, _: &Exchange) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// A value as the suite writes it.
pub(crate) fn property(value: &Value) -> PropertyValue {
    match value {
        Value::String(text) => PropertyValue::text(text.as_str()),
        Value::Bool(truth) => PropertyValue::Bool(*truth),
        Value::Number(number) => PropertyValue::Int(number.as_i64().unwrap_or_default()),
        other => PropertyValue::text(other.to_string()),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<PropertyValue> {
    let value = headers.get(name)?;
    Some(PropertyValue::Bytes(Bytes::copy_from_slice(value.as_bytes())))
}

fn of_request(exchange: &Exchange, name: &str) -> Option<PropertyValue> {
    let head = exchange.request.borrow();
    Some(match name {
        "path" => PropertyValue::text(head.path.as_str()),
        "url_path" => PropertyValue::text(head.path.path()),
        "query" => PropertyValue::text(head.path.query()?),
        "method" => PropertyValue::text(head.method.as_str()),
        "host" => PropertyValue::text(head.authority.as_ref()?.to_str().ok()?),
        "scheme" => PropertyValue::text(head.scheme.to_str().ok()?),
        "protocol" => PropertyValue::text("HTTP/1.1"),
        "referer" => text(&head.headers, "referer")?,
        "useragent" => text(&head.headers, "user-agent")?,
        "id" => text(&head.headers, "x-request-id")?,
        _ => return None,
    })
}

fn of_response(exchange: &Exchange, path: &[&str]) -> Option<PropertyValue> {
    let response = exchange.response.borrow();
    let head = response.as_ref()?;
    match path {
        ["code"] => Some(PropertyValue::Int(i64::from(head.status.as_u16()))),
        ["headers", name] => text(&head.headers, name),
        _ => None,
    }
}
