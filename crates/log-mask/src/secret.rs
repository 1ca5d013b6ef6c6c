//! Secrets whose form tells what they are: tokens by their prefix, JSON Web Tokens, private keys in PEM.

use crate::class::Class;
use crate::cloud;
use crate::window::{Answer, Found, HELD_BYTES_MAX, Tail, Window};

/// A token: its class, what it begins with, how many bytes follow at least, and which.
struct Form(Class, &'static [u8], usize, fn(u8) -> bool);

const fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// What base64url and most tokens are made of.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

const fn is_base32(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// As their issuers document them.
const FORMS: &[Form] = &[
    Form(Class::GithubToken, b"ghp_", 36, is_alphanumeric),
    Form(Class::GithubToken, b"gho_", 36, is_alphanumeric),
    Form(Class::GithubToken, b"ghu_", 36, is_alphanumeric),
    Form(Class::GithubToken, b"ghs_", 36, is_alphanumeric),
    Form(Class::GithubToken, b"ghr_", 36, is_alphanumeric),
    Form(Class::GithubToken, b"github_pat_", 40, is_token),
    Form(Class::AwsAccessKey, b"AKIA", 16, is_base32),
    Form(Class::AwsAccessKey, b"ASIA", 16, is_base32),
    Form(Class::ApiKey, b"sk-", 20, is_token),
    Form(Class::ApiKey, b"sk_live_", 16, is_alphanumeric),
    Form(Class::ApiKey, b"sk_test_", 16, is_alphanumeric),
    Form(Class::ApiKey, b"rk_live_", 16, is_alphanumeric),
    Form(Class::ApiKey, b"rk_test_", 16, is_alphanumeric),
    Form(Class::ApiKey, b"whsec_", 24, is_alphanumeric),
    Form(Class::ApiKey, b"xoxa-", 20, is_token),
    Form(Class::ApiKey, b"xoxb-", 20, is_token),
    Form(Class::ApiKey, b"xoxe-", 20, is_token),
    Form(Class::ApiKey, b"xapp-", 20, is_token),
    Form(Class::ApiKey, b"xoxp-", 20, is_token),
    Form(Class::ApiKey, b"xoxr-", 20, is_token),
    Form(Class::ApiKey, b"xoxs-", 20, is_token),
    Form(Class::ApiKey, b"glpat-", 20, is_token),
    Form(Class::ApiKey, b"AIza", 35, is_token),
    Form(Class::ApiKey, b"npm_", 36, is_alphanumeric),
    Form(Class::ApiKey, b"pypi-", 50, is_token),
    Form(Class::ApiKey, b"hf_", 30, is_alphanumeric),
];

/// Whether a token of the class may begin with that byte.
pub(crate) fn begins(class: Class, byte: u8) -> bool {
    FORMS
        .iter()
        .any(|form| form.0 == class && form.1.first() == Some(&byte))
}

/// A token of the class.
pub(crate) fn token(window: &Window<'_>, class: Class) -> Answer {
    if is_token(window.before.one) {
        return Ok(None);
    }
    for Form(_, prefix, least, is) in FORMS.iter().filter(|form| form.0 == class) {
        if !window.has(0, prefix)? {
            continue;
        }
        let most = HELD_BYTES_MAX - prefix.len();
        let length = window.run(prefix.len(), most, is)?;
        let whole = window.part(prefix.len(), prefix.len() + length);
        // A name with dashes, as of a style sheet's class, has no digits.
        if length < *least || !whole.iter().any(u8::is_ascii_digit) {
            continue;
        }
        if class == Class::AwsAccessKey && (length > *least || !window.lets_word_end(prefix.len() + length)?) {
            continue;
        }
        return Ok(Some(Found {
            tail: (length == most).then_some(Tail::Token),
            ..Found::new(class, prefix.len() + length)
        }));
    }
    Ok(None)
}

/// A JSON Web Token: three parts of which the second is JSON too (RFC 7519), or five (RFC 7516).
pub(crate) fn jwt(window: &Window<'_>) -> Answer {
    // Both begin with `{"`, in base64url.
    const BRACE: &[u8] = b"eyJ";
    if is_token(window.before.one) || window.before.one == b'.' || !window.has(0, BRACE)? {
        return Ok(None);
    }
    let length = window.run(0, HELD_BYTES_MAX, |byte| is_token(byte) || byte == b'.')?;
    let is_cut = length == HELD_BYTES_MAX;
    let mut parts = window.part(0, length).split(|byte| *byte == b'.');
    let head = parts.next().unwrap_or_default().len();
    let is_signed = parts.next().is_some_and(|second| second.starts_with(BRACE));
    let more = parts.clone().count();
    let enough = match (is_signed, is_cut) {
        (true, true) => true,
        (true, false) => more >= 1,
        (false, true) => more >= 1,
        (false, false) => more >= 3,
    };
    if head < 10 || !enough {
        return Ok(None);
    }
    // A sentence's full stop is none of it, but the empty signature's is.
    let text = window.part(0, length);
    let is_stop = more >= 2 && is_signed && text.ends_with(b".");
    Ok(Some(Found {
        tail: is_cut.then_some(Tail::Token),
        ..Found::new(Class::Jwt, length - usize::from(is_stop))
    }))
}

/// The first line of a private key (RFC 7468); the rest is its tail, however long it is.
pub(crate) fn private_key(window: &Window<'_>) -> Answer {
    const LABEL_MAX: usize = 40;
    const BEGIN: &[u8] = b"-----BEGIN ";
    if !window.has(0, BEGIN)? {
        return Ok(None);
    }
    let length = window.run(BEGIN.len(), LABEL_MAX, |byte| is_base32(byte) || byte == b' ')?;
    let label = window.part(BEGIN.len(), BEGIN.len() + length);
    let is_private = label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK");
    if !is_private || !window.has(BEGIN.len() + length, b"-----")? {
        return Ok(None);
    }
    Ok(Some(Found {
        tail: Some(Tail::Pem { dashes: 0, rows: 0 }),
        ..Found::new(Class::PrivateKey, BEGIN.len() + length + 5)
    }))
}

impl Tail {
    /// Takes the next byte; none when it belongs to the secret no more, and nothing after it either.
    pub(crate) fn take(self, byte: u8) -> Option<Self> {
        match self {
            Self::Token => (is_token(byte) || byte == b'.').then_some(self),
            Self::Credential => cloud::is_credential(byte).then_some(self),
            Self::Pem { rows: 2, .. } => None,
            Self::Pem { dashes, rows } if byte == b'-' => Some(if dashes == 4 {
                Self::Pem {
                    dashes: 0,
                    rows: rows + 1,
                }
            } else {
                Self::Pem {
                    dashes: dashes + 1,
                    rows,
                }
            }),
            // Base64, lines, and RFC 1421's headers; a backslash where lines are written as `\n` in a text within a text.
            Self::Pem { rows, .. } => {
                let is_of_it = byte.is_ascii_alphanumeric() || b"+/= \t\r\n:,.;()@<>\\".contains(&byte);
                is_of_it.then_some(Self::Pem { dashes: 0, rows })
            }
        }
    }
}
