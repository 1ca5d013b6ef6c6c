//! Whether a signature over bytes is a key's.

use hmac::{Hmac, Mac};
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::algorithm::Algorithm;
use crate::key::Material;

/// What was signed, and by whom in the sense of SM2.
pub(crate) struct Signed<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) signature: &'a [u8],
    pub(crate) sm2_user_id: &'a str,
}

impl Signed<'_> {
    /// Whether it is; a key of another kind than the algorithm's never is.
    pub(crate) fn is_by(&self, algorithm: Algorithm, key: &Material) -> bool {
        use Algorithm as A;
        let signature = self.signature;
        match (algorithm, key) {
            (A::Hs256, Material::Secret(secret)) => {
                Hmac::<Sha256>::new_from_slice(secret).is_ok_and(|mac| self.is_tag(mac))
            }
            (A::Hs384, Material::Secret(secret)) => {
                Hmac::<Sha384>::new_from_slice(secret).is_ok_and(|mac| self.is_tag(mac))
            }
            (A::Hs512, Material::Secret(secret)) => {
                Hmac::<Sha512>::new_from_slice(secret).is_ok_and(|mac| self.is_tag(mac))
            }
            (A::Rs256, Material::Rsa(key)) => self.is_pkcs1::<Sha256>(key, Pkcs1v15Sign::new::<Sha256>()),
            (A::Rs384, Material::Rsa(key)) => self.is_pkcs1::<Sha384>(key, Pkcs1v15Sign::new::<Sha384>()),
            (A::Rs512, Material::Rsa(key)) => self.is_pkcs1::<Sha512>(key, Pkcs1v15Sign::new::<Sha512>()),
            // The salt is as long as the hash (RFC 7518 section 3.5).
            (A::Ps256, Material::Rsa(key)) => self.is_pss::<Sha256>(key, Pss::new_with_salt::<Sha256>(32)),
            (A::Ps384, Material::Rsa(key)) => self.is_pss::<Sha384>(key, Pss::new_with_salt::<Sha384>(48)),
            (A::Ps512, Material::Rsa(key)) => self.is_pss::<Sha512>(key, Pss::new_with_salt::<Sha512>(64)),
            (A::Es256, Material::Point(key)) => key.verify_ecdsa(&Sha256::digest(self.bytes), signature),
            (A::Es384, Material::Point(key)) => key.verify_ecdsa(&Sha384::digest(self.bytes), signature),
            (A::Es512, Material::Point(key)) => key.verify_ecdsa(&Sha512::digest(self.bytes), signature),
            (A::EdDsa, Material::Ed25519(key)) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(self.bytes, &signature).is_ok()),
            (A::Sm2WithSm3, Material::Point(key)) => key.verify_sm2(self.sm2_user_id, self.bytes, signature),
            _ => false,
        }
    }

    /// Compared in a time that does not depend on where they differ.
    fn is_tag(&self, mac: impl Mac) -> bool {
        mac.chain_update(self.bytes).verify_slice(self.signature).is_ok()
    }

    fn is_pkcs1<D: Digest>(&self, key: &RsaPublicKey, scheme: Pkcs1v15Sign) -> bool {
        key.verify(scheme, &D::digest(self.bytes), self.signature).is_ok()
    }

    fn is_pss<D: Digest>(&self, key: &RsaPublicKey, scheme: Pss) -> bool {
        key.verify(scheme, &D::digest(self.bytes), self.signature).is_ok()
    }
}
