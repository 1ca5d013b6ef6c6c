//! Names whose values are secret: of members of JSON, of headers, of keys in a query.

use std::cmp::Ordering;

/// Names of members whose values are secret, as JSON has them often.
pub const SECRET_NAMES: &[&str] = &[
    "authorization",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "client_secret",
    "secret_key",
    "secret_access_key",
    "api_key",
    "access_key",
    "private_key",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "session_token",
    "credential",
    "cookie",
    "cvv",
    "cvc",
];

/// Headers whose values are secret whatever they are.
pub const SECRET_HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-amz-security-token",
    "x-goog-api-key",
    "x-goog-iam-authorization-token",
    "ocp-apim-subscription-key",
];

/// Keys of a query that are as good as a password: those that OpenTelemetry's conventions for `url.query` name, and those of OAuth (RFC 6749) and
/// of other clouds' signed addresses.
pub const QUERY_NAMES: &[&str] = &[
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
    "sig",
    "X-Goog-Signature",
    "X-Goog-Credential",
    "OSSAccessKeyId",
    "x-oss-signature",
    "x-oss-credential",
    "x-oss-security-token",
    "security-token",
    "q-signature",
    "q-ak",
    "token",
    "code",
];

/// Names, without what people write differently.
#[derive(Clone, Default, Debug)]
pub(crate) struct Names {
    sorted: Vec<Vec<u8>>,
    /// A bit for the digest of each: most names that come have none, and are not compared.
    digests: [u64; WORDS],
}

/// Numbers that hold the bits of digests, of which names of people set few.
const WORDS: usize = 32;

/// A name in lower case, without dashes and underscores.
fn plain(name: &[u8]) -> impl Iterator<Item = u8> {
    let written = name.iter().filter(|byte| **byte != b'-' && **byte != b'_');
    written.map(u8::to_ascii_lowercase)
}

/// In which number, and which bit of it.
fn bit_of(name: &[u8]) -> (usize, u64) {
    // The multiplier of FNV-1a with 32 bits.
    let digest = plain(name).fold(0_u32, |digest, byte| {
        (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    ((digest >> 8) as usize % WORDS, 1 << (digest >> 16 & 63))
}

impl Names {
    pub(crate) fn add<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.sorted
            .extend(names.into_iter().map(|name| plain(name.as_bytes()).collect()));
        self.sort();
    }

    /// Those of another list too.
    pub(crate) fn add_all(&mut self, others: &Self) {
        self.sorted.extend_from_slice(&others.sorted);
        self.sort();
    }

    fn sort(&mut self) {
        self.sorted.sort();
        self.sorted.dedup();
        for name in &self.sorted {
            let (word, bit) = bit_of(name);
            if let Some(word) = self.digests.get_mut(word) {
                *word |= bit;
            }
        }
    }

    pub(crate) fn has(&self, name: &[u8]) -> bool {
        let (word, bit) = bit_of(name);
        if self.digests.get(word).is_none_or(|word| word & bit == 0) {
            return false;
        }
        let compared = |known: &Vec<u8>| -> Ordering { known.iter().copied().cmp(plain(name)) };
        self.sorted.binary_search_by(compared).is_ok()
    }
}
