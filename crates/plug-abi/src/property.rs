//! Properties as bytes: how a path names one and how Envoy writes its value.

use bytes::Bytes;

use crate::pairs;

/// The value of a property before it is written for a guest. Types are Envoy's, one for each encoding.
#[derive(Clone, Debug, PartialEq)]
pub enum PropertyValue {
    /// Text, bytes, or a serialised protobuf message: as they are.
    Bytes(Bytes),
    /// Eight bytes, little-endian.
    Int(i64),
    /// Eight bytes, little-endian.
    Uint(u64),
    /// Eight bytes, little-endian.
    Double(f64),
    /// One byte, 0 or 1.
    Bool(bool),
    /// Nanoseconds since 1970; eight bytes, little-endian.
    Timestamp(i64),
    /// Nanoseconds; eight bytes, little-endian.
    Duration(i64),
    /// Like a header map.
    Map(Vec<(Bytes, Bytes)>),
    /// Like a header map whose keys are the elements and whose values are empty.
    List(Vec<Bytes>),
}

impl PropertyValue {
    /// A text that is known when the program is built.
    pub const fn fixed(text: &'static str) -> Self {
        Self::Bytes(Bytes::from_static(text.as_bytes()))
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Bytes(Bytes::from(text.into()))
    }

    /// Writes the value as Envoy's `serializeValue` does. Kong writes everything as text; plugins built for it must expect that
    /// here numbers are binary.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Int(number) | Self::Timestamp(number) | Self::Duration(number) => eight(number.to_le_bytes()),
            Self::Uint(number) => eight(number.to_le_bytes()),
            Self::Double(number) => eight(number.to_le_bytes()),
            Self::Bool(truth) => Bytes::from_static(if *truth { &[1] } else { &[0] }),
            Self::Map(entries) => encode_map(entries.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))),
            Self::List(elements) => encode_map(elements.iter().map(|element| (element.as_ref(), [].as_slice()))),
        }
    }
}

fn eight(bytes: [u8; 8]) -> Bytes {
    Bytes::copy_from_slice(&bytes)
}

/// An empty map in a property is a count of zero, unlike an empty header map, which is no bytes at all.
fn encode_map<'a>(entries: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Bytes {
    let bytes = pairs::encode(entries);
    if bytes.is_empty() {
        Bytes::from_static(&[0; 4])
    } else {
        Bytes::from(bytes)
    }
}

/// A path without the zero byte that the C++ SDK leaves at its end: the name under which `proxy_set_property` stores and
/// `proxy_get_property` finds what another plugin has stored.
pub fn name(path: &[u8]) -> &[u8] {
    path.strip_suffix(&[0]).unwrap_or(path)
}

/// The segments of a path: one zero byte lies between two, and an empty path has none.
pub fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let segments_max = if path.is_empty() { 0 } else { usize::MAX };
    name(path).split(|byte| *byte == 0).take(segments_max)
}

#[cfg(test)]
mod tests;
