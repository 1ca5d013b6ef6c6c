//! The configuration, as it is written.

use guest_kit::headers::is_name;
use serde::Deserialize;
use subtle::ConstantTimeEq;

/// LIMIT: bytes of a key at least, so that nobody guesses one.
const KEY_BYTES_MIN: usize = 16;

/// What is told, and to whom.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Who has it is told: a text of 16 printable characters or more
    pub key: String,
    /// The header in which it comes; upstreams do not get it
    #[serde(default = "default_key_header")]
    pub key_header: String,
    /// Whether the log has lines about a request with the key
    #[serde(default = "default_true")]
    pub log: bool,
    /// The path at which a request with the key is answered with what was seen of it; no path when absent
    #[serde(default)]
    pub echo_path: Option<String>,
    /// Whether a response to a request with the key has `server-timing`
    #[serde(default)]
    pub server_timing: bool,
    /// More headers whose values are hidden
    #[serde(default)]
    pub secret_headers: Vec<String>,
}

/// Nothing prints the key.
impl std::fmt::Debug for Configuration {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Configuration")
    }
}

fn default_key_header() -> String {
    String::from("x-debug-key")
}

const fn default_true() -> bool {
    true
}

impl Configuration {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence with the path of what is wrong, without the key.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let configuration: Self = guest_kit::configuration::read(bytes)?;
        let key = configuration.key.as_bytes();
        if key.len() < KEY_BYTES_MIN || !key.iter().all(u8::is_ascii_graphic) {
            return Err(format!(
                "`key`: must have {KEY_BYTES_MIN} printable characters or more, without spaces"
            ));
        }
        if !is_name(&configuration.key_header) {
            return Err(String::from("`key_header`: must be a header's name in lower case"));
        }
        if let Some(place) = configuration.secret_headers.iter().position(|name| !is_name(name)) {
            return Err(format!(
                "`secret_headers[{place}]`: must be a header's name in lower case"
            ));
        }
        let is_path = |path: &str| path.starts_with('/') && !path.contains('?');
        if configuration.echo_path.as_deref().is_some_and(|path| !is_path(path)) {
            return Err(String::from("`echo_path`: must begin with `/` and have no query"));
        }
        Ok(configuration)
    }

    /// Whether what came in the header is the key; how long that takes does not tell how much of it is right.
    #[must_use]
    pub fn opens(&self, came: &[u8]) -> bool {
        self.key.as_bytes().ct_eq(came).into()
    }

    /// Whether that path, with its query, is the echo's.
    #[must_use]
    pub fn is_echo(&self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        self.echo_path.as_deref() == Some(path)
    }
}
