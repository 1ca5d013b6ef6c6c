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

    /// The file that the module is or becomes.
    fn file(&self, plugin: &str) -> String {
        match self {
            Self::File { path, .. } => path.clone(),
            _ => format!("{}.wasm", file_name(plugin)),
        }
    }

    /// `source`, and what is said above it. This version of the configuration knows files only: another source becomes the file into
    /// which its module is to be fetched.
    pub(crate) fn source(&self, plugin: &str) -> (Yaml, Vec<String>) {
        let source = Yaml::map().with("file", self.file(plugin));
        match self {
            Self::File { sha256, .. } => (source.with_some("sha256", sha256.clone()), Vec::new()),
            Self::Http { url, sha256 } => {
                let said = vec![format!("FILL IN: fetch the module from {url}")];
                (source.with_some("sha256", sha256.clone()), said)
            }
            Self::Oci { reference, digest } => {
                let mut said = vec![format!("FILL IN: pull the module from oci://{reference}")];
                let digest = digest.as_ref();
                said.extend(digest.map(|digest| format!("The manifest's digest is sha256:{digest}")));
                (source, said)
            }
            Self::Inline => (
                source,
                vec!["FILL IN: the module stood in the source itself".to_owned()],
            ),
        }
    }

    /// Says where the module comes from, when that is no file.
    pub(crate) fn say(&self, place: &Cursor<'_, '_>, plugin: &str) {
        let from = match self {
            Self::File { .. } => return,
            Self::Oci { .. } => "an OCI registry",
            Self::Http { .. } => "a web server",
            Self::Inline => "the source itself",
        };
        let message = format!("the module of `{plugin}` comes from {from}");
        place.say(message, format!("put it into the file `{}`", self.file(plugin)));
    }
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
