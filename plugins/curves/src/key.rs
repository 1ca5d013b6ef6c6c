//! A public key on one of the curves, and what it verifies.

use sm3::{Digest, Sm3};

use crate::curve::{self, Point};

/// A curve by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    P256,
    P384,
    P521,
    Sm2,
}

/// A public key: a point of a curve that is not at infinity.
pub struct PublicKey {
    named: Named,
    inner: Inner,
    /// As they came: SM2 hashes them.
    coordinates: [Vec<u8>; 2],
}

enum Inner {
    Eight(Box<Point<8>>),
    Twelve(Box<Point<12>>),
    Seventeen(Box<Point<17>>),
}

impl Named {
    /// Bytes of a coordinate, and of each number of a signature.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::P256 | Self::Sm2 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl PublicKey {
    /// A key from its coordinates, each of exactly the curve's bytes (RFC 7518 section 6.2.1.2); none when it is no point of the curve.
    #[must_use]
    pub fn new(named: Named, x: &[u8], y: &[u8]) -> Option<Self> {
        if x.len() != named.bytes() || y.len() != named.bytes() {
            return None;
        }
        let inner = match named {
            Named::P256 => Inner::Eight(Box::new(curve::P256.point_at(x, y)?)),
            Named::P384 => Inner::Twelve(Box::new(curve::P384.point_at(x, y)?)),
            Named::P521 => Inner::Seventeen(Box::new(curve::P521.point_at(x, y)?)),
            Named::Sm2 => Inner::Eight(Box::new(curve::SM2.point_at(x, y)?)),
        };
        Some(Self {
            named,
            inner,
            coordinates: [x.to_vec(), y.to_vec()],
        })
    }

    #[must_use]
    pub const fn named(&self) -> Named {
        self.named
    }

    /// ECDSA (FIPS 186-5 section 6.4.2) over a digest, r and s one after the other; false for a key on SM2's curve.
    #[must_use]
    pub fn verify_ecdsa(&self, digest: &[u8], signature: &[u8]) -> bool {
        match (self.named, &self.inner) {
            (Named::P256, Inner::Eight(point)) => curve::P256.verify_ecdsa(point, digest, signature),
            (Named::P384, Inner::Twelve(point)) => curve::P384.verify_ecdsa(point, digest, signature),
            (Named::P521, Inner::Seventeen(point)) => curve::P521.verify_ecdsa(point, digest, signature),
            _ => false,
        }
    }

    /// SM2 with SM3 (GB/T 32918.2 section 7.1) over a message, r and s one after the other; false for a key on another curve, or for a name of 8 KiB or more.
    #[must_use]
    pub fn verify_sm2(&self, user_id: &str, message: &[u8], signature: &[u8]) -> bool {
        let Inner::Eight(point) = &self.inner else { return false };
        let Some(signer) = self.signer(user_id) else {
            return false;
        };
        let digest = Sm3::new().chain_update(signer).chain_update(message).finalize();
        self.named == Named::Sm2 && curve::SM2.verify_sm2(point, &digest, signature)
    }

    /// Z of GB/T 32918.2 section 5.5: the signer's name with its length in bits, the curve and the key.
    fn signer(&self, user_id: &str) -> Option<impl AsRef<[u8]>> {
        let bits = u16::try_from(user_id.len().checked_mul(8)?).ok()?;
        let mut hash = Sm3::new();
        hash.update(bits.to_be_bytes());
        hash.update(user_id.as_bytes());
        for digits in curve::SM2_SIGNED {
            hash.update(curve::hex(digits));
        }
        for bytes in &self.coordinates {
            hash.update(bytes);
        }
        Some(hash.finalize())
    }
}

#[cfg(test)]
mod tests;
