//! What a plugin may make of a map pair by pair.

use http::HeaderMap;
use plug_abi::pairs::{MAP_BYTES_MAX, MAP_PAIRS_MAX};

use super::PluginMap;

#[test]
fn a_map_takes_as_many_pairs_as_may_be_handed_over_whole() {
    let mut map = HeaderMap::new();
    for number in 0..MAP_PAIRS_MAX {
        assert_eq!(map.add(format!("x-{number}").as_bytes(), b"v"), Ok(()), "{number}");
    }
    assert_eq!(map.add(b"x-more", b"v").unwrap_err().name, "x-more");
    assert_eq!(map.replace(b"x-1", b"other"), Ok(()));
    assert_eq!(map.len(), MAP_PAIRS_MAX);
}

#[test]
fn a_map_takes_as_many_bytes_as_may_be_handed_over_whole() {
    let mut map = HeaderMap::new();
    let half = vec![b'v'; MAP_BYTES_MAX / 2 - 3];
    for name in [b"x-1", b"x-2"] {
        assert_eq!(map.add(name, &half), Ok(()));
    }
    assert!(map.add(b"x-3", &half).is_err());
    // In its own place there is room for as much.
    assert_eq!(map.replace(b"x-2", &half), Ok(()));
    assert!(map.replace(b"x-2", &[&half[..], b"v"].concat()).is_err());
    assert_eq!(map.get("x-2").map(|value| value.len()), Some(half.len()));
}

#[test]
fn a_giant_header_is_refused_and_shown_in_part() {
    let mut map = HeaderMap::new();
    let refused = map.add(&vec![b'n'; 4096], &vec![b'v'; 2 * MAP_BYTES_MAX]).unwrap_err();
    assert!(refused.name.len() <= 64, "{}", refused.name);
    assert!(map.is_empty());
}
