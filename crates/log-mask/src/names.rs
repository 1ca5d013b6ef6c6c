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
pub(crate) struct Names(Vec<Vec<u8>>);

/// A name in lower case, without dashes and underscores.
fn plain(name: &[u8]) -> impl Iterator<Item = u8> {
    let written = name.iter().filter(|byte| **byte != b'-' && **byte != b'_');
    written.map(u8::to_ascii_lowercase)
}

impl Names {
    pub(crate) fn add<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.0
            .extend(names.into_iter().map(|name| plain(name.as_bytes()).collect()));
        self.0.sort();
        self.0.dedup();
    }

    pub(crate) fn has(&self, name: &[u8]) -> bool {
        let compared = |known: &Vec<u8>| -> Ordering { known.iter().copied().cmp(plain(name)) };
        self.0.binary_search_by(compared).is_ok()
    }
}
