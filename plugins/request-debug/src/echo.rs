//! The echo: what was seen of a request, as JSON.

use serde_json::{Value, json};

use crate::discretion::Discretion;
use crate::trace::{Lines, value};

/// The document. `known` is what the host says of the exchange.
#[must_use]
pub fn echo(head: &Lines, known: &[(&str, String)], discretion: &Discretion) -> String {
    let text = |name: &str| value(head, name).map(|value| discretion.header(name, value));
    let headers: Vec<Value> = head
        .iter()
        .filter(|(name, _)| !name.starts_with(':'))
        .map(|(name, value)| json!({ "name": name, "value": discretion.header(name, value) }))
        .collect();
    let known: Value = known
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let document = json!({
        "method": text(":method"),
        "scheme": text(":scheme"),
        "authority": text(":authority"),
        "path": text(":path"),
        "headers": headers,
        "known": known,
    });
    format!("{document:#}\n")
}
