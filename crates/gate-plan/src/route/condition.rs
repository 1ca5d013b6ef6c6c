//! What a route asks beside host and path: methods, headers and query parameters.

use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;
use regex::Regex;

/// All further conditions of a route; every one must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Conditions {
    /// Any of these; all methods when empty.
    pub(crate) methods: Vec<Method>,
    pub(crate) headers: Vec<Condition<HeaderName>>,
    pub(crate) query: Vec<Condition<String>>,
}

/// One condition on a header or query parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition<N> {
    pub(crate) name: N,
    pub(crate) test: Test,
    /// Turns the outcome round; so an absent header fulfils an inverted condition.
    pub(crate) invert: bool,
}

/// What a value is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Present,
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Regex(Pattern),
}

/// A regular expression that must match the whole of a text, as Envoy's `safe_regex` does.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    whole: Regex,
}

impl Conditions {
    pub(crate) fn hold(&self, method: &Method, headers: &HeaderMap, query: Option<&str>) -> bool {
        (self.methods.is_empty() || self.methods.contains(method))
            && self.headers.iter().all(|condition| condition.holds_in_headers(headers))
            && self
                .query
                .iter()
                .all(|condition| condition.holds_in_query(query.unwrap_or("")))
    }

    pub(crate) fn count(&self) -> usize {
        usize::from(!self.methods.is_empty()) + self.headers.len() + self.query.len()
    }
}

impl Condition<HeaderName> {
    /// Of several lines with the name, one that passes is enough.
    fn holds_in_headers(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(&self.name).iter();
        let passed = values.any(|value| std::str::from_utf8(value.as_bytes()).is_ok_and(|text| self.test.passes(text)));
        passed != self.invert
    }
}

impl Condition<String> {
    /// Names and values are compared after percent-decoding; only a value that has a `%` costs an allocation.
    fn holds_in_query(&self, query: &str) -> bool {
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let passed = pairs.any(|(name, value)| {
            percent_decode_str(name).decode_utf8_lossy() == self.name.as_str()
                && self.test.passes(&percent_decode_str(value).decode_utf8_lossy())
        });
        passed != self.invert
    }
}

impl Test {
    fn passes(&self, value: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(text) => value == text,
            Self::Prefix(text) => value.starts_with(text.as_str()),
            Self::Suffix(text) => value.ends_with(text.as_str()),
            Self::Contains(text) => value.contains(text.as_str()),
            Self::Regex(pattern) => pattern.matches(value),
        }
    }
}

impl Pattern {
    /// A pattern as written, with `whole` compiled so that it matches whole texts only.
    pub(crate) fn new(text: String, whole: Regex) -> Self {
        Self { text, whole }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn matches(&self, value: &str) -> bool {
        self.whole.is_match(value)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
