//! Where a network sink sends, who we are there, and how long anything may take.

pub(crate) mod dial;
pub(crate) mod post;
pub(crate) mod posting;

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use crate::fault::ShipFault;

/// LIMIT: bytes of a file with a password or token.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The other side of a network sink.
#[derive(Clone, Debug)]
pub struct Target {
    /// `http://HOST:PORT/PATH` or `https://`.
    pub uri: Uri,
    /// For `https`; the system's authorities when it says nothing.
    pub tls: Tls,
    /// Who we are.
    pub login: Option<Login>,
    /// Further headers, such as `x-scope-orgid`.
    pub headers: Vec<(String, String)>,
    /// Whether bodies are compressed with gzip. Not for gRPC.
    pub gzip: bool,
    /// How long one try may take, connecting included.
    pub answer_wait_max: Duration,
}

/// How a line is encrypted.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// PEM file of the authorities that are trusted; the system's when absent.
    pub authorities: Option<PathBuf>,
    /// PEM files of our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the certificate must have; the host's when absent.
    pub server_name: Option<String>,
}

/// Who we are.
#[derive(Clone, Debug)]
pub enum Login {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic(String, Secret),
    /// A header whose value is secret, by its name.
    Header(String, Secret),
}

/// Where a secret stands. It is read anew for each try, so that it may be changed while the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In a file; a line's end at its end does not belong to it.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
}

impl Secret {
    /// What it is now.
    pub(crate) fn read(&self) -> Result<String, ShipFault> {
        let (what, read) = match self {
            Self::File(path) => {
                let small = std::fs::metadata(path).map(|about| about.len() <= SECRET_BYTES_MAX);
                let read = match small {
                    Ok(true) => std::fs::read_to_string(path).map_err(|why| why.to_string()),
                    Ok(false) => Err(format!("it has more than {SECRET_BYTES_MAX} bytes")),
                    Err(why) => Err(why.to_string()),
                };
                (format!("the file `{}`", path.display()), read)
            }
            Self::Environment(name) => {
                let read = std::env::var(name).map_err(|why| why.to_string());
                (format!("the variable `{name}`"), read)
            }
        };
        match read {
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(why) => Err(ShipFault::Secret { what, why }),
        }
    }
}

impl Target {
    /// Host and port; a mistake when there is none, or the scheme is another.
    pub(crate) fn place(&self) -> Result<(String, u16), String> {
        let host = self.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = match (self.uri.scheme_str(), self.uri.port_u16()) {
            (Some("http"), None) => 80,
            (Some("https"), None) => 443,
            (Some("http" | "https"), Some(port)) => port,
            _ => return Err(format!("its address is neither `http` nor `https`: {}", self.uri)),
        };
        if host.is_empty() {
            return Err(format!("its address has no host: {}", self.uri));
        }
        Ok((host.to_owned(), port))
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Name and value of the header that says who we are.
    pub(crate) fn authorization(&self) -> Result<Option<(String, String)>, ShipFault> {
        let Some(login) = &self.login else { return Ok(None) };
        Ok(Some(match login {
            Login::Bearer(token) => (String::from("authorization"), format!("Bearer {}", token.read()?)),
            Login::Basic(user, password) => {
                use base64::Engine;
                let both = format!("{user}:{}", password.read()?);
                let both = base64::engine::general_purpose::STANDARD.encode(both);
                (String::from("authorization"), format!("Basic {both}"))
            }
            Login::Header(name, value) => (name.to_ascii_lowercase(), value.read()?),
        }))
    }
}
