//! Names of headers in the one form in which they are compared.

use std::borrow::Cow;

use plug_abi::MapKind;

/// The name as a grant has it: in lower case (RFC 9110 section 5.1), and a request's `host` as `:authority`, which are one entry.
pub(crate) fn canonical(kind: MapKind, name: &[u8]) -> Cow<'_, [u8]> {
    if kind == MapKind::HttpRequestHeaders && name.eq_ignore_ascii_case(b"host") {
        return Cow::Borrowed(b":authority");
    }
    match name.iter().any(u8::is_ascii_uppercase) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}
