//! Any bytes as the path of a property.

use plug_abi::property::{name, segments};

/// Splits the path; its segments, joined again, must be the path.
pub(crate) fn run(bytes: &[u8]) {
    let parts: Vec<&[u8]> = segments(bytes).collect();
    assert!(parts.iter().all(|part| !part.contains(&0)));
    assert_eq!(parts.is_empty(), bytes.is_empty());
    assert_eq!(parts.join(&0), name(bytes));
}
