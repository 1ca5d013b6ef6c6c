//! Header maps as plugins edit them: pseudo-headers first, names in lower case, nothing that could split a message.

use std::str::FromStr;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use plug_abi::pairs::{MAP_BYTES_MAX, MAP_PAIRS_MAX};

use crate::exchange::{RequestHead, ResponseHead};

/// Pairs below which a map is not measured: a map that only grew by short ones is far from its bound.
const PAIRS_UNMEASURED: usize = 128;
/// Bytes below which a pair is short.
const PAIR_BYTES_SHORT: usize = 1024;
/// How much of a name is shown.
const NAME_BYTES_SHOWN: usize = 64;

/// A pair that may not stand in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAllowed {
    /// The beginning of the name, made printable.
    pub name: String,
    /// Why not.
    pub why: &'static str,
}

/// Ways to read and edit one map.
pub trait PluginMap {
    /// First value of `name`.
    fn first(&self, name: &[u8]) -> Option<Bytes>;
    /// All pairs in order, repeated names each time.
    fn pairs(&self) -> Vec<(Bytes, Bytes)>;
    /// Appends a value.
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), NotAllowed>;
    /// Sets the only value.
    fn replace(&mut self, name: &[u8], value: &[u8]) -> Result<(), NotAllowed>;
    /// Takes all values out.
    fn remove(&mut self, name: &[u8]);
    /// Takes all pairs out, before all are set anew.
    fn clear(&mut self);
}

/// RFC 9110 sections 5.1 and 5.5.
fn refused(name: &[u8]) -> NotAllowed {
    not_allowed(name, "name or value is not allowed in a message")
}

fn not_allowed(name: &[u8], why: &'static str) -> NotAllowed {
    let shown = name.get(..NAME_BYTES_SHOWN).unwrap_or(name);
    NotAllowed {
        name: String::from_utf8_lossy(shown).escape_debug().to_string(),
        why,
    }
}

/// Whether a pair fits beside `others`.
// LIMIT: what a plugin may hand over as a whole map is also what it may make of one pair by pair: the exchange keeps all of it.
fn has_room(
    map: &HeaderMap,
    others: impl Fn(&HeaderName) -> bool,
    name: &[u8],
    value: &[u8],
) -> Result<(), NotAllowed> {
    let added = name.len().saturating_add(value.len());
    if map.len() < PAIRS_UNMEASURED && added < PAIR_BYTES_SHORT {
        return Ok(());
    }
    let (mut count, mut bytes) = (1_usize, added);
    for (name, value) in map.iter().filter(|(name, _)| others(name)) {
        count = count.saturating_add(1);
        bytes = bytes.saturating_add(name.as_str().len()).saturating_add(value.len());
    }
    if count <= MAP_PAIRS_MAX && bytes <= MAP_BYTES_MAX {
        return Ok(());
    }
    Err(not_allowed(name, "the message has too many or too large headers"))
}

fn parse(name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), NotAllowed> {
    let parsed = HeaderName::from_bytes(name).map_err(|_| refused(name))?;
    let value = HeaderValue::from_bytes(value).map_err(|_| refused(name))?;
    Ok((parsed, value))
}

fn bytes_of(value: &HeaderValue) -> Bytes {
    Bytes::copy_from_slice(value.as_bytes())
}

fn name_of(name: &HeaderName) -> Bytes {
    Bytes::copy_from_slice(name.as_str().as_bytes())
}

fn header_pairs(headers: &HeaderMap) -> impl Iterator<Item = (Bytes, Bytes)> + '_ {
    headers.iter().map(|(name, value)| (name_of(name), bytes_of(value)))
}

impl PluginMap for HeaderMap {
    fn first(&self, name: &[u8]) -> Option<Bytes> {
        let name = HeaderName::from_bytes(name).ok()?;
        self.get(name).map(bytes_of)
    }

    fn pairs(&self) -> Vec<(Bytes, Bytes)> {
        header_pairs(self).collect()
    }

    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), NotAllowed> {
        has_room(self, |_| true, name, value)?;
        let (parsed, value) = parse(name, value)?;
        self.try_append(parsed, value).map(drop).map_err(|_| refused(name))
    }

    fn replace(&mut self, name: &[u8], value: &[u8]) -> Result<(), NotAllowed> {
        let (parsed, valid) = parse(name, value)?;
        has_room(self, |other| *other != parsed, name, value)?;
        self.try_insert(parsed, valid).map(drop).map_err(|_| refused(name))
    }

    fn remove(&mut self, name: &[u8]) {
        if let Ok(name) = HeaderName::from_bytes(name) {
            HeaderMap::remove(self, name);
        }
    }

    fn clear(&mut self) {
        HeaderMap::clear(self);
    }
}

/// LIMIT: bytes of an authority; a path has the same bound, from its type.
const AUTHORITY_BYTES_MAX: usize = 64 * 1024;

/// A host as a client may name it (RFC 9110 section 7.2): no control characters, blanks or separators of a URI's other parts.
fn authority(value: &[u8]) -> Result<HeaderValue, NotAllowed> {
    let plain = value.len() <= AUTHORITY_BYTES_MAX
        && value
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"/?#\\\"<>^`{|}".contains(byte));
    if !plain {
        return Err(refused(b":authority"));
    }
    HeaderValue::from_bytes(value).map_err(|_| refused(b":authority"))
}

impl PluginMap for RequestHead {
    fn first(&self, name: &[u8]) -> Option<Bytes> {
        match name {
            b":method" => Some(Bytes::copy_from_slice(self.method.as_str().as_bytes())),
            b":scheme" => Some(bytes_of(&self.scheme)),
            b":path" => Some(Bytes::copy_from_slice(self.path.as_str().as_bytes())),
            // Envoy keeps `host` and `:authority` as one entry.
            b":authority" => self.authority.as_ref().map(bytes_of),
            _ if name.eq_ignore_ascii_case(b"host") => self.authority.as_ref().map(bytes_of),
            _ => self.headers.first(name),
        }
    }

    fn pairs(&self) -> Vec<(Bytes, Bytes)> {
        let mut pairs = Vec::with_capacity(self.headers.len().saturating_add(4));
        for name in [":authority", ":path", ":method", ":scheme"] {
            if let Some(value) = self.first(name.as_bytes()) {
                pairs.push((Bytes::from_static(name.as_bytes()), value));
            }
        }
        pairs.extend(header_pairs(&self.headers));
        pairs
    }

    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), NotAllowed> {
        if name.starts_with(b":") || name.eq_ignore_ascii_case(b"host") {
            return self.replace(name, value);
        }
        self.headers.add(name, value)
    }

    fn replace(&mut self, name: &[u8], value: &[u8]) -> Result<(), NotAllowed> {
        match name {
            b":method" => self.method = Method::from_bytes(value).map_err(|_| refused(name))?,
            b":scheme" => self.scheme = scheme(value)?,
            b":path" => self.path = path(value)?,
            b":authority" => self.authority = Some(authority(value)?),
            _ if name.eq_ignore_ascii_case(b"host") => self.authority = Some(authority(value)?),
            _ => self.headers.replace(name, value)?,
        }
        Ok(())
    }

    fn remove(&mut self, name: &[u8]) {
        if name == b":authority" || name.eq_ignore_ascii_case(b"host") {
            self.authority = None;
        } else {
            PluginMap::remove(&mut self.headers, name);
        }
    }

    fn clear(&mut self) {
        // A request cannot stand without method, scheme and path (RFC 9113 section 8.3.1), so these stay until replaced.
        self.authority = None;
        self.headers.clear();
    }
}

fn scheme(value: &[u8]) -> Result<HeaderValue, NotAllowed> {
    let text = std::str::from_utf8(value).map_err(|_| refused(b":scheme"))?;
    http::uri::Scheme::from_str(text).map_err(|_| refused(b":scheme"))?;
    HeaderValue::from_bytes(value).map_err(|_| refused(b":scheme"))
}

fn path(value: &[u8]) -> Result<PathAndQuery, NotAllowed> {
    let rooted = value.starts_with(b"/") || value == b"*";
    if !rooted {
        return Err(refused(b":path"));
    }
    PathAndQuery::try_from(value).map_err(|_| refused(b":path"))
}

impl PluginMap for ResponseHead {
    fn first(&self, name: &[u8]) -> Option<Bytes> {
        match name {
            b":status" => Some(Bytes::copy_from_slice(self.status.as_str().as_bytes())),
            _ => self.headers.first(name),
        }
    }

    fn pairs(&self) -> Vec<(Bytes, Bytes)> {
        let mut pairs = Vec::with_capacity(self.headers.len().saturating_add(1));
        pairs.push((
            Bytes::from_static(b":status"),
            Bytes::copy_from_slice(self.status.as_str().as_bytes()),
        ));
        pairs.extend(header_pairs(&self.headers));
        pairs
    }

    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), NotAllowed> {
        if name == b":status" {
            self.replace(name, value)
        } else {
            self.headers.add(name, value)
        }
    }

    fn replace(&mut self, name: &[u8], value: &[u8]) -> Result<(), NotAllowed> {
        if name != b":status" {
            return self.headers.replace(name, value);
        }
        let status = StatusCode::from_bytes(value).map_err(|_| refused(name))?;
        // An interim status cannot end an exchange (RFC 9110 section 15.2).
        if status.is_informational() {
            return Err(refused(name));
        }
        self.status = status;
        Ok(())
    }

    fn remove(&mut self, name: &[u8]) {
        if name != b":status" {
            PluginMap::remove(&mut self.headers, name);
        }
    }

    fn clear(&mut self) {
        self.headers.clear();
    }
}

#[cfg(test)]
mod tests;
