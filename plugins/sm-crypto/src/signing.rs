//! What of a request is signed, and whether the signature over it is good.

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, Mac};
use sm3::Sm3;

use crate::configuration::{Encoding, Form, Scheme, VerifyRequest};
use crate::exchange::Head;
use crate::keyring::{Keyring, Material, from_hex};

/// The first line of what is signed: a signature for this is none for anything else.
const TITLE: &str = "cofferdam-sm-1";

/// Why a request is not taken for signed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Unsigned {
    #[error("the header `{0}` is missing")]
    Missing(String),
    #[error("the header `{0}` is there twice")]
    Twice(String),
    #[error("the header `{0}` is not right")]
    Malformed(String),
    #[error("the time of signing is too far from now")]
    Time,
    #[error("the key is not known or may not sign")]
    Key,
    #[error("the signature is wrong")]
    Signature,
}

/// Checks everything but the body; gives the digest that the body must have.
pub(crate) fn check(
    head: &Head,
    verify: &VerifyRequest,
    keys: &Keyring,
    now_seconds: u64,
) -> Result<[u8; 32], Unsigned> {
    let malformed = |name: &String| Unsigned::Malformed(name.clone());
    let timestamp = head.one(&verify.timestamp_header)?;
    let seconds: u64 = timestamp.parse().map_err(|_| malformed(&verify.timestamp_header))?;
    let nonce = head.one(&verify.nonce_header)?;
    if !(8..=128).contains(&nonce.len()) || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed(&verify.nonce_header));
    }
    let digits = head.one(&verify.digest_header)?;
    let digest = from_hex(digits).and_then(|bytes| bytes.try_into().ok());
    let digest = digest.ok_or_else(|| malformed(&verify.digest_header))?;
    let signature = decoded(head.one(&verify.signature_header)?, verify.encoding);
    let signature = signature.ok_or_else(|| malformed(&verify.signature_header))?;
    let text = canonical(head, verify, [timestamp, nonce, &digits.to_ascii_lowercase()])?;
    let key = key(head, verify, keys)?;
    if !is_good(key, verify, text.as_bytes(), &signature) {
        return Err(Unsigned::Signature);
    }
    if seconds.abs_diff(now_seconds) > verify.clock_skew_seconds {
        return Err(Unsigned::Time);
    }
    Ok(digest)
}

/// The text that is signed, line by line; the README specifies it.
pub(crate) fn canonical(
    head: &Head,
    verify: &VerifyRequest,
    [timestamp, nonce, digest]: [&str; 3],
) -> Result<String, Unsigned> {
    let mut text = [
        TITLE,
        head.one(":method")?,
        head.one(":path")?,
        timestamp,
        nonce,
        digest,
    ]
    .join("\n");
    for name in &verify.signed_headers {
        let value = head.one(name)?;
        text = format!("{text}\n{name}:{value}");
    }
    Ok(text)
}

/// The key that the request names, if it is one that may sign.
fn key<'a>(head: &Head, verify: &VerifyRequest, keys: &'a Keyring) -> Result<&'a Material, Unsigned> {
    let name = match (head.one(&verify.key_header), verify.keys.as_slice()) {
        (Ok(name), _) => name,
        (Err(Unsigned::Missing(_)), [only]) => only,
        (Err(why), _) => return Err(why),
    };
    let may_sign = verify.keys.iter().any(|allowed| allowed == name);
    keys.get(name).filter(|_| may_sign).ok_or(Unsigned::Key)
}

/// Whether it is; a key of another kind than the scheme's never is.
fn is_good(key: &Material, verify: &VerifyRequest, text: &[u8], signature: &[u8]) -> bool {
    match (verify.scheme, key) {
        (Scheme::Sm2, Material::Sm2(key)) => {
            raw(signature, verify.form).is_some_and(|signature| key.verify_sm2(&verify.user_id, text, &signature))
        }
        // In a time that does not depend on where they differ.
        (Scheme::Sm3Hmac, Material::Secret(secret)) => {
            Hmac::<Sm3>::new_from_slice(secret).is_ok_and(|mac| mac.chain_update(text).verify_slice(signature).is_ok())
        }
        _ => false,
    }
}

fn decoded(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Base64 => Base64::decode_vec(text).ok(),
        Encoding::Hex | Encoding::Pem => from_hex(text),
    }
}

/// r and s one after the other, 32 bytes each.
pub(crate) fn raw(signature: &[u8], form: Form) -> Option<Vec<u8>> {
    match form {
        Form::Raw => Some(signature.to_vec()),
        Form::Der => from_der(signature),
        Form::Any if signature.len() == 64 => Some(signature.to_vec()),
        Form::Any => from_der(signature),
    }
}

/// A sequence of two numbers, in the one form that DER has for it. Two such numbers of 32 bytes need one byte of length.
fn from_der(bytes: &[u8]) -> Option<Vec<u8>> {
    let (inside, rest) = element(0x30, bytes)?;
    let (r, inside) = element(0x02, inside)?;
    let (s, end) = element(0x02, inside)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    Some([number(r)?, number(s)?].concat())
}

fn element(kind: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.strip_prefix(&[kind])?.split_first()?;
    if *length >= 0x80 {
        return None;
    }
    rest.split_at_checked(usize::from(*length))
}

/// A number that is not negative, without a byte too many.
fn number(bytes: &[u8]) -> Option<[u8; 32]> {
    let digits = match bytes {
        [0, next, ..] if *next >= 0x80 => bytes.get(1..)?,
        [first, ..] if *first < 0x80 && (*first != 0 || bytes.len() == 1) => bytes,
        _ => return None,
    };
    let mut number = [0; 32];
    let start = number.len().checked_sub(digits.len())?;
    number.get_mut(start..)?.copy_from_slice(digits);
    Some(number)
}

/// Whether it is a key that the scheme signs by.
pub(crate) const fn is_key_for(scheme: Scheme, key: Option<&Material>) -> bool {
    matches!(
        (scheme, key),
        (Scheme::Sm2, Some(Material::Sm2(_))) | (Scheme::Sm3Hmac, Some(Material::Secret(_)))
    )
}
