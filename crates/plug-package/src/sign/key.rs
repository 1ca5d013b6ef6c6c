//! Keys that sign and verify: read from PEM, and known by the digest of their public half.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::encrypted;
use crate::digest::Digest;
use crate::fault::{PackageFault, Result};

/// LIMIT: bytes of a file with a key.
pub const KEY_BYTES_MAX: u64 = 64 * 1024;

/// With what a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA of 2048 bits and more.
    Rsa,
    /// SM2 with SM3 (GB/T 32918.2).
    Sm2,
}

impl Algorithm {
    /// Its name for people and programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::P256 => "ecdsa-p256",
            Self::P384 => "ecdsa-p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::Sm2 => "sm2",
        }
    }

    /// What may stand behind it. The hash beside P-384 and RSA is the signer's choice: cosign took SHA-256 until its third version.
    fn schemes(self) -> &'static [&'static dyn VerificationAlgorithm] {
        match self {
            Self::P256 => &[&signature::ECDSA_P256_SHA256_ASN1],
            Self::P384 => &[&signature::ECDSA_P384_SHA384_ASN1, &signature::ECDSA_P384_SHA256_ASN1],
            Self::Ed25519 => &[&signature::ED25519],
            Self::Rsa => &[
                &signature::RSA_PKCS1_2048_8192_SHA256,
                &signature::RSA_PSS_2048_8192_SHA256,
            ],
            Self::Sm2 => &[],
        }
    }
}

/// A key that verifies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// What stands in the bit string of `SubjectPublicKeyInfo`.
    raw: Vec<u8>,
    fingerprint: Digest,
}

impl PublicKey {
    /// Reads `BEGIN PUBLIC KEY`, as cosign and OpenSSL write it.
    ///
    /// # Errors
    /// When it is none, or of a kind that is not used here.
    pub fn parse(pem: &[u8]) -> Result<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|why| unusable(format!("there is no `BEGIN PUBLIC KEY` in it: {why}")))?;
        Self::of_der(&der)
    }

    fn of_der(der: &[u8]) -> Result<Self> {
        let (rest, info) =
            SubjectPublicKeyInfo::from_der(der).map_err(|why| unusable(format!("it is broken: {why}")))?;
        if !rest.is_empty() {
            return Err(unusable("something follows it"));
        }
        let parameters = info.algorithm.parameters.as_ref();
        let curve = parameters.and_then(|parameters| parameters.as_oid().ok());
        let curve = curve.map(|curve| curve.to_id_string());
        let algorithm = match (info.algorithm.algorithm.to_id_string().as_str(), curve.as_deref()) {
            ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => Algorithm::P256,
            ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => Algorithm::P384,
            ("1.2.840.10045.2.1", Some("1.2.156.10197.1.301")) => Algorithm::Sm2,
            ("1.3.101.112", _) => Algorithm::Ed25519,
            ("1.2.840.113549.1.1.1", _) => Algorithm::Rsa,
            (other, curve) => {
                let curve = curve.map(|curve| format!(" on {curve}")).unwrap_or_default();
                return Err(unusable(format!(
                    "its kind is {other}{curve}; ECDSA on P-256 and P-384, Ed25519, RSA and SM2 are known"
                )));
            }
        };
        Ok(Self {
            algorithm,
            raw: info.subject_public_key.data.to_vec(),
            fingerprint: Digest::of(der),
        })
    }

    /// With what it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The SHA-256 of its `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Whether it signed these bytes.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        if self.algorithm == Algorithm::Sm2 {
            return super::sm2::verifies(&self.raw, message, signature);
        }
        self.algorithm.schemes().iter().any(|scheme| {
            let key = UnparsedPublicKey::new(*scheme, &self.raw);
            key.verify(message, signature).is_ok()
        })
    }
}

/// A key that signs.
pub struct PrivateKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    P256(Box<EcdsaKeyPair>),
    Ed25519(Ed25519KeyPair),
    Sm2(Box<::sm2::dsa::SigningKey>),
}

impl PrivateKey {
    /// Reads `BEGIN PRIVATE KEY` (PKCS#8).
    ///
    /// # Errors
    /// When it is none, or of a kind that does not sign here.
    pub fn parse(pem: &[u8]) -> Result<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|why| unusable(elsewhere(pem, &why.to_string())))?;
        Self::of_der(der.secret_pkcs8_der())
    }

    /// Whether a file holds a key behind a password, as `cosign generate-key-pair` writes it.
    #[must_use]
    pub fn is_locked(pem: &[u8]) -> bool {
        encrypted::is_locked(pem)
    }

    /// Reads a key of cosign behind its password.
    ///
    /// # Errors
    /// When it is none, the password is another one, or the key is of a kind that does not sign here.
    pub fn unlock(pem: &[u8], password: &str) -> Result<Self> {
        Self::of_der(&encrypted::unlock(pem, password).map_err(unusable)?)
    }

    /// A key of PKCS#8.
    fn of_der(der: &[u8]) -> Result<Self> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(broken)?;
            let public = PublicKey::of_der(public.as_ref())?;
            let pair = Pair::P256(Box::new(pair));
            return Ok(Self { pair, public });
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(broken)?;
            let public = PublicKey::of_der(public.as_ref())?;
            let pair = Pair::Ed25519(pair);
            return Ok(Self { pair, public });
        }
        if let Some((key, public)) = super::sm2::key(der) {
            let public = PublicKey::of_der(&public)?;
            let pair = Pair::Sm2(Box::new(key));
            return Ok(Self { pair, public });
        }
        Err(unusable(
            "it signs with nothing that is known here: ECDSA on P-256, Ed25519 and SM2 are",
        ))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        match &self.pair {
            Pair::P256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message);
                Ok(signed.map_err(broken)?.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Sm2(key) => super::sm2::sign(key, message).ok_or_else(|| unusable("it cannot sign")),
        }
    }
}

/// What a file holds that has another key than the wanted one.
fn elsewhere(pem: &[u8], why: &str) -> String {
    let text = String::from_utf8_lossy(pem);
    let hint = match () {
        () if text.contains("ENCRYPTED") => {
            "it is encrypted, which is not read here; hint: keep it in a file of your own that nobody else reads, as `openssl pkcs8 -nocrypt` writes it"
        }
        () if text.contains("EC PRIVATE KEY") => {
            "it is in OpenSSL's older form; hint: `openssl pkcs8 -topk8 -nocrypt` makes the one that is read here"
        }
        () if text.contains("PUBLIC KEY") => "it is a public key, which cannot sign",
        () => return format!("there is no `BEGIN PRIVATE KEY` in it: {why}"),
    };
    hint.to_owned()
}

fn broken(_: aws_lc_rs::error::Unspecified) -> PackageFault {
    unusable("it cannot be used")
}

fn unusable(why: impl Into<String>) -> PackageFault {
    PackageFault::Key(why.into())
}
