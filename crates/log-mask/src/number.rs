//! Numbers of people: mobile numbers and residents of China, and bank cards.

use crate::checksum::{is_card, is_resident_id};
use crate::class::Class;
use crate::window::{Answer, Found, More, Window};

/// Digits of the longest card, and one more to see that there are more.
const DIGITS_MAX: usize = 20;

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// Digits with single spaces or dashes between groups of these sizes.
const CARD_GROUPS: &[&[usize]] = &[
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 1],
    &[4, 4, 4, 4],
    &[6, 13],
    &[6, 10],
    &[4, 6, 5],
    &[4, 6, 4],
];

/// A resident's number: 18 digits, the last perhaps an X.
pub(crate) fn resident_id(window: &Window<'_>) -> Answer {
    let digits = window.run(0, DIGITS_MAX, is_digit)?;
    let is_long = match digits {
        17 => window.is(17, |byte| byte.eq_ignore_ascii_case(&b'x'))?,
        18 => true,
        _ => false,
    };
    let is_one = is_long && window.lets_number_end(18)? && is_resident_id(window.part(0, 18));
    Ok(is_one.then_some(Found::new(Class::ResidentIdCn, 18)))
}

/// A mobile number. `+86`, `0086` or `86` before it says nothing about anybody, and stays.
pub(crate) fn phone(window: &Window<'_>) -> Answer {
    let prefix: &[u8] = match window.at(0)? {
        Some(b'1') => b"",
        Some(b'+') => b"+86",
        Some(b'0') => b"0086",
        Some(b'8') => b"86",
        _ => return Ok(None),
    };
    if !window.has(0, prefix)? {
        return Ok(None);
    }
    let gap = !prefix.is_empty() && window.is(prefix.len(), |byte| b" -".contains(&byte))?;
    let skip = prefix.len() + usize::from(gap);
    Ok(national(window, skip)?.map(|length| Found {
        skip,
        ..Found::new(Class::PhoneCn, length)
    }))
}

/// `1[3-9]` and nine digits more, together or as 3, 4 and 4 of them.
fn national(window: &Window<'_>, from: usize) -> Result<Option<usize>, More> {
    let begins = window.is(from, |byte| byte == b'1')? && window.is(from + 1, |byte| (b'3'..=b'9').contains(&byte))?;
    if !begins {
        return Ok(None);
    }
    for groups in [&[11][..], &[3, 4, 4]] {
        if let Some(length) = grouped(window, from, groups)? {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// A card's number, together or in groups.
pub(crate) fn card(window: &Window<'_>) -> Answer {
    let digits = window.run(0, DIGITS_MAX, is_digit)?;
    if (13..DIGITS_MAX).contains(&digits) {
        let is_one = window.lets_number_end(digits)? && is_card(window.part(0, digits));
        return Ok(is_one.then_some(Found::new(Class::BankCard, digits)));
    }
    // No group that comes first has another size, and nothing else is looked at for most numbers.
    if digits != 4 && digits != 6 || !window.is(digits, |byte| b" -".contains(&byte))? {
        return Ok(None);
    }
    for groups in CARD_GROUPS {
        let Some(length) = grouped(window, 0, groups)? else {
            continue;
        };
        let plain: Vec<u8> = window
            .part(0, length)
            .iter()
            .copied()
            .filter(|byte| is_digit(*byte))
            .collect();
        if is_card(&plain) {
            return Ok(Some(Found::new(Class::BankCard, length)));
        }
    }
    Ok(None)
}

/// The length of digits in such groups, always with the same sign between them, that end there.
fn grouped(window: &Window<'_>, from: usize, groups: &[usize]) -> Result<Option<usize>, More> {
    let mut at = from;
    let mut sign = None;
    for (number, size) in groups.iter().enumerate() {
        if number > 0 {
            let here = window.at(at)?.filter(|byte| b" -".contains(byte));
            if here.is_none() || sign.is_some() && sign != here {
                return Ok(None);
            }
            sign = here;
            at += 1;
        }
        if window.run(at, size + 1, is_digit)? != *size {
            return Ok(None);
        }
        at += size;
    }
    // A dash before more of the like: an id in groups, of which this is the middle.
    let goes_on = sign == Some(b'-')
        && window.is(at, |byte| byte == b'-')?
        && window.is(at + 1, |byte| byte.is_ascii_alphanumeric())?;
    Ok((!goes_on && window.lets_number_end(at)?).then_some(at - from))
}
