//! Host patterns: exact names and names with one wildcard, compared without regard to case.

use std::cmp::Ordering;
use std::fmt;

/// Which hosts a route serves. Texts are in lower case; the derived order is not used, see [`Ord`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum HostPattern {
    /// `www.example.com`
    Exact(String),
    /// `*.example.com`, kept as `.example.com`
    Suffix(String),
    /// `example.*`, kept as `example.`
    Prefix(String),
    /// `*`
    Any,
}

impl HostPattern {
    pub(crate) fn matches(&self, host: &str) -> bool {
        let bytes = host.as_bytes();
        match self {
            Self::Exact(name) => name.eq_ignore_ascii_case(host),
            // The star stands for at least one character, as in Envoy.
            Self::Suffix(suffix) => bytes
                .len()
                .checked_sub(suffix.len())
                .filter(|start| *start > 0)
                .and_then(|start| bytes.get(start..))
                .is_some_and(|tail| tail.eq_ignore_ascii_case(suffix.as_bytes())),
            Self::Prefix(prefix) => {
                bytes.len() > prefix.len()
                    && bytes
                        .get(..prefix.len())
                        .is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
            }
            Self::Any => true,
        }
    }

    /// How an exact pattern stands to `host` in the order in which exact patterns are kept.
    pub(crate) fn compare(&self, host: &str) -> Ordering {
        let Self::Exact(name) = self else {
            return Ordering::Greater;
        };
        name.bytes().cmp(host.bytes().map(|byte| byte.to_ascii_lowercase()))
    }

    fn rank(&self) -> (u8, usize, &str) {
        match self {
            Self::Exact(name) => (0, 0, name),
            Self::Suffix(suffix) => (1, usize::MAX - suffix.len(), suffix),
            Self::Prefix(prefix) => (2, usize::MAX - prefix.len(), prefix),
            Self::Any => (3, 0, ""),
        }
    }
}

/// Most specific first.
impl Ord for HostPattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for HostPattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => out.write_str(name),
            Self::Suffix(suffix) => write!(out, "*{suffix}"),
            Self::Prefix(prefix) => write!(out, "{prefix}*"),
            Self::Any => out.write_str("*"),
        }
    }
}
