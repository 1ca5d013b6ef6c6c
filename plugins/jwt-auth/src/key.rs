//! A key out of a JWK (RFC 7517): what kind it is of, and what it may be used for.

use base64ct::{Base64UrlUnpadded, Encoding};
use curves::{Named, PublicKey};
use ed25519_dalek::VerifyingKey;
use guest_kit::json::Json;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPublicKey};

use crate::algorithm::{Algorithm, KeyKind};

/// LIMIT: bits of an RSA modulus. Fewer are not safe (RFC 7518 section 3.3); for more, the crate `rsa` refuses to calculate.
const RSA_BITS_MIN: usize = 2048;

/// A key that tokens may be signed with.
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    /// The one algorithm that it is for, when it says one.
    algorithm: Option<Algorithm>,
    pub(crate) material: Material,
}

/// The key itself. Nothing prints it.
pub(crate) enum Material {
    Secret(Vec<u8>),
    Rsa(Box<RsaPublicKey>),
    Point(PublicKey),
    Ed25519(Box<VerifyingKey>),
}

/// Why a JWK is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("is no object with the texts that a key needs")]
    NoKey,
    #[error("is of a type or on a curve that no algorithm here needs")]
    Kind,
    #[error("is not for signatures, as its `use` or `key_ops` says")]
    Use,
    #[error("has an `alg` that is unknown or not for its type")]
    Algorithm,
    #[error("has a member that is not base64url")]
    NotBase64,
    #[error("is no point on its curve")]
    NoPoint,
    #[error("has a modulus below 2048 or above 4096 bits, or an exponent that is none")]
    Rsa,
    #[error("is shorter than the hash of the weakest algorithm that it could be for")]
    ShortSecret,
    #[error("is a public key in place of a secret")]
    PublicSecret,
    #[error("holds a private key, which nobody needs here")]
    Private,
}

impl Key {
    /// Reads a JWK.
    pub(crate) fn read(jwk: &Json) -> Result<Self, Unusable> {
        let text = |name| {
            jwk.get(name)
                .map(|value| value.text().ok_or(Unusable::NoKey))
                .transpose()
        };
        let kind = text("kty")?.ok_or(Unusable::NoKey)?;
        check_use(jwk)?;
        if kind != "oct" && ["d", "p", "q"].iter().any(|name| jwk.get(name).is_some()) {
            return Err(Unusable::Private);
        }
        let material = match (kind, text("crv")?) {
            ("oct", None) => secret(jwk)?,
            ("RSA", None) => rsa(jwk)?,
            ("EC", Some("P-256")) => point(Named::P256, jwk)?,
            ("EC", Some("P-384")) => point(Named::P384, jwk)?,
            ("EC", Some("P-521")) => point(Named::P521, jwk)?,
            // No name is registered: the curve's own, RFC 8998's, and that of X9.62's descendants.
            ("EC", Some("SM2" | "curveSM2" | "sm2p256v1")) => point(Named::Sm2, jwk)?,
            ("OKP", Some("Ed25519")) => ed25519(jwk)?,
            _ => return Err(Unusable::Kind),
        };
        let algorithm = match text("alg")? {
            None => None,
            Some(name) => Some(Algorithm::named(name).ok_or(Unusable::Algorithm)?),
        };
        let key = Self {
            id: text("kid")?.map(str::to_owned),
            algorithm,
            material,
        };
        match algorithm {
            Some(algorithm) if algorithm.key_kind() != key.kind() => Err(Unusable::Algorithm),
            Some(algorithm) if !key.is_long_enough(algorithm) => Err(Unusable::ShortSecret),
            _ => Ok(key),
        }
    }

    pub(crate) const fn kind(&self) -> KeyKind {
        match &self.material {
            Material::Secret(_) => KeyKind::Secret,
            Material::Rsa(_) => KeyKind::Rsa,
            Material::Point(key) => KeyKind::Point(key.named()),
            Material::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// Whether a token of that algorithm may be tried with it.
    pub(crate) fn is_for(&self, algorithm: Algorithm) -> bool {
        algorithm.key_kind() == self.kind()
            && self.algorithm.is_none_or(|only| only == algorithm)
            && self.is_long_enough(algorithm)
    }

    fn is_long_enough(&self, algorithm: Algorithm) -> bool {
        match &self.material {
            Material::Secret(secret) => secret.len() >= algorithm.secret_bytes_min(),
            _ => true,
        }
    }
}

/// `use` is `sig` where it is there, and `key_ops` has `verify`.
fn check_use(jwk: &Json) -> Result<(), Unusable> {
    let used = jwk.get("use").is_none_or(|value| value.text() == Some("sig"));
    let verifies = match jwk.get("key_ops") {
        None => true,
        Some(Json::List(operations)) => operations.iter().any(|operation| operation.text() == Some("verify")),
        Some(_) => false,
    };
    if used && verifies { Ok(()) } else { Err(Unusable::Use) }
}

fn member(jwk: &Json, name: &str) -> Result<Vec<u8>, Unusable> {
    let text = jwk.get(name).and_then(Json::text).ok_or(Unusable::NoKey)?;
    Base64UrlUnpadded::decode_vec(text).map_err(|_| Unusable::NotBase64)
}

fn secret(jwk: &Json) -> Result<Material, Unusable> {
    let secret = member(jwk, "k")?;
    // The classical confusion: who sets a public key as a secret lets everybody sign.
    if secret.starts_with(b"-----BEGIN") || secret.starts_with(b"ssh-") {
        return Err(Unusable::PublicSecret);
    }
    if secret.len() < Algorithm::Hs256.secret_bytes_min() {
        return Err(Unusable::ShortSecret);
    }
    Ok(Material::Secret(secret))
}

fn rsa(jwk: &Json) -> Result<Material, Unusable> {
    let [modulus, exponent] = [member(jwk, "n")?, member(jwk, "e")?].map(|bytes| BigUint::from_bytes_be(&bytes));
    let key = RsaPublicKey::new(modulus, exponent).map_err(|_| Unusable::Rsa)?;
    let is_odd = key.n().to_bytes_le().first().is_some_and(|byte| byte & 1 == 1);
    if key.n().bits() < RSA_BITS_MIN || !is_odd {
        return Err(Unusable::Rsa);
    }
    Ok(Material::Rsa(Box::new(key)))
}

fn point(named: Named, jwk: &Json) -> Result<Material, Unusable> {
    let key = PublicKey::new(named, &member(jwk, "x")?, &member(jwk, "y")?);
    key.map(Material::Point).ok_or(Unusable::NoPoint)
}

fn ed25519(jwk: &Json) -> Result<Material, Unusable> {
    let bytes = member(jwk, "x")?.try_into().map_err(|_| Unusable::NoPoint)?;
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| Unusable::NoPoint)?;
    Ok(Material::Ed25519(Box::new(key)))
}
