//! What a registry wants to know of us: `WWW-Authenticate` (RFC 9110 section 11.6.1), of which registries use two schemes.

/// A wish of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token, which is given elsewhere.
    Bearer {
        /// Where.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// For what; what we want to do anyway when absent.
        scope: Option<String>,
    },
}

/// The wish in a header; the better one when there are two.
pub(crate) fn read(header: &str) -> Option<Challenge> {
    let bearer = word(header, "bearer").map(parameters).and_then(|parameters| {
        let value = |name: &str| {
            let mut found = parameters.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.clone())
        };
        Some(Challenge::Bearer {
            realm: value("realm")?,
            service: value("service"),
            scope: value("scope"),
        })
    });
    bearer.or_else(|| word(header, "basic").map(|_| Challenge::Basic))
}

/// What follows the name of a scheme, which is not within quotes.
fn word<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let mut quoted = false;
    let mut starts = true;
    for (at, letter) in header.char_indices() {
        let rest = header.get(at..).unwrap_or_default();
        let named = rest
            .get(..scheme.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(scheme));
        if starts && !quoted && named {
            let after = rest.get(scheme.len()..).unwrap_or_default();
            if after.is_empty() || after.starts_with([' ', ',']) {
                return Some(after);
            }
        }
        quoted ^= letter == '"';
        starts = matches!(letter, ' ' | ',');
    }
    None
}

/// Pairs of `name="value"`, until something else comes.
fn parameters(mut rest: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let Some((name, after)) = rest.split_once('=') else {
            return found;
        };
        if name.is_empty() || name.contains([' ', '"', ',']) {
            return found;
        }
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => match text(quoted) {
                Some(read) => read,
                None => return found,
            },
            None => {
                let end = after.find([',', ' ']).unwrap_or(after.len());
                let (value, left) = after.split_at(end);
                (value.to_owned(), left)
            }
        };
        found.push((name.to_owned(), value));
        rest = left;
    }
}

/// A quoted text and what follows it.
fn text(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, quoted.get(at.saturating_add(1)..)?)),
            '\\' => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        })
    }

    #[test]
    fn wishes_are_read_as_registries_write_them() {
        let realm = "https://auth.example/token";
        for (header, wanted) in [
            (r#"Basic realm="Registry""#, Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull,push""#,
                bearer(realm, Some("r"), Some("repository:a/b:pull,push")),
            ),
            (
                r#"bearer Realm="https://auth.example/token", error="x""#,
                bearer(realm, None, None),
            ),
            ("Bearer realm=https://auth.example/token", bearer(realm, None, None)),
            (
                r#"Basic realm="bearer realm=\"x\"", Bearer service="s", realm="https://auth.example/token""#,
                bearer(realm, Some("s"), None),
            ),
            (r#"Bearer service="r""#, None),
            (r#"Bearer realm="unclosed"#, None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(read(header), wanted, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in r#"(Bearer|Basic|[a-z=", \\\u{e4}]){0,30}"#) {
            let _ = read(&header);
        }
    }
}
