//! The keys of a store, and the records that stand in them: pointer, history, status.

use plug_package::Digest;
use serde::{Deserialize, Serialize};

use crate::revision::Revision;
use crate::settings::Place;

/// LIMIT: bytes of a pointer or an entry of the history; both are far smaller.
pub const RECORD_BYTES_MAX: usize = 16 * 1024;
/// LIMIT: bytes of a configuration; its reader takes no more.
pub(crate) const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// LIMIT: bytes of a signature with all that comes with it.
pub(crate) const SIGNATURE_BYTES_MAX: usize = 1024 * 1024;
/// LIMIT: bytes of a status; longer errors are cut.
pub(crate) const STATUS_BYTES_MAX: usize = 64 * 1024;

/// Names of keys.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    place: Place,
}

impl Layout {
    pub(crate) fn new(place: &Place) -> Self {
        let place = match place {
            Place::Prefix(prefix) => Place::Prefix(prefix.trim_end_matches('/').to_owned()),
            key @ Place::Key(_) => key.clone(),
        };
        Self { place }
    }

    /// Whether the text itself stands in the first key.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.place, Place::Key(_))
    }

    fn below(&self, plain: &str, name: &str) -> String {
        match &self.place {
            Place::Prefix(prefix) if prefix.is_empty() => name.to_owned(),
            Place::Prefix(prefix) => format!("{prefix}/{name}"),
            Place::Key(key) => format!("{key}{plain}"),
        }
    }

    /// The pointer, or the text where it is plain.
    pub(crate) fn current(&self) -> String {
        self.below("", "current")
    }

    /// The matrix of grants, delivered beside the configuration.
    pub(crate) fn grants(&self) -> String {
        self.below(".grants", "grants")
    }

    /// A bundle.
    pub(crate) fn bundle(&self, digest: Digest) -> String {
        self.below(".bundles", &format!("bundles/{digest}"))
    }

    /// A bundle's signature.
    pub(crate) fn signature(&self, digest: Digest) -> String {
        self.below(".signatures", &format!("signatures/{digest}"))
    }

    /// What stands before the numbers of the history.
    pub(crate) fn history(&self) -> String {
        self.below(".history/", "history/")
    }

    /// What stands before the names of nodes.
    pub(crate) fn statuses(&self) -> String {
        self.below(".status/", "status/")
    }

    /// What a node says.
    pub(crate) fn status(&self, node: &str) -> String {
        format!("{}{node}", self.statuses())
    }

    /// What stands before the names of nodes that speak of their rollouts.
    pub(crate) fn reports(&self) -> String {
        self.below(".rollouts/gateways/", "rollouts/gateways/")
    }

    /// What a node says of its rollouts.
    pub(crate) fn report(&self, node: &str) -> String {
        format!("{}{node}", self.reports())
    }

    /// What stands before the names of plugins that are rolled out in waves.
    pub(crate) fn notes(&self) -> String {
        self.below(".rollouts/plugins/", "rollouts/plugins/")
    }

    /// The target of a plugin.
    pub(crate) fn note(&self, plugin: &str) -> String {
        format!("{}{plugin}", self.notes())
    }

    /// The stream that tells of changes, in Redis.
    pub(crate) fn events(&self) -> String {
        self.below(".events", "events")
    }

    /// Keys whose change matters.
    pub(crate) fn watched(&self) -> [String; 2] {
        [self.current(), self.grants()]
    }
}

/// What names a bundle: the last thing that is written of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Its number, from 1; each push counts one more.
    pub revision: u64,
    /// The bundle.
    pub digest: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPointer {
    revision: u64,
    digest: String,
}

impl Pointer {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let written: WrittenPointer = small(bytes)?;
        if written.revision == 0 {
            return Err(String::from("its revision is 0; the first one is 1"));
        }
        Ok(Self {
            revision: written.revision,
            digest: Digest::parse(&written.digest).map_err(|why| why.to_string())?,
        })
    }

    /// As it stands in a store.
    #[must_use]
    pub fn write(&self) -> String {
        serde_json::json!({ "revision": self.revision, "digest": self.digest.to_string() }).to_string()
    }

    /// As a revision.
    #[must_use]
    pub fn as_revision(&self) -> Revision {
        Revision {
            number: self.revision,
            digest: self.digest,
        }
    }
}

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number.
    pub revision: u64,
    /// The bundle.
    pub digest: String,
    /// When, in RFC 3339.
    pub at: String,
    /// Who, as they call themselves: user and machine.
    pub who: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The revision whose bundle this one points to anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_to: Option<u64>,
}

impl Entry {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let entry: Self = small(bytes)?;
        Digest::parse(&entry.digest).map_err(|why| why.to_string())?;
        Ok(entry)
    }
}

/// What a gateway says of what it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The gateway.
    pub node: String,
    /// When it said so, in RFC 3339.
    pub at: String,
    /// What became of the last revision that it saw.
    pub outcome: Verdict,
    /// The number of that revision; 0 where the store counts none.
    pub revision: u64,
    /// Its digest; empty when what was seen had none.
    pub digest: String,
    /// Why it was not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// The number of the revision that serves, when one of this store does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<u64>,
    /// The digest of what serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving_digest: Option<String>,
    /// The gateway's own count of configurations.
    pub generation: u64,
}

/// What became of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It serves.
    Accepted,
    /// It is wrong; what served before goes on.
    Rejected,
    /// It was not even read: a bundle is missing, has another digest, or is not signed.
    Untaken,
}

impl Verdict {
    /// Its name for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Untaken => "untaken",
        }
    }
}

impl Status {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > STATUS_BYTES_MAX {
            return Err(format!("it has more than {STATUS_BYTES_MAX} bytes"));
        }
        serde_json::from_slice(bytes).map_err(|why| why.to_string())
    }
}

fn small<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, String> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(format!("it has more than {RECORD_BYTES_MAX} bytes"));
    }
    serde_json::from_slice(bytes).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_pointer_is_read_as_it_is_written() {
        let pointer = Pointer {
            revision: 7,
            digest: Digest::of(b"x"),
        };
        assert_eq!(Pointer::parse(pointer.write().as_bytes()), Ok(pointer));
        let digest = pointer.digest;
        for wrong in [
            String::new(),
            String::from("null"),
            format!(r#"{{"revision": 0, "digest": "{digest}"}}"#),
            format!(r#"{{"revision": -1, "digest": "{digest}"}}"#),
            format!(r#"{{"revision": 1, "digest": "{digest}", "more": 1}}"#),
            String::from(r#"{"revision": 1, "digest": "sha256:../../x"}"#),
            format!(
                r#"{{"revision": 1, "digest": "{digest}"{}}}"#,
                " ".repeat(RECORD_BYTES_MAX)
            ),
        ] {
            assert!(Pointer::parse(wrong.as_bytes()).is_err(), "{wrong:.80}");
        }
    }

    #[test]
    fn keys_stand_below_the_prefix_or_beside_the_key() {
        let below = Layout::new(&Place::Prefix(String::from("/gateways/prod/")));
        assert_eq!(below.watched(), ["/gateways/prod/current", "/gateways/prod/grants"]);
        assert_eq!(below.status("a"), "/gateways/prod/status/a");
        let beside = Layout::new(&Place::Key(String::from("gateway.yaml")));
        assert_eq!(beside.watched(), ["gateway.yaml", "gateway.yaml.grants"]);
        assert_eq!(beside.status("a"), "gateway.yaml.status/a");
    }
}
