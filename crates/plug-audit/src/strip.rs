//! Takes custom sections out of a module: what is left runs in the same way, and its code has the same hash.

use wasmparser::{Parser, Payload};

/// The preamble: magic number and version.
const PREAMBLE_BYTES: usize = 8;

/// The module without the custom sections whose names `unwanted` says. What follows a place that cannot be read stays as it is.
#[must_use]
pub fn without_custom_sections(bytes: &[u8], unwanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut kept = bytes.get(..PREAMBLE_BYTES).unwrap_or(bytes).to_vec();
    // Sections stand one behind the other: each begins where the one before ends.
    let mut begin = PREAMBLE_BYTES;
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { break };
        let Some((_, content)) = payload.as_section() else {
            continue;
        };
        // It says that it is longer than the file.
        if content.end > bytes.len() {
            break;
        }
        let is_unwanted = matches!(&payload, Payload::CustomSection(section) if unwanted(section.name()));
        if !is_unwanted {
            kept.extend_from_slice(bytes.get(begin..content.end).unwrap_or_default());
        }
        begin = content.end;
    }
    kept.extend_from_slice(bytes.get(begin..).unwrap_or_default());
    kept
}
