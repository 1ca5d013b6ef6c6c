//! Markers and order of the versions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

#[test]
fn every_version_is_found_by_its_marker() {
    for abi in Abi::ALL {
        assert_eq!(Abi::from_marker(abi.marker()), Some(abi));
        assert!(abi.marker().starts_with(Abi::MARKER_PREFIX));
        assert_eq!(
            abi.marker().replace(Abi::MARKER_PREFIX, "").replace('_', "."),
            abi.to_string()
        );
    }
    assert_eq!(Abi::from_marker("proxy_abi_version_0_3_0"), None);
}

#[test]
fn versions_are_ordered() {
    assert!(Abi::ALL.is_sorted());
}
