//! What maps look like as bytes, and which bytes are none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Owned pairs, as a test makes them up.
type Owned = Vec<(Vec<u8>, Vec<u8>)>;

fn borrow(pairs: &Owned) -> Pairs<'_> {
    pairs
        .iter()
        .map(|(key, value)| (key.as_slice(), value.as_slice()))
        .collect()
}

fn encode_owned(pairs: &Owned) -> Vec<u8> {
    encode(borrow(pairs).into_iter())
}

#[test]
fn a_map_is_count_then_sizes_then_texts() {
    let pairs: Pairs<'_> = vec![(b"a", b"1"), (b"key", b"")];
    let expected = [
        &[2, 0, 0, 0][..],
        &[1, 0, 0, 0, 1, 0, 0, 0],
        &[3, 0, 0, 0, 0, 0, 0, 0],
        b"a\x001\0",
        b"key\0\0",
    ]
    .concat();
    assert_eq!(encode(pairs.iter().copied()), expected);
    assert_eq!(decode(&expected).unwrap(), pairs);
}

#[test]
fn no_pairs_are_no_bytes() {
    assert!(encode(std::iter::empty()).is_empty());
}

#[test]
fn encoding_keeps_what_is_already_there() {
    let mut bytes = b"before".to_vec();
    encode_into(&mut bytes, [(&b"k"[..], &b"v"[..])].into_iter());
    assert_eq!(&bytes[..6], b"before");
    assert_eq!(decode(&bytes[6..]).unwrap(), [(&b"k"[..], &b"v"[..])]);
}

#[test]
fn the_empty_map_has_three_spellings() {
    for bytes in [&[][..], &[0], &[0, 0, 0, 0]] {
        assert_eq!(decode(bytes), Ok(Vec::new()));
    }
}

#[test]
fn zero_bytes_within_texts_are_kept() {
    let pairs: Owned = vec![(b"a\0b".to_vec(), b"\0".to_vec())];
    assert_eq!(decode(&encode_owned(&pairs)).unwrap(), borrow(&pairs));
}

#[test]
fn repeated_keys_stay_in_order() {
    let pairs: Owned = vec![(b"k".to_vec(), b"1".to_vec()), (b"k".to_vec(), b"2".to_vec())];
    assert_eq!(decode(&encode_owned(&pairs)).unwrap(), borrow(&pairs));
}

#[test]
fn as_many_pairs_as_allowed_pass_and_one_more_does_not() {
    let most: Owned = vec![(b"k".to_vec(), b"v".to_vec()); MAP_PAIRS_MAX];
    assert_eq!(decode(&encode_owned(&most)).unwrap().len(), MAP_PAIRS_MAX);
    let more: Owned = vec![(b"k".to_vec(), b"v".to_vec()); MAP_PAIRS_MAX + 1];
    assert_eq!(decode(&encode_owned(&more)), Err(PairsFault::TooMany { found: 1025 }));
}

#[test]
fn a_claimed_count_is_refused_before_anything_is_allocated() {
    let claim = u32::MAX.to_le_bytes();
    assert_eq!(decode(&claim), Err(PairsFault::TooMany { found: u32::MAX }));
    let allowed_but_untrue = 1024_u32.to_le_bytes();
    assert_eq!(decode(&allowed_but_untrue), Err(PairsFault::Truncated { length: 4 }));
}

#[test]
fn a_map_beyond_a_mebibyte_is_refused() {
    let largest: Owned = vec![(b"k".to_vec(), vec![b'v'; MAP_BYTES_MAX - 15])];
    assert_eq!(encode_owned(&largest).len(), MAP_BYTES_MAX);
    assert!(decode(&encode_owned(&largest)).is_ok());
    let larger: Owned = vec![(b"k".to_vec(), vec![b'v'; MAP_BYTES_MAX - 14])];
    assert_eq!(
        decode(&encode_owned(&larger)),
        Err(PairsFault::TooLarge {
            found: MAP_BYTES_MAX + 1
        })
    );
}

#[test]
fn sizes_that_overflow_are_truncation() {
    let mut bytes = 1_u32.to_le_bytes().to_vec();
    bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    bytes.extend_from_slice(b"k\0v\0");
    assert_eq!(decode(&bytes), Err(PairsFault::Truncated { length: 16 }));
}

#[test]
fn every_cut_of_a_map_is_refused() {
    let whole = encode_owned(&vec![(b"key".to_vec(), b"value".to_vec()), (b"k".to_vec(), Vec::new())]);
    // One byte is the specification's empty map if it is zero, and here it is 2.
    for length in 1..whole.len() {
        assert_eq!(
            decode(&whole[..length]),
            Err(PairsFault::Truncated { length }),
            "cut at {length}"
        );
    }
}

#[test]
fn bytes_behind_the_map_are_refused() {
    let mut bytes = encode_owned(&vec![(b"k".to_vec(), b"v".to_vec())]);
    bytes.push(0);
    assert_eq!(decode(&bytes), Err(PairsFault::Trailing { count: 1 }));
    assert_eq!(decode(&[0, 0, 0, 0, 7, 7]), Err(PairsFault::Trailing { count: 2 }));
}

#[test]
fn a_text_without_its_zero_byte_is_refused() {
    let mut bytes = encode_owned(&vec![(b"k".to_vec(), b"v".to_vec())]);
    bytes[13] = b'!';
    assert_eq!(decode(&bytes), Err(PairsFault::Unterminated { offset: 13 }));
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(pairs in vec((vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..80)), 0..60)) {
        let bytes = encode_owned(&pairs);
        prop_assert_eq!(decode(&bytes).unwrap(), borrow(&pairs));
    }

    #[test]
    fn a_map_takes_as_many_bytes_as_reserved(pairs in vec((vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..9)), 1..9)) {
        let bytes = encode_owned(&pairs);
        prop_assert_eq!(measure(borrow(&pairs).into_iter()), (u32::try_from(pairs.len()).unwrap(), bytes.len()));
    }
}
