//! The schema, the page and the errors of the configuration.

use std::path::Path;

use crate::configuration::Configuration;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_default()
}

/// `UPDATE=1` writes it.
#[test]
fn the_schema_is_that_of_the_structs() {
    let schema = schemars::schema_for!(Configuration);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.json"), &text).unwrap();
    }
    assert!(
        page("schema.json") == text,
        "schema.json is not up to date: run with UPDATE=1"
    );
}

#[test]
fn the_page_has_every_key() {
    let schema = serde_json::to_value(schemars::schema_for!(Configuration)).unwrap();
    let readme = page("README.md");
    let keys = schema["properties"].as_object().unwrap();
    for key in keys.keys() {
        assert!(readme.contains(&format!("`{key}`")), "README.md does not name `{key}`");
    }
    assert_eq!(keys.len(), 6);
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
