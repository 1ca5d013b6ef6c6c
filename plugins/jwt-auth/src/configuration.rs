//! The configuration, as it is written.

use guest_kit::fetched::Schedule;
use guest_kit::headers::is_name;
use guest_kit::json::Json;
use serde::Deserialize;

use crate::algorithm::{Algorithm, KeyKind};

/// Who may pass.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Who issues tokens; the first that a token fits counts
    pub providers: Vec<Provider>,
    /// What a request needs
    #[serde(default)]
    pub requires: Requires,
    /// Told to clients in `WWW-Authenticate`; the request's authority when absent
    #[serde(default)]
    pub realm: Option<String>,
    /// A CORS preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) passes without a token
    #[serde(default)]
    pub bypass_cors_preflight: bool,
}

/// What a request needs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Requires {
    /// A valid token
    #[default]
    Token,
    /// A valid token, or none
    AllowMissing,
    /// Nothing: without a valid token, the request goes on without claims
    AllowMissingOrFailed,
}

/// An issuer of tokens.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// For the log
    pub name: String,
    /// The `iss` of its tokens, letter by letter; not looked at when absent
    #[serde(default)]
    pub issuer: Option<String>,
    /// One of these is in the token's `aud`; not looked at when empty
    #[serde(default)]
    pub audiences: Vec<String>,
    /// What its tokens may be signed by
    pub algorithms: Vec<Algorithm>,
    /// The `typ` that its tokens may have, such as `at+jwt`; not looked at when empty
    #[serde(default)]
    pub types: Vec<String>,
    /// Its keys, a JWK Set: as a map, or as text that holds one
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub jwks: Option<Json>,
    /// Where its keys are fetched from, in place of `jwks`
    #[serde(default)]
    pub remote_jwks: Option<RemoteJwks>,
    /// Where its tokens are; `authorization` after `Bearer ` when this, `from_params` and `from_cookies` are empty
    #[serde(default)]
    pub from_headers: Vec<FromHeader>,
    /// Query parameters that its tokens are in
    #[serde(default)]
    pub from_params: Vec<String>,
    /// Cookies that its tokens are in
    #[serde(default)]
    pub from_cookies: Vec<String>,
    /// Seconds by which clocks may differ
    #[serde(default = "default_clock_skew")]
    pub clock_skew_seconds: u64,
    /// Whether a token without `exp` is refused
    #[serde(default = "default_true")]
    pub require_expiration: bool,
    /// Seconds after `iat` at which a token is too old, whatever its `exp` says; no bound when absent
    #[serde(default)]
    pub max_age_seconds: Option<u64>,
    /// Claims without which the answer is 403
    #[serde(default)]
    pub required_claims: Vec<RequiredClaim>,
    /// Claims that the upstream gets as headers
    #[serde(default)]
    pub claims_to_headers: Vec<ClaimToHeader>,
    /// Whether the upstream gets the token too
    #[serde(default)]
    pub forward: bool,
    /// The header in which the upstream gets the payload, in base64url
    #[serde(default)]
    pub forward_payload_header: Option<String>,
    /// Whether that has `=` at its end
    #[serde(default)]
    pub pad_forward_payload_header: bool,
    /// The signer's name in SM2 signatures
    #[serde(default = "default_sm2_user_id")]
    pub sm2_user_id: String,
}

/// A header that a token is in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FromHeader {
    /// Its name, in lower case
    pub name: String,
    /// What stands before the token, in whatever case; a value without it holds no token
    #[serde(default)]
    pub value_prefix: String,
}

/// A claim that a route needs.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RequiredClaim {
    /// Its name; a dot leads into an object
    pub claim: String,
    /// It is, or holds, one of these; with neither this nor `all_of` it need only be there
    #[serde(default)]
    pub any_of: Vec<String>,
    /// It holds all of these
    #[serde(default)]
    pub all_of: Vec<String>,
}

/// A claim for the upstream.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimToHeader {
    /// Its name; a dot leads into an object
    pub claim: String,
    /// The header, in lower case; whatever the client sent in it is taken away
    pub header: String,
}

/// Where keys are fetched.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RemoteJwks {
    /// An upstream of the gateway
    pub upstream: String,
    /// The path there
    pub path: String,
    /// The host that is asked for
    pub authority: String,
    /// `https` or `http`, as told to the upstream in `:scheme`; whether TLS is spoken is up to the upstream's settings
    #[serde(default = "default_scheme")]
    pub scheme: String,
    /// Milliseconds until an answer must be there
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// Seconds that keys are kept at most; a shorter `max-age` of the answer counts
    #[serde(default = "default_cache")]
    pub cache_seconds: u64,
    /// Seconds from one fetch to the next at least, also when a token names a key that is not known
    #[serde(default = "default_refetch")]
    pub refetch_seconds_min: u64,
    /// Seconds that old keys still hold when no new ones can be fetched
    #[serde(default = "default_stale")]
    pub stale_seconds_max: u64,
    /// Bytes of an answer at most
    #[serde(default = "default_bytes")]
    pub bytes_max: u64,
}

const fn default_clock_skew() -> u64 {
    60
}

const fn default_true() -> bool {
    true
}

fn default_sm2_user_id() -> String {
    String::from("1234567812345678")
}

fn default_scheme() -> String {
    String::from("https")
}

const fn default_timeout() -> u64 {
    2_000
}

const fn default_cache() -> u64 {
    600
}

const fn default_refetch() -> u64 {
    30
}

const fn default_stale() -> u64 {
    86_400
}

const fn default_bytes() -> u64 {
    64 * 1024
}

/// LIMIT: providers of a configuration, and places in which one's tokens may be.
const PROVIDERS_MAX: usize = 32;
const PLACES_MAX: usize = 16;

impl Configuration {
    /// Reads a configuration and checks what its form alone cannot say.
    ///
    /// # Errors
    /// A sentence with the path of the key.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let configuration: Self = guest_kit::configuration::read(bytes)?;
        let count = configuration.providers.len();
        if count == 0 || count > PROVIDERS_MAX {
            return Err(format!(
                "`providers`: 1 to {PROVIDERS_MAX} are possible, here are {count}"
            ));
        }
        if configuration.realm.as_deref().is_some_and(|realm| !is_quotable(realm)) {
            return Err(String::from("`realm`: must be printable ASCII without `\"` and `\\`"));
        }
        for (place, provider) in configuration.providers.iter().enumerate() {
            provider
                .check()
                .map_err(|(key, what)| format!("`providers[{place}].{key}`: {what}"))?;
        }
        Ok(configuration)
    }
}

/// The key within a provider, and what is wrong with it.
type Wrong = (String, String);

fn wrong<T>(key: &str, what: impl Into<String>) -> Result<T, Wrong> {
    Err((key.to_owned(), what.into()))
}

impl Provider {
    fn check(&self) -> Result<(), Wrong> {
        if self.algorithms.is_empty() {
            return wrong("algorithms", "at least one must be allowed");
        }
        match (&self.jwks, &self.remote_jwks) {
            (None, None) => return wrong("jwks", "there must be `jwks` or `remote_jwks`"),
            (Some(_), Some(_)) => return wrong("remote_jwks", "either this or `jwks`"),
            (None, Some(remote)) => self.check_remote(remote)?,
            (Some(_), None) => {}
        }
        // Two bytes say how many bits it has (GB/T 32918.2 section 5.5).
        if self.sm2_user_id.len() > 8_191 {
            return wrong("sm2_user_id", "at most 8191 bytes are possible");
        }
        if self.from_headers.len() + self.from_params.len() + self.from_cookies.len() > PLACES_MAX {
            return wrong(
                "from_headers",
                format!("with parameters and cookies, {PLACES_MAX} places at most"),
            );
        }
        for (place, from) in self.from_headers.iter().enumerate() {
            check_header(&format!("from_headers[{place}].name"), &from.name)?;
        }
        for (place, to) in self.claims_to_headers.iter().enumerate() {
            check_header(&format!("claims_to_headers[{place}].header"), &to.header)?;
        }
        self.forward_payload_header
            .as_ref()
            .map_or(Ok(()), |name| check_header("forward_payload_header", name))
    }

    fn check_remote(&self, remote: &RemoteJwks) -> Result<(), Wrong> {
        if self
            .algorithms
            .iter()
            .any(|algorithm| algorithm.key_kind() == KeyKind::Secret)
        {
            return wrong(
                "algorithms",
                "HS* needs a secret, and secrets are not fetched: set `jwks`",
            );
        }
        if !remote.path.starts_with('/') {
            return wrong("remote_jwks.path", "must begin with `/`");
        }
        if remote.upstream.is_empty() {
            return wrong("remote_jwks.upstream", "must name an upstream");
        }
        if remote.authority.is_empty() {
            return wrong("remote_jwks.authority", "must name a host");
        }
        if !["http", "https"].contains(&remote.scheme.as_str()) {
            return wrong("remote_jwks.scheme", "must be `https` or `http`");
        }
        let bounds = [
            ("remote_jwks.timeout_ms", remote.timeout_ms, 10, 60_000),
            ("remote_jwks.cache_seconds", remote.cache_seconds, 1, 86_400),
            ("remote_jwks.refetch_seconds_min", remote.refetch_seconds_min, 1, 3_600),
            (
                "remote_jwks.stale_seconds_max",
                remote.stale_seconds_max,
                0,
                30 * 86_400,
            ),
            ("remote_jwks.bytes_max", remote.bytes_max, 64, 1024 * 1024),
        ];
        match bounds
            .iter()
            .find(|(_, value, least, most)| value < least || value > most)
        {
            Some((key, value, least, most)) => wrong(key, format!("must be {least} to {most}, not {value}")),
            None => Ok(()),
        }
    }

    /// Where a token may be in a header: as configured, or where RFC 6750 section 2.1 puts it.
    #[must_use]
    pub fn headers(&self) -> Vec<FromHeader> {
        if self.from_headers.is_empty() && self.from_params.is_empty() && self.from_cookies.is_empty() {
            return vec![FromHeader {
                name: String::from("authorization"),
                value_prefix: String::from("Bearer "),
            }];
        }
        self.from_headers.clone()
    }
}

impl RemoteJwks {
    pub(crate) const fn schedule(&self) -> Schedule {
        Schedule {
            cache_ms: self.cache_seconds.saturating_mul(1_000),
            refetch_ms_min: self.refetch_seconds_min.saturating_mul(1_000),
            stale_ms_max: self.stale_seconds_max.saturating_mul(1_000),
        }
    }
}

/// Whether it can stand between quotes in a header as it is.
pub(crate) fn is_quotable(text: &str) -> bool {
    text.bytes()
        .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\')
}

fn check_header(key: &str, name: &str) -> Result<(), Wrong> {
    if !is_name(name) {
        return wrong(key, "must be a header's name in lower case");
    }
    if ["host", "content-length", "transfer-encoding", "connection"].contains(&name) {
        return wrong(
            key,
            format!("`{name}` says where the message goes or ends, and is none for this"),
        );
    }
    Ok(())
}
