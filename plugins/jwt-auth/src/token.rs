//! A token taken apart (RFC 7515 section 7.1, compact serialisation), before anything in it is believed.

use base64ct::{Base64UrlUnpadded, Encoding};
use guest_kit::json::Json;

use crate::algorithm::Algorithm;

/// LIMIT: bytes of a token. Upstreams and gateways refuse longer header lines long before.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A token whose signature nobody has looked at yet.
pub(crate) struct Token<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) claims: Json,
    /// What was signed: header and payload as they came.
    pub(crate) signed: &'a [u8],
    /// The payload as it came, in base64url.
    pub(crate) payload: &'a str,
    pub(crate) signature: Vec<u8>,
}

/// Why something is no token. No text of it is part of what is told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("has not three parts")]
    Parts,
    #[error("has a {0} that is not base64url")]
    NotBase64(&'static str),
    #[error("has a {0} that is no JSON object")]
    NotJson(&'static str),
    #[error("has a {0} in which a member is there twice")]
    Twice(&'static str),
    #[error("has no `alg`")]
    NoAlgorithm,
    #[error("is not signed: its `alg` is `none`")]
    Unsigned,
    #[error("has an `alg` that is not known")]
    UnknownAlgorithm,
    #[error("has `crit`, and nothing critical is understood here")]
    Critical,
    #[error("has a header member that is no text")]
    NotText,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub(crate) fn read(token: &'a str) -> Result<Self, Malformed> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed::Parts)?;
        if payload.contains('.') {
            return Err(Malformed::Parts);
        }
        let header = object(header, "header")?;
        let text = |name| match header.get(name) {
            None => Ok(None),
            Some(value) => value.text().map(Some).ok_or(Malformed::NotText),
        };
        // Whoever does not understand what is critical must refuse (RFC 7515 section 4.1.11); `b64` (RFC 7797) has to be critical.
        if header.get("crit").is_some() {
            return Err(Malformed::Critical);
        }
        let algorithm = match text("alg")?.ok_or(Malformed::NoAlgorithm)? {
            name if name.eq_ignore_ascii_case("none") => return Err(Malformed::Unsigned),
            name => Algorithm::named(name).ok_or(Malformed::UnknownAlgorithm)?,
        };
        Ok(Self {
            algorithm,
            key_id: text("kid")?.map(str::to_owned),
            kind: text("typ")?.map(str::to_owned),
            claims: object(payload, "payload")?,
            signed: signed.as_bytes(),
            payload,
            signature: bytes(signature, "signature")?,
        })
    }
}

fn bytes(part: &str, name: &'static str) -> Result<Vec<u8>, Malformed> {
    Base64UrlUnpadded::decode_vec(part).map_err(|_| Malformed::NotBase64(name))
}

fn object(part: &str, name: &'static str) -> Result<Json, Malformed> {
    match Json::read(&bytes(part, name)?) {
        Ok(object @ Json::Map(_)) => Ok(object),
        Err(why) if why.contains("is there twice") => Err(Malformed::Twice(name)),
        _ => Err(Malformed::NotJson(name)),
    }
}
