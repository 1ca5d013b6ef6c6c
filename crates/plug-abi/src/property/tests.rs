//! Values as Envoy writes them, paths as SDKs write them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn split(path: &[u8]) -> Vec<&[u8]> {
    segments(path).collect()
}

#[test]
fn numbers_are_eight_bytes_little_endian() {
    assert_eq!(
        PropertyValue::Int(-2).encode(),
        [0xfe, 255, 255, 255, 255, 255, 255, 255].as_slice()
    );
    assert_eq!(
        PropertyValue::Uint(443).encode(),
        [0xbb, 1, 0, 0, 0, 0, 0, 0].as_slice()
    );
    assert_eq!(
        PropertyValue::Double(1.0).encode(),
        [0, 0, 0, 0, 0, 0, 0xf0, 0x3f].as_slice()
    );
    assert_eq!(
        PropertyValue::Timestamp(1).encode(),
        [1, 0, 0, 0, 0, 0, 0, 0].as_slice()
    );
    assert_eq!(
        PropertyValue::Duration(256).encode(),
        [0, 1, 0, 0, 0, 0, 0, 0].as_slice()
    );
}

#[test]
fn a_truth_is_one_byte_and_a_text_is_itself() {
    assert_eq!(PropertyValue::Bool(true).encode(), [1].as_slice());
    assert_eq!(PropertyValue::Bool(false).encode(), [0].as_slice());
    assert_eq!(PropertyValue::text("10.0.0.1:80").encode(), "10.0.0.1:80".as_bytes());
    assert_eq!(PropertyValue::fixed("GET").encode(), "GET".as_bytes());
}

#[test]
fn a_map_is_pairs_and_a_list_is_pairs_without_values() {
    let map = PropertyValue::Map(vec![(Bytes::from_static(b"k"), Bytes::from_static(b"v"))]);
    assert_eq!(pairs::decode(&map.encode()).unwrap(), [(&b"k"[..], &b"v"[..])]);
    let list = PropertyValue::List(vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
    assert_eq!(
        pairs::decode(&list.encode()).unwrap(),
        [(&b"a"[..], &b""[..]), (&b"b"[..], &b""[..])]
    );
}

#[test]
fn an_empty_map_is_a_count_of_zero() {
    assert_eq!(PropertyValue::Map(Vec::new()).encode(), [0, 0, 0, 0].as_slice());
    assert_eq!(PropertyValue::List(Vec::new()).encode(), [0, 0, 0, 0].as_slice());
}

#[test]
fn a_path_is_split_at_zero_bytes() {
    assert_eq!(split(b"route_name"), [b"route_name"]);
    assert_eq!(split(b"request\0headers\0x-id"), [&b"request"[..], b"headers", b"x-id"]);
    assert_eq!(split(b"a\0\0b"), [&b"a"[..], b"", b"b"]);
    assert!(split(b"").is_empty());
}

#[test]
fn the_zero_byte_that_the_cpp_sdk_leaves_at_the_end_means_nothing() {
    assert_eq!(split(b"source\0address\0"), split(b"source\0address"));
    assert_eq!(name(b"route_name\0"), b"route_name");
    assert_eq!(name(b"route_name"), b"route_name");
}

proptest! {
    #[test]
    fn joined_segments_are_split_again(parts in vec("[a-z_.]{1,12}", 1..6)) {
        let path = parts.join("\0");
        let expected: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        prop_assert_eq!(split(path.as_bytes()), expected);
    }
}
