//! Messages survive the way out and back, and hostile bytes are no message.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_message_reads_as_it_was_written(number in any::<u64>(), text in any::<Vec<u8>>(), field in 1_u64..1_000) {
        let written = message(&[(field, Field::Number(number)), (field + 1, Field::Bytes(&text))]);
        let read = fields(&written).unwrap();
        prop_assert_eq!(super::number(&read, field), Some(number));
        prop_assert_eq!(bytes(&read, field + 1), Some(text.as_slice()));
    }

    #[test]
    fn hostile_bytes_do_not_panic(hostile in any::<Vec<u8>>()) {
        let _ = fields(&hostile);
    }
}

#[test]
fn a_length_beyond_the_end_is_no_message() {
    assert_eq!(fields(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]), None);
    assert_eq!(fields(&[0x0a]), None);
    assert_eq!(fields(&[0x0b]), None, "groups are not read");
}

#[test]
fn fields_of_fixed_size_are_skipped() {
    assert_eq!(
        fields(&[0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4]),
        Some(vec![(1, Field::Other), (2, Field::Other)])
    );
}
