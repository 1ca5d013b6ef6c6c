//! SHA-256 digests as OCI writes them.

use std::fmt;

use sha2::Digest as _;
use sha2::Sha256;

use crate::fault::{PackageFault, Result};

/// A SHA-256. OCI knows others, which nobody uses for images.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From its 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn finish(hasher: &Sha256) -> Self {
        Self(hasher.clone().finalize().into())
    }

    /// From `sha256:` and 64 hexadecimal digits in lower case, which OCI wants.
    ///
    /// # Errors
    /// For every other text.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || PackageFault::NoDigest(text.chars().take(100).collect());
        let digits = text.strip_prefix("sha256:").ok_or_else(wrong)?.as_bytes();
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return Err(wrong()),
                };
                *byte = *byte << 4 | value;
            }
        }
        Ok(Self(bytes))
    }

    /// Its hexadecimal digits alone.
    #[must_use]
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Compares with the digest of `bytes`.
    ///
    /// # Errors
    /// When they are others; `what` says what they were to be.
    pub fn verify(&self, bytes: &[u8], what: &str) -> Result<()> {
        self.verify_digest(Self::of(bytes), what)
    }

    pub(crate) fn verify_digest(&self, found: Self, what: &str) -> Result<()> {
        if found == *self {
            return Ok(());
        }
        Err(PackageFault::Digest {
            what: what.to_owned(),
            found: found.to_string(),
            wanted: self.to_string(),
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(b"{}");
        // What OCI calls the empty descriptor.
        assert_eq!(
            digest.to_string(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert_eq!(Digest::parse(&digest.to_string()).unwrap(), digest);
        for wrong in [
            "",
            "sha256:",
            "sha512:00",
            &digest.hex(),
            &digest.to_string().to_uppercase(),
            "sha256:../../x",
        ] {
            assert!(Digest::parse(wrong).is_err(), "{wrong}");
        }
    }
}
