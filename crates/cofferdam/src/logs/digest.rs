//! Digests of values that are hashed in records, and of chains of audit records: SHA-256 or SM3, with a key as HMAC.

use std::path::Path;

use anyhow::{Context, bail};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use gate_plan::logs::{Hash, HashAlgorithm, Secret};
use hmac::{Hmac, KeyInit, Mac};
use log_ship::chain::Digest;
use sm3::{Digest as _, Sm3};

/// LIMIT: bytes of a file with a key.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// What hashes, by its name.
pub(crate) fn digest(hash: &Hash) -> anyhow::Result<Digest> {
    let key = hash.key.as_ref().map(secret).transpose()?;
    Ok(match (hash.algorithm, key) {
        (HashAlgorithm::Sha256, None) => Digest::sha256(),
        (HashAlgorithm::Sha256, Some(key)) => {
            let key = Key::new(HMAC_SHA256, &key);
            named("hmac-sha256", move |bytes| fixed(sign(&key, bytes).as_ref()))
        }
        (HashAlgorithm::Sm3, None) => named("sm3", |bytes| fixed(&Sm3::digest(bytes))),
        (HashAlgorithm::Sm3, Some(key)) => {
            let keyed = Hmac::<Sm3>::new_from_slice(&key).context("the key is none for HMAC-SM3")?;
            named("hmac-sm3", move |bytes| {
                let mut keyed = keyed.clone();
                keyed.update(bytes);
                fixed(&keyed.finalize().into_bytes())
            })
        }
    })
}

fn named(name: &str, hash: impl Fn(&[u8]) -> [u8; 32] + Send + Sync + 'static) -> Digest {
    Digest {
        name: name.to_owned(),
        hash: std::sync::Arc::new(hash),
    }
}

/// All of these digests have 32 bytes.
fn fixed(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (place, byte) in hash.iter_mut().zip(bytes) {
        *place = *byte;
    }
    hash
}

fn secret(secret: &Secret) -> anyhow::Result<Vec<u8>> {
    let (key, place) = match secret {
        Secret::File(path) => (file(path)?, format!("the file `{}`", path.display())),
        Secret::Environment(name) => {
            let value = std::env::var(name).with_context(|| format!("the variable `{name}` has no key"))?;
            (value.into_bytes(), format!("the variable `{name}`"))
        }
    };
    let end = key.trim_ascii_end().len();
    match key.get(..end) {
        Some(key) if !key.is_empty() => Ok(key.to_vec()),
        _ => bail!("{place} has no key"),
    }
}

fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let opens = || format!("the key file `{}` does not open", path.display());
    let bytes = std::fs::metadata(path).with_context(opens)?.len();
    if bytes > KEY_BYTES_MAX {
        bail!("the key file `{}` has more than {KEY_BYTES_MAX} bytes", path.display());
    }
    std::fs::read(path).with_context(opens)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::*;

    fn hex(hash: [u8; 32]) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "key\n").unwrap();
        let of = |algorithm, key: Option<&Path>| {
            let key = key.map(|path| Secret::File(path.to_owned()));
            let digest = digest(&Hash { algorithm, key }).unwrap();
            hex((digest.hash)(b"abc"))
        };
        // FIPS 180-4 and GB/T 32905-2016, both of the text `abc`.
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(HashAlgorithm::Sha256, None), sha);
        let sm3 = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        assert_eq!(of(HashAlgorithm::Sm3, None), sm3);
        // As `openssl dgst -hmac key` has them.
        let sha = "9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab";
        assert_eq!(of(HashAlgorithm::Sha256, Some(&file)), sha);
        let sm3 = "28e63256e7c5a087b1f073265dc53092163f7b82729735d06f28f10af9d52393";
        assert_eq!(of(HashAlgorithm::Sm3, Some(&file)), sm3);
        std::fs::write(&file, "\n").unwrap();
        let fault = secret(&Secret::File(file)).unwrap_err().to_string();
        assert!(fault.ends_with("has no key"), "{fault}");
    }
}
