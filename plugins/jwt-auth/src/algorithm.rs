//! The algorithms by which a token may be signed, by the names that stand in it.

use curves::Named;
use serde::Deserialize;

/// A signature algorithm. There is no `none`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Algorithm {
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "HS384")]
    Hs384,
    #[serde(rename = "HS512")]
    Hs512,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "RS384")]
    Rs384,
    #[serde(rename = "RS512")]
    Rs512,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "PS384")]
    Ps384,
    #[serde(rename = "PS512")]
    Ps512,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "ES512")]
    Es512,
    /// Ed25519; `Ed25519` in a token is the same (RFC 9864)
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// SM2 over SM3, r and s one after the other; no registered name, `SM3withSM2` in a token is the same
    #[serde(rename = "SM2-with-SM3")]
    Sm2WithSm3,
}

/// What kind of key an algorithm needs. An algorithm is never tried with a key of another kind, so no public key is ever taken for a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyKind {
    Secret,
    Rsa,
    Point(Named),
    Ed25519,
}

const NAMES: &[(&str, Algorithm)] = &[
    ("HS256", Algorithm::Hs256),
    ("HS384", Algorithm::Hs384),
    ("HS512", Algorithm::Hs512),
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("ES512", Algorithm::Es512),
    ("EdDSA", Algorithm::EdDsa),
    ("Ed25519", Algorithm::EdDsa),
    ("SM2-with-SM3", Algorithm::Sm2WithSm3),
    ("SM3withSM2", Algorithm::Sm2WithSm3),
];

impl Algorithm {
    /// By its name, in exactly these letters (RFC 7515 section 4.1.1).
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, algorithm)| *algorithm)
    }

    pub(crate) const fn key_kind(self) -> KeyKind {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => KeyKind::Secret,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyKind::Rsa,
            Self::Es256 => KeyKind::Point(Named::P256),
            Self::Es384 => KeyKind::Point(Named::P384),
            Self::Es512 => KeyKind::Point(Named::P521),
            Self::EdDsa => KeyKind::Ed25519,
            Self::Sm2WithSm3 => KeyKind::Point(Named::Sm2),
        }
    }

    /// LIMIT: bytes that a secret has at least: those of the hash (RFC 7518 section 3.2).
    pub(crate) const fn secret_bytes_min(self) -> usize {
        match self {
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 32,
        }
    }
}
