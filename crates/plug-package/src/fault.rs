//! What goes wrong between a registry and a module.

use std::net::IpAddr;
use std::time::Duration;

/// Why a plugin cannot be packed, pushed or had.
#[derive(Debug, thiserror::Error)]
pub enum PackageFault {
    /// A text names no image.
    #[error("`{name}` is no name of an image: {why}")]
    Reference {
        /// As written.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A text is no SHA-256 digest.
    #[error("`{0}` is no digest such as `sha256:` and 64 hexadecimal digits")]
    NoDigest(String),
    /// Bytes are not those that were promised.
    #[error("{what} has the digest {found}, wanted is {wanted}")]
    Digest {
        /// Which bytes.
        what: String,
        /// Their digest.
        found: String,
        /// The promised one.
        wanted: String,
    },
    /// Something is larger than we take.
    #[error("{what} has more than {bytes_max} bytes")]
    TooLarge {
        /// What it is.
        what: String,
        /// The bound.
        bytes_max: u64,
    },
    /// A manifest or an index is broken.
    #[error("the manifest is not understood: {0}")]
    Manifest(String),
    /// An image has no layer with a plugin.
    #[error("the image holds no plugin: {0}")]
    Layout(String),
    /// Something cannot be attached to an image.
    #[error("what is to be attached is refused: {0}")]
    Attachment(String),
    /// A layer is broken or hostile.
    #[error("the layer is refused: {0}")]
    Layer(String),
    /// A name leads to an address that is not asked.
    #[error("`{host}` leads to {address}, {why}; it is not asked")]
    Address {
        /// The name.
        host: String,
        /// Where it leads.
        address: IpAddr,
        /// What that address is.
        why: &'static str,
    },
    /// Nobody answers.
    #[error("`{host}` cannot be reached: {why}")]
    Unreachable {
        /// Who.
        host: String,
        /// Why.
        why: String,
    },
    /// An exchange broke off.
    #[error("`{host}` broke off: {why}")]
    Broken {
        /// Who.
        host: String,
        /// How.
        why: String,
    },
    /// An answer other than the one that was hoped for.
    #[error("`{host}` answered {status} to {what}{said}")]
    Status {
        /// Who.
        host: String,
        /// The status.
        status: u16,
        /// What was asked.
        what: String,
        /// What the registry said, cut short; empty or with `: ` in front.
        said: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// An answer that we do not follow.
    #[error("`{host}` {why}")]
    Refused {
        /// Who.
        host: String,
        /// What it did, as the rest of the sentence.
        why: String,
    },
    /// Credentials cannot be read.
    #[error("credentials: {0}")]
    Credentials(String),
    /// A key cannot be used.
    #[error("the key is not usable: {0}")]
    Key(String),
    /// Nothing is signed.
    #[error("it is not signed: {0}")]
    Signature(String),
    /// A file cannot be read or written.
    #[error("`{path}`: {why}")]
    File {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// The time for all of it is over.
    #[error("it was not there within {0:?}")]
    Late(Duration),
}

/// What this room's functions give.
pub type Result<T> = std::result::Result<T, PackageFault>;

impl PackageFault {
    /// Words by which programs know it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Reference { .. } => "package.reference",
            Self::NoDigest(_) => "package.no_digest",
            Self::Digest { .. } => "package.digest",
            Self::TooLarge { .. } => "package.too_large",
            Self::Manifest(_) => "package.manifest",
            Self::Layout(_) => "package.layout",
            Self::Attachment(_) => "package.attachment",
            Self::Layer(_) => "package.layer",
            Self::Address { .. } => "package.address",
            Self::Unreachable { .. } => "package.unreachable",
            Self::Broken { .. } => "package.broken",
            Self::Status { .. } => "package.status",
            Self::Refused { .. } => "package.refused",
            Self::Credentials(_) => "package.credentials",
            Self::Key(_) => "package.key",
            Self::Signature(_) => "package.signature",
            Self::File { .. } => "package.file",
            Self::Late(_) => "package.late",
        }
    }

    /// Whether the same may go well a moment later. 501, 505 and 511 stay what they are, as in Istio's fetcher.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            Self::Status { status, .. } => match status {
                408 | 429 => true,
                501 | 505 | 511 => false,
                status => (500..600).contains(status),
            },
            _ => false,
        }
    }

    /// How long the other side asks us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn file(path: &std::path::Path, why: &impl ToString) -> Self {
        Self::File {
            path: path.display().to_string(),
            why: why.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let status = |status| PackageFault::Status {
            host: String::from("registry"),
            status,
            what: String::from("GET"),
            said: String::new(),
            retry_after: None,
        };
        for (code, again) in [
            (404, false),
            (401, false),
            (408, true),
            (429, true),
            (500, true),
            (501, false),
            (502, true),
            (503, true),
            (505, false),
            (511, false),
        ] {
            assert_eq!(status(code).may_pass(), again, "{code}");
        }
        assert!(!PackageFault::Layer(String::new()).may_pass());
    }
}
