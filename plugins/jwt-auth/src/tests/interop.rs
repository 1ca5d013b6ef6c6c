//! Tokens of other implementations: PyJWT, joserfc and gmssl make them, this guest's core takes them.

use std::path::Path;
use std::process::Command;

use super::*;

/// Runs the script with the Python that `GUESTS_PYTHON` names, which has the packages; says so when there is none.
#[test]
fn tokens_of_other_implementations_are_good() {
    let Some(python) = std::env::var_os("GUESTS_PYTHON") else {
        println!(
            "left out: GUESTS_PYTHON names no Python with PyJWT, joserfc and gmssl; `cargo xtask test --only plugins` sets it"
        );
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokens.py");
    let output = Command::new(python).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Json::List(cases) = Json::read(&output.stdout).unwrap() else {
        panic!("no list")
    };
    let mut algorithms = std::collections::BTreeSet::new();
    for case in &cases {
        let text = |name: &str| case.get(name).and_then(Json::text).unwrap();
        let (by, algorithm, jwk, token) = (text("by"), text("alg"), text("jwk"), text("token"));
        let jwk: serde_json::Value = serde_json::from_str(jwk).unwrap();
        let configuration = serde_json::json!({ "providers": [{
            "name": by, "issuer": "https://idp.example", "audiences": ["api"],
            "algorithms": [algorithm], "jwks": { "keys": [jwk] },
        }] });
        let mut gate = gate_of(&configuration.to_string());
        assert_eq!(told(&decide(&mut gate, token)), "pass", "{by} {algorithm}");
        // The signature is of another message then.
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let claims = String::from_utf8(Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap();
        let forged = base64url(claims.replace("somebody", "everybody").as_bytes());
        let forged = format!("{header}.{forged}.{signature}");
        assert_eq!(
            told(&decide(&mut gate, &forged)),
            "401 the token's signature is wrong",
            "{by} {algorithm}"
        );
        algorithms.insert(algorithm.to_owned());
    }
    assert_eq!(algorithms.len(), 14, "{algorithms:?}");
}
