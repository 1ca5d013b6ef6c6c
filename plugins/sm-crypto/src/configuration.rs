//! The configuration, as it is written.

use guest_kit::fetched::Schedule;
use guest_kit::headers::{is_name, is_value};
use serde::Deserialize;

/// What is checked, decrypted and encrypted.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The keys
    #[serde(default)]
    pub keys: Vec<KeyEntry>,
    /// Where a document `{"keys": [...]}` is fetched, in place of `keys`
    #[serde(default)]
    pub remote_keys: Option<RemoteKeys>,
    /// Requests must be signed
    #[serde(default)]
    pub verify_request: Option<VerifyRequest>,
    /// Bodies of requests are decrypted
    #[serde(default)]
    pub decrypt_request: Option<DecryptRequest>,
    /// Bodies of responses are encrypted
    #[serde(default)]
    pub encrypt_response: Option<EncryptResponse>,
}

/// A key.
#[derive(Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// By which it is called
    pub name: String,
    /// What it is
    pub kind: KeyKind,
    /// The key: for `sm2_public` a point of 64 bytes, or of 65 with a leading 04, or a PEM file's text
    pub value: String,
    /// How it is written
    #[serde(default)]
    pub encoding: Encoding,
}

/// Nothing prints a key.
impl std::fmt::Debug for KeyEntry {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyEntry({})", self.name)
    }
}

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// 16 bytes, for bodies
    Sm4,
    /// A point, for signatures
    Sm2Public,
    /// 16 bytes or more, for codes of authentication
    Sm3Hmac,
}

/// How bytes are written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
    /// `-----BEGIN PUBLIC KEY-----`, for `sm2_public`
    Pem,
}

/// Where keys are fetched.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RemoteKeys {
    /// An upstream of the gateway
    pub upstream: String,
    /// The path there
    pub path: String,
    /// The host that is asked for
    pub authority: String,
    /// `https` or `http`, as told to the upstream in `:scheme`
    #[serde(default = "default_scheme")]
    pub scheme: String,
    /// Milliseconds until an answer must be there
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// Seconds that keys are kept at most; a shorter `max-age` of the answer counts
    #[serde(default = "default_cache")]
    pub cache_seconds: u64,
    /// Seconds from one fetch to the next at least
    #[serde(default = "default_refetch")]
    pub refetch_seconds_min: u64,
    /// Seconds that old keys still hold when no new ones can be fetched
    #[serde(default = "default_stale")]
    pub stale_seconds_max: u64,
    /// Bytes of an answer at most
    #[serde(default = "default_bytes")]
    pub bytes_max: u64,
}

/// How requests are signed.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// By what
    pub scheme: Scheme,
    /// The keys that may sign, by their names
    pub keys: Vec<String>,
    /// The header that names the key; not needed where there is one key
    #[serde(default = "default_key_header")]
    pub key_header: String,
    /// The header with the signature
    #[serde(default = "default_signature_header")]
    pub signature_header: String,
    /// The header with the time of signing, in seconds since 1970
    #[serde(default = "default_timestamp_header")]
    pub timestamp_header: String,
    /// The header with a text that is another one for each request, of 8 to 128 printable letters
    #[serde(default = "default_nonce_header")]
    pub nonce_header: String,
    /// The header with the body's SM3, in 64 hex digits
    #[serde(default = "default_digest_header")]
    pub digest_header: String,
    /// More headers that are signed, in this order
    #[serde(default)]
    pub signed_headers: Vec<String>,
    /// Seconds by which the time of signing may differ from now
    #[serde(default = "default_clock_skew")]
    pub clock_skew_seconds: u64,
    /// How the signature is written: hex or base64
    #[serde(default)]
    pub encoding: Encoding,
    /// What an SM2 signature looks like
    #[serde(default)]
    pub form: Form,
    /// The signer's name in SM2 signatures
    #[serde(default = "default_user_id")]
    pub user_id: String,
}

/// What requests are signed by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// SM2 with SM3 (GB/T 32918.2)
    Sm2,
    /// HMAC (RFC 2104) with SM3
    Sm3Hmac,
}

/// What an SM2 signature looks like.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Either
    #[default]
    Any,
    /// ASN.1: a sequence of r and s (GB/T 35276), as OpenSSL writes it
    Der,
    /// r and s one after the other, 64 bytes
    Raw,
}

/// A mode of SM4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// CBC with PKCS#7: says nothing about who encrypted it
    Cbc,
    /// GCM with a nonce of 12 bytes and a tag of 16 at the end
    Gcm,
}

/// Where the initial vector or nonce is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum IvPlace {
    /// The first bytes of the body
    #[default]
    Body,
    /// In the header `iv_header`, in hex
    Header,
}

/// How bodies of requests are encrypted.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DecryptRequest {
    /// By which mode
    pub mode: Mode,
    /// By which key
    pub key: String,
    /// Where the initial vector is
    #[serde(default)]
    pub iv: IvPlace,
    /// The header that it is in, with `iv: header`
    #[serde(default = "default_iv_header")]
    pub iv_header: String,
    /// The type that encrypted bodies have; a body of another type is refused with 415
    #[serde(default = "default_encrypted_type")]
    pub content_type: String,
    /// The type that the upstream is told
    #[serde(default = "default_plain_type")]
    pub plain_content_type: String,
}

/// How bodies of responses are encrypted.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EncryptResponse {
    /// By which mode
    pub mode: Mode,
    /// By which key
    pub key: String,
    /// Where the initial vector goes
    #[serde(default)]
    pub iv: IvPlace,
    /// The header that it goes into, with `iv: header`
    #[serde(default = "default_iv_header")]
    pub iv_header: String,
    /// The type that the client is told
    #[serde(default = "default_encrypted_type")]
    pub content_type: String,
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

fn default_key_header() -> String {
    String::from("x-sm-key")
}

fn default_signature_header() -> String {
    String::from("x-sm-signature")
}

fn default_timestamp_header() -> String {
    String::from("x-sm-timestamp")
}

fn default_nonce_header() -> String {
    String::from("x-sm-nonce")
}

fn default_digest_header() -> String {
    String::from("x-sm-content-sm3")
}

const fn default_clock_skew() -> u64 {
    300
}

fn default_user_id() -> String {
    String::from("1234567812345678")
}

fn default_iv_header() -> String {
    String::from("x-sm-iv")
}

fn default_encrypted_type() -> String {
    String::from("application/octet-stream")
}

fn default_plain_type() -> String {
    String::from("application/json")
}

impl Configuration {
    /// Reads a configuration and checks what its form alone cannot say.
    ///
    /// # Errors
    /// A sentence with the path of the key.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let configuration: Self = guest_kit::configuration::read(bytes)?;
        configuration.check()?;
        Ok(configuration)
    }

    fn check(&self) -> Result<(), String> {
        if self.verify_request.is_none() && self.decrypt_request.is_none() && self.encrypt_response.is_none() {
            return Err(String::from(
                "configuration: there must be `verify_request`, `decrypt_request` or `encrypt_response`",
            ));
        }
        match (&self.remote_keys, self.keys.is_empty()) {
            (None, true) => return Err(String::from("`keys`: there must be keys, here or at `remote_keys`")),
            (Some(_), false) => return Err(String::from("`remote_keys`: either this or `keys`")),
            (Some(remote), true) => remote.check()?,
            (None, false) => {}
        }
        self.check_headers()?;
        match &self.verify_request {
            Some(verify) if verify.keys.is_empty() => {
                Err(String::from("`verify_request.keys`: at least one must be named"))
            }
            Some(verify) if verify.encoding == Encoding::Pem => {
                Err(String::from("`verify_request.encoding`: must be `hex` or `base64`"))
            }
            Some(verify) if verify.user_id.len() > 8_191 => Err(String::from(
                "`verify_request.user_id`: at most 8191 bytes are possible",
            )),
            _ => Ok(()),
        }
    }

    fn check_headers(&self) -> Result<(), String> {
        let mut names = Vec::new();
        let mut types = Vec::new();
        if let Some(verify) = &self.verify_request {
            names.push(("verify_request.key_header", &verify.key_header));
            names.push(("verify_request.signature_header", &verify.signature_header));
            names.push(("verify_request.timestamp_header", &verify.timestamp_header));
            names.push(("verify_request.nonce_header", &verify.nonce_header));
            names.push(("verify_request.digest_header", &verify.digest_header));
            names.extend(
                verify
                    .signed_headers
                    .iter()
                    .map(|name| ("verify_request.signed_headers", name)),
            );
        }
        if let Some(decrypt) = &self.decrypt_request {
            names.push(("decrypt_request.iv_header", &decrypt.iv_header));
            types.push(("decrypt_request.content_type", &decrypt.content_type));
            types.push(("decrypt_request.plain_content_type", &decrypt.plain_content_type));
        }
        if let Some(encrypt) = &self.encrypt_response {
            names.push(("encrypt_response.iv_header", &encrypt.iv_header));
            types.push(("encrypt_response.content_type", &encrypt.content_type));
        }
        if let Some((key, _)) = names.iter().find(|(_, name)| !is_name(name)) {
            return Err(format!("`{key}`: must be a header's name in lower case"));
        }
        match types.iter().find(|(_, text)| text.is_empty() || !is_value(text)) {
            Some((key, _)) => Err(format!("`{key}`: must be a content type")),
            None => Ok(()),
        }
    }
}

impl RemoteKeys {
    fn check(&self) -> Result<(), String> {
        if !self.path.starts_with('/') || self.upstream.is_empty() || self.authority.is_empty() {
            return Err(String::from(
                "`remote_keys`: needs an `upstream`, an `authority` and a `path` that begins with `/`",
            ));
        }
        if !["http", "https"].contains(&self.scheme.as_str()) {
            return Err(String::from("`remote_keys.scheme`: must be `https` or `http`"));
        }
        let bounds = [
            ("timeout_ms", self.timeout_ms, 10, 60_000),
            ("cache_seconds", self.cache_seconds, 1, 86_400),
            ("refetch_seconds_min", self.refetch_seconds_min, 1, 3_600),
            ("stale_seconds_max", self.stale_seconds_max, 0, 30 * 86_400),
            ("bytes_max", self.bytes_max, 64, 1024 * 1024),
        ];
        match bounds
            .iter()
            .find(|(_, value, least, most)| value < least || value > most)
        {
            Some((key, value, least, most)) => {
                Err(format!("`remote_keys.{key}`: must be {least} to {most}, not {value}"))
            }
            None => Ok(()),
        }
    }

    pub(crate) const fn schedule(&self) -> Schedule {
        Schedule {
            cache_ms: self.cache_seconds.saturating_mul(1_000),
            refetch_ms_min: self.refetch_seconds_min.saturating_mul(1_000),
            stale_ms_max: self.stale_seconds_max.saturating_mul(1_000),
        }
    }
}
