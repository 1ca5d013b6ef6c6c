//! Numbers that the ABI fixes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

#[test]
fn every_number_leads_back_to_its_value() {
    for raw in 0..20 {
        assert!(Status::from_raw(raw).is_none_or(|value| value.raw() == raw));
        assert!(BufferKind::from_raw(raw).is_none_or(|value| value.raw() == raw));
        assert!(MapKind::from_raw(raw).is_none_or(|value| value.raw() == raw));
    }
}

#[test]
fn the_numbers_have_no_gaps_and_end_where_the_abi_ends() {
    let largest = [
        Status::ALL.len(),
        LogLevel::ALL.len(),
        BufferKind::ALL.len(),
        MapKind::ALL.len(),
        StreamKind::ALL.len(),
        MetricKind::ALL.len(),
        PeerType::ALL.len(),
    ];
    assert_eq!(largest, [13, 6, 10, 8, 4, 3, 3]);
    assert_eq!(Status::from_raw(13), None);
    assert_eq!(LogLevel::from_raw(u32::MAX), None);
}

#[test]
fn the_numbers_are_those_of_the_sdks() {
    assert_eq!(Status::Unimplemented.raw(), 12);
    assert_eq!(BufferKind::RedisCallResponse.raw(), 9);
    assert_eq!(MapKind::HttpCallResponseHeaders.raw(), 6);
    assert_eq!(StreamKind::Upstream.raw(), 3);
}
