//! Signs that people write in place of digits, plus signs, dashes and spaces of ASCII: full width, and spaces and dashes that break no line.

/// The sign of ASCII that two or three bytes of UTF-8 stand for.
pub(crate) fn plain(sign: &[u8]) -> Option<u8> {
    Some(match sign {
        // U+FF0B, U+FF0D, U+FF0E, U+FF10 to U+FF19, U+FF20: full width.
        [0xef, 0xbc, last @ (0x8b | 0x8d | 0x8e | 0x90..=0x99 | 0xa0)] => last - 0x60,
        // U+2010 to U+2013: hyphens, a dash of a digit's width, and an en dash.
        [0xe2, 0x80, 0x90..=0x93] => b'-',
        // U+2007, U+2009, U+202F, U+3000, U+00A0: spaces.
        [0xe2, 0x80, 0x87 | 0x89 | 0xaf] | [0xe3, 0x80, 0x80] | [0xc2, 0xa0] => b' ',
        _ => return None,
    })
}

/// Bytes at the end that begin a sign of which more may come.
pub(crate) fn open(bytes: &[u8]) -> usize {
    match bytes {
        [.., 0xef, 0xbc] | [.., 0xe2 | 0xe3, 0x80] => 2,
        [.., 0xef | 0xe2 | 0xe3 | 0xc2] => 1,
        _ => 0,
    }
}

/// Whether one is among the bytes, from their beginning to their end.
pub(crate) fn is_in(bytes: &[u8]) -> bool {
    !bytes.is_ascii() && first(bytes).is_some()
}

/// The first of them: where, and how long.
pub(crate) fn first(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += rest.iter().position(|byte| matches!(byte, 0xc2 | 0xe2 | 0xe3 | 0xef))?;
        for length in [3, 2] {
            if bytes.get(at..at + length).and_then(plain).is_some() {
                return Some((at, length));
            }
        }
        at += 1;
    }
}
