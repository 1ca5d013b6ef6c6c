//! Bytes that are no text, for people: rows of digits around the first difference.

use std::fmt::Write;

/// Bytes of one row.
const ROW: usize = 16;

/// LIMIT: rows that are shown of each side.
const ROWS_MAX: usize = 4;

/// LIMIT: characters that are shown of a text.
const SHOWN_MAX: usize = 400;

/// Whether these bytes are better shown as a text: UTF-8, with no control characters but those of lines.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let is_shown = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t');
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_shown))
}

/// A text that is not too long to be read.
pub(crate) fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// How bytes are not those that were expected: their number, the first difference, and the rows around it on both sides.
pub(crate) fn difference(found: &[u8], wanted: &[u8]) -> String {
    let first = found.iter().zip(wanted).position(|(found, wanted)| found != wanted);
    let first = first.unwrap_or_else(|| found.len().min(wanted.len()));
    let mut text = match (found.len(), wanted.len()) {
        (found, wanted) if found == wanted => format!("has {}, as many as it should", counted(found)),
        (found, wanted) => format!("has {}, not {wanted}", counted(found)),
    };
    let _ = write!(text, "; first difference at byte {first}");
    // The row before tells where one is.
    let begin = (first / ROW).saturating_sub(1).saturating_mul(ROW);
    for (name, bytes) in [("came", found), ("not", wanted)] {
        rows(&mut text, name, bytes, begin);
    }
    text
}

fn counted(bytes: usize) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        several => format!("{several} bytes"),
    }
}

/// The first rows of bytes.
pub(crate) fn beginning(found: &[u8]) -> String {
    let mut text = String::new();
    rows(&mut text, "", found, 0);
    text
}

fn rows(text: &mut String, name: &str, bytes: &[u8], begin: usize) {
    let shown = bytes.get(begin..).unwrap_or_default();
    if shown.is_empty() {
        let _ = write!(text, "\n{name:<6}{begin:08x}  (the end)");
    }
    for (row, at) in shown.chunks(ROW).zip((begin..).step_by(ROW)).take(ROWS_MAX) {
        let digits: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
        let letters: String = row.iter().map(|byte| letter(*byte)).collect();
        let _ = write!(text, "\n{name:<6}{at:08x}  {digits:<48} |{letters}|");
    }
    let left = shown.len().saturating_sub(ROW * ROWS_MAX);
    if left > 0 {
        let _ = write!(text, "\n{name:<6}… {left} more bytes");
    }
}

fn letter(byte: u8) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_with_the_row_before_it() {
        let found: Vec<u8> = (0..40).collect();
        let mut wanted = found.clone();
        wanted.truncate(38);
        if let Some(byte) = wanted.get_mut(20) {
            *byte = 0xFF;
        }
        assert_eq!(
            difference(&found, &wanted),
            "has 40 bytes, not 38; first difference at byte 20\n\
             came  00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  |................|\n\
             came  00000010  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f  |................|\n\
             came  00000020  20 21 22 23 24 25 26 27                          | !\"#$%&'|\n\
             not   00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  |................|\n\
             not   00000010  10 11 12 13 ff 15 16 17 18 19 1a 1b 1c 1d 1e 1f  |................|\n\
             not   00000020  20 21 22 23 24 25                                | !\"#$%|"
        );
    }

    #[test]
    fn what_is_missing_at_the_end_is_the_difference() {
        let text = difference(&[0; 100], &[0; 64]);
        assert!(
            text.starts_with("has 100 bytes, not 64; first difference at byte 64\n"),
            "{text}"
        );
        assert!(difference(&[], &[1]).contains("came  00000000  (the end)"));
        assert!(difference(&[0; 500], &[1; 500]).contains("… 436 more bytes"));
        assert!(is_text("ä\r\n".as_bytes()) && !is_text(b"\x00") && !is_text(b"\xFF"));
    }
}
