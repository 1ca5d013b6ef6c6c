//! The line of JSON of a packed record.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Fields, Pairs, Value};
use crate::field::{self, Field, Kind};
use crate::grade::{Class, Level};
use crate::{json, timestamp};

/// What is known of a record beside its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading {
    /// Nanoseconds since 1970, UTC.
    pub time_ns: u64,
    /// How grave.
    pub level: Level,
    /// About what.
    pub class: Class,
    /// Whether it was found in the ring of a process that is gone.
    pub is_recovered: bool,
}

/// Appends a packed record as one JSON object, without a line end. Of bytes that are no fields, what stands before them is written.
pub fn write_line(heading: &Heading, packed: &[u8], out: &mut Vec<u8>) {
    begin(heading, out);
    let mut fields = Fields::new(packed);
    for (field, value) in fields.by_ref() {
        if field.kind == Kind::Hidden {
            continue;
        }
        key(field, out);
        write(&value, out);
    }
    if heading.is_recovered {
        key(&field::RECOVERED, out);
        out.extend_from_slice(b"true");
    }
    if !fields.is_at_end() {
        key(&field::DAMAGED, out);
        out.extend_from_slice(b"true");
    }
    out.push(b'}');
}

pub(super) fn begin(heading: &Heading, out: &mut Vec<u8>) {
    out.push(b'{');
    out.extend_from_slice(field::TIMESTAMP.key.as_bytes());
    out.push(b'"');
    timestamp::write(UNIX_EPOCH + Duration::from_nanos(heading.time_ns), out);
    out.push(b'"');
    word(&field::LEVEL, heading.level.word(), out);
    word(&field::EVENT, heading.class.word(), out);
}

pub(super) fn key(field: &Field, out: &mut Vec<u8>) {
    out.push(b',');
    out.extend_from_slice(field.key.as_bytes());
}

fn word(field: &Field, word: &str, out: &mut Vec<u8>) {
    key(field, out);
    json::text(word, out);
}

fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => json::string(text, out),
        Value::Integer(number) => json::integer(*number, out),
        Value::Milliseconds(duration) => json::milliseconds(*duration, out),
        Value::Number(number) => json::number(*number, out),
        Value::Flag => out.extend_from_slice(b"true"),
        Value::Address(address) => {
            out.push(b'"');
            json::address(*address, out);
            out.push(b'"');
        }
        Value::Socket(socket) => {
            out.push(b'"');
            json::socket_address(*socket, out);
            out.push(b'"');
        }
        Value::Verdicts(verdicts) => verdicts_of(verdicts.clone(), out),
        Value::Members(members) => members_of(members.clone(), out),
    }
}

fn verdicts_of(verdicts: Pairs<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, (plugin, verdict)) in verdicts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"plugin\":");
        json::string(plugin, out);
        out.extend_from_slice(b",\"verdict\":");
        json::string(verdict, out);
        out.push(b'}');
    }
    out.push(b']');
}

/// By name, so that lines of the same exchange are alike; of members with one name the last stands.
fn members_of(members: Pairs<'_>, out: &mut Vec<u8>) {
    let mut members: Vec<(&[u8], &[u8])> = members.collect();
    members.sort_by_key(|(name, _)| *name);
    out.push(b'{');
    let mut is_first = true;
    for (index, (name, value)) in members.iter().enumerate() {
        let is_replaced = members.get(index + 1).is_some_and(|(next, _)| next == name);
        if is_replaced {
            continue;
        }
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        json::string(name, out);
        out.push(b':');
        json::string(value, out);
    }
    out.push(b'}');
}

/// Adds an array of times to a line that is written.
pub fn add_times(field: &Field, times: impl Iterator<Item = SystemTime>, line: &mut Vec<u8>) {
    if line.pop_if(|last| *last == b'}').is_none() {
        return;
    }
    key(field, line);
    line.push(b'[');
    for (index, time) in times.enumerate() {
        if index > 0 {
            line.push(b',');
        }
        line.push(b'"');
        timestamp::write(time, line);
        line.push(b'"');
    }
    line.extend_from_slice(b"]}");
}
