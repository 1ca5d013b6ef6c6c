//! SM2 with SM3, as OpenSSL signs with it: signatures in DER, and the identifier that GM/T 0009 gives to those who name none.

use sm2::SecretKey;
use sm2::dsa::signature::{Signer, Verifier};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm2::pkcs8::{DecodePrivateKey, EncodePublicKey};

/// Who signs, where nobody says more (GM/T 0009-2012 section 10).
const IDENTIFIER: &str = "1234567812345678";

/// A private key out of PKCS#8, and the `SubjectPublicKeyInfo` of its public half.
pub(super) fn key(pkcs8: &[u8]) -> Option<(SigningKey, Vec<u8>)> {
    let secret = SecretKey::from_pkcs8_der(pkcs8).ok()?;
    let public = secret.public_key().to_public_key_der().ok()?;
    let key = SigningKey::new(IDENTIFIER, &secret).ok()?;
    Some((key, public.as_bytes().to_vec()))
}

pub(super) fn sign(key: &SigningKey, message: &[u8]) -> Option<Vec<u8>> {
    let signature: Signature = key.try_sign(message).ok()?;
    Some(signature.to_der().as_bytes().to_vec())
}

/// Whether the key of this point signed these bytes.
pub(super) fn verifies(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = VerifyingKey::from_sec1_bytes(IDENTIFIER, point);
    let signature = Signature::from_der(signature);
    key.ok()
        .zip(signature.ok())
        .is_some_and(|(key, signature)| key.verify(message, &signature).is_ok())
}
