//! cosign's private keys behind a password: scrypt makes a key of it, NaCl's secretbox holds the PKCS#8 (go-securesystemslib's `encrypted`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use serde::Deserialize;

use super::statement::{decoded, shortened};

const LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
/// LIMIT: bytes of memory that scrypt may take; cosign's take 64 MiB.
const SCRYPT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// LIMIT: how often scrypt may do its work over; cosign does it once.
const SCRYPT_ROUNDS_MAX: u32 = 4;
const KEY_BYTES: usize = 32;

#[derive(Deserialize)]
struct Locked {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

type Read<T> = Result<T, String>;

/// What lies between the lines of such a PEM file; none when it is another one.
fn content(pem: &str) -> Option<String> {
    LABELS.iter().find_map(|label| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
        let (content, _) = rest.split_once(&format!("-----END {label}-----"))?;
        Some(content.split_whitespace().collect())
    })
}

/// Whether a file holds a key that wants a password.
pub(super) fn is_locked(pem: &[u8]) -> bool {
    std::str::from_utf8(pem).is_ok_and(|pem| content(pem).is_some())
}

/// The PKCS#8 within.
pub(super) fn unlock(pem: &[u8], password: &str) -> Read<Vec<u8>> {
    let content = std::str::from_utf8(pem).ok().and_then(content);
    let json = decoded(&content.ok_or("it is no key of cosign behind a password")?)?;
    let locked: Locked = serde_json::from_slice(&json).map_err(|why| format!("it is not understood: {why}"))?;
    if locked.kdf.name != "scrypt" || locked.cipher.name != "nacl/secretbox" {
        return Err(format!(
            "it is behind `{}` and `{}`, and not scrypt and nacl/secretbox",
            shortened(&locked.kdf.name),
            shortened(&locked.cipher.name)
        ));
    }
    let nonce = STANDARD.decode(&locked.cipher.nonce).ok();
    let nonce = nonce.and_then(|nonce| <[u8; 24]>::try_from(nonce).ok());
    let nonce = nonce.ok_or("its nonce has not 24 bytes")?;
    let key = key(&locked.kdf, password)?;
    XSalsa20Poly1305::new(&key.into())
        .decrypt(&Nonce::from(nonce), decoded(&locked.ciphertext)?.as_slice())
        .map_err(|_| String::from("the password is another one"))
}

/// The key that the password makes.
fn key(kdf: &Kdf, password: &str) -> Read<[u8; KEY_BYTES]> {
    let Params { n, r, p } = kdf.params;
    let bytes = n.checked_mul(u64::from(r)).and_then(|blocks| blocks.checked_mul(128));
    let is_bounded = bytes.is_some_and(|bytes| bytes <= SCRYPT_BYTES_MAX) && p <= SCRYPT_ROUNDS_MAX;
    if !n.is_power_of_two() || !is_bounded {
        return Err(format!(
            "scrypt with N = {n}, r = {r} and p = {p} is none, or takes more than {SCRYPT_BYTES_MAX} bytes"
        ));
    }
    let log_n = u8::try_from(n.ilog2()).map_err(|_| "N is too large")?;
    let params = scrypt::Params::new(log_n, r, p, KEY_BYTES).map_err(|why| why.to_string())?;
    let mut key = [0; KEY_BYTES];
    scrypt::scrypt(password.as_bytes(), &decoded(&kdf.salt)?, &params, &mut key).map_err(|why| why.to_string())?;
    Ok(key)
}
