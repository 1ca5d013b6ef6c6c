//! Keys that are used, and keys that are not.

use crate::algorithm::Algorithm;
use crate::jwks::{Jwks, Origin};
use crate::tests::*;

const X_Y: &str =
    r#""x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

fn why_not(jwk: &str) -> String {
    Jwks::read(&json(&format!(r#"{{"keys":[{jwk}]}}"#)), Origin::Configuration)
        .err()
        .unwrap_or_default()
}

#[test]
fn each_reason_why_a_key_is_not_used_is_told_without_the_key() {
    let short = base64url(&[7; 31]);
    let pem = base64url(b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOC");
    let rsa = |bytes: usize| base64url(&vec![255; bytes]);
    let cases = [
        ("7".to_owned(), "is no object with the texts that a key needs"),
        (
            r#"{"kty":7}"#.to_owned(),
            "is no object with the texts that a key needs",
        ),
        (
            r#"{"kty":"oct"}"#.to_owned(),
            "is no object with the texts that a key needs",
        ),
        (
            r#"{"kty":"EC","crv":"secp256k1"}"#.to_owned(),
            "is of a type or on a curve that no algorithm here needs",
        ),
        (
            r#"{"kty":"OKP","crv":"X25519"}"#.to_owned(),
            "is of a type or on a curve that no algorithm here needs",
        ),
        (
            format!(r#"{{"kty":"EC","crv":"P-256","use":"enc",{X_Y}}}"#),
            "is not for signatures, as its `use` or `key_ops` says",
        ),
        (
            format!(r#"{{"kty":"EC","crv":"P-256","key_ops":["sign"],{X_Y}}}"#),
            "is not for signatures, as its `use` or `key_ops` says",
        ),
        (
            format!(r#"{{"kty":"EC","crv":"P-256","alg":"RS256",{X_Y}}}"#),
            "has an `alg` that is unknown or not for its type",
        ),
        (
            format!(r#"{{"kty":"EC","crv":"P-256","alg":"ECDH-ES",{X_Y}}}"#),
            "has an `alg` that is unknown or not for its type",
        ),
        (
            format!(r#"{{"kty":"EC","crv":"P-256","d":"AAAA",{X_Y}}}"#),
            "holds a private key, which nobody needs here",
        ),
        (
            format!(r#"{{"kty":"EC","crv":"P-384",{X_Y}}}"#),
            "is no point on its curve",
        ),
        (
            format!(r#"{{"kty":"EC","crv":"SM2",{X_Y}}}"#),
            "is no point on its curve",
        ),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.to_owned(),
            "is no point on its curve",
        ),
        (
            r#"{"kty":"oct","k":"a+b/"}"#.to_owned(),
            "has a member that is not base64url",
        ),
        (
            format!(r#"{{"kty":"oct","k":"{short}"}}"#),
            "is shorter than the hash of the weakest algorithm that it could be for",
        ),
        (
            format!(r#"{{"kty":"oct","alg":"HS512","k":"{}"}}"#, base64url(SECRET)),
            "is shorter than the hash of the weakest algorithm that it could be for",
        ),
        (
            format!(r#"{{"kty":"oct","k":"{pem}"}}"#),
            "is a public key in place of a secret",
        ),
        (
            format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, rsa(255)),
            "has a modulus below 2048 or above 4096 bits, or an exponent that is none",
        ),
        (
            format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, rsa(513)),
            "has a modulus below 2048 or above 4096 bits, or an exponent that is none",
        ),
        (
            format!(r#"{{"kty":"RSA","e":"AQ","n":"{}"}}"#, rsa(256)),
            "has a modulus below 2048 or above 4096 bits, or an exponent that is none",
        ),
    ];
    for (jwk, why) in cases {
        assert_eq!(
            why_not(&jwk),
            format!("has no key that can be used: key 0 {why}"),
            "{jwk}"
        );
    }
}

#[test]
fn a_key_that_is_not_used_spoils_no_other() {
    let set = format!(r#"{{"keys":[{{"kty":"new"}},{{"kty":"EC","crv":"P-256","kid":"a",{X_Y}}}]}}"#);
    let jwks = Jwks::read(&json(&set), Origin::Fetched).unwrap();
    assert_eq!((jwks.len(), jwks.left_out.len()), (1, 1));
}

#[test]
fn a_kid_chooses_and_without_one_all_of_the_kind_are_tried() {
    let set = format!(
        r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"a",{X_Y}}},{{"kty":"EC","crv":"P-256","alg":"ES256",{X_Y}}},{{"kty":"oct","kid":"b","k":"{}"}}]}}"#,
        base64url(SECRET)
    );
    let jwks = Jwks::read(&json(&set), Origin::Configuration).unwrap();
    let count = |algorithm, id| jwks.candidates(algorithm, id).len();
    assert_eq!(count(Algorithm::Es256, Some("a")), 1);
    assert_eq!(count(Algorithm::Es256, None), 2);
    // Of a kid that no key has, the keys without one.
    assert_eq!(count(Algorithm::Es256, Some("c")), 1);
    // A kid of a key of another kind is none.
    assert_eq!(count(Algorithm::Es256, Some("b")), 1);
    assert_eq!(count(Algorithm::Hs256, Some("a")), 0);
    assert_eq!(count(Algorithm::Hs256, Some("b")), 1);
    assert_eq!(count(Algorithm::Hs512, Some("b")), 0);
    assert_eq!(count(Algorithm::Es384, None), 0);
}

#[test]
fn too_many_keys_are_an_error() {
    let key = format!(r#"{{"kty":"EC","crv":"P-256",{X_Y}}}"#);
    let many = vec![key.as_str(); 65].join(",");
    assert_eq!(why_not(&many), "has 65 keys, more than 64");
}
