//! The schema, the page and the errors of the configuration.

use guest_kit::papers;
use log_mask::class::Class;
use log_mask::masker::Syntax;
use log_mask::rules::SECRET_NAMES;

use super::masked;
use crate::configuration::Configuration;

/// The guest's folder.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// `UPDATE=1` writes it.
#[test]
fn the_schema_is_that_of_the_structs() {
    papers::check_schema::<Configuration>(HERE).unwrap();
}

#[test]
fn the_page_has_every_key_class_and_name() {
    let keys = papers::keys_on_page::<Configuration>(HERE).unwrap();
    assert!(keys > 20, "{keys}");
    let readme = std::fs::read_to_string(format!("{HERE}/README.md")).unwrap();
    for name in Class::ALL.map(Class::name).iter().chain(SECRET_NAMES) {
        assert!(
            readme.contains(&format!("`{name}`")),
            "README.md does not name `{name}`"
        );
    }
}

#[test]
fn what_is_wrong_is_told_with_the_path_of_the_key() {
    let many: Vec<String> = (0..65).map(|number| format!("\"a{number}\"")).collect();
    let many = format!(r#"{{"mask_paths":[{}]}}"#, many.join(","));
    let cases = [
        (
            r#"{"class":[]}"#,
            "`class`: there is no such key here; there are `request`, ",
        ),
        (
            r#"{"request":false,"response":false}"#,
            "`request`: without this and `response`, nothing is masked",
        ),
        (
            r#"{"classes":[{"class":"phones"}]}"#,
            "`classes[0].class`: must be one of `word`, ",
        ),
        (
            r#"{"classes":[{"class":"jwt"},{"class":"jwt"}]}"#,
            "`classes[1].class`: is there twice",
        ),
        (
            r#"{"classes":[{"class":"jwt","action":"network"}]}"#,
            "`classes[0].action`: `network` is for `ipv4` and `ipv6`",
        ),
        (
            r#"{"classes":[{"class":"jwt","action":"hash"}]}"#,
            "`hash`: `jwt` is to be hashed, and there is no key for it",
        ),
        (
            r#"{"classes":[{"class":"jwt","action":"hash","with":"x"}]}"#,
            "`classes[0].with`: is for the action `redact`",
        ),
        (r#"{"classes":[{"class":"jwt","first":3}]}"#, ""),
        (
            r#"{"classes":[{"class":"jwt","action":"redact","first":3}]}"#,
            "`classes[0].first`: is for the action `partial`",
        ),
        (
            r#"{"classes":[{"class":"private_key","first":3}]}"#,
            "`classes[0].action`: a private key can only be redacted: set `redact`",
        ),
        (
            r#"{"hash":{"key":"short secret"}}"#,
            "`hash.key`: must have 16 bytes or more",
        ),
        (r#"{"words":["ab"]}"#, "`words`: a word has 3 to 256 bytes"),
        (r#"{"skip_paths":["a","b."]}"#, "`skip_paths[1]`: is no path"),
        (many.as_str(), "`mask_paths[64]`: more than 64 paths"),
        (
            r#"{"content_types":[{"type":"Text/CSV","as":"text"}]}"#,
            "`content_types[0].type`: must be a type in lower case, as `text/csv`",
        ),
    ];
    for (text, expected) in cases {
        let told = Configuration::read(text.as_bytes()).and_then(|configuration| configuration.rules());
        let told = told.err().unwrap_or_default();
        assert!(
            told.starts_with(expected) && told.is_empty() == expected.is_empty(),
            "{text}: {told}"
        );
        assert!(!told.contains("short secret"), "{told}");
    }
}

#[test]
fn what_is_configured_is_done() {
    let text = r#"{"phone":"13812345678","mail":"alice@example.com","ip":"203.0.113.77","pin":1234,"note":"Falcon"}"#;
    let table = [
        (
            r#"{"classes":[{"class":"phone_cn","with":"<\"phone\">"}]}"#,
            r#"{"phone":"<\"phone\">","mail":"alice@example.com","ip":"203.0.113.77","pin":1234,"note":"Falcon"}"#,
        ),
        (
            r#"{"classes":[{"class":"phone_cn","last":2},{"class":"ipv4"},{"class":"word"},{"class":"key"}],"words":["falcon"],"ignore_case":true,"more_secret_names":["PIN"]}"#,
            r#"{"phone":"138******78","mail":"alice@example.com","ip":"203.0.113.0","pin":"[REDACTED]","note":"[REDACTED]"}"#,
        ),
        (
            r#"{"mask_paths":["ip"],"skip_paths":["mail"]}"#,
            r#"{"phone":"138****5678","mail":"alice@example.com","ip":"[REDACTED]","pin":1234,"note":"Falcon"}"#,
        ),
    ];
    for (configuration, expected) in table {
        assert_eq!(masked(configuration, Syntax::Json, text), expected, "{configuration}");
    }
}
