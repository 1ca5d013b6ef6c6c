//! The keys, read and checked.

use base64ct::{Base64, Encoding as _};
use curves::{Named, PublicKey};

use crate::configuration::{Encoding, KeyEntry, KeyKind};

/// LIMIT: keys of a ring; bytes of a secret for SM3-HMAC.
const KEYS_MAX: usize = 256;
const SECRET_BYTES: (usize, usize) = (16, 1_024);

/// Before the 65 bytes of an SM2 point in a SubjectPublicKeyInfo (RFC 5480, with the curve's identifier of GB/T 33560), which is of one length always.
const SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf,
    0x55, 0x01, 0x82, 0x2d, 0x03, 0x42, 0x00,
];

/// Keys by their names. Nothing prints them.
pub(crate) struct Keyring {
    keys: Vec<(String, Material)>,
}

/// A key.
pub(crate) enum Material {
    Sm4([u8; 16]),
    Sm2(PublicKey),
    Secret(Vec<u8>),
}

impl Keyring {
    /// Reads keys.
    pub(crate) fn read(entries: &[KeyEntry]) -> Result<Self, String> {
        if entries.len() > KEYS_MAX {
            return Err(format!(
                "`keys`: at most {KEYS_MAX} are possible, here are {}",
                entries.len()
            ));
        }
        let mut keys: Vec<(String, Material)> = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            if keys.iter().any(|(name, _)| *name == entry.name) {
                return Err(format!("`keys[{place}].name`: `{}` is there twice", entry.name));
            }
            let material = read(entry).map_err(|what| format!("`keys[{place}].value`: {what}"))?;
            keys.push((entry.name.clone(), material));
        }
        Ok(Self { keys })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Material> {
        self.keys.iter().find(|(known, _)| known == name).map(|(_, key)| key)
    }

    pub(crate) fn sm4(&self, name: &str) -> Option<[u8; 16]> {
        match self.get(name) {
            Some(Material::Sm4(key)) => Some(*key),
            _ => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

fn read(entry: &KeyEntry) -> Result<Material, String> {
    let bytes = match entry.encoding {
        Encoding::Hex => from_hex(&entry.value).ok_or("is not hex")?,
        Encoding::Base64 => Base64::decode_vec(&entry.value).map_err(|_| "is not base64")?,
        Encoding::Pem => from_pem(&entry.value).ok_or("is no PEM file with a public key on SM2's curve")?,
    };
    match entry.kind {
        KeyKind::Sm4 => bytes
            .try_into()
            .map(Material::Sm4)
            .map_err(|_| String::from("must have 16 bytes")),
        KeyKind::Sm3Hmac if (SECRET_BYTES.0..=SECRET_BYTES.1).contains(&bytes.len()) => Ok(Material::Secret(bytes)),
        KeyKind::Sm3Hmac => Err(format!("must have {} to {} bytes", SECRET_BYTES.0, SECRET_BYTES.1)),
        KeyKind::Sm2Public => point(&bytes)
            .map(Material::Sm2)
            .ok_or_else(|| String::from("is no point on SM2's curve")),
    }
}

fn point(bytes: &[u8]) -> Option<PublicKey> {
    let bytes = match bytes.len() {
        64 => bytes,
        65 => bytes.strip_prefix(&[4])?,
        _ => return None,
    };
    let (x, y) = bytes.split_at_checked(32)?;
    PublicKey::new(Named::Sm2, x, y)
}

fn from_pem(text: &str) -> Option<Vec<u8>> {
    let inside = text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?;
    let inside = inside.strip_suffix("-----END PUBLIC KEY-----")?;
    let digits: String = inside.split_whitespace().collect();
    let der = Base64::decode_vec(&digits).ok()?;
    Some(der.strip_prefix(&SPKI_HEAD)?.to_vec())
}

/// Bytes from hex digits of either case.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Hex digits of bytes, in lower case.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
