//! Names and values of header fields: what may stand in one, and which names a server may take for the same.

/// Whether it is a field name (RFC 9110 section 5.1), in the lower case that HTTP/2 wants; no pseudo-header.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether it may be a field's value as it is (RFC 9110 section 5.5): no control characters, no white space at its ends.
#[must_use]
pub fn is_value(value: &str) -> bool {
    value.trim() == value && value.bytes().all(|byte| byte >= b' ' && byte != 0x7f)
}

/// Whether a server may take both names for one: CGI and what came after it make `-` and `_` the same.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(plain).eq(other.bytes().map(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_that_would_split_a_message_are_none() {
        assert!(is_name("x-user") && is_name("x_user"));
        assert!(!is_name("") && !is_name(":path") && !is_name("X-User") && !is_name("a b"));
        assert!(is_value("") && is_value("müller, a b"));
        assert!(!is_value("a\r\nb: c") && !is_value(" a") && !is_value("a\0") && !is_value("a\x7f"));
    }

    #[test]
    fn a_dash_is_an_underscore_to_some_servers() {
        assert!(is_same("x-user", "X_User"));
        assert!(!is_same("x-user", "x-users") && !is_same("x-user", "xyuser"));
    }
}
