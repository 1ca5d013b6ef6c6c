//! The schema, the page and the errors of the configuration.

use guest_kit::papers;

use crate::configuration::Configuration;

/// The guest's folder.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// `UPDATE=1` writes it.
#[test]
fn the_schema_is_that_of_the_structs() {
    papers::check_schema::<Configuration>(HERE).unwrap();
}

#[test]
fn the_page_has_every_key() {
    assert_eq!(papers::keys_on_page::<Configuration>(HERE).unwrap(), 6);
}

#[test]
fn what_is_wrong_is_told_with_the_path_of_the_key() {
    let with = |more: &str| format!(r#"{{"key":"0123456789abcdef"{more}}}"#);
    let cases = [
        (String::from("{}"), "configuration: missing field `key`"),
        (
            String::from(r#"{"key":"short"}"#),
            "`key`: must have 16 printable characters or more, without spaces",
        ),
        (String::from(r#"{"key":"0123456789 abcdef"}"#), "`key`: must have 16"),
        (
            with(r#","key_header":"X-Key""#),
            "`key_header`: must be a header's name in lower case",
        ),
        (
            with(r#","secret_headers":["a b"]"#),
            "`secret_headers[0]`: must be a header's name in lower case",
        ),
        (
            with(r#","echo_path":"debug""#),
            "`echo_path`: must begin with `/` and have no query",
        ),
        (
            with(r#","echo":true"#),
            "`echo`: there is no such key here; there are `key`, ",
        ),
        (with(""), ""),
    ];
    for (text, expected) in cases {
        let told = Configuration::read(text.as_bytes()).err().unwrap_or_default();
        assert!(
            told.starts_with(expected) && told.is_empty() == expected.is_empty(),
            "{text}: {told}"
        );
        assert!(!told.contains("short") && !told.contains("0123456789"), "{told}");
    }
}
