//! What begins with a letter and is written by people: e-mail addresses and account numbers.

use crate::checksum::{account_length, is_iban};
use crate::class::Class;
use crate::window::{Answer, Found, Window};

/// LIMIT: bytes of an address before and behind its `@` (RFC 5321 section 4.5.3.1).
pub(crate) const LOCAL_MAX: usize = 64;
const DOMAIN_MAX: usize = 255;

/// What may stand before the `@` of an address as people have them; RFC 5322 has more, which would join an address with what stands before it.
pub(crate) fn is_local(byte: u8) -> bool {
    const TABLE: [bool; 256] = local_bytes();
    TABLE.get(usize::from(byte)).copied().unwrap_or_default()
}

/// A table, as nearly every byte of a text is asked for.
const fn local_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if let Some(place) = table.split_at_mut(byte as usize).1.first_mut() {
            *place = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
        }
        byte += 1;
    }
    table
}

/// An address.
pub(crate) fn email(window: &Window<'_>) -> Answer {
    if is_local(window.before.one) {
        return Ok(None);
    }
    let local = window.run(0, LOCAL_MAX + 1, is_local)?;
    let begins = window
        .part(0, local)
        .iter()
        .position(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let Some(skip) = begins.filter(|_| local <= LOCAL_MAX) else {
        return Ok(None);
    };
    if !window.is(local, |byte| byte == b'@')? {
        return Ok(None);
    }
    let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let length = window.run(local + 1, DOMAIN_MAX + 1, is_domain)?;
    if length > DOMAIN_MAX {
        return Ok(None);
    }
    let domain = domain_length(window.part(local + 1, local + 1 + length));
    Ok(domain.map(|domain| Found {
        skip,
        ..Found::new(Class::Email, local + 1 + domain - skip)
    }))
}

/// How much of the text is a domain: at least two labels, the last of them letters. What follows a sentence's end is none of it.
fn domain_length(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    let mut domain = None;
    for (number, label) in text.split(|byte| *byte == b'.').enumerate() {
        if label.is_empty() || label.first() == Some(&b'-') {
            break;
        }
        let letters = label.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let is_ended = label.get(letters).is_none_or(|byte| *byte == b'-');
        if number > 0 && label.starts_with(b"xn--") {
            domain = Some(from + label.len());
        } else if number > 0 && letters >= 2 && is_ended {
            domain = Some(from + letters);
        }
        from += label.len() + 1;
    }
    domain
}

/// An account number: together, or in groups of four.
pub(crate) fn iban(window: &Window<'_>) -> Answer {
    let begins = window.run(0, 2, |byte| byte.is_ascii_uppercase())? == 2
        && window.run(2, 2, |byte| byte.is_ascii_digit())? == 2;
    let Some(length) = begins.then(|| account_length(window.part(0, 2))).flatten() else {
        return Ok(None);
    };
    let is_grouped = window.is(4, |byte| byte == b' ')?;
    let mut plain = Vec::with_capacity(length);
    let mut at = 0;
    while plain.len() < length {
        if is_grouped && !plain.is_empty() && plain.len() % 4 == 0 {
            if !window.is(at, |byte| byte == b' ')? {
                return Ok(None);
            }
            at += 1;
        }
        match window.at(at)? {
            Some(byte) if byte.is_ascii_uppercase() || byte.is_ascii_digit() => plain.push(byte),
            _ => return Ok(None),
        }
        at += 1;
    }
    let is_one = window.lets_word_end(at)? && is_iban(&plain);
    Ok(is_one.then_some(Found::new(Class::Iban, at)))
}
