//! Any bytes as a header map.

use plug_abi::pairs::{MAP_BYTES_MAX, MAP_PAIRS_MAX, decode, encode};

/// Decodes the bytes; what decodes must be within the limits and encode to the same bytes.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(pairs) = decode(bytes) else { return };
    assert!(pairs.len() <= MAP_PAIRS_MAX && bytes.len() <= MAP_BYTES_MAX);
    let encoded = encode(pairs.iter().copied());
    if pairs.is_empty() {
        assert!(encoded.is_empty());
    } else {
        assert_eq!(encoded, bytes);
    }
}
