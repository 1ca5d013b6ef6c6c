//! Telephone numbers of all countries, where a plus sign says that they are such.

use crate::class::Class;
use crate::window::{Answer, Found, Window};

/// LIMIT: digits of a number (ITU-T E.164), and signs between two of its groups.
const DIGITS_MAX: usize = 15;
const GAP_MAX: usize = 2;

/// How many digits follow the code of a country, at least and at most, where its plan says so narrowly.
const PLANS: &[(&[u8], usize, usize)] = &[
    (b"1", 10, 10),
    (b"7", 10, 10),
    (b"27", 9, 9),
    (b"30", 10, 10),
    (b"31", 9, 9),
    (b"32", 8, 9),
    (b"33", 9, 9),
    (b"34", 9, 9),
    (b"351", 9, 9),
    (b"36", 8, 9),
    (b"380", 9, 9),
    (b"40", 9, 9),
    (b"41", 9, 9),
    (b"420", 9, 9),
    (b"44", 9, 10),
    (b"45", 8, 8),
    (b"47", 8, 8),
    (b"48", 9, 9),
    (b"52", 10, 10),
    (b"55", 10, 11),
    (b"61", 9, 9),
    (b"65", 8, 8),
    (b"81", 9, 10),
    (b"852", 8, 8),
    (b"853", 8, 8),
    (b"86", 10, 11),
    (b"886", 8, 9),
    (b"90", 10, 10),
    (b"91", 10, 10),
];

/// Digits behind a code at least, where no plan is known.
const NATIONAL_MIN: usize = 7;

/// Codes of three digits, as first and last (the list that ITU-T keeps for E.164).
const CODES_OF_THREE: &[(u16, u16)] = &[
    (211, 213),
    (216, 216),
    (218, 218),
    (220, 258),
    (260, 269),
    (290, 291),
    (297, 299),
    (350, 359),
    (370, 378),
    (380, 383),
    (385, 387),
    (389, 389),
    (420, 421),
    (423, 423),
    (500, 509),
    (590, 599),
    (670, 670),
    (672, 683),
    (685, 692),
    (850, 850),
    (852, 853),
    (855, 856),
    (880, 880),
    (886, 886),
    (960, 968),
    (970, 977),
    (992, 996),
    (998, 998),
];

const CODES_OF_TWO: &[u8] = &[
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62,
    63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];

/// How many digits the code has with which those begin.
fn code_length(digits: &[u8]) -> Option<usize> {
    let number = |count: usize| {
        let code = digits.get(..count)?;
        Some(
            code.iter()
                .fold(0_u16, |sum, digit| sum * 10 + u16::from(digit.wrapping_sub(b'0'))),
        )
    };
    if matches!(digits.first(), Some(b'1' | b'7')) {
        return Some(1);
    }
    if CODES_OF_TWO.iter().any(|code| number(2) == Some(u16::from(*code))) {
        return Some(2);
    }
    let three = number(3)?;
    CODES_OF_THREE
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&three))
        .then_some(3)
}

/// Whether digits are a number: a code that somebody has, and as many behind it as there are.
pub(crate) fn is_international(digits: &[u8]) -> bool {
    let Some((code, national)) = code_length(digits).and_then(|length| digits.split_at_checked(length)) else {
        return false;
    };
    // In North America areas and exchanges begin with 2 to 9.
    let is_in_plan = |place: usize| code != b"1" || national.get(place).is_some_and(|digit| *digit >= b'2');
    let (least, most) = PLANS
        .iter()
        .find(|plan| plan.0 == code)
        .map_or((NATIONAL_MIN, DIGITS_MAX - code.len()), |plan| (plan.1, plan.2));
    (least..=most).contains(&national.len()) && is_in_plan(0) && is_in_plan(3)
}

/// A plus sign and digits, together or in groups; as many groups as there can be.
pub(crate) fn international(window: &Window<'_>) -> Answer {
    if window.before.is_in_word() || !window.is(0, |byte| byte == b'+')? {
        return Ok(None);
    }
    let mut digits = [0_u8; DIGITS_MAX];
    let (mut count, mut at, mut best) = (0, 1, None);
    loop {
        while let Some(byte) = window.at(at)?.filter(u8::is_ascii_digit) {
            let Some(place) = digits.get_mut(count) else {
                return Ok(best);
            };
            *place = byte;
            (count, at) = (count + 1, at + 1);
        }
        if count == 0 {
            return Ok(None);
        }
        if is_international(digits.get(..count).unwrap_or_default()) && window.lets_number_end(at)? {
            best = Some(Found::new(Class::Phone, at));
        }
        let gap = window.run(at, GAP_MAX + 1, |byte| b" -.()".contains(&byte))?;
        if !(1..=GAP_MAX).contains(&gap) || !window.is(at + gap, |byte| byte.is_ascii_digit())? {
            return Ok(best);
        }
        at += gap;
    }
}
