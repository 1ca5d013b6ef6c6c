//! Bytes and header maps from JSON, and back into a line of log.

use serde_json::Value;

/// Longest value that a log line shows whole.
// LIMIT: a hostile or huge body must not fill the host's log.
const SHOWN_BYTES_MAX: usize = 512;

/// Writes the wire form of a header map: count, lengths, then each key and value followed by a zero byte.
pub fn encode_map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = (pairs.len() as u32).to_le_bytes().to_vec();
    for (key, value) in pairs {
        bytes.extend((key.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for part in pairs.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend(part);
        bytes.push(0);
    }
    bytes
}

/// Reads the wire form of a header map; none when the bytes are no map.
pub fn decode_map(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    if bytes.len() < 4 {
        return Some(Vec::new());
    }
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let count = word(0)?;
    let mut at = 4 + count.checked_mul(8)?;
    let mut part = |length: usize| {
        let found = bytes.get(at..at + length)?.to_vec();
        at += length + 1;
        Some(found)
    };
    (0..count)
        .map(|index| Some((part(word(4 + index * 8)?)?, part(word(8 + index * 8)?)?)))
        .collect()
}

/// Shows bytes: quoted when they are text, as hexadecimal digits otherwise, the length in front when they are cut.
pub fn show_bytes(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Value::from(text).to_string(),
        Err(_) => show_hex(shown),
    };
    if shown.len() < bytes.len() {
        format!("[{} bytes]{text}", bytes.len())
    } else {
        text
    }
}

/// Shows bytes as hexadecimal digits.
pub fn show_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}

/// Shows a header map as a list of pairs.
pub fn show_map(bytes: &[u8]) -> String {
    let Some(pairs) = decode_map(bytes) else {
        return format!("no map: {}", show_bytes(bytes));
    };
    let shown: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("[{},{}]", show_bytes(key), show_bytes(value)))
        .collect();
    format!("[{}]", shown.join(","))
}

/// Shows the bytes of a property or a foreign function's result as `kind` says, as [`show_bytes`] does without one.
pub fn show_as(kind: Option<&str>, bytes: &[u8]) -> String {
    let eight = <[u8; 8]>::try_from(bytes).ok();
    match (kind, eight) {
        (Some("u64"), Some(eight)) => u64::from_le_bytes(eight).to_string(),
        (Some("i64"), Some(eight)) => i64::from_le_bytes(eight).to_string(),
        (Some("map"), _) => show_map(bytes),
        (Some("length"), _) => format!("[{} bytes]", bytes.len()),
        (Some("hex"), _) => show_hex(bytes),
        _ => show_bytes(bytes),
    }
}

/// Reads pairs of hexadecimal digits; what is no digit counts as 0.
pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| (*byte as char).to_digit(16).unwrap_or(0) as u8;
    text.as_bytes()
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |sum, byte| sum << 4 | digit(byte)))
        .collect()
}
