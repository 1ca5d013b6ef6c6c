//! The schema, the page and the errors of the configuration.

use guest_kit::papers;

use crate::configuration::Configuration;
use crate::gate::Gate;

/// The guest's folder.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// `UPDATE=1` writes it.
#[test]
fn the_schema_is_that_of_the_structs() {
    papers::check_schema::<Configuration>(HERE).unwrap();
}

#[test]
fn the_page_has_every_key() {
    let keys = papers::keys_on_page::<Configuration>(HERE).unwrap();
    assert!(keys > 30, "{keys}");
}

fn with(keys: &str, more: &str) -> String {
    format!(r#"{{"keys":[{keys}],"encrypt_response":{{"mode":"gcm","key":"b"}}{more}}}"#)
}

fn key(kind: &str, value: &str, encoding: &str) -> String {
    format!(r#"{{"name":"b","kind":"{kind}","value":"{value}","encoding":"{encoding}"}}"#)
}

#[test]
fn what_is_wrong_is_told_with_the_path_of_the_key_and_without_the_key() {
    let good = key("sm4", "0123456789abcdeffedcba9876543210", "hex");
    let cases = [
        (
            "{}".to_owned(),
            "configuration: there must be `verify_request`, `decrypt_request` or `encrypt_response`",
        ),
        (with("", ""), "`keys`: there must be keys, here or at `remote_keys`"),
        (with(&key("sm4", "secret", "hex"), ""), "`keys[0].value`: is not hex"),
        (
            with(&key("sm4", "secret!", "base64"), ""),
            "`keys[0].value`: is not base64",
        ),
        (
            with(&key("sm4", "0123", "hex"), ""),
            "`keys[0].value`: must have 16 bytes",
        ),
        (
            with(&key("sm3_hmac", "0123", "hex"), ""),
            "`keys[0].value`: must have 16 to 1024 bytes",
        ),
        (
            with(&key("sm2_public", &"01".repeat(64), "hex"), ""),
            "`keys[0].value`: is no point on SM2's curve",
        ),
        (
            with(&key("sm2_public", "secret", "pem"), ""),
            "`keys[0].value`: is no PEM file with a public key on SM2's curve",
        ),
        (
            with(&key("sm9", "00", "hex"), ""),
            "`keys[0].kind`: must be one of `sm4`, `sm2_public`, `sm3_hmac`",
        ),
        (
            with(&format!("{good},{good}"), ""),
            "`keys[1].name`: `b` is there twice",
        ),
    ];
    for (configuration, expected) in cases {
        refused(&configuration, expected);
    }
}

#[test]
fn what_is_wrong_with_what_keys_are_for_is_told_too() {
    let good = key("sm4", "0123456789abcdeffedcba9876543210", "hex");
    let cases = [
        (
            with(&good.replace("\"b\"", "\"a\""), ""),
            "`encrypt_response.key`: there is no key `b` of the kind `sm4`",
        ),
        (
            with(&good, r#","verify_request":{"scheme":"sm2","keys":["b"]}"#),
            "`verify_request.keys`: there is no key `b` of the scheme's kind",
        ),
        (
            with(&good, r#","verify_request":{"scheme":"sm2","keys":[]}"#),
            "`verify_request.keys`: at least one must be named",
        ),
        (
            with(
                &good,
                r#","verify_request":{"scheme":"sm2","keys":["b"],"nonce_header":"A b"}"#,
            ),
            "`verify_request.nonce_header`: must be a header's name in lower case",
        ),
        (
            with(&good, r#","decrypt_request":{"mode":"ecb","key":"b"}"#),
            "`decrypt_request.mode`: must be one of `cbc`, `gcm`",
        ),
    ];
    for (configuration, expected) in cases {
        refused(&configuration, expected);
    }
    assert!(
        Configuration::read(with(&good, "").as_bytes())
            .and_then(|read| Gate::new(read).map(|_| ()))
            .is_ok()
    );
}

#[track_caller]
fn refused(configuration: &str, expected: &str) {
    let read = Configuration::read(configuration.as_bytes()).and_then(|read| Gate::new(read).map(|_| ()));
    assert_eq!(read.unwrap_err(), expected, "{configuration}");
}
