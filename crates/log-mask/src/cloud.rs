//! Keys of clouds, and what follows `Bearer`.

use crate::class::Class;
use crate::window::{Answer, Found, HELD_BYTES_MAX, More, Tail, Window};

/// A key: what it begins with, how many bytes follow at least and at most, and which.
struct Form(&'static [u8], usize, usize, fn(u8) -> bool);

const fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

const fn is_dotted(byte: u8) -> bool {
    is_token(byte) || byte == b'.' || byte == b'~'
}

/// As their issuers document them.
const FORMS: &[Form] = &[
    Form(b"LTAI", 12, 26, is_alphanumeric),
    Form(b"AKID", 32, 32, is_alphanumeric),
    Form(b"ya29.", 20, 2_048, is_dotted),
    Form(b"GOCSPX-", 28, 28, is_token),
];

/// What stands before a key that has no form of its own, in strings that say how to connect to Azure.
const NAMES: &[&[u8]] = &[b"AccountKey=", b"SharedAccessKey="];

/// Whether one may begin with that byte.
pub(crate) fn begins(byte: u8) -> bool {
    is_dotted(byte)
}

/// A key.
pub(crate) fn key(window: &Window<'_>) -> Answer {
    if is_dotted(window.before.one) {
        return Ok(None);
    }
    for Form(prefix, least, most, is) in FORMS {
        if window.has(0, prefix)? {
            let length = window.run(prefix.len(), most + 1, is)?;
            let is_one = (*least..=*most).contains(&length);
            return Ok(is_one.then_some(Found::new(Class::CloudKey, prefix.len() + length)));
        }
    }
    for name in NAMES {
        if window.has(0, name)? {
            let length = window.run(name.len(), 128, |byte| {
                byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
            })?;
            return Ok((length >= 40).then_some(Found {
                skip: name.len(),
                ..Found::new(Class::CloudKey, length)
            }));
        }
    }
    client_secret(window)
}

/// A client secret of Azure: three signs, a digit, `Q~`, and 31 to 34 signs.
fn client_secret(window: &Window<'_>) -> Answer {
    for place in 0..3 {
        if !window.is(place, is_dotted)? {
            return Ok(None);
        }
    }
    if !window.is(3, |byte| byte.is_ascii_digit())? || !window.has(4, b"Q~")? {
        return Ok(None);
    }
    let length = window.run(6, 35, is_dotted)?;
    Ok((31..=34)
        .contains(&length)
        .then_some(Found::new(Class::CloudKey, 6 + length)))
}

/// LIMIT: bytes of a bearer's token that are words of people rather than a token, when there are no more.
const TOKEN_BYTES_MIN: usize = 16;

/// What follows `Bearer` and a space, whatever it is (RFC 6750 section 2.1); with a digit in it, as words have none.
pub(crate) fn bearer(window: &Window<'_>) -> Answer {
    const SCHEME: &[u8] = b"bearer ";
    if window.before.is_in_word() || !has_folded(window, SCHEME)? {
        return Ok(None);
    }
    let most = HELD_BYTES_MAX - SCHEME.len();
    let length = window.run(SCHEME.len(), most, is_credential)?;
    let text = window.part(SCHEME.len(), SCHEME.len() + length);
    if length < TOKEN_BYTES_MIN || !text.iter().any(u8::is_ascii_digit) {
        return Ok(None);
    }
    Ok(Some(Found {
        skip: SCHEME.len(),
        tail: (length == most).then_some(Tail::Credential),
        ..Found::new(Class::Bearer, length)
    }))
}

/// What the tokens of RFC 6750 are made of.
pub(crate) const fn is_credential(byte: u8) -> bool {
    is_dotted(byte) || matches!(byte, b'+' | b'/' | b'=')
}

fn has_folded(window: &Window<'_>, text: &[u8]) -> Result<bool, More> {
    for (place, byte) in text.iter().enumerate() {
        if !window.is(place, |other| other.eq_ignore_ascii_case(byte))? {
            return Ok(false);
        }
    }
    Ok(true)
}
