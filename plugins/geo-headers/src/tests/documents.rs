//! The schema, the page and the errors of the configuration.

use guest_kit::papers;

use super::SAMPLE;
use crate::atlas::Atlas;
use crate::configuration::Configuration;

/// The guest's folder.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// `UPDATE=1` writes it.
#[test]
fn the_schema_is_that_of_the_structs() {
    papers::check_schema::<Configuration>(HERE).unwrap();
}

#[test]
fn the_page_has_every_key_and_the_suite_the_sample() {
    let keys = papers::keys_on_page::<Configuration>(HERE).unwrap();
    assert!(keys > 20, "{keys}");
    let suite = std::fs::read_to_string(format!("{HERE}/tests.yaml")).unwrap();
    assert!(suite.contains(SAMPLE.trim()), "tests.yaml has another sample");
}

#[test]
fn what_is_wrong_is_told_with_the_path_of_the_key() {
    let cases = [
        (
            "{}",
            "`databases`: there is none, this module was built without one, and `networks` is empty",
        ),
        (
            r#"{"database":[]}"#,
            "`database`: there is no such key here; there are `databases`, ",
        ),
        (
            r#"{"databases":[{}]}"#,
            "`databases[0]`: one of `value`, `embedded` and `fetch` must be set",
        ),
        (
            r#"{"databases":[{"embedded":true,"value":""}]}"#,
            "`databases[0]`: one of",
        ),
        (
            r#"{"databases":[{"embedded":true}]}"#,
            "`databases[0].embedded`: this module was built without one",
        ),
        (
            r#"{"databases":[{"value":"??"}]}"#,
            "`databases[0].value`: is no base64",
        ),
        (
            r#"{"databases":[{"value":"AAAA"}]}"#,
            "`databases[0].value`: is no database in the format MMDB",
        ),
        (
            r#"{"networks":[{"cidr":"10.0.0.0/33"}]}"#,
            "`networks[0].cidr`: must be a network",
        ),
        (
            r#"{"networks":[{"cidr":"10.0.0.0/8","country":"de"}]}"#,
            "`networks[0].country`: must be two capital letters",
        ),
        (
            r#"{"headers":{"country":"Host"}}"#,
            "`headers.country`: must be a header's name in lower case",
        ),
        (
            r#"{"headers":{"asn":"x-geo-country"}}"#,
            "`headers.country`: is the name of another one too",
        ),
        (
            r#"{"unknown":"a\nb"}"#,
            "`unknown`: must be possible as a header's value",
        ),
    ];
    for (text, expected) in cases {
        expect(text, expected);
    }
}

#[test]
fn what_is_wrong_with_a_fetch_is_told_too() {
    let cases = [
        (
            r#","scheme":"ftp""#,
            "`databases[0].fetch.scheme`: must be `https` or `http`",
        ),
        (
            r#","timeout_ms":1"#,
            "`databases[0].fetch.timeout_ms`: must be 10 to 600000, not 1",
        ),
        (
            r#","path":"d""#,
            "configuration is not right: member `path` is there twice",
        ),
        ("", ""),
    ];
    for (more, expected) in cases {
        let fetch = format!(r#"{{"upstream":"a","authority":"b","path":"/c"{more}}}"#);
        expect(&format!(r#"{{"databases":[{{"fetch":{fetch}}}]}}"#), expected);
    }
}

/// An error that begins so, or none.
#[track_caller]
fn expect(text: &str, expected: &str) {
    let told = Configuration::read(text.as_bytes()).and_then(Atlas::new);
    let told = told.err().unwrap_or_default();
    assert!(
        told.starts_with(expected) && told.is_empty() == expected.is_empty(),
        "{text}: {told}"
    );
}
