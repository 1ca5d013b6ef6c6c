//! Passports: numbers of Chinese ones, and the second line of what machines read in all.

use crate::class::Class;
use crate::window::{Answer, Found, Window};

/// Bytes of the line (ICAO 9303 part 4).
const LINE_BYTES: usize = 44;

const fn is_of_line(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<'
}

/// A line, or a number.
pub(crate) fn passport(window: &Window<'_>) -> Answer {
    let length = window.run(0, LINE_BYTES + 1, is_of_line)?;
    if length == LINE_BYTES && is_line(window.part(0, LINE_BYTES)) && window.lets_word_end(LINE_BYTES)? {
        return Ok(Some(Found::new(Class::Passport, LINE_BYTES)));
    }
    let is_one = length == 9 && is_number(window.part(0, 9)) && window.lets_word_end(9)?;
    Ok(is_one.then_some(Found::new(Class::Passport, 9)))
}

/// A letter and eight digits, or two letters and seven. There is no check digit: the letters are those of the mainland, Hong Kong and Macao.
pub(crate) fn is_number(text: &[u8]) -> bool {
    let (Some((first, rest)), 9) = (text.split_first(), text.len()) else {
        return false;
    };
    let (second, digits) = rest.split_first().unwrap_or((&0, &[]));
    let is_second =
        second.is_ascii_digit() || b"DEHKMPS".contains(first) && second.is_ascii_uppercase() && !b"IO".contains(second);
    b"DEGHKMPS".contains(first) && is_second && digits.iter().all(u8::is_ascii_digit)
}

/// What a sign counts in a check digit.
const fn value(sign: u8) -> u32 {
    match sign {
        b'0'..=b'9' => (sign - b'0') as u32,
        b'A'..=b'Z' => (sign - b'A') as u32 + 10,
        _ => 0,
    }
}

/// Whether the digit there checks those parts.
fn checks(line: &[u8], at: usize, parts: &[(usize, usize)]) -> bool {
    let signs = parts
        .iter()
        .flat_map(|(from, to)| line.get(*from..*to).unwrap_or_default());
    let sum: u32 = signs
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(sign, weight)| value(*sign) * weight)
        .sum();
    line.get(at)
        .is_some_and(|digit| digit.is_ascii_digit() && value(*digit) == sum % 10)
}

/// Whether it is a line: number, date of birth, date of expiry, and all together have the right check digits.
pub(crate) fn is_line(line: &[u8]) -> bool {
    checks(line, 9, &[(0, 9)])
        && checks(line, 19, &[(13, 19)])
        && checks(line, 27, &[(21, 27)])
        && checks(line, 43, &[(0, 10), (13, 20), (21, 43)])
}
