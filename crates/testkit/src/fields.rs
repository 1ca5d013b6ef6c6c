//! Header fields as they were on the wire: order, case and repetitions kept.

/// Fields in order. A byte above 0x7f is the character of the same number, so no value is ever changed by reading it.
pub type Fields = Vec<(String, String)>;

/// First value of a field, its name compared without regard to case.
#[must_use]
pub fn value<'fields>(fields: &'fields Fields, name: &str) -> Option<&'fields str> {
    fields
        .iter()
        .find(|field| field.0.eq_ignore_ascii_case(name))
        .map(|field| field.1.as_str())
}

/// All values of a field, in order.
#[must_use]
pub fn values<'fields>(fields: &'fields Fields, name: &str) -> Vec<&'fields str> {
    fields
        .iter()
        .filter(|field| field.0.eq_ignore_ascii_case(name))
        .map(|field| field.1.as_str())
        .collect()
}

/// Fields from a list of literals.
#[must_use]
pub fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Bytes as text, each byte the character of the same number.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Text from [`text`] as bytes again; a character that is no byte becomes `?`.
#[must_use]
pub fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| u8::try_from(letter).unwrap_or(b'?'))
        .collect()
}

/// Fields of an HTTP/2 message, repetitions next to one another as the codec keeps them.
pub(crate) fn from_map(map: &http::HeaderMap) -> Fields {
    map.iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
        .collect()
}

/// Fields for an HTTP/2 message; pseudo-headers are left out.
pub(crate) fn to_map(fields: &Fields) -> anyhow::Result<http::HeaderMap> {
    let mut map = http::HeaderMap::new();
    for (name, value) in fields.iter().filter(|field| !field.0.starts_with(':')) {
        map.append(
            http::HeaderName::from_bytes(name.as_bytes())?,
            http::HeaderValue::from_bytes(&bytes(value))?,
        );
    }
    Ok(map)
}
