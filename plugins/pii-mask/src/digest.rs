//! Keyed digests: HMAC (RFC 2104) with SHA-256 or SM3.

use hmac::{Hmac, Mac};
use log_mask::rules::Digest;
use sha2::Sha256;
use sm3::Sm3;

use crate::configuration::{Algorithm, Hash};

/// What makes digests under that key.
pub(crate) fn keyed(hash: &Hash) -> Option<Digest> {
    Some(match hash.algorithm {
        Algorithm::Sha256 => {
            let keyed = Hmac::<Sha256>::new_from_slice(hash.key.as_bytes()).ok()?;
            Box::new(move |text| keyed.clone().chain_update(text).finalize().into_bytes().into())
        }
        Algorithm::Sm3 => {
            let keyed = Hmac::<Sm3>::new_from_slice(hash.key.as_bytes()).ok()?;
            Box::new(move |text| keyed.clone().chain_update(text).finalize().into_bytes().into())
        }
    })
}
