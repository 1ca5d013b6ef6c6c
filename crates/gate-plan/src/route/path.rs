//! Path patterns: exact, by segment, and regular expressions over the whole path.

use std::fmt;

use super::condition::Pattern;

/// Which paths a route serves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PathPattern {
    /// This path and no other.
    Exact(String),
    /// The whole path must match.
    Regex(Pattern),
    /// This path and everything below it; kept without a trailing slash, so `/` is empty.
    Prefix(String),
}

impl PathPattern {
    /// The pattern `prefix`, whose trailing slash means nothing: `/api/` serves `/api` too.
    pub(crate) fn prefix(prefix: &str) -> Self {
        Self::Prefix(prefix.trim_end_matches('/').to_owned())
    }

    /// Bytes of `path` that a prefix rewrite would replace; none when the pattern does not match.
    pub(crate) fn matched_bytes(&self, path: &str) -> Option<usize> {
        match self {
            Self::Exact(exact) => (exact == path).then_some(path.len()),
            Self::Regex(pattern) => pattern.matches(path).then_some(0),
            Self::Prefix(prefix) => {
                let rest = path.strip_prefix(prefix.as_str())?;
                let at_segment = prefix.is_empty() || rest.is_empty() || rest.starts_with('/');
                at_segment.then_some(prefix.len())
            }
        }
    }

    /// Most specific first.
    pub(crate) fn rank(&self) -> (u8, usize) {
        match self {
            Self::Exact(_) => (0, 0),
            Self::Regex(_) => (1, 0),
            Self::Prefix(prefix) => (2, usize::MAX - prefix.len()),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(out, "exact {path}"),
            Self::Regex(pattern) => write!(out, "regex {}", pattern.text()),
            Self::Prefix(prefix) if prefix.is_empty() => out.write_str("prefix /"),
            Self::Prefix(prefix) => write!(out, "prefix {prefix}"),
        }
    }
}
