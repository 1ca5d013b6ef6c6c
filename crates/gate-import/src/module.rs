//! Where a module is, and how the configuration says it.

use crate::ledger::Cursor;
use crate::name::file_name;
use crate::yaml::Yaml;

/// Where a module is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Module {
    File {
        path: String,
        sha256: Option<String>,
    },
    /// `digest` is that of the manifest.
    Oci {
        reference: String,
        digest: Option<String>,
    },
    Http {
        url: String,
        sha256: Option<String>,
    },
    /// Its bytes stand in the source.
    Inline,
}

impl Module {
    /// Of a URL as Istio, Higress and Envoy Gateway write it: without a scheme it is an OCI reference.
    pub(crate) fn at(url: &str, sha256: Option<String>) -> Self {
        if let Some(path) = url.strip_prefix("file://") {
            return Self::File {
                path: path.to_owned(),
                sha256,
            };
        }
        if url.starts_with("http://") || url.starts_with("https://") {
            return Self::Http {
                url: url.to_owned(),
                sha256,
            };
        }
        let reference = url.strip_prefix("oci://").unwrap_or(url);
        Self::Oci {
            reference: reference.to_owned(),
            digest: sha256,
        }
    }

    /// `source`, and what is said above it.
    pub(crate) fn source(&self, plugin: &str) -> (Yaml, Vec<String>) {
        let source = match self {
            Self::File { path, sha256 } => Yaml::map()
                .with("file", path.clone())
                .with_some("sha256", sha256.clone()),
            Self::Http { url, sha256 } => Yaml::map()
                .with("http", url.clone())
                .with_some("sha256", sha256.clone()),
            Self::Oci { reference, digest } => {
                let digest = digest.as_ref().map(|digest| format!("sha256:{digest}"));
                Yaml::map().with("oci", reference.clone()).with_some("digest", digest)
            }
            Self::Inline => {
                let said = vec!["FILL IN: the module stood in the source itself".to_owned()];
                return (Yaml::map().with("file", inline_file(plugin)), said);
            }
        };
        (source, Vec::new())
    }

    /// Says what has to be done for the module, when that is something.
    pub(crate) fn say(&self, place: &Cursor<'_, '_>, plugin: &str) {
        if *self == Self::Inline {
            let message = format!("the module of `{plugin}` stands in the source itself");
            place.say(message, format!("put it into the file `{}`", inline_file(plugin)));
        }
    }
}

/// The file into which a module goes that stood in a configuration.
fn inline_file(plugin: &str) -> String {
    format!("{}.wasm", file_name(plugin))
}

/// A digest of 64 hexadecimal digits; another text is said to be none.
pub(crate) fn digest(place: &Cursor<'_, '_>, key: &str) -> Option<String> {
    let found = place.get(key)?;
    let text = found.as_text()?;
    let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(digits);
    }
    if !text.is_empty() {
        found.say(
            format!("`{key}` is no SHA-256"),
            "give 64 hexadecimal digits, as `sha256sum` prints them",
        );
    }
    None
}
