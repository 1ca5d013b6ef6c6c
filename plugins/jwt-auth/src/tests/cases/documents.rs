//! The schema, the page and the errors of the configuration.

use guest_kit::papers;

use crate::tests::*;

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

#[test]
fn what_is_wrong_is_told_with_the_path_of_the_key() {
    let with = |provider: &str| format!(r#"{{"providers":[{provider}]}}"#);
    let cases = [
        (
            "{".to_owned(),
            "configuration is not right: EOF while parsing an object at line 1 column 1",
        ),
        ("{}".to_owned(), "configuration: missing field `providers`"),
        (
            r#"{"providers":[]}"#.to_owned(),
            "`providers`: 1 to 32 are possible, here are 0",
        ),
        (
            r#"{"provider":[]}"#.to_owned(),
            "`provider`: there is no such key here; there are `providers`, `requires`, `realm`, `bypass_cors_preflight`",
        ),
        (
            with(r#"{"name":"a","algorithms":["none"]}"#),
            "`providers[0].algorithms[0]`: must be one of `HS256`, `HS384`, `HS512`, `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `ES512`, `EdDSA`, `SM2-with-SM3`",
        ),
        (
            with(r#"{"name":"a","algorithms":[]}"#),
            "`providers[0].algorithms`: at least one must be allowed",
        ),
        (
            with(r#"{"name":"a","algorithms":["RS256"]}"#),
            "`providers[0].jwks`: there must be `jwks` or `remote_jwks`",
        ),
        (
            with(r#"{"name":"a","algorithms":["RS256"],"jwks":{"keys":[]}}"#),
            "`providers[0].jwks`: has no key that can be used: ",
        ),
        (
            with(r#"{"name":"a","algorithms":["RS256"],"jwks":"secret"}"#),
            "`providers[0].jwks`: is no JSON",
        ),
        (
            with(&provider(r#","claims_to_headers":[{"claim":"a","header":"X-User"}]"#)),
            "`providers[0].claims_to_headers[0].header`: must be a header's name in lower case",
        ),
        (
            with(&provider(r#","claims_to_headers":[{"claim":"a","header":"host"}]"#)),
            "`providers[0].claims_to_headers[0].header`: `host` says where the message goes or ends, and is none for this",
        ),
        (
            with(&provider(r#","clock_skew_seconds":"60 secret""#)),
            "`providers[0].clock_skew_seconds`: expected u64",
        ),
    ];
    for (configuration, expected) in cases {
        refused(&configuration, expected);
    }
}

#[test]
fn what_is_wrong_with_fetched_keys_is_told_too() {
    let remote = |more: &str| {
        format!(
            r#"{{"providers":[{{"name":"a","algorithms":["RS256"],"remote_jwks":{{"upstream":"u","path":"/k","authority":"h"{more}}}}}]}}"#
        )
    };
    let cases = [
        (
            remote(r#","timeout_ms":0"#),
            "`providers[0].remote_jwks.timeout_ms`: must be 10 to 60000, not 0",
        ),
        (
            remote(r#","scheme":"ftp""#),
            "`providers[0].remote_jwks.scheme`: must be `https` or `http`",
        ),
        (
            remote("").replace("RS256", "HS256"),
            "`providers[0].algorithms`: HS* needs a secret, and secrets are not fetched: set `jwks`",
        ),
    ];
    for (configuration, expected) in cases {
        refused(&configuration, expected);
    }
    assert!(Configuration::read(remote("").as_bytes()).is_ok());
}

#[track_caller]
fn refused(configuration: &str, expected: &str) {
    let read = Configuration::read(configuration.as_bytes()).and_then(|read| Gate::new(read).map(|_| ()));
    assert_eq!(read.unwrap_err(), expected, "{configuration}");
}
