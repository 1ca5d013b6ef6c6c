//! Members as `name=value`, in the form that `go-logfmt` writes and reads.

use serde_json::{Map, Value};

use super::{breaks, escape};

/// LIMIT: bytes of a name that is made of names within each other; what lies deeper stands as JSON. Every short member of an object is written behind
/// the whole name, so that without this a line could become a thousand times as long.
const NAME_BYTES_MAX: usize = 128;

/// Appends the members.
pub(super) fn write(members: &Map<String, Value>, out: &mut Vec<u8>) {
    let begin = out.len();
    pairs("", members, begin, out);
}

/// How deep it goes was bounded by who read the line.
fn pairs(above: &str, members: &Map<String, Value>, begin: usize, out: &mut Vec<u8>) {
    for (name, value) in members {
        let mut whole = String::from(above);
        if !above.is_empty() {
            whole.push('.');
        }
        append_name(name, &mut whole);
        match value {
            Value::Object(inner) if !inner.is_empty() && whole.len() <= NAME_BYTES_MAX => {
                pairs(&whole, inner, begin, out);
            }
            other => {
                if out.len() > begin {
                    out.push(b' ');
                }
                out.extend_from_slice(whole.as_bytes());
                out.push(b'=');
                append_value(other, out);
            }
        }
    }
}

/// A name has no quotes around it: what it may not have becomes `_`.
fn append_name(name: &str, out: &mut String) {
    if name.is_empty() {
        out.push('_');
    }
    out.extend(name.chars().map(|one| if needs_quotes(one) { '_' } else { one }));
}

fn append_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => append_text(text, out),
        other => append_text(&other.to_string(), out),
    }
}

fn append_text(text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() && !text.contains(needs_quotes) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// The replacement character among them: to `go-logfmt` it is a sign of broken text.
fn needs_quotes(one: char) -> bool {
    breaks(one) || matches!(one, ' ' | '=' | '"' | '\u{fffd}')
}
