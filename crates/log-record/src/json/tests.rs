//! Escaping, checked against a JSON reader.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn written(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    string(bytes, &mut out);
    String::from_utf8(out).expect("the writer made something that is no UTF-8")
}

#[test]
fn quotes_backslashes_and_control_characters_are_escaped() {
    assert_eq!(
        written(b"a\"b\\c\nd\re\tf\x00g\x1fh\x7f"),
        "\"a\\\"b\\\\c\\nd\\re\\tf\\u0000g\\u001fh\x7f\""
    );
    assert_eq!(written(b""), "\"\"");
    assert_eq!(written("Grüße, 世界".as_bytes()), "\"Grüße, 世界\"");
}

#[test]
fn bytes_that_are_no_utf8_become_replacement_characters() {
    assert_eq!(written(b"a\xffb\xc3"), "\"a\u{FFFD}b\u{FFFD}\"");
    assert_eq!(written(b"\xf0\x9f\"x"), "\"\u{FFFD}\\\"x\"");
}

#[test]
fn milliseconds_keep_microseconds() {
    let text = |micros| {
        let mut out = Vec::new();
        milliseconds(Duration::from_micros(micros), &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(text(0), "0.000");
    assert_eq!(text(7), "0.007");
    assert_eq!(text(12_345_678), "12345.678");
    let mut out = Vec::new();
    milliseconds(Duration::MAX, &mut out);
    assert_eq!(out, b"18446744073709551.615");
}

proptest! {
    #[test]
    fn any_bytes_read_back_as_their_lossy_text(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let read: String = serde_json::from_str(&written(&bytes)).unwrap();
        prop_assert_eq!(read, String::from_utf8_lossy(&bytes).into_owned());
    }

    #[test]
    fn any_text_reads_back_as_itself(text in ".*") {
        let read: String = serde_json::from_str(&written(text.as_bytes())).unwrap();
        prop_assert_eq!(read, text);
    }
}
