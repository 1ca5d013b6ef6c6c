//! A request's head: where tokens are in it, and the edits that take them out.

use guest_kit::headers::is_same;

use crate::configuration::{Configuration, FromHeader, Provider};

/// A request's head: pseudo-headers, headers.
pub struct Request {
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A change of the head, in the order in which it is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit {
    Remove(String),
    Set(String, Vec<u8>),
    Add(String, Vec<u8>),
}

impl Request {
    /// The first value of a header, as text.
    pub(crate) fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// Whether it asks what it may do, before it does it (Fetch standard, CORS-preflight).
    pub(crate) fn is_preflight(&self) -> bool {
        self.text(":method") == Some("OPTIONS")
            && self.text("origin").is_some()
            && self.text("access-control-request-method").is_some()
    }

    /// The tokens in a provider's places.
    pub(crate) fn tokens(&self, provider: &Provider) -> Vec<String> {
        let mut tokens: Vec<String> = Vec::new();
        for from in provider.headers() {
            let found = self
                .all(&from.name)
                .filter_map(|value| after(value, &from.value_prefix));
            tokens.extend(found.map(text));
        }
        for name in &provider.from_params {
            let (_, query) = self
                .text(":path")
                .and_then(|path| path.split_once('?'))
                .unwrap_or_default();
            tokens.extend(
                query
                    .split('&')
                    .filter_map(|pair| value_of(pair, name))
                    .map(str::to_owned),
            );
        }
        for name in &provider.from_cookies {
            let pairs = self.all("cookie").flat_map(|value| value.split(|byte| *byte == b';'));
            let values = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
            tokens.extend(values.filter_map(|pair| value_of(pair.trim(), name)).map(str::to_owned));
        }
        tokens.retain(|token| !token.is_empty());
        tokens
    }

    /// Takes away what clients send under the names of headers that say who they are, also with `_` for `-`.
    pub(crate) fn without_claims(&self, configuration: &Configuration) -> Vec<Edit> {
        let is_ours = |name: &str| {
            configuration.providers.iter().any(|provider| {
                let claims = provider.claims_to_headers.iter().map(|to| to.header.as_str());
                claims
                    .chain(provider.forward_payload_header.as_deref())
                    .any(|header| is_same(header, name))
            })
        };
        let mut edits: Vec<Edit> = Vec::new();
        for (name, _) in self.headers.iter().filter(|(name, _)| is_ours(name)) {
            let edit = Edit::Remove(name.clone());
            if !edits.contains(&edit) {
                edits.push(edit);
            }
        }
        edits
    }

    /// Takes the tokens away, wherever any provider would look for one.
    pub(crate) fn without_tokens(&self, configuration: &Configuration) -> Vec<Edit> {
        let providers = || configuration.providers.iter();
        let places: Vec<FromHeader> = providers().flat_map(Provider::headers).collect();
        let mut edits = Vec::new();
        for (number, from) in places.iter().enumerate() {
            if places.iter().take(number).any(|before| before.name == from.name) {
                continue;
            }
            let here = || places.iter().filter(|other| other.name == from.name);
            let holds = |value: &[u8]| here().any(|place| after(value, &place.value_prefix).is_some());
            edits.extend(self.kept(&from.name, |value| (!holds(value)).then(|| value.to_vec())));
        }
        let params: Vec<&String> = providers().flat_map(|provider| &provider.from_params).collect();
        edits.extend(self.path_without(&params));
        let cookies: Vec<&String> = providers().flat_map(|provider| &provider.from_cookies).collect();
        if !cookies.is_empty() {
            edits.extend(self.kept("cookie", |value| cookie_without(value, &cookies)));
        }
        edits
    }

    /// What is left of a header's lines; no edits when nothing changes.
    fn kept(&self, name: &str, keep: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<Edit> {
        let before: Vec<&[u8]> = self.all(name).collect();
        let after: Vec<Vec<u8>> = before.iter().filter_map(|value| keep(value)).collect();
        if before == after {
            return Vec::new();
        }
        let kept = after.into_iter().map(|value| Edit::Add(name.to_owned(), value));
        std::iter::once(Edit::Remove(name.to_owned())).chain(kept).collect()
    }

    fn path_without(&self, params: &[&String]) -> Option<Edit> {
        let whole = self.text(":path")?;
        let (path, query) = whole.split_once('?')?;
        let is_token = |pair: &&str| params.iter().any(|name| value_of(pair, name).is_some());
        let kept: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
        let kept = kept.join("&");
        if kept.len() == query.len() {
            return None;
        }
        let path = if kept.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{kept}")
        };
        Some(Edit::Set(String::from(":path"), path.into_bytes()))
    }
}

/// What follows a prefix, in whatever case that is; without a prefix, all of it.
fn after<'a>(value: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let (head, tail) = value.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix.as_bytes()).then(|| tail.trim_ascii())
}

/// Bytes that are no text are no token either, and fail as one.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn value_of<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    pair.strip_prefix(name)?.strip_prefix('=')
}

fn cookie_without(value: &[u8], names: &[&String]) -> Option<Vec<u8>> {
    let is_token = |pair: &[u8]| {
        std::str::from_utf8(pair).is_ok_and(|pair| names.iter().any(|name| value_of(pair.trim(), name).is_some()))
    };
    let pairs: Vec<&[u8]> = value.split(|byte| *byte == b';').collect();
    let kept: Vec<&[u8]> = pairs.iter().copied().filter(|pair| !is_token(pair)).collect();
    match (kept.len() == pairs.len(), kept.is_empty()) {
        (true, _) => Some(value.to_vec()),
        (false, true) => None,
        (false, false) => Some(kept.join(&b';').trim_ascii().to_vec()),
    }
}
